"""How long it still takes: what people see while slots finish lump after lump."""

import random
from itertools import pairwise

from opentr_pipeline.quality.countdown import Countdown

TOTAL_S = 40_000.0


def shown(num_slots: int, slot_x: float, slower_at_s: float = 1e9) -> list[tuple[float, float]]:
    """The times left that are said, second by second, with the clock.

    Each slot loads a model, then finishes lumps of 30 to 300 s of audio, at half its speed in the
    end where ``slower_at_s`` says so.
    """
    dice = random.Random(5)
    due = [(25.0 + dice.uniform(0, 3), 0.0)] * num_slots
    countdown, now_s, done_s, said = Countdown(), 0.0, 0.0, []
    while done_s < TOTAL_S:
        for slot, (at_s, lump_s) in enumerate(due):
            if now_s >= at_s:
                done_s += lump_s
                next_s = dice.uniform(30, 300)
                speed_x = slot_x / 2 if now_s > slower_at_s else slot_x
                due[slot] = now_s + next_s / speed_x, next_s
        if (left_s := countdown.left_s(now_s, done_s, TOTAL_S)) is not None:
            said.append((now_s, left_s))
        now_s += 1
    return said


def test_the_time_left_does_not_run_backwards() -> None:
    for num_slots in (1, 4):
        said = shown(num_slots, slot_x=10)
        times = [left_s for _, left_s in said]
        assert all(later <= sooner for sooner, later in pairwise(times))
        assert said[0][0] < 140  # it is said soon
        ended_s = said[-1][0] + 1
        halfway = [(at_s, left_s) for at_s, left_s in said if ended_s / 4 < at_s < ended_s * 3 / 4]
        # And it is right, within what lumps allow.
        assert all(abs(at_s + left_s - ended_s) < 0.15 * ended_s for at_s, left_s in halfway)


def test_work_that_becomes_slower_is_noticed_within_minutes() -> None:
    said = dict(shown(4, slot_x=10, slower_at_s=300))
    ended_s = max(said) + 1
    assert said[299] < 0.75 * (ended_s - 299)
    assert abs(said[700] - (ended_s - 700)) < 0.25 * (ended_s - 700)


def test_nothing_is_said_before_there_is_a_measure() -> None:
    countdown = Countdown()
    assert countdown.left_s(0, 100, 1000) is None  # of an earlier run
    assert countdown.left_s(30, 100, 1000) is None  # models are loaded
    assert countdown.left_s(31, 160, 1000) is None
    assert countdown.left_s(45, 260, 1000) is None
    assert countdown.left_s(61, 460, 1000) == 54  # 300 s of audio in 30 s
    assert countdown.left_s(71, 460, 1000) == 44
