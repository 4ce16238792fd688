"""The lease on a worker slot: the hard limit on transcription steps of one host.

A slot is a file, a lease is the kernel's lock on it. The kernel frees it when its holder dies, so
a slot is never lost and never held twice: across runs, command lines, state folders and
containers that share the folder. The folder must be on a local disk.
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from opentr_pipeline.devices.cards import WorkerSlot
from opentr_pipeline.devices.memory_limits import is_closed, open_slots
from opentr_pipeline.errors import OpentrError, SettingsError
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
# Every user may make files, and only their owner removes them.
MODE = 0o1777
# More than any device has; who claims it would have us load nothing.
MAX_MEMORY_BYTES = 1 << 44
RANKS: tuple[Rank, ...] = get_args(Rank)


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
        return (datetime.now().astimezone() - datetime.fromisoformat(self.since)).total_seconds()


def slots_folder(folder: Path) -> Path:
    """The folder of the slot files, made where it is missing, open to every user of the host.

    Nobody can remove or replace in it what another has made (the sticky bit, as for ``/tmp``).

    Args:
        folder: from the workspace.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(MODE)
        elif folder.stat().st_uid == os.geteuid() and folder.stat().st_mode & 0o1002 == 0o2:
            folder.chmod(MODE)  # an earlier release left that bit out
    except OSError as error:
        raise cannot_be_used(folder, error) from None
    return folder


def cannot_be_used(folder: Path, error: OSError) -> SettingsError:
    """What to say of a folder of slots that does not do, and what to do."""
    return SettingsError(
        f"WORKER_SLOTS_DIR={folder} cannot be used: {error.strerror} "
        f"({error.filename}); name a folder on a local disk."
    )


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
    with shared(_gate(folder, slot, rank) for slot in slots):
        slot, descriptor = _wait(slots, folder, higher)
    try:
        yield slot
    finally:
        os.close(descriptor)


def _wait(
    slots: Sequence[WorkerSlot], folder: Path, higher: Sequence[Rank]
) -> tuple[WorkerSlot, int]:
    patience = Patience()
    while True:
        for slot in open_slots(slots, folder):
            if any(is_shared(_gate(folder, slot, rank)) for rank in higher):
                continue
            if (descriptor := try_lock(folder / slot.name)) is not None:
                if not is_closed(slot, folder):  # by its last holder, a moment ago
                    os.truncate(descriptor, 0)  # what that one said of itself
                    return slot, descriptor
                os.close(descriptor)
        patience.pause(lambda: f"a worker slot; {holder(folder / slots[0].name)} has the first")


def _gate(folder: Path, slot: WorkerSlot, rank: Rank) -> Path:
    return folder / f"{slot.name}.waiting-{rank}"


def slots_in_use(slots: Sequence[WorkerSlot], folder: Path) -> list[WorkerSlot]:
    """The slots that somebody holds at this moment."""
    return [slot for slot in slots if is_locked(folder / slot.name)]


def held_by_others(slots: Sequence[WorkerSlot], folder: Path) -> str:
    """Who has the first of the worker slots, where this command has none and none is free."""
    paths = [folder / slot.name for slot in slots]
    if not all(map(is_locked, paths)) or any(map(_is_ours, paths)):
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
    _say(dataclasses.replace(_holder(slot.name, folder), memory_bytes=memory_bytes), folder)


def _say(holder: Holder, folder: Path) -> None:
    write_plain(folder / holder.slot, json.dumps(dataclasses.asdict(holder)))


def holders(slots: Sequence[WorkerSlot], folder: Path) -> list[Holder]:
    """Who holds the slots that are held at this moment."""
    in_use = {slot.name for slot in slots_in_use(slots, folder)}
    return [
        dataclasses.replace(_holder(slot_name, folder), worker=worker)
        for worker, slot_name in worker_names(slots).items()
        if slot_name in in_use
    ]


def _holder(slot_name: str, folder: Path) -> Holder:
    # Empty, just being written, or by somebody who wants us to stumble.
    with contextlib.suppress(OSError, OpentrError, ValueError, TypeError, KeyError):
        return _sound(json.loads(read_plain(folder / slot_name)), slot_name)
    return Holder(slot_name)


def _sound(facts: dict[str, Any], slot_name: str) -> Holder:
    """What somebody has written of himself, as far as it can be worked with.

    Raises:
        ValueError: a number or a time is none.
        TypeError: a text is none.
    """
    memory_bytes = int(facts.pop("memory_bytes"))
    if not 0 <= memory_bytes <= MAX_MEMORY_BYTES:
        raise ValueError(memory_bytes)
    if since := facts["since"]:
        datetime.fromisoformat(since).astimezone()
    partitions = tuple(map(visible, facts.pop("partitions")))
    texts = {**{name: visible(text) for name, text in facts.items()}, "slot": slot_name}
    return Holder(**texts, partitions=partitions, memory_bytes=memory_bytes)
