"""How busy, full and warm the devices are: now, and sampled while something runs."""

import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from opentr_pipeline.devices.cards import Device, card_state
from opentr_pipeline.devices.host_memory import host_memory

SAMPLE_S = 1.0
# The kernel counts the time of a core in hundredths of a second: 5 % steps are fine enough for one
# look, and their mean is exact.
LOOK_S = 0.2
END_TIMEOUT_S = 2.0
# Of the fields of a core in /proc/stat those in which it does nothing: idle and iowait.
# Source: proc(5).
_IDLE_FIELDS = slice(3, 5)
# The fields after these count the time of guests again.
_NUM_FIELDS = 8


@dataclass(frozen=True)
class Reading:
    """How a device is at a moment, whoever uses it.

    Attributes:
        utilization_percent: of a card, the share of a moment in which any kernel ran (NVML's word:
            100 does not mean that no more would fit); of the CPU, of all cores that we may use.
        memory_used_bytes: of the card; for the CPU, of main memory: the machine's, or what our
            container may have.
        memory_total_bytes: likewise.
        temperature_c: of the card; None for the CPU.
    """

    utilization_percent: float
    memory_used_bytes: int
    memory_total_bytes: int
    temperature_c: int | None = None


Look = Callable[[], Reading]


class Usage:
    """Readings of one device, added up.

    Attributes:
        memory_used_bytes_max: the highest; its neighbours likewise.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.num_readings = 0
        self.memory_used_bytes_max = 0
        self.memory_total_bytes = 0
        self.temperature_c_max: int | None = None
        self._sum_percent = 0.0

    def add(self, reading: Reading) -> None:
        """Take one in."""
        self.num_readings += 1
        self._sum_percent += reading.utilization_percent
        self.memory_used_bytes_max = max(self.memory_used_bytes_max, reading.memory_used_bytes)
        self.memory_total_bytes = reading.memory_total_bytes
        if reading.temperature_c is not None:
            self.temperature_c_max = max(self.temperature_c_max or 0, reading.temperature_c)

    @property
    def utilization_percent_mean(self) -> float | None:
        """Over all readings; None where there were none."""
        return self._sum_percent / self.num_readings if self.num_readings else None


@contextmanager
def sampled(looks: Mapping[str, Look], every_s: float = SAMPLE_S) -> Iterator[dict[str, Usage]]:
    """Look at devices again and again for the ``with`` block, in a thread of its own.

    Watching never costs a transcript: a look that fails is left out.

    Args:
        looks: by the names under which the usages are yielded.
        every_s: from the end of a look to the next; the first is at once.
    """
    usages = {name: Usage() for name in looks}
    over = threading.Event()

    def watch() -> None:
        while True:
            for name, look in looks.items():
                with contextlib.suppress(Exception):  # no driver any more, no /proc
                    usages[name].add(look())
            if over.wait(every_s):
                return

    thread = threading.Thread(target=watch, daemon=True, name="sampler")
    thread.start()
    try:
        yield usages
    finally:
        over.set()
        thread.join(END_TIMEOUT_S)  # a driver that hangs must not hold the slot


def looks_at(device: Device) -> dict[str, Look]:
    """What to look at while a step runs on a device: ``cpu`` always, a card as ``gpu``."""
    looks: dict[str, Look] = {"cpu": look_at_machine}
    return looks if device.is_cpu else {**looks, "gpu": functools.partial(look_at, device)}


def look_at(device: Device) -> Reading:
    """How a device is now; of the CPU it takes a fifth of a second.

    Raises:
        OSError: the driver, or this operating system, does not tell.
    """
    if device.is_cpu:
        return look_at_machine()
    state = card_state(device.uuid)
    if state is None or state.utilization_percent is None or state.used_bytes is None:
        raise OSError(f"The driver does not tell how {device.name} is.")
    percent = float(state.utilization_percent)
    return Reading(percent, state.used_bytes, device.memory_bytes, state.temperature_c)


@dataclass(frozen=True)
class DeviceNow:
    """How one of the devices that have worker slots is at this moment.

    Attributes:
        name: for people.
        reading: None where it cannot be had.
    """

    uuid: str
    name: str
    reading: Reading | None


def devices_now(devices: Iterable[Device]) -> list[DeviceNow]:
    """How devices are, each once."""
    found = []
    for device in dict.fromkeys(devices):
        reading = None
        with contextlib.suppress(OSError):
            reading = look_at(device)
        found.append(DeviceNow(device.uuid, device.name, reading))
    return found


def look_at_machine() -> Reading:
    """The cores that this process may use and the main memory; takes a fifth of a second.

    Raises:
        OSError: not on this operating system.
    """
    before = _core_times(Path("/proc/stat").read_text())
    time.sleep(LOOK_S)
    after = _core_times(Path("/proc/stat").read_text())
    memory = host_memory()
    if memory is None:
        raise OSError("This operating system does not tell how much memory is used.")
    used_bytes = memory.total_bytes - memory.free_bytes
    return Reading(busy_percent(before, after), used_bytes, memory.total_bytes)


class CoreTimes(NamedTuple):
    """What cores did since the machine was started, in the kernel's ticks, added up."""

    idle: int
    total: int


def _core_times(stat: str) -> CoreTimes:
    return core_times(stat, os.sched_getaffinity(0))


def core_times(stat: str, cores: set[int]) -> CoreTimes:
    """The times of some cores.

    Args:
        stat: the text of ``/proc/stat``.
        cores: their numbers.
    """
    idle = total = 0
    for line in stat.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in cores:
            ticks = [int(field) for field in fields[:_NUM_FIELDS]]
            idle += sum(ticks[_IDLE_FIELDS])
            total += sum(ticks)
    return CoreTimes(idle, total)


def busy_percent(before: CoreTimes, after: CoreTimes) -> float:
    """How busy the cores were in between; 0 where no tick has passed."""
    total = after.total - before.total
    return 100 * (1 - (after.idle - before.idle) / total) if total > 0 else 0.0


def peak_memory_bytes() -> int:
    """The most resident memory that this process ever had; a step has a process of its own."""
    # Not ``getrusage``, which counts what a process's parent had when it was started.
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
