"""What the worker slots need of each device's memory, beside what there is: does it fit?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from opentr_pipeline.devices import cards
from opentr_pipeline.devices.cards import MAX_CPU_WORKERS, Device, WorkerSlot
from opentr_pipeline.devices.compute_types import compute_type
from opentr_pipeline.devices.host_memory import host_memory
from opentr_pipeline.devices.leases import holders
from opentr_pipeline.errors import ModelError, SettingsError
from opentr_pipeline.recognition import models
from opentr_pipeline.recognition.whisper.memory import (
    CPU_BATCH,
    largest_batch,
    useful_batch,
    worker_bytes,
)
from opentr_pipeline.recognition.whisper.shapes import ModelShape, known_shape, read_shape
from opentr_pipeline.wording import gigabytes

Verdict = Literal["fits", "tight", "does not fit", "more workers than useful", "unknown"]
# The estimate may be 5 % too low, see whisper/memory.py, and a card's memory is never without gaps.
TIGHT_SHARE = 0.9
# One worker keeps a card some 90 % busy; four were 1.31 times as fast as one, eight 1.39 times.
# Source: OpenTranscribe's measurements on an A6000.
USEFUL_CARD_WORKERS = 4
TIGHT_MEANS = f"tight: over {TIGHT_SHARE * 100:.0f} % of what is free."
USEFUL_ON_A_CPU = "more workers than useful: more than there are cores."
USEFUL_ON_A_CARD = (
    f"more workers than useful: more than {USEFUL_CARD_WORKERS} on a card; one keeps it some 90 % "
    "busy, 4 were measured at 1.31 times its speed, 8 at 1.39 times."
)
# Where nobody knows the model's shape.
USUAL_BATCH = 8
NUMBERS_OF_WORKERS = (1, 2, 4, 6)
SMALLER_MODELS = ("large-v3-turbo", "medium", "small", "base", "tiny")


@dataclass(frozen=True)
class Workload:
    """What each worker does.

    Attributes:
        shape: None where the model is neither known by name nor fetched.
        compute_type: a resolved one.
    """

    model: str
    shape: ModelShape | None
    compute_type: str
    beam_size: int

    def bytes_of(self, device: Device, num_workers: int, batch_size: int) -> int | None:
        """What one of so many workers on a device needs; None where the shape is unknown."""
        if self.shape is None:
            return None
        at_once = _cpu_batches(device, num_workers)
        return worker_bytes(self.shape, self.compute_type, batch_size, self.beam_size, at_once)

    def largest_batch(self, device: Device, num_workers: int, room_bytes: float) -> int:
        """The largest batch of one of so many workers; 0 where none fits."""
        assert self.shape is not None
        at_once = _cpu_batches(device, num_workers)
        return largest_batch(self.shape, self.compute_type, self.beam_size, room_bytes, at_once)

    def useful_batch(self, device: Device) -> int:
        """The batch with which a device is as fast as it gets."""
        if device.is_cpu:
            return CPU_BATCH
        return useful_batch(self.shape) if self.shape else USUAL_BATCH


@dataclass(frozen=True)
class Room:
    """The memory of a device; None is what nobody knows.

    Attributes:
        free_bytes: to workers of ours, those that have some of it already included.
    """

    free_bytes: int | None
    total_bytes: int | None

    def share(self, num_workers: int) -> int | None:
        """What each of so many workers may have."""
        return None if self.free_bytes is None else self.free_bytes // num_workers


@dataclass(frozen=True)
class Budget:
    """Some workers on one device: what they need, and what they may have.

    Attributes:
        needed_bytes: by all of them; None where the model's shape is unknown.
        num_useful: workers that make it faster.
    """

    device: Device
    num_workers: int
    batch_size: int
    needed_bytes: int | None
    room: Room
    num_useful: int

    @property
    def verdict(self) -> Verdict:
        """Whether it works, in two or three words."""
        if self.needed_bytes is None or self.room.free_bytes is None:
            return "unknown"
        if self.needed_bytes > self.room.free_bytes:
            return "does not fit"
        if self.num_workers > self.num_useful:
            return "more workers than useful"
        is_tight = self.needed_bytes > TIGHT_SHARE * self.room.free_bytes
        return "tight" if is_tight else "fits"


def workload(
    model: str, models_root: Path, asked_type: str, beam_size: int, slots: Sequence[WorkerSlot]
) -> Workload:
    """What each worker does.

    Args:
        model: its name.
        models_root: where models are kept.
        asked_type: a compute type of the settings.
        beam_size: hypotheses kept.
        slots: that the workers are in.

    Raises:
        SettingsError: a device cannot do the arithmetic that is asked for.
    """
    shape = known_shape(model)
    if shape is None:
        try:
            shape = read_shape(models.find(model, models_root).folder / "model.bin")
        except ModelError:  # not fetched
            shape = None
    return Workload(
        model, shape, compute_type(asked_type, {slot.device for slot in slots}), beam_size
    )


@dataclass(frozen=True)
class Workers:
    """The workers of the settings, one in each slot.

    Attributes:
        slots: all of them.
        work: of each.
        wanted_batch: windows decoded together; None where the memory decides.
        slots_folder: where each says what it has of its device's memory.
    """

    slots: tuple[WorkerSlot, ...]
    work: Workload
    wanted_batch: int | None
    slots_folder: Path

    def budgets(self) -> list[Budget]:
        """Each device with the workers and the batch that the settings mean."""
        return [self._budget_on(device) for device in dict.fromkeys(s.device for s in self.slots)]

    def batch_size(self, slot: WorkerSlot) -> int:
        """Windows decoded together in a worker slot that is about to load the model.

        Its share as ``check_fits`` counts it, so that each other slot of the device, and whoever
        else uses it, keeps what it was left; and no more than is free at this moment.
        """
        device = slot.device
        share = _room(device, self.slots, self.slots_folder).share(self._count(device))
        free = _room(device, (), self.slots_folder).free_bytes
        memory = None if share is None or free is None else min(share, free)
        return self._batch(device, memory)

    def need_bytes(self, slot: WorkerSlot, batch_size: int) -> int:
        """What the worker in a slot needs at its peak; 0 where the model's shape is unknown."""
        return self.work.bytes_of(slot.device, self._count(slot.device), batch_size) or 0

    def check_fits(self) -> None:
        """Refuse what cannot fit: on a card into what is free, on a CPU into what there is at all.

        Raises:
            SettingsError: with the workers and the batch that do fit.
        """
        for own in self.budgets():
            limit = own.room.total_bytes if own.device.is_cpu else own.room.free_bytes
            if limit is None or own.needed_bytes is None or own.needed_bytes <= limit:
                continue
            raise _too_much(self.work, own, limit)

    def _budget_on(self, device: Device) -> Budget:
        number = self._count(device)
        room = _room(device, self.slots, self.slots_folder)
        batch = self._batch(device, room.share(number))
        return _budget(self.work, device, number, batch, room)

    def _batch(self, device: Device, free_bytes: int | None) -> int:
        """The batch size of a worker that may have so much memory; None: enough."""
        if self.wanted_batch is not None:
            return self.wanted_batch
        useful = self.work.useful_batch(device)
        if device.is_cpu or self.work.shape is None or free_bytes is None:
            return useful
        largest = self.work.largest_batch(device, 1, TIGHT_SHARE * free_bytes)
        return max(1, min(useful, largest))

    def _count(self, device: Device) -> int:
        return sum(slot.device == device for slot in self.slots)


