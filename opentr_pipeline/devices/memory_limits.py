"""What a device's memory did not hold, kept beside the worker slots until the next start.

After a step ran out of memory nothing tries the same again: batches on the device become half as
large; where a single window is too much, or the model itself, the slot is closed, and the others
go on with the memory that it had. In the folder of the slots::

    DEVICE.memory-limit-*    no step on the device decodes larger batches
    SLOT.memory-limit-*      the slot is closed: it is given to nobody

Each is a file of its own, and the lowest holds: nobody has to write over another's, and nobody can
keep a name. Only those are believed that a trusted user alone can have written.
"""

import contextlib
import dataclasses
import json
import logging
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentr_pipeline.devices.cards import Device, WorkerSlot
from opentr_pipeline.devices.shared_folder import facts_in, is_believed
from opentr_pipeline.errors import NoSlotError, OpentrError, OutOfMemoryError, PlantedFileError
from opentr_pipeline.locks import is_locked
from opentr_pipeline.plain_files import read_owned, user_name
from opentr_pipeline.whole_files import replacing
from opentr_pipeline.wording import now, visible

# Of one step: seven times half of the largest batch, and the 64 slots that a device can have.
MAX_TRIES = 100
# Batch sizes that a device's limit can have, and a closed slot's.
DEVICE_SIZES = range(1, 129)
CLOSED = range(1)
# More than any device says of what was too much.
MAX_LETTERS = 1000
SMALLER_MODEL = "a smaller WHISPER_MODEL or a WHISPER_COMPUTE_TYPE that needs less (such as int8)"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MemoryLimit:
    """What a device or a worker slot is not to be asked for again.

    Attributes:
        name: the device's UUID, or the slot's name.
        batch_size: most windows decoded together; 0 where the slot is closed.
        reason: what was too much, with the device's own words.
        remedy: the settings to change.
        since: ISO 8601.
        told_by: another user who found it out; empty where we did.
    """

    name: str
    batch_size: int
    reason: str
    remedy: str
    since: str
    told_by: str = ""

    @property
    def sentence(self) -> str:
        """All of it, for people."""
        kind = f"batches of {self.batch_size}" if self.batch_size else "closed"
        said = f"{self.name}: {kind} until the next start, {self.reason}; {self.remedy}"
        return f"{said} (says {self.told_by})." if self.told_by else f"{said}."


_NAMES = {field.name for field in dataclasses.fields(MemoryLimit)} - {"told_by"}


def batch_size_in(slot: WorkerSlot, wanted: int, folder: Path) -> int:
    """The batch size for a step in a slot, as far as the device's memory is known to hold it.

    Args:
        slot: that the step holds.
        wanted: the batch size of the settings.
        folder: of the slots.
    """
    limit = _read(slot.device.uuid, folder, DEVICE_SIZES)
    if limit is None or limit.batch_size >= wanted:
        return wanted
    _log.warning("%s", limit.sentence)
    return limit.batch_size


@contextmanager
def learning(
    slot: WorkerSlot, slots: Sequence[WorkerSlot], folder: Path, batch_size: int
) -> Iterator[None]:
    """Keep for all what a step learns that runs out of memory; its next try is another one.

    Args:
        slot: that the step holds.
        slots: of the settings.
        folder: of the slots.
        batch_size: that the step tries.

    Raises:
        OutOfMemoryError: the same, with what was kept and what to change.
    """
    try:
        yield
    except OutOfMemoryError as error:
        if error.is_loading or batch_size == 1:
            limit = _close(slot, slots, folder, error)
        else:
            limit = _lower(slot.device, folder, batch_size, error)
        raise OutOfMemoryError(limit.sentence) from error


def _lower(device: Device, folder: Path, batch_size: int, error: OutOfMemoryError) -> MemoryLimit:
    half = batch_size // 2
    reason = f"a batch of {batch_size} ran out of memory ({error})"
    remedy = f"set WHISPER_BATCH_SIZE={half} or fewer GPU_SCALE_WORKERS"
    limit = MemoryLimit(device.uuid, half, reason, remedy, now())
    _write(limit, folder)
    # A neighbour may have met less memory meanwhile.
    return _read(device.uuid, folder, DEVICE_SIZES) or limit


