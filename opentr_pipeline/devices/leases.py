"""The lease on a worker slot: the hard limit on transcription steps of one host.

A slot is a file, a lease is the kernel's lock on it. The kernel frees it when its holder dies, so
a slot is never lost and never held twice: across runs, command lines, state folders and
containers that share the folder. The folder must be on a local disk.
"""

import contextlib
import dataclasses
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from opentr_pipeline.devices.cards import Device, WorkerSlot
from opentr_pipeline.devices.host_memory import host_memory
from opentr_pipeline.devices.memory_limits import is_closed, open_slots
from opentr_pipeline.devices.shared_folder import facts_in
from opentr_pipeline.errors import OpentrError
from opentr_pipeline.locks import (
    Patience,
    holder,
    holder_pid,
    is_locked,
    is_shared,
    shared,
    try_lock,
)
from opentr_pipeline.plain_files import read_plain, write_plain
from opentr_pipeline.wording import now, visible

Rank = Literal["uploads", "usual", "backfills"]
# Of a device whose memory is unknown; who claims more would have us count on it.
MAX_MEMORY_BYTES = 1 << 40
# More than a path, a run or a partition has.
MAX_LETTERS = 5000
YEARS = range(2000, 3000)
# A slot is taken within a moment by who waits for it: somebody who does not only keeps others out.
GATE_S = 5.0
RANKS: tuple[Rank, ...] = get_args(Rank)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holder:
    """Who holds a worker slot, as it said itself; empty where it never did.

    Attributes:
        worker: as ``worker_names`` calls the slot, for who asks; other settings count otherwise.
        since: ISO 8601.
        partitions: of the recordings that it transcribes.
        memory_bytes: that its worker has of the device's memory at its peak; 0 until it has loaded
            the model, so that what is still free is not counted as his as well.
    """

    slot: str
    run_id: str = ""
    archive: str = ""
    since: str = ""
    partitions: tuple[str, ...] = ()
    worker: str = ""
    memory_bytes: int = 0

    @property
    def held_s(self) -> float | None:
        """For how long."""
        if not self.since:
            return None
        since = datetime.fromisoformat(self.since)
        return max(0.0, (datetime.now().astimezone() - since).total_seconds())


_NAMES = {field.name for field in dataclasses.fields(Holder)}


def worker_names(slots: Sequence[WorkerSlot]) -> dict[str, str]:
    """The slots' own names by those for people: ``worker-0`` is the first of the settings."""
    return {f"worker-{number}": slot.name for number, slot in enumerate(slots)}


@contextmanager
def lease(slots: Sequence[WorkerSlot], folder: Path, rank: Rank = "usual") -> Iterator[WorkerSlot]:
    """Wait for one of the slots and hold it for the ``with`` block.

    Who waits shows it, by a lock on files beside the slots; while somebody of a higher rank waits
    for a slot, the others leave it. So uploads get the next slot that is free.

    Args:
        slots: any of these will do.
        folder: from ``slots_folder``.
        rank: who goes first where several wait.

    Raises:
        NoSlotError: all of them are closed, or become so while we wait.
    """
    higher = RANKS[: RANKS.index(rank)]
    with shared((_gate(folder, slot, rank) for slot in slots), GATE_S):
        slot, descriptor = _wait(slots, folder, higher)
    try:
        yield slot
    finally:
        os.close(descriptor)


def _wait(
    slots: Sequence[WorkerSlot], folder: Path, higher: Sequence[Rank]
) -> tuple[WorkerSlot, int]:
    patience, gates = Patience(), _Gates(folder, higher)
    while True:
        for slot in open_slots(slots, folder):
            if gates.keep_from(slot):
                continue
            if (descriptor := try_lock(folder / slot.name)) is not None:
                if not is_closed(slot, folder):  # by its last holder, a moment ago
                    os.truncate(descriptor, 0)  # what that one said of itself
                    return slot, descriptor
                os.close(descriptor)
        patience.pause(lambda: f"a worker slot; {gates.who_has(slots[0])}")


