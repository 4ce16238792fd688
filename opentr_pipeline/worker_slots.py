"""The lease on a worker slot: the hard limit on transcription steps of one host.

A slot is a file, a lease is the kernel's lock on it. The kernel frees it when its holder dies, so
a slot is never lost and never held twice: across runs, command lines, state folders and
containers that share the folder. The folder must be on a local disk.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from opentr_pipeline.devices import WorkerSlot
from opentr_pipeline.locks import POLL_S, is_locked, shared, try_lock
from opentr_pipeline.settings import Settings

Rank = Literal["uploads", "usual", "backfills"]
RANKS: tuple[Rank, ...] = get_args(Rank)


def slots_folder(settings: Settings) -> Path:
    """The folder of the slot files, made where it is missing, open to every user of the host."""
    if settings.worker_slots_dir == "auto":
        folder = Path(tempfile.gettempdir(), "opentr-worker-slots")
    else:
        folder = settings.resolved(settings.worker_slots_dir)
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
    return folder


@contextmanager
def lease(slots: Sequence[WorkerSlot], folder: Path, rank: Rank = "usual") -> Iterator[WorkerSlot]:
    """Wait for one of the slots and hold it for the ``with`` block.

    Who waits shows it, by a lock on files beside the slots; while somebody of a higher rank waits
    for a slot, the others leave it. So uploads get the next slot that is free.

    Args:
        slots: any of these will do.
        folder: from ``slots_folder``.
        rank: who goes first where several wait.
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
    while True:
        for slot in slots:
            if any(is_locked(_gate(folder, slot, rank)) for rank in higher):
                continue
            if (descriptor := try_lock(folder / slot.name)) is not None:
                return slot, descriptor
        time.sleep(POLL_S)


def _gate(folder: Path, slot: WorkerSlot, rank: Rank) -> Path:
    return folder / f"{slot.name}.waiting-{rank}"


def slots_in_use(slots: Sequence[WorkerSlot], folder: Path) -> list[WorkerSlot]:
    """The slots that somebody holds at this moment."""
    return [slot for slot in slots if is_locked(folder / slot.name)]
