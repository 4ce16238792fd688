"""How loud a recording is over time: the numbers are those of a signal that was made."""

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.audio import peaks as audio_peaks
from opentr_pipeline.audio.peaks import MAX_HELD, MAX_PEAKS, STEP_SAMPLES, Peaks
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline_tests.making import PROPERTY

if TYPE_CHECKING:
    from opentr_pipeline.audio.windows import Samples

BLOCK_SAMPLES = 120 * SAMPLE_RATE_HZ


def peaks_of(sound: "Samples", block_samples: int = BLOCK_SAMPLES) -> tuple[int, ...]:
    """As a decoder hands it over: in blocks, of which the last is shorter."""
    peaks = Peaks()
    for start in range(0, sound.shape[1], block_samples):
        peaks.add(sound[:, start : start + block_samples])
    return peaks.evenly()


def parts(*levels: tuple[float, float]) -> "Samples":
    """Stretches of so many seconds, as loud as that."""
    whole = [np.full(int(seconds * SAMPLE_RATE_HZ), level) for seconds, level in levels]
    return np.concatenate(whole)[None].astype(np.float32)


@pytest.mark.parametrize("scale", [1, 50, 100], ids=["3 s", "150 s", "5 min"])
def test_silence_sound_and_silence_are_where_they_are(scale: int) -> None:
    found = peaks_of(parts((scale, 0.0), (scale, -0.5), (scale, 0.0)))
    assert len(found) == min(MAX_PEAKS, 150 * scale)
    third = len(found) / 3
    loud = [place for place, peak in enumerate(found) if peak]
    assert {found[place] for place in loud} == {128}
    assert loud == list(range(loud[0], loud[-1] + 1))
    assert loud[0] == pytest.approx(third, abs=1)
    assert loud[-1] + 1 == pytest.approx(2 * third, abs=1)


def test_the_louder_channel_counts_and_nothing_is_louder_than_all() -> None:
    both = np.stack([parts((1, 0.25), (1, 0.0))[0], parts((1, 0.0), (1, -3.0))[0]])
    found = peaks_of(both)
    assert (found[:50], found[50:]) == ((64,) * 50, (255,) * 50)


@PROPERTY
@given(st.lists(st.integers(0, 255), min_size=1, max_size=6 * MAX_PEAKS), st.integers(1, 900))
def test_each_is_the_largest_of_its_stretch_however_the_sound_comes(
    levels: list[int], steps_in_block: int
) -> None:
    sound = (np.array(levels, np.float32) / 255).repeat(STEP_SAMPLES)[None]
    found = peaks_of(sound, steps_in_block * STEP_SAMPLES)
    number = min(MAX_PEAKS, len(levels))
    ends = [place * len(levels) // number for place in range(number + 1)]
    assert found == tuple(max(levels[start:end]) for start, end in itertools.pairwise(ends))


def test_nothing_has_none() -> None:
    assert Peaks().evenly() == ()


def test_days_take_no_more_room_than_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a click in the middle of four days, of which a step is one sample: it takes no time."""
    monkeypatch.setattr(audio_peaks, "STEP_SAMPLES", 1)
    peaks, num_blocks = Peaks(), 4 * 24 * 30
    for number in range(num_blocks):
        block = np.zeros((1, BLOCK_SAMPLES // STEP_SAMPLES), np.float32)
        block[0, 0] = number == num_blocks // 2
        peaks.add(block)
        assert len(peaks._held) + len(peaks._rest) <= MAX_HELD + 2 * peaks._num_steps
    assert peaks._num_steps * MAX_PEAKS < num_blocks * block.size
    found = peaks.evenly()
    assert len(found) == MAX_PEAKS
    assert [place for place, peak in enumerate(found) if peak] == [500]
