"""The measure that the benchmark and the slow tests use."""

import pytest

from benchmarks.diarization_error import errors

SAID = [("a", 0.0, 10.0), ("b", 10.0, 20.0), ("a", 18.0, 22.0)]


def test_other_names_are_no_error() -> None:
    found = [("1", 0.0, 10.0), ("0", 10.0, 20.0), ("1", 18.0, 22.0)]
    assert errors(SAID, found).rate == 0


def test_what_is_missed_made_up_and_given_to_another_counts() -> None:
    """Overlapped speech counts for each who speaks."""
    found = errors(SAID, [("0", 0.0, 12.0), ("1", 12.0, 20.0), ("0", 24.0, 26.0)])
    assert found.total_s == pytest.approx(24)
    assert (found.missed_s, found.false_s, found.confused_s) == pytest.approx((4, 2, 2))


def test_nothing_near_a_change_counts() -> None:
    found = errors(SAID, [("0", 0.2, 10.2), ("1", 10.2, 20.2), ("0", 18.2, 21.8)], 0.25)
    assert found.rate == 0
