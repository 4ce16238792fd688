"""The windows of whole recordings: cut at pauses, of one channel or of each, in bounded memory."""

import tracemalloc
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opentr_pipeline.audio import decoding
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.windows import (
    KEPT_PAUSE_SAMPLES,
    MAX_EXTENT_SAMPLES,
    MAX_PAUSE_SAMPLES,
    SAMPLE_RATE_HZ,
    WINDOW_SAMPLES,
    Window,
)
from opentr_pipeline_tests.audio.sounds import content, heard, saved, silence
from opentr_pipeline_tests.making import wav


def test_a_tone_and_silence_are_no_speech(tmp_path: Path) -> None:
    for path in (wav(tmp_path / "tone.wav", seconds=5.0), wav(tmp_path / "0.wav", 5.0, 0.0)):
        assert list(Sound(path).windows()) == []


def check_windows(windows: Sequence[Window], samples: Any) -> None:
    """What holds for the windows of one channel with these samples."""
    for one in windows:
        assert 0 < len(one.samples) <= WINDOW_SAMPLES
        assert one.duration_s == len(one.samples) / SAMPLE_RATE_HZ
        said = np.concatenate([samples[start:end] for start, end in one.spans])
        assert np.array_equal(one.samples, said)
        pauses = [b[0] - a[1] for a, b in pairwise(one.spans)]
        assert all(KEPT_PAUSE_SAMPLES < pause <= MAX_PAUSE_SAMPLES for pause in pauses)
        assert one.spans[-1][1] - one.spans[0][0] <= MAX_EXTENT_SAMPLES
    spans = [span for one in windows for span in one.spans]
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert all(0 <= start < end <= len(samples) for start, end in spans)


@pytest.mark.parametrize("block_s", [7.0, 20.0, 61.0])
def test_speech_does_not_depend_on_the_blocks(
    spoken: Path, monkeypatch: pytest.MonkeyPatch, block_s: float
) -> None:
    samples = content(spoken)[0]
    monkeypatch.setattr(decoding, "BLOCK_S", 1000.0)
    whole = list(Sound(spoken).windows())
    monkeypatch.setattr(decoding, "BLOCK_S", block_s)
    sound = Sound(spoken)
    windows = list(sound.windows())
    assert sound.duration_s == len(samples) / SAMPLE_RATE_HZ
    check_windows(windows, samples)
    speech_s = sum(one.duration_s for one in whole)
    assert speech_s > 70
    assert sum(one.duration_s for one in windows) == pytest.approx(speech_s, rel=0.03)
    # What is loud where blocks meet is not lost.
    wanted = covered(whole, len(samples)) & (np.abs(samples) > 0.05)
    assert (wanted & ~covered(windows, len(samples))).sum() < 0.005 * wanted.sum()
    # The model decodes each window for the price of a full one.
    assert len(windows) <= len(whole) + 1


def covered(windows: Sequence[Window], num_samples: int) -> Any:
    """Which samples are in some window."""
    found = np.zeros(num_samples, bool)
    for one in windows:
        for start, end in one.spans:
            found[start:end] = True
    return found


def test_speech_without_a_pause_is_cut_into_windows(
    tmp_path: Path, speech: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vowel that never ends, longer than any window or block."""
    monkeypatch.setattr(decoding, "BLOCK_S", 20.0)
    syllable = speech[:, 2 * SAMPLE_RATE_HZ : int(2.5 * SAMPLE_RATE_HZ)]
    path = saved(tmp_path / "endless.wav", np.tile(syllable, 240))
    windows = list(Sound(path).windows())
    check_windows(windows, content(path)[0])
    assert sum(len(one.samples) for one in windows) > 110 * SAMPLE_RATE_HZ


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(
    speech: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "BLOCK_S", 30.0)
    short = saved(tmp_path / "short.wav", np.tile(speech[:, : 35 * SAMPLE_RATE_HZ], 8))
    long = saved(tmp_path / "long.wav", np.tile(speech[:, : 35 * SAMPLE_RATE_HZ], 14))
    list(Sound(short).blocks())  # loads what stays
    peaks = []
    for path in (short, long):
        tracemalloc.start()
        heard(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert 30 * SAMPLE_RATE_HZ < peaks[1] <= 1.1 * peaks[0]


@pytest.fixture
def call(tmp_path: Path, speech: Any) -> Path:
    """A stereo call: one speaks for 20 s, then the other."""
    said = speech[:, : 20 * SAMPLE_RATE_HZ]
    first = np.concatenate([said, silence(25)], axis=1)
    second = np.concatenate([silence(25), said], axis=1)
    return saved(tmp_path / "call.wav", np.concatenate([first, second]))


@pytest.mark.parametrize("block_s", [20.0, 300.0])
def test_channels_that_are_split_have_their_own_windows(
    call: Path, monkeypatch: pytest.MonkeyPatch, block_s: float
) -> None:
    monkeypatch.setattr(decoding, "BLOCK_S", block_s)
    samples = content(call, split=True)
    windows = list(Sound(call, split=True).windows())
    assert {one.channel for one in windows} == {0, 1}
    for channel in (0, 1):
        own = [one for one in windows if one.channel == channel]
        check_windows(own, samples[channel])
        assert 14 < sum(one.duration_s for one in own) <= 20.5
        assert all((one.place[0] < 21 * SAMPLE_RATE_HZ) == (channel == 0) for one in own)
    assert len({one.place for one in windows}) == len(windows)


def test_channels_that_are_mixed_have_none(call: Path) -> None:
    windows = list(Sound(call).windows())
    check_windows(windows, content(call)[0])
    assert {one.channel for one in windows} == {None}
    assert 28 < sum(one.duration_s for one in windows) <= 41


def test_a_single_channel_cannot_be_split(spoken: Path) -> None:
    windows = list(Sound(spoken, split=True).windows())
    assert windows
    assert {one.channel for one in windows} == {None}