def _close(
    slot: WorkerSlot, slots: Sequence[WorkerSlot], folder: Path, error: OutOfMemoryError
) -> MemoryLimit:
    what = "loading the model" if error.is_loading else "a single window"
    others = [one for one in slots if one.device == slot.device and one != slot]
    num_open = sum(not is_closed(one, folder) for one in others)
    remedy = f"set GPU_SCALE_WORKERS={num_open}, {SMALLER_MODEL}"
    if not num_open:
        remedy = f"set {SMALLER_MODEL}, or free memory of {slot.device.name}"
    reason = f"{what} ran out of memory ({error})"
    limit = MemoryLimit(slot.name, 0, reason, remedy, now())
    _write(limit, folder)
    return limit


def is_closed(slot: WorkerSlot, folder: Path) -> bool:
    """Whether a slot is given to nobody."""
    return _read(slot.name, folder, CLOSED) is not None


def open_slots(slots: Sequence[WorkerSlot], folder: Path) -> list[WorkerSlot]:
    """The slots that are not closed.

    Raises:
        NoSlotError: none is left.
    """
    found = [slot for slot in slots if not is_closed(slot, folder)]
    if not found and (closed := closed_slots(slots, folder)):
        last = max(closed, key=lambda limit: limit.since)
        raise NoSlotError(f"No worker slot is open any more: {last.sentence}")
    return found


def closed_slots(slots: Sequence[WorkerSlot], folder: Path) -> list[MemoryLimit]:
    """The slots that are closed, and why."""
    return [limit for slot in slots if (limit := _read(slot.name, folder, CLOSED))]


def batch_limits(slots: Sequence[WorkerSlot], folder: Path) -> list[MemoryLimit]:
    """The devices that hold only smaller batches, and why."""
    devices = dict.fromkeys(slot.device.uuid for slot in slots)
    return [limit for device in devices if (limit := _read(device, folder, DEVICE_SIZES))]


def forget(slots: Sequence[WorkerSlot], folder: Path) -> None:
    """Open closed slots and allow large batches again, on devices on which nobody works.

    Args:
        slots: of the settings; all slots of their devices are meant, also of other settings.
        folder: of the slots.
    """
    for device in {slot.device.uuid for slot in slots}:
        near = folder.glob(f"{device}.slot-*")  # and what lies beside the slots' own files
        if not any(_is_held(path) for path in near if path.suffix.startswith(".slot-")):
            for path in folder.glob(f"{device}.*memory-limit*"):
                # Another user's, who starts again; a stranger's is not believed anyway.
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def _is_held(path: Path) -> bool:
    try:
        return is_locked(path)
    except PlantedFileError:  # nobody works in it; whoever wants to is told
        return False


def _read(name: str, folder: Path, sizes: range) -> MemoryLimit | None:
    """The lowest of the limits that somebody whom we believe has kept."""
    paths = folder.glob(f"{name}.memory-limit*")
    limits = [limit for path in paths if (limit := _read_one(path, name, sizes))]
    return min(limits, key=lambda limit: (limit.batch_size, limit.since), default=None)


def _read_one(path: Path, name: str, sizes: range) -> MemoryLimit | None:
    # Gone, broken, or of a version that says other things: then it says nothing.
    with contextlib.suppress(OSError, OpentrError, ValueError):
        text, file = read_owned(path)
        facts = facts_in(text, _NAMES)
        if is_believed(file, path.parent) and _is_sound(facts, name, sizes):
            told_by = "" if file.st_uid == os.geteuid() else user_name(file.st_uid)
            return MemoryLimit(**facts, told_by=told_by)
    return None


def _is_sound(facts: dict[str, Any], name: str, sizes: range) -> bool:
    texts = [facts[text] for text in ("reason", "remedy", "since")]
    size = facts["batch_size"]
    return (
        facts["name"] == name
        and type(size) is int
        and size in sizes
        and all(isinstance(text, str) and len(text) <= MAX_LETTERS for text in texts)
        and all(visible(text) == text for text in texts)
    )


def _write(limit: MemoryLimit, folder: Path) -> None:
    """Readable for all who use the device, whole at any moment."""
    facts = {name: getattr(limit, name) for name in _NAMES}
    facts["reason"] = visible(limit.reason)[:MAX_LETTERS]
    with replacing(folder / f"{limit.name}.memory-limit-{uuid.uuid4().hex}") as fresh:
        fresh.write_text(json.dumps(facts), encoding="utf-8")
        fresh.chmod(0o644)
