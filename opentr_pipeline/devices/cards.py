"""Devices and the worker slots on them.

A worker slot is one of ``GPU_SCALE_WORKERS`` permits to run a transcription step.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from opentr_pipeline.commands import command
from opentr_pipeline.devices.nvml import NoCardsError, known, opened, text
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.environment import Settings, cuda_variable

MAX_CPU_WORKERS = 4


@dataclass(frozen=True)
class Device:
    """Something that a model can run on; what changes about a card is in ``CardState``.

    Attributes:
        number: of the card as a string, or ``cpu``. Cards are counted in the order of their PCI
            addresses, as ``nvidia-smi`` does, or along ``CUDA_VISIBLE_DEVICES``; never in CUDA's
            own order, fastest first, which a step does not meet: it names its card by UUID.
        uuid: names the card wherever it is seen from, or ``cpu``; slot files are keyed by it.
        memory_bytes: in all, whoever uses it; 0 where it is unknown, and for the CPU.
        capability: CUDA's compute capability, such as (8, 6); None where it is unknown.
    """

    number: str
    uuid: str
    name: str
    memory_bytes: int = 0
    capability: tuple[int, int] | None = None

    @property
    def is_cpu(self) -> bool:
        """Whether this is the CPU."""
        return self.number == "cpu"

    @property
    def description(self) -> str:
        """For people: ``card 0 (NVIDIA L4, compute capability 8.9)``."""
        if self.is_cpu:
            return "the CPU"
        capability = ".".join(map(str, self.capability or ("unknown",)))
        return f"card {self.number} ({self.name}, compute capability {capability})"


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


@dataclass(frozen=True)
class CardProcess:
    """A program that uses a card.

    Attributes:
        name: its file; empty where it cannot be seen, as from inside a container.
        used_bytes: of the card's memory; None where the driver does not tell.
    """

    pid: int
    name: str
    used_bytes: int | None


@dataclass(frozen=True)
class CardState:
    """How a card is at this moment; None is what its driver does not tell."""

    free_bytes: int | None
    used_bytes: int | None
    utilization_percent: int | None
    temperature_c: int | None


@dataclass(frozen=True)
class Cards:
    """The cards that we may use.

    Attributes:
        driver: its version; empty without one.
        cuda: the newest CUDA that it supports, as 12040 for 12.4; None where it does not tell.
        why_none: the reason where there are none, for people.
    """

    devices: list[Device]
    driver: str = ""
    cuda: int | None = None
    why_none: str = ""


def find_cards() -> Cards:
    """The NVIDIA cards that the driver and ``CUDA_VISIBLE_DEVICES`` show.

    Raises:
        SettingsError: that variable may mean other cards to CUDA than to ``nvidia-smi``.
    """
    try:
        with opened() as nvml:
            driver = text(nvml.nvmlSystemGetDriverVersion())
            cuda = known(nvml, nvml.nvmlSystemGetCudaDriverVersion)
            count = nvml.nvmlDeviceGetCount()
            # One that has fallen off its bus keeps its number and cannot be used.
            there = [known(nvml, _card, nvml, index) for index in range(count)]
    except NoCardsError as reason:
        return Cards([], why_none=str(reason))
    cards = [card for card in there if card]
    said = cuda_variable("CUDA_VISIBLE_DEVICES")
    seen = cards if said is None else visible(cards, said)
    why_none = "" if cards else "the driver shows no card"
    if cards and not seen:
        why_none = f"CUDA_VISIBLE_DEVICES={said} shows none of the {len(cards)} here"
    return Cards(seen, driver, cuda, why_none)


def list_cards() -> list[Device]:
    """The same cards alone; none without the ``gpu`` extra or a driver."""
    return find_cards().devices


def visible(cards: Sequence[Device], said: str) -> list[Device]:
    """The cards that a value of ``CUDA_VISIBLE_DEVICES`` shows, numbered as it counts them.

    Names are numbers or the first letters of one card's UUID; what stands after a name that fits no
    card is not seen either. Source: CUDA C++ Programming Guide, CUDA Environment Variables.
    """
    names = [part.strip().lower() for part in said.split(",")]
    if any(name.isdecimal() for name in names):
        _check_order(cards, said)
    seen: list[Device] = []
    for name in names:
        found = [
            card
            for card in cards
            if name == card.number
            or (name.startswith("gpu-") and card.uuid.lower().startswith(name))
        ]
        if len(found) != 1 or found[0] in seen:
            break
        seen += found
    return [replace(card, number=str(number)) for number, card in enumerate(seen)]


def _check_order(cards: Sequence[Device], said: str) -> None:
    """By default CUDA counts the fastest card first; among equal ones that order is the PCI's."""
    if len({card.name for card in cards}) < 2 or cuda_variable("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return
    names = ", ".join(f"{card.uuid} ({card.name})" for card in cards)
    raise SettingsError(
        f"CUDA_VISIBLE_DEVICES={said} may mean other cards to CUDA than to nvidia-smi, as those "
        "here differ; set CUDA_DEVICE_ORDER=PCI_BUS_ID if the numbers are nvidia-smi's, or name "
        f"the cards by UUID: {names}."
    )


def card_state(uuid: str) -> CardState | None:
    """How a card is at this moment; None where it cannot be asked.

    Args:
        uuid: of a ``Device``.
    """
    try:
        with opened() as nvml:
            handle = known(nvml, nvml.nvmlDeviceGetHandleByUUID, uuid)
            return _state(nvml, handle) if handle else None
    except NoCardsError:
        return None


def _state(nvml: Any, handle: Any) -> CardState:
    memory = known(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
    rates = known(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    sensor = nvml.NVML_TEMPERATURE_GPU
    return CardState(
        int(memory.free) if memory else None,
        int(memory.used) if memory else None,
        int(rates.gpu) if rates else None,
        known(nvml, nvml.nvmlDeviceGetTemperature, handle, sensor),
    )


def card_processes(uuid: str) -> list[CardProcess]:
    """Who uses a card, for whatever, the largest first; none where the driver does not tell.

    Args:
        uuid: of a ``Device``.
    """
    try:
        with opened() as nvml:
            handle = known(nvml, nvml.nvmlDeviceGetHandleByUUID, uuid)
            return _processes(nvml, handle) if handle else []
    except NoCardsError:
        return []


def _processes(nvml: Any, handle: Any) -> list[CardProcess]:
    asked = (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses)
    used = {one.pid: one.usedGpuMemory for ask in asked for one in known(nvml, ask, handle) or ()}
    found = [
        CardProcess(pid, text(known(nvml, nvml.nvmlSystemGetProcessName, pid) or ""), num_bytes)
        for pid, num_bytes in used.items()
    ]
    return sorted(found, key=lambda one: -(one.used_bytes or 0))


def _card(nvml: Any, index: int) -> Device:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = known(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
    capability = known(nvml, nvml.nvmlDeviceGetCudaComputeCapability, handle)
    return Device(
        str(index),
        text(nvml.nvmlDeviceGetUUID(handle)),
        text(nvml.nvmlDeviceGetName(handle)),
        int(memory.total) if memory else 0,
        tuple(capability) if capability else None,
    )


def worker_slots(settings: Settings, cards: Sequence[Device]) -> tuple[WorkerSlot, ...]:
    """The slots that the settings ask for on the devices that are there.

    Args:
        settings: checked settings.
        cards: from ``list_cards``.

    Raises:
        SettingsError: a device that is not there, with what to set instead.
    """
    if not settings.gpu_scale_enabled:
        return (WorkerSlot(_default_device(settings.gpu_device_id, cards), 0),)
    slots = [
        WorkerSlot(_device("GPU_SCALE_DEVICE_ID", name, cards), number)
        for name in settings.gpu_scale_device_id.split(",")
        for number in range(settings.gpu_scale_workers)
    ]
    if len(set(slots)) != len(slots):
        raise SettingsError(
            f"GPU_SCALE_DEVICE_ID={settings.gpu_scale_device_id} names a card twice; name each "
            "once, and set GPU_SCALE_WORKERS to how many work on each."
        )
    if settings.gpu_scale_default_worker:
        default = _default_device(settings.gpu_device_id, cards)
        if any(slot.device == default for slot in slots):
            raise SettingsError(
                f"GPU_DEVICE_ID={settings.gpu_device_id} is the scaled card "
                f"(GPU_SCALE_DEVICE_ID={settings.gpu_scale_device_id}); the default worker needs "
                "a device of its own."
            )
        slots.append(WorkerSlot(default, 0))
    return tuple(slots)


def _default_device(name: str, cards: Sequence[Device]) -> Device:
    if name == "auto":
        return cards[0] if cards else CPU
    return _device("GPU_DEVICE_ID", name, cards)


def _device(variable: str, name: str, cards: Sequence[Device]) -> Device:
    if name == "cpu":
        return CPU
    for card in cards:
        if name.lower() in (card.number, card.uuid.lower()):
            return card
    if not cards:
        raise SettingsError(
            f"{variable}={name}, but this machine has no CUDA card that we can use, and "
            f"{command('doctor')} says why; set {variable}=cpu for CPU slots."
        )
    there = ", ".join(card.number for card in cards)
    raise SettingsError(f"{variable}={name}, but the cards here are {there}; set one of those.")


def num_cores() -> int:
    """The cores that this process may use."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return there or 1


def cpu_threads(slots: Sequence[WorkerSlot]) -> int:
    """Threads for one slot: the cores we may use, shared among the CPU slots; without any, all."""
    num_sharing = sum(slot.device.is_cpu for slot in slots) or len(slots)
    return max(1, num_cores() // max(1, num_sharing))
