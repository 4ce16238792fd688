"""Channels that cancel each other, and sound too quiet or too loud for 16 bits, in real files."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.mixing import USUAL_PEAK, levelled, mixed
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline_tests.audio.test_decoding import content
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
