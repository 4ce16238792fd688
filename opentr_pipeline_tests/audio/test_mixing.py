"""Channels that cancel each other, and sound too quiet or too loud for 16 bits, in real files."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.mixing import USUAL_PEAK, centred, levelled, mixed
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline_tests.audio.sounds import content
from opentr_pipeline_tests.runs import SAMPLES

STEREO = ("FL", "FR")


@pytest.fixture(scope="module")
def speech() -> Any:
    """Speech of 12 s, shape (n,)."""
    return content(SAMPLES / "opening_of_the_library.wav")[0]


def written(path: Path, channels: Any, codec: str, layout: str) -> Path:
    """A file of samples, shape (num_channels, n), at 16 kHz."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=SAMPLE_RATE_HZ, layout=layout)
        kind = "s32" if "s24" in codec else "flt" if "f32" in codec else "s16"
        scale = {"s32": 2**31, "flt": 1, "s16": 2**15}[kind]
        numbers = (channels.T.reshape(1, -1) * scale).astype(
            {"s32": np.int32, "flt": np.float32, "s16": np.int16}[kind]
        )
        frame = av.AudioFrame.from_ndarray(numbers, kind, layout)
        frame.sample_rate = SAMPLE_RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def likeness(one: Any, other: Any) -> float:
    """How much one sound is the other, whatever its level: 1 is the same."""
    return float(np.corrcoef(one[: len(other)], other[: len(one)])[0, 1])


@pytest.mark.parametrize("gain", [-1.0, -0.9])
def test_a_channel_whose_wires_were_swapped_does_not_silence_the_other(
    tmp_path: Path, speech: Any, gain: float
) -> None:
    path = written(tmp_path / "a.wav", np.stack([speech, gain * speech]), "pcm_s16le", "stereo")
    assert likeness(content(path)[0], speech) > 0.999
    assert sum(one.duration_s for one in Sound(path).windows()) > 10


def test_a_stretch_that_cancels_itself_is_heard_beside_one_that_does_not(
    tmp_path: Path, speech: Any
) -> None:
    right = np.concatenate([speech, -speech])
    path = written(tmp_path / "a.wav", np.stack([np.tile(speech, 2), right]), "pcm_s16le", "stereo")
    assert sum(one.duration_s for one in Sound(path).windows()) > 20


HUM = 1500 / 32768 * np.sin(2 * np.pi * 50 / SAMPLE_RATE_HZ * np.arange(60 * SAMPLE_RATE_HZ))
NOISE = np.random.default_rng(1).normal(0, 0.03, HUM.shape)


@pytest.mark.parametrize("common", [HUM, NOISE, HUM + 0.4])
def test_what_channels_have_in_common_hides_no_speech(
    tmp_path: Path, speech: Any, common: Any
) -> None:
    """The mix is nothing but that."""
    common = common[: len(speech)]
    both = np.stack([common + 0.5 * speech, common - 0.5 * speech])
    sound = Sound(written(tmp_path / "a.wav", both, "pcm_s16le", "stereo"))
    assert sum(one.duration_s for one in sound.windows()) > 8
    assert (sound.is_claimed, sound.num_other) == (True, 0)
    assert sound.duration_s == pytest.approx(len(speech) / SAMPLE_RATE_HZ)


def test_a_channel_is_heard_that_the_others_drown(tmp_path: Path, speech: Any) -> None:
    loud = 0.5 * np.sin(np.arange(len(speech)) / 6)
    path = written(tmp_path / "a.wav", np.stack([*[loud] * 5, 0.05 * speech]), "pcm_f32le", "5.1")
    assert sum(one.duration_s for one in Sound(path).windows()) > 8


@pytest.mark.parametrize("channels", [1, 2])
def test_channels_that_are_the_same_are_heard_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int
) -> None:
    passes = []
    usual = Sound._windows
    monkeypatch.setattr(Sound, "_windows", lambda one: (passes.append(one), usual(one))[1])
    layout = {1: "mono", 2: "stereo"}[channels]
    path = written(tmp_path / "a.wav", np.tile(NOISE[:80_000], (channels, 1)), "pcm_s16le", layout)
    assert list(Sound(path).windows()) == []
    assert len(passes) == channels


@pytest.mark.parametrize("offset", [10_000 / 32768, 26_000 / 32768, -0.5])
@pytest.mark.parametrize("split", [False, True])
def test_an_offset_hides_no_speech(tmp_path: Path, speech: Any, offset: float, split: bool) -> None:
    both = np.stack([0.05 * speech + offset, 0.05 * speech])
    path = written(tmp_path / "a.wav", both, "pcm_s16le", "stereo")
    assert likeness(content(path, split=split)[0], speech) > 0.98
    assert sum(one.duration_s for one in Sound(path, split=split).windows()) > 8


def test_ordinary_sound_stays_as_it_is(speech: Any) -> None:
    assert np.array_equal(centred(speech[None] + np.float32(0.01)), speech[None] + np.float32(0.01))


def test_what_channels_have_in_common_or_not_is_mixed_as_before(speech: Any) -> None:
    both = np.stack([speech, speech])
    assert np.allclose(mixed(both, STEREO)[0], speech, atol=1e-6)
    one = np.stack([speech, 0 * speech])
    assert np.allclose(mixed(one, STEREO)[0], speech / 2, atol=1e-6)
    noise = np.random.default_rng(1).normal(0, 0.1, speech.shape).astype(np.float32)
    assert np.allclose(mixed(np.stack([speech, noise]), STEREO)[0], (speech + noise) / 2, atol=1e-6)
    assert np.array_equal(mixed(speech[None], ("FC",))[0], speech)


@pytest.mark.parametrize("codec", ["pcm_s24le", "pcm_f32le"])
@pytest.mark.parametrize("level_db", [-57, -70])
def test_very_quiet_sound_is_heard(
    tmp_path: Path, speech: Any, codec: str, level_db: float
) -> None:
    path = written(tmp_path / "a.wav", speech[None] * 10 ** (level_db / 20), codec, "mono")
    assert likeness(content(path)[0], speech) > 0.99
    assert sum(one.duration_s for one in Sound(path).windows()) > 10


def test_sound_beyond_full_scale_is_not_cut(tmp_path: Path, speech: Any) -> None:
    path = written(tmp_path / "a.wav", speech[None] * 30, "pcm_f32le", "mono")
    samples = content(path)[0]
    assert np.abs(samples).max() <= 1
    assert likeness(samples, speech) > 0.99


def test_what_is_no_number_costs_itself_alone(tmp_path: Path, speech: Any) -> None:
    broken = speech.copy()
    broken[5000:5100] = [np.nan, np.inf, -np.inf, 1e30] * 25
    samples = content(written(tmp_path / "a.wav", broken[None], "pcm_f32le", "mono"))[0]
    assert np.isfinite(samples).all()
    assert np.abs(samples[6000:] - speech[6000 : len(samples)]).max() < 1e-3


def test_the_level_of_ordinary_sound_stays(speech: Any) -> None:
    assert np.array_equal(levelled(speech.copy(), 0.3), speech)
    finer = speech + np.float32(0.4 / 32768)  # decoders of compressed sound give fractions
    assert np.array_equal(levelled(finer, 0.3), speech)
    quiet = np.full((1, 100), 0.0005, np.float32)
    assert levelled(quiet.copy(), 0.001).max() == pytest.approx(0.5 * USUAL_PEAK, abs=1e-4)
    assert levelled(quiet.copy(), 1e-6).max() == pytest.approx(0.0005, abs=2e-5)