class _Gates:
    """Those of a higher rank go first, as long as they take what is free.

    Whoever holds a gate and takes nothing was stopped, or only means to keep others out. The slot's
    own lock is the limit; gates say no more than who goes first.
    """

    def __init__(self, folder: Path, higher: Sequence[Rank]) -> None:
        self._folder = folder
        self._higher = higher
        self._free_since: dict[str, float] = {}
        self._passed: set[str] = set()

    def keep_from(self, slot: WorkerSlot) -> bool:
        """Whether a slot is to be left to others."""
        gate = self._held(slot)
        if gate is None or is_locked(self._folder / slot.name):
            self._free_since.pop(slot.name, None)
            return gate is not None
        free_s = time.monotonic() - self._free_since.setdefault(slot.name, time.monotonic())
        # The next rank passes first.
        if free_s < GATE_S * len(self._higher):
            return True
        if slot.name not in self._passed:
            self._passed.add(slot.name)
            _log.warning(
                "%s holds %s and leaves the free worker slot %s; it is not waited for any longer.",
                *(holder(gate), visible(str(gate)), slot.name),
            )
        return False

    def _held(self, slot: WorkerSlot) -> Path | None:
        gates = (_gate(self._folder, slot, rank) for rank in self._higher)
        return next(filter(is_shared, gates), None)

    def who_has(self, slot: WorkerSlot) -> str:
        """Whom a slot is waited for."""
        path = self._folder / slot.name
        gate = None if is_locked(path) else self._held(slot)
        if gate is None:
            return f"{holder(path)} has the first"
        return f"the first is free, but {holder(gate)} waits before us ({visible(gate.name)})"


def _gate(folder: Path, slot: WorkerSlot, rank: Rank) -> Path:
    return folder / f"{slot.name}.waiting-{rank}"


def slots_in_use(slots: Sequence[WorkerSlot], folder: Path) -> list[WorkerSlot]:
    """The slots that somebody holds at this moment."""
    return [slot for slot in slots if is_locked(folder / slot.name)]


def held_by_others(slots: Sequence[WorkerSlot], folder: Path) -> str:
    """Who has the first of the worker slots, where this command has none and none is free."""
    paths = [folder / slot.name for slot in slots]
    # Who only shares the lock of a slot keeps everybody out as well.
    if not all(map(is_shared, paths)) or any(map(_is_ours, paths)):
        return ""
    return holder(paths[0])


def _is_ours(path: Path) -> bool:
    """Whether a process of this command holds a lock; steps are in its group."""
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(holder_pid(path) or 1) == os.getpgrp()
    return False


def ranks_waiting(slots: Sequence[WorkerSlot], folder: Path) -> list[Rank]:
    """Of those who wait for one of the slots at this moment, the first to go first."""
    return [rank for rank in RANKS if any(is_shared(_gate(folder, slot, rank)) for slot in slots)]


def introduce(holder: Holder, folder: Path) -> None:
    """Write into the slot's file who holds it, for ``holders``; the lease is taken already."""
    _say(dataclasses.replace(holder, since=now()), folder)


def has_loaded(slot: WorkerSlot, memory_bytes: int, folder: Path) -> None:
    """Write into the slot's file how much memory its holder has from now on."""
    _say(dataclasses.replace(_holder(slot, folder), memory_bytes=memory_bytes), folder)


def _say(holder: Holder, folder: Path) -> None:
    write_plain(folder / holder.slot, json.dumps(dataclasses.asdict(holder)))


def holders(slots: Sequence[WorkerSlot], folder: Path) -> list[Holder]:
    """Who holds the slots that are held at this moment."""
    in_use = set(slots_in_use(slots, folder))
    return [
        dataclasses.replace(_holder(slot, folder), worker=worker)
        for worker, slot in zip(worker_names(slots), slots, strict=True)
        if slot in in_use
    ]


def _holder(slot: WorkerSlot, folder: Path) -> Holder:
    # Empty, just being written, or by somebody who wants us to stumble.
    with contextlib.suppress(OSError, OpentrError, ValueError, TypeError, OverflowError):
        return _sound(facts_in(read_plain(folder / slot.name), _NAMES), slot)
    return Holder(slot.name)


def _sound(facts: dict[str, Any], slot: WorkerSlot) -> Holder:
    """What somebody has written of himself, as far as it can be worked with.

    Raises:
        ValueError: a number or a time cannot be.
        TypeError: a text is none.
        OverflowError: a time is at the end of all times.
    """
    memory_bytes = facts["memory_bytes"]
    if type(memory_bytes) is not int or not 0 <= memory_bytes <= _most_bytes(slot.device):
        raise ValueError(memory_bytes)
    if not isinstance(facts["partitions"], list):
        raise TypeError("partitions")
    texts = {name: _line(facts[name]) for name in ("run_id", "archive", "since", "worker")}
    if texts["since"]:
        since = datetime.fromisoformat(texts["since"]).astimezone(UTC)
        if since.year not in YEARS:
            raise ValueError(since)
        texts["since"] = since.isoformat(timespec="milliseconds")
    partitions = tuple(map(_line, facts["partitions"]))
    return Holder(slot.name, **texts, partitions=partitions, memory_bytes=memory_bytes)


def _line(text: str) -> str:
    return visible(text[:MAX_LETTERS])


def _most_bytes(device: Device) -> int:
    # The host's, whatever a container may have of it.
    memory = host_memory(groups=Path(os.devnull)) if device.is_cpu else None
    return device.memory_bytes or (memory.total_bytes if memory else MAX_MEMORY_BYTES)
