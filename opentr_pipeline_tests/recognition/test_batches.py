"""Windows that wait: none is lost, none waits for ever, and no batch mixes what cannot be mixed."""

import math
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.recognition.batches import MAX_PASSED_OVER, Batches
from opentr_pipeline_tests.making import PROPERTY

KINDS = st.integers(0, 6)
# A step adds an item of a kind, or takes a batch, with more to come or without.
STEPS = st.lists(KINDS | st.booleans(), max_size=120)
SIZES = st.integers(1, 8)

Item = tuple[int, int]  # its kind and its number


def worked_through(
    batch_size: int, num_workers: int, steps: list[int | bool]
) -> tuple[list[list[Item]], dict[int, list[Item]]]:
    """The batches that steps take, to the last item, and all items in the order they came."""
    batches: Batches[Item] = Batches(batch_size, num_workers)
    added: dict[int, list[Item]] = defaultdict(list)
    taken = []
    for step in steps:
        if isinstance(step, bool):
            taken.append(batches.take(more_to_come=step))
        else:
            added[step].append((step, len(added[step])))
            batches.add(step, added[step][-1])
    while len(batches):
        taken.append(batches.take(more_to_come=False))
    return taken, added


@PROPERTY
@given(SIZES, SIZES, STEPS)
def test_every_item_is_taken_once_in_the_order_of_its_kind(
    batch_size: int, num_workers: int, steps: list[int | bool]
) -> None:
    taken, added = worked_through(batch_size, num_workers, steps)
    items = [item for batch in taken for item in batch]
    for kind, expected in added.items():
        assert [item for item in items if item[0] == kind] == expected
    assert len(items) == sum(map(len, added.values()))


@PROPERTY
@given(SIZES, SIZES, STEPS)
def test_a_batch_is_of_one_kind_and_fits(
    batch_size: int, num_workers: int, steps: list[int | bool]
) -> None:
    taken, _ = worked_through(batch_size, num_workers, steps)
    for batch in taken:
        assert len(batch) <= batch_size
        assert len({kind for kind, _ in batch}) <= 1


@PROPERTY
@given(SIZES, SIZES, st.lists(KINDS, min_size=1, max_size=40))
def test_a_batch_is_empty_only_where_nothing_waits(
    batch_size: int, num_workers: int, kinds: list[int]
) -> None:
    batches: Batches[int] = Batches(batch_size, num_workers)
    for number, kind in enumerate(kinds):
        batches.add(kind, number)
    for _ in kinds:
        waiting = len(batches)
        assert bool(batches.take(more_to_come=waiting % 2 == 0)) == (waiting > 0)
    assert batches.take(more_to_come=True) == []


@PROPERTY
@given(SIZES, SIZES, st.lists(KINDS, max_size=40))
def test_a_full_batch_is_known_and_goes_before_others(
    batch_size: int, num_workers: int, kinds: list[int]
) -> None:
    batches: Batches[int] = Batches(batch_size, num_workers)
    for number, kind in enumerate(kinds):
        batches.add(kind, number)
    is_full = any(kinds.count(kind) >= batch_size for kind in kinds)
    assert batches.has_full_batch == is_full
    if is_full:
        assert len(batches.take(more_to_come=True)) == batch_size


@PROPERTY
@given(SIZES, st.lists(st.sampled_from([10, 15, 20, 25, 30]), min_size=1, max_size=120))
def test_of_smaller_items_more_share_a_batch(batch_size: int, sizes: list[int]) -> None:
    """As much in all as of the largest, and no item more would fit where more wait."""
    batches: Batches[int] = Batches(batch_size, 1, lambda kind: kind / 30)
    for size in sizes:
        batches.add(size, size)
    is_full = any((sizes.count(size) + 1) * size > 30 * batch_size for size in set(sizes))
    assert batches.has_full_batch == is_full
    while waiting := len(batches):
        batch = batches.take(more_to_come=True)
        left = sizes.count(batch[0]) - len(batch)
        assert sum(batch) <= 30 * batch_size
        assert not left or sum(batch) + batch[0] > 30 * batch_size
        assert len(batches) == waiting - len(batch)
        for _ in batch:
            sizes.remove(batch[0])


@pytest.mark.parametrize("num_others", [1, 3, 8, 12, 30])
def test_a_lone_item_goes_soon_however_much_of_other_kinds_comes(num_others: int) -> None:
    batches: Batches[str] = Batches(4, 2)
    batches.add("rare", "rare")
    num_kinds = num_others + 1
    for _ in range(MAX_PASSED_OVER + num_kinds + 1):
        for kind in range(num_others):
            for _ in range(4):
                batches.add(kind, "common")
        if batches.take(more_to_come=True) == ["rare"]:
            return
    pytest.fail(f"passed over {MAX_PASSED_OVER + num_kinds + 1} times")


@PROPERTY
@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(0, 15), st.integers(1, 6)), min_size=1, max_size=60),
)
def test_nobody_is_passed_over_for_ever(batch_size: int, steps: list[tuple[int, int]]) -> None:
    """After every step a batch is taken, so that items pile up and kinds compete."""
    batches: Batches[Item] = Batches(batch_size, 1)
    waiting: dict[int, list[int]] = defaultdict(list)  # how many takes each item has seen
    kinds = set()
    for kind, count in steps * 4:
        kinds.add(kind)
        for _ in range(count):
            batches.add(kind, (kind, 0))
            waiting[kind].append(0)
        batch = batches.take(more_to_come=True)
        taken = batch[0][0]
        del waiting[taken][: len(batch)]
        passed = {k: ages for k, ages in waiting.items() if ages and k != taken}
        waiting = defaultdict(
            list, {k: [age + 1 for age in ages] for k, ages in passed.items()}
        ) | {taken: [0 for _ in waiting[taken]]}
        for ages in passed.values():
            assert ages[0] < MAX_PASSED_OVER + len(kinds) + 1


@PROPERTY
@given(st.integers(1, 16), st.integers(1, 8), st.integers(1, 40))
def test_what_is_left_is_shared_among_the_workers(
    batch_size: int, num_workers: int, num_items: int
) -> None:
    batches: Batches[int] = Batches(batch_size, num_workers)
    for number in range(num_items):
        batches.add("kind", number)
    share = min(batch_size, math.ceil(num_items / num_workers))
    first_round = [batches.take(more_to_come=False) for _ in range(num_workers)]
    assert max(map(len, first_round)) == share
    if num_items >= num_workers:
        assert all(first_round)
