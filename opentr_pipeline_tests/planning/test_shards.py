"""Shards: every recording once, and a balance that can be proved."""

import itertools
import math
import random
from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from opentr_pipeline.planning.shards import (
    ASSUMED_BYTES_PER_S,
    MIN_SHARD_AUDIO_S,
    ShardItem,
    spread_over_shards,
)
from opentr_pipeline_tests.making import OPTIONS, OTHER_OPTIONS, PROPERTY, fingerprint, media_file

DURATIONS = st.lists(
    st.one_of(st.integers(0, 40), st.integers(0, 10_000), st.none()).map(
        lambda seconds: seconds if seconds is None else float(seconds)
    ),
    max_size=40,
)
SHARD_AUDIO_S = st.integers(10, 3600)
SLOTS = st.integers(1, 64)


def items_of(durations: list[float | None], partitions: int = 3) -> list[ShardItem]:
    return [
        ShardItem(
            media_file=media_file(f"{number}.wav", size_bytes=320_000),
            # The same bytes under other options are another item.
            media_fingerprint=fingerprint(str(number // 2)),
            options=(OPTIONS, OTHER_OPTIONS)[number % 2],
            duration_s=duration_s,
            may_be_estimated=False,
            partition_keys=(f"key {number % partitions}",),
        )
        for number, duration_s in enumerate(durations)
    ]


def weight_s(shard: list[ShardItem]) -> float:
    return sum(item.weight_s for item in shard)


def best_makespan_s(weights: list[float], count: int) -> float:
    """By trying everything."""
    ways = itertools.product(range(count), repeat=len(weights))
    return min(
        max(sum(w for w, to in zip(weights, way, strict=True) if to == n) for n in range(count))
        for way in ways
    )


@PROPERTY
@given(DURATIONS, SHARD_AUDIO_S, SLOTS)
def test_every_item_is_in_one_shard(
    durations: list[float | None], shard_audio_s: int, num_slots: int
) -> None:
    items = items_of(durations)
    shards = spread_over_shards(items, shard_audio_s, num_slots)
    assert Counter(item for shard in shards for item in shard) == Counter(items)


@PROPERTY
@given(DURATIONS, SHARD_AUDIO_S, SLOTS)
@example([600.0, 0.0, 0.0, 0.0], 1200, 4)  # headers that claim no sound at all
def test_no_shard_is_empty(
    durations: list[float | None], shard_audio_s: int, num_slots: int
) -> None:
    assert all(spread_over_shards(items_of(durations), shard_audio_s, num_slots))


@PROPERTY
@given(DURATIONS, SHARD_AUDIO_S, SLOTS, st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order(
    durations: list[float | None], shard_audio_s: int, num_slots: int, shuffler: random.Random
) -> None:
    items = items_of(durations)
    plan = spread_over_shards(items, shard_audio_s, num_slots)
    shuffler.shuffle(items)
    assert spread_over_shards(items, shard_audio_s, num_slots) == plan


@PROPERTY
@given(DURATIONS, SHARD_AUDIO_S, SLOTS)
def test_the_number_of_shards_has_bounds(
    durations: list[float | None], shard_audio_s: int, num_slots: int
) -> None:
    items = items_of(durations)
    total_s = weight_s(items)
    count = len(spread_over_shards(items, shard_audio_s, num_slots))
    filled = math.ceil(total_s / shard_audio_s)
    assert count <= len(items)
    assert count <= max(1, filled, num_slots)
    if sum(item.weight_s > 0 for item in items) >= filled:
        assert count >= filled
    if count > max(1, filled):
        assert total_s / count > MIN_SHARD_AUDIO_S * (1 - 1 / count)


@PROPERTY
@given(DURATIONS, SHARD_AUDIO_S, SLOTS)
def test_the_heaviest_shard_comes_first(
    durations: list[float | None], shard_audio_s: int, num_slots: int
) -> None:
    weights = [
        weight_s(shard)
        for shard in spread_over_shards(items_of(durations), shard_audio_s, num_slots)
    ]
    assert weights == sorted(weights, reverse=True)


@PROPERTY
@given(DURATIONS.filter(len), SHARD_AUDIO_S, SLOTS)
def test_no_shard_is_heavier_than_grahams_bound(
    durations: list[float | None], shard_audio_s: int, num_slots: int
) -> None:
    items = items_of(durations)
    shards = spread_over_shards(items, shard_audio_s, num_slots)
    mean_s = weight_s(items) / len(shards)
    longest_s = max(item.weight_s for item in items)
    assert weight_s(shards[0]) <= mean_s + longest_s * (1 - 1 / len(shards)) + 1e-6


@PROPERTY
@given(st.lists(st.integers(1, 100).map(float), min_size=1, max_size=7), st.integers(1, 3))
def test_no_run_takes_a_third_more_than_the_best_possible(
    durations: list[float | None], num_slots: int
) -> None:
    shards = spread_over_shards(items_of(durations), 36_000, num_slots)
    weights = [duration_s for duration_s in durations if duration_s]
    best_s = best_makespan_s(weights, len(shards))
    assert weight_s(shards[0]) <= (4 / 3 - 1 / (3 * len(shards))) * best_s + 1e-6


@PROPERTY
@given(DURATIONS, SHARD_AUDIO_S, SLOTS)
def test_recordings_of_one_partition_stay_together_in_a_shard(
    durations: list[float | None], shard_audio_s: int, num_slots: int
) -> None:
    for shard in spread_over_shards(items_of(durations), shard_audio_s, num_slots):
        groups = [keys for keys, _ in itertools.groupby(shard, lambda item: item.partition_keys)]
        assert len(groups) == len(set(groups))


def test_nothing_to_do_makes_no_shard() -> None:
    assert spread_over_shards([], 1200, 4) == []


def test_small_folders_share_a_shard() -> None:
    shards = spread_over_shards(items_of([5.0] * 6, partitions=6), 1200, 1)
    assert [len(shard) for shard in shards] == [6]


def test_every_slot_gets_a_shard_where_there_is_enough_audio() -> None:
    assert len(spread_over_shards(items_of([60.0] * 8), 1200, 4)) == 4
    assert len(spread_over_shards(items_of([1.0] * 8), 1200, 4)) == 1


def test_one_long_recording_is_a_shard_of_its_own() -> None:
    shards = spread_over_shards(items_of([7200.0, 100.0, 100.0, 100.0]), 1200, 1)
    assert [weight_s(shard) for shard in shards] == [7200.0, 100.0, 100.0, 100.0]


def test_without_a_duration_the_size_is_the_weight() -> None:
    (item,) = items_of([None])
    assert item.weight_s == 320_000 / ASSUMED_BYTES_PER_S == 20.0
