"""Voices parted at pauses."""

import numpy as np

from opentr_pipeline.speakers.parts import parts_of

NUM_FRAMES = 589


def spoken(*spans: tuple[int, int]) -> np.ndarray:
    frames = np.zeros((NUM_FRAMES, 2), bool)
    for first, last in spans:
        frames[first:last, 1] = True
    return frames


def test_what_is_long_enough_on_both_sides_of_a_pause_is_a_part() -> None:
    speaks = spoken((0, 150), (160, 180), (190, 330), (334, 400), (500, 520))
    parts = parts_of(speaks, speaks)
    assert parts.voices == [0, 1, 1]
    # The second is too short for itself, the fourth is too near, the last too short again.
    edges = [(mask & speaks[:, 1]).nonzero()[0][[0, -1]].tolist() for mask in parts.masks.T[1:]]
    assert edges == [[0, 149], [160, 519]]
    assert np.array_equal(parts.masks[:, 1] ^ parts.masks[:, 2], np.ones(NUM_FRAMES, bool))


def test_what_is_said_at_once_with_others_makes_no_part() -> None:
    speaks, alone = spoken((0, 150), (160, 400)), spoken((0, 150))
    assert parts_of(speaks, alone).voices == [0, 1]