def alternatives(as_set: Sequence[Budget], work: Workload) -> list[Budget]:
    """Each device with more and fewer workers and larger and smaller batches.

    Args:
        as_set: from ``Workers.budgets``; they are among them.
        work: of each worker.
    """
    found = []
    for own in as_set:
        useful = work.useful_batch(own.device)
        batches = sorted({1, useful // 2, useful, 2 * useful, own.batch_size})
        numbers = sorted({*NUMBERS_OF_WORKERS, own.num_workers})
        found += [
            _budget(work, own.device, number, batch, own.room)
            for number in numbers
            for batch in batches
        ]
    return found


def _too_much(work: Workload, own: Budget, limit: int) -> SettingsError:
    workers = f"{own.num_workers} worker{'s' if own.num_workers > 1 else ''}"
    return SettingsError(
        f"{workers} with the model {work.model} ({work.compute_type}) and batch size "
        f"{own.batch_size} need {gigabytes(own.needed_bytes or 0)} on {own.device.description}, "
        f"which has {gigabytes(limit)}{'' if own.device.is_cpu else ' free'}; "
        f"{_remedy(work, own, limit)}."
    )


def _remedy(work: Workload, own: Budget, limit: int) -> str:
    """The most workers that have room for the batch, else the most that have room at all."""
    target = max(own.batch_size, work.useful_batch(own.device))
    sizes = {
        number: min(target, largest)
        for number in range(own.num_workers, 0, -1)
        if (largest := work.largest_batch(own.device, number, limit // number))
    }
    if not sizes:
        smaller = [name for name in SMALLER_MODELS if _has_room(work, name, own.device, limit)]
        rest = f"set WHISPER_MODEL={smaller[0]} or make room" if smaller else "make room"
        return f"not even one with batch size 1 fits: {rest}"
    number = next((one for one, size in sizes.items() if size == target), max(sizes))
    workers = f"GPU_SCALE_WORKERS={number} and " if own.num_workers > 1 else ""
    return f"set {workers}WHISPER_BATCH_SIZE={sizes[number]}, which fits"


def _has_room(work: Workload, model: str, device: Device, limit: int) -> bool:
    return bool(replace(work, shape=known_shape(model)).largest_batch(device, 1, limit))


def _budget(work: Workload, device: Device, number: int, batch: int, room: Room) -> Budget:
    one = work.bytes_of(device, number, batch)
    useful = cards.num_cores() if device.is_cpu else USEFUL_CARD_WORKERS
    return Budget(device, number, batch, None if one is None else number * one, room, useful)


def _cpu_batches(device: Device, number: int) -> int:
    """Batches at a time in one of so many CPU slots; 0 on a card."""
    threads = max(1, cards.num_cores() // number)
    return min(threads, MAX_CPU_WORKERS) if device.is_cpu else 0


def _room(device: Device, slots: Sequence[WorkerSlot], folder: Path) -> Room:
    """The memory of a device; what held slots among these have of it is free to workers of ours."""
    ours = [slot for slot in slots if slot.device == device]
    # Before the device is asked: who loads meanwhile is then counted too little, not twice.
    held = sum(holder.memory_bytes for holder in holders(ours, folder))
    free, total = _free_and_total(device)
    if free is None:
        return Room(None, total)
    return Room(min(free + held, total or free + held), total)


def _free_and_total(device: Device) -> tuple[int | None, int | None]:
    if device.is_cpu:
        memory = host_memory()
        return (memory.free_bytes, memory.total_bytes) if memory else (None, None)
    state = cards.card_state(device.uuid)
    return state.free_bytes if state else None, device.memory_bytes or None
