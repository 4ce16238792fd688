"""The lease on a worker slot: the hard limit on transcription steps of one host.

A slot is a file, a lease is the kernel's lock on it. The kernel frees it when its holder dies, so
a slot is never lost and never held twice: across runs, command lines, state folders and
containers that share the folder. The folder must be on a local disk.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from opentr_pipeline.devices import WorkerSlot
from opentr_pipeline.locks import is_locked, locked
from opentr_pipeline.settings import Settings


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
def lease(slots: Sequence[WorkerSlot], folder: Path) -> Iterator[WorkerSlot]:
    """Wait for one of the slots and hold it for the ``with`` block.

    Args:
        slots: any of these will do.
        folder: from ``slots_folder``.
    """
    by_path = {folder / slot.name: slot for slot in slots}
    with locked(*by_path) as path:
        yield by_path[path]


def slots_in_use(slots: Sequence[WorkerSlot], folder: Path) -> list[WorkerSlot]:
    """The slots that somebody holds at this moment."""
    return [slot for slot in slots if is_locked(folder / slot.name)]
