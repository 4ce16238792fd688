"""Windows made by hand -> turns."""

import numpy as np
import pytest

from opentr_pipeline.speakers.segmentation import FRAME_S, MAX_LOCAL, WINDOW_FRAMES
from opentr_pipeline.speakers.turn_building import (
    LIKELY_UNIT,
    ORIGIN_S,
    STEP_FRAMES,
    HeardWindow,
    Stretch,
    stretches_of,
)

Said = list[tuple[int, int, int]]  # person, first and last frame of the recording


def windows_of(said: Said, num_windows: int, swapped: bool = False) -> list[HeardWindow]:
    """What windows would say of it, the first person being the first or second of its voices."""
    made = []
    for step in range(num_windows):
        activity = np.zeros((WINDOW_FRAMES, MAX_LOCAL), np.uint8)
        places = {0: 1, 1: 0} if swapped and step % 2 else {0: 0, 1: 1}
        for person, start, end in said:
            first, last = (max(0, at - step * STEP_FRAMES) for at in (start, end))
            activity[first:last, places[person]] = LIKELY_UNIT
        made.append(HeardWindow(activity, {place: person for person, place in places.items()}))
    return made


def in_frames(stretches: list[Stretch]) -> Said:
    return [
        (person, *(round((at - ORIGIN_S) / FRAME_S) for at in times))  # type: ignore[misc]
        for person, *times in stretches
    ]


@pytest.mark.parametrize("swapped", [False, True])
def test_turns_are_put_together_over_windows_and_overlap(swapped: bool) -> None:
    said = [(0, 20, 700), (1, 650, 1100), (0, 1150, 1400)]
    assert in_frames(stretches_of(windows_of(said, 4, swapped), 2)) == said


def test_a_short_pause_parts_no_turn() -> None:
    said = [(0, 20, 300), (0, 310, 500), (0, 600, 700)]
    assert in_frames(stretches_of(windows_of(said, 3), 2)) == [(0, 20, 500), (0, 600, 700)]


def test_a_voice_that_was_too_short_to_tell_goes_to_the_likeliest() -> None:
    """It counts as somebody who speaks, and nobody is made up for it."""
    windows = windows_of([(0, 20, 400), (1, 300, 330)], 2)
    assert in_frames(stretches_of([HeardWindow(one.activity, {0: 0}) for one in windows], 1)) == [
        (0, 20, 400)
    ]


def test_silence_has_no_turns() -> None:
    assert stretches_of(windows_of([], 3), 2) == []
    assert stretches_of([], 0) == []
