"""What is known of the memory of devices: smaller batches, closed slots; the messages are real."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from opentr_pipeline.devices import leases as worker_slots
from opentr_pipeline.devices.cards import CPU, Device, WorkerSlot
from opentr_pipeline.devices.leases import lease, ranks_waiting
from opentr_pipeline.devices.memory_limits import (
    MemoryLimit,
    batch_limits,
    batch_size_in,
    closed_slots,
    forget,
    learning,
)
from opentr_pipeline.errors import NoSlotError, OutOfMemoryError
from opentr_pipeline_tests.conftest import wait_for

MESSAGES = (
    "CUDA failed with error out of memory",
    "parallel_for failed: cudaErrorInvalidDevice: invalid device ordinal",
)
CARD = Device("0", "GPU-1234", "A card", 8_000_000_000)
SLOTS = (WorkerSlot(CARD, 0), WorkerSlot(CARD, 1), WorkerSlot(CARD, 2))


def test_who_waits_for_a_slot_that_is_closed_meanwhile_does_not_wait_for_ever(
    tmp_path: Path,
) -> None:
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            with lease(SLOTS[:1], tmp_path):
                pass
        except BaseException as error:
            errors.append(error)

    waiter = threading.Thread(target=wait, daemon=True)
    with lease(SLOTS[:1], tmp_path) as slot:
        waiter.start()
        wait_for(lambda: ranks_waiting(SLOTS[:1], tmp_path), 20)
        close(slot, tmp_path)
    waiter.join(20)
    assert [type(error) for error in errors] == [NoSlotError]


def test_a_slot_that_is_closed_between_the_look_and_the_lock_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(SLOTS[0], tmp_path)
    looks = [list(SLOTS[:2])]  # the first one, before it was closed
    usual = worker_slots.open_slots

    def open_slots(*facts: Any) -> list[WorkerSlot]:
        return looks.pop() if looks else usual(*facts)

    monkeypatch.setattr(worker_slots, "open_slots", open_slots)
    with lease(SLOTS[:2], tmp_path) as slot:
        assert slot == SLOTS[1]


def test_a_limit_is_never_raised_by_who_tried_more(tmp_path: Path) -> None:
    """Who began before it may run out of memory after it."""
    for batch_size, limit in ((2, 1), (16, 1)):
        with pytest.raises(OutOfMemoryError), learning(SLOTS[1], SLOTS, tmp_path, batch_size):
            raise OutOfMemoryError(MESSAGES[1])
        assert batch_size_in(SLOTS[2], 32, tmp_path) == limit
    assert batch_size_in(WorkerSlot(CPU, 0), 32, tmp_path) == 32


def close(slot: WorkerSlot, folder: Path) -> MemoryLimit:
    with pytest.raises(OutOfMemoryError), learning(slot, [slot], folder, 1):
        raise OutOfMemoryError(MESSAGES[0])
    (limit,) = closed_slots([slot], folder)
    return limit


def test_what_is_known_holds_while_somebody_works_on_the_device(tmp_path: Path) -> None:
    cpu, more = WorkerSlot(CPU, 0), WorkerSlot(CARD, 7)  # of other settings
    for slot in (cpu, *SLOTS[:2]):
        close(slot, tmp_path)
    with pytest.raises(OutOfMemoryError), learning(more, [more], tmp_path, 6):
        raise OutOfMemoryError(MESSAGES[0])
    with lease([more], tmp_path):
        forget([cpu, *SLOTS], tmp_path)
    assert closed_slots([cpu], tmp_path) == []
    assert len(closed_slots(SLOTS, tmp_path)) == 2
    assert len(batch_limits(SLOTS, tmp_path)) == 1
    forget([cpu, *SLOTS], tmp_path)
    assert closed_slots(SLOTS, tmp_path) == batch_limits(SLOTS, tmp_path) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "\xff", '{"name": "x", "batch_size": 0}', '{"name": "x", "more": 1}']
)
def test_a_limit_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    """Broken, or written by another version."""
    for name in (SLOTS[0].name, CARD.uuid):
        (tmp_path / f"{name}.memory-limit").write_text(text, encoding="latin-1")
    assert closed_slots(SLOTS, tmp_path) == batch_limits(SLOTS, tmp_path) == []
    with lease(SLOTS[:1], tmp_path) as slot:
        assert batch_size_in(slot, 8, tmp_path) == 8


def test_any_user_may_read_a_limit(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        close(SLOTS[0], tmp_path)
    finally:
        os.umask(before)
    (path,) = tmp_path.glob("*.memory-limit*")
    assert path.stat().st_mode & 0o777 == 0o644
