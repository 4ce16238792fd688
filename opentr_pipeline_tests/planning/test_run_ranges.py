"""Runs of bounded size over neighbouring partitions."""

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.planning.run_ranges import MAX_IDLE_KEYS, MAX_RUN_KEYS, RunRange, grouped
from opentr_pipeline_tests.making import PROPERTY

ORDERS = st.integers(0, 700).map(lambda count: [f"key {number}" for number in range(count)])
MAX_AUDIO_S = st.integers(60, 5000)


@st.composite
def archives(draw: st.DrawFn) -> tuple[list[str], dict[str, float]]:
    """An order of keys, and the audio of those that have any work, sparse or dense."""
    order = draw(ORDERS)
    every = draw(st.sampled_from([1, 2, MAX_IDLE_KEYS, MAX_IDLE_KEYS + 1, MAX_IDLE_KEYS + 2, 90]))
    dropped = draw(st.sets(st.sampled_from(order))) if order else set()
    wanted = [key for key in order[::every] if key not in dropped]
    seconds = st.floats(0, draw(st.sampled_from([1.0, 100.0, 6000.0])))
    return order, {key: draw(seconds) for key in wanted}


def keys_of(order: Sequence[str], audio_s: dict[str, float], max_audio_s: float) -> list[list[str]]:
    return [list(run.keys) for run in grouped(order, audio_s, max_audio_s)]


def positions(order: Sequence[str], groups: Sequence[Sequence[str]]) -> list[list[int]]:
    place = {key: number for number, key in enumerate(order)}
    return [[place[key] for key in group] for group in groups]


@PROPERTY
@given(archives(), MAX_AUDIO_S)
def test_every_wanted_key_is_in_one_run_in_order(
    archive: tuple[list[str], dict[str, float]], max_audio_s: int
) -> None:
    order, audio_s = archive
    groups = keys_of(order, audio_s, max_audio_s)
    covered = [key for group in groups for key in group]
    assert [key for key in covered if key in audio_s] == list(audio_s)
    assert len(covered) == len(set(covered))


@PROPERTY
@given(archives(), MAX_AUDIO_S)
def test_a_run_is_a_range_without_holes_that_begins_and_ends_with_work(
    archive: tuple[list[str], dict[str, float]], max_audio_s: int
) -> None:
    order, audio_s = archive
    for numbers in positions(order, keys_of(order, audio_s, max_audio_s)):
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert order[numbers[0]] in audio_s
        assert order[numbers[-1]] in audio_s


@PROPERTY
@given(archives(), MAX_AUDIO_S)
def test_a_run_has_bounds(archive: tuple[list[str], dict[str, float]], max_audio_s: int) -> None:
    order, audio_s = archive
    for group in keys_of(order, audio_s, max_audio_s):
        assert len(group) <= MAX_RUN_KEYS
        with_work = [audio_s[key] for key in group if key in audio_s]
        assert sum(with_work) <= max_audio_s + 1e-6 or len(with_work) == 1
        idle = [
            len(list(run))
            for is_idle, run in itertools.groupby(group, lambda key: key not in audio_s)
            if is_idle
        ]
        assert max(idle, default=0) <= MAX_IDLE_KEYS


@PROPERTY
@given(archives(), MAX_AUDIO_S)
def test_no_two_neighbouring_runs_would_fit_into_one(
    archive: tuple[list[str], dict[str, float]], max_audio_s: int
) -> None:
    order, audio_s = archive
    groups = keys_of(order, audio_s, max_audio_s)
    for (one, two), (before, after) in zip(
        itertools.pairwise(groups), itertools.pairwise(positions(order, groups)), strict=True
    ):
        gap = after[0] - before[-1] - 1
        load_s = sum(audio_s.get(key, 0.0) for key in one) + audio_s[two[0]]
        full = len(one) + gap + 1 > MAX_RUN_KEYS
        assert full or gap > MAX_IDLE_KEYS or load_s > max_audio_s - 1e-6


def test_nothing_to_do_is_no_run() -> None:
    assert keys_of(["a", "b"], {}, 100.0) == []


def test_a_partition_with_more_audio_than_a_run_is_a_run_of_its_own() -> None:
    assert keys_of(["a", "b", "c"], {"a": 10, "b": 900, "c": 10}, 100.0) == [["a"], ["b"], ["c"]]


def test_idle_keys_between_two_with_work_are_taken_along() -> None:
    assert keys_of(list("abcd"), {"a": 1, "d": 1}, 100.0) == [["a", "b", "c", "d"]]
    assert keys_of(list("abcd"), {"b": 1}, 100.0) == [["b"]]


def test_dagster_is_told_a_key_or_a_range() -> None:
    assert RunRange(("a",)).tags == {"dagster/partition": "a"}
    assert RunRange(("a", "b", "c")).tags == {
        "dagster/asset_partition_range_start": "a",
        "dagster/asset_partition_range_end": "c",
    }
