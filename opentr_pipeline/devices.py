"""Devices and the worker slots on them (NVML's door).

A worker slot is one of ``GPU_SCALE_WORKERS`` permits to run a transcription step.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings import Settings


@dataclass(frozen=True)
class Device:
    """Something that a model can run on.

    Attributes:
        number: the CUDA device number as a string, or ``cpu``.
        uuid: names the card wherever it is seen from, or ``cpu``; slot files are keyed by it.
        memory_bytes: in all, whoever uses it; 0 for the CPU, which is not budgeted.
    """

    number: str
    uuid: str
    name: str
    memory_bytes: int = 0

    @property
    def is_cpu(self) -> bool:
        """Whether this is the CPU."""
        return self.number == "cpu"


CPU = Device("cpu", "cpu", "CPU")


@dataclass(frozen=True)
class WorkerSlot:
    """One permit: a device, and a number from 0 on that device."""

    device: Device
    number: int

    @property
    def name(self) -> str:
        """A legal file name, such as ``cpu.slot-0``."""
        return f"{self.device.uuid}.slot-{self.number}"


def list_cards() -> list[Device]:
    """The NVIDIA cards that the driver shows; none without the ``gpu`` extra or a driver."""
    try:
        import pynvml  # type: ignore[import-not-found, import-untyped, unused-ignore]

        pynvml.nvmlInit()
    except Exception:  # not installed, no driver, no card: each means that there is none to use
        return []
    try:
        return [_card(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def _card(pynvml: object, index: int) -> Device:
    nvml = pynvml  # the module, untyped
    handle = nvml.nvmlDeviceGetHandleByIndex(index)  # type: ignore[attr-defined]
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)  # type: ignore[attr-defined]
    uuid = nvml.nvmlDeviceGetUUID(handle)  # type: ignore[attr-defined]
    name = nvml.nvmlDeviceGetName(handle)  # type: ignore[attr-defined]
    return Device(str(index), uuid, name, int(memory.total))


def worker_slots(settings: Settings, cards: Sequence[Device]) -> tuple[WorkerSlot, ...]:
    """The slots that the settings ask for on the devices that are there.

    Args:
        settings: checked settings.
        cards: from ``list_cards``.

    Raises:
        SettingsError: a device that is not there, with what to set instead.
    """
    if not settings.gpu_scale_enabled:
        return (WorkerSlot(_default_device(settings, cards), 0),)
    slots = [
        WorkerSlot(_device("GPU_SCALE_DEVICE_ID", name, cards), number)
        for name in settings.gpu_scale_device_id.split(",")
        for number in range(settings.gpu_scale_workers)
    ]
    if len(set(slots)) != len(slots):
        raise SettingsError(
            f"GPU_SCALE_DEVICE_ID={settings.gpu_scale_device_id} names a card twice."
        )
    if settings.gpu_scale_default_worker:
        default = _default_device(settings, cards)
        if any(slot.device == default for slot in slots):
            raise SettingsError(
                f"GPU_DEVICE_ID={settings.gpu_device_id} is the scaled card "
                f"(GPU_SCALE_DEVICE_ID={settings.gpu_scale_device_id}); the default worker needs "
                "a device of its own."
            )
        slots.append(WorkerSlot(default, 0))
    return tuple(slots)


def _default_device(settings: Settings, cards: Sequence[Device]) -> Device:
    if settings.gpu_device_id == "auto":
        return cards[0] if cards else CPU
    return _device("GPU_DEVICE_ID", settings.gpu_device_id, cards)


def _device(variable: str, name: str, cards: Sequence[Device]) -> Device:
    if name == "cpu":
        return CPU
    for card in cards:
        if name in (card.number, card.uuid):
            return card
    if not cards:
        raise SettingsError(
            f"{variable}={name}, but this machine has no CUDA card that we can use (is the driver "
            f"there, and the extra 'gpu' installed?); set {variable}=cpu for CPU slots."
        )
    there = ", ".join(card.number for card in cards)
    raise SettingsError(f"{variable}={name}, but the cards here are {there}; set one of those.")


def cpu_threads(slots: Sequence[WorkerSlot]) -> int:
    """Threads for one CPU slot: the cores we may use, shared among the CPU slots."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // max(1, sum(slot.device.is_cpu for slot in slots)))
