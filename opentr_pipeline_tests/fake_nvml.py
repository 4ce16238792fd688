# ruff: noqa: N802 - the names are NVML's
"""NVML's Python bindings as ``nvidia-ml-py`` 13 has them, over cards that exist nowhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

NOT_SUPPORTED = 3
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
GPU_IS_LOST = 15
# As the real module's classes print them.
MESSAGES = {
    NOT_SUPPORTED: "Not Supported",
    NOT_FOUND: "Not Found",
    DRIVER_NOT_LOADED: "Driver Not Loaded",
    GPU_IS_LOST: "GPU is lost",
}
UUIDS = [f"GPU-{digit * 8}-1111-2222-3333-444444444444" for digit in "abc"]


class NVMLError(Exception):
    """Carries a number, as the real one does."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return MESSAGES[self.value]


class NVMLLibraryMismatchError(Exception):
    """The driver is older than the bindings; not an ``NVMLError``, as the real one is not."""


@dataclass
class FakeCard:
    """A card; what is None is answered with "Not Supported"."""

    uuid: str = UUIDS[0]
    name: str = "NVIDIA L4"
    total_bytes: int | None = 24 * 10**9
    free_bytes: int = 20 * 10**9
    capability: tuple[int, int] | None = (8, 9)
    utilization_percent: int | None = 38
    temperature_c: int | None = 61
    compute: Sequence[tuple[int, int | None]] | None = ()
    graphics: Sequence[tuple[int, int | None]] | None = ()
    is_lost: bool = False


class FakeNvml:
    """The module.

    Args:
        cards: in NVML's order.
        programs: by process number, those that can be named.
        fails_with: the error of ``nvmlInit``; 0 for none.
        cuda: the newest that the driver supports.
        text: ``str.encode`` answers as bindings before 11.5 did.
    """

    NVMLError = NVMLError
    NVMLLibraryMismatchError = NVMLLibraryMismatchError
    NVML_TEMPERATURE_GPU = 0

    def __init__(
        self,
        cards: Sequence[FakeCard] = (),
        programs: Mapping[int, str] | None = None,
        fails_with: int = 0,
        cuda: int | None = 13_000,
        text: Callable[[str], Any] = str,
    ) -> None:
        self._cards, self._programs = cards, programs or {}
        self._fails_with, self._cuda, self._text = fails_with, cuda, text
        self._is_open = False

    def _asked(self, value: Any) -> Any:
        assert self._is_open, "nvmlInit comes first"
        if value is None:
            raise NVMLError(NOT_SUPPORTED)
        return self._text(value) if isinstance(value, str) else value

    def nvmlInit(self) -> None:
        assert not self._is_open
        if self._fails_with:
            raise NVMLError(self._fails_with)
        self._is_open = True

    def nvmlShutdown(self) -> None:
        assert self._is_open
        self._is_open = False

    def nvmlSystemGetDriverVersion(self) -> Any:
        return self._asked("580.95.05")

    def nvmlSystemGetCudaDriverVersion(self) -> Any:
        return self._asked(self._cuda)

    def nvmlSystemGetProcessName(self, pid: int) -> Any:
        if pid not in self._programs:
            raise NVMLError(NOT_FOUND)
        return self._asked(self._programs[pid])

    def nvmlDeviceGetCount(self) -> int:
        return len(self._asked(self._cards))

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeCard:
        if self._cards[index].is_lost:
            raise NVMLError(GPU_IS_LOST)
        return self._cards[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> FakeCard:
        for card in self._cards:
            if card.uuid == uuid and not card.is_lost:
                return card
        raise NVMLError(NOT_FOUND)

    def nvmlDeviceGetMemoryInfo(self, card: FakeCard) -> Any:
        total = self._asked(card.total_bytes)
        return SimpleNamespace(total=total, free=card.free_bytes, used=total - card.free_bytes)

    def nvmlDeviceGetUUID(self, card: FakeCard) -> Any:
        return self._asked(card.uuid)

    def nvmlDeviceGetName(self, card: FakeCard) -> Any:
        return self._asked(card.name)

    def nvmlDeviceGetCudaComputeCapability(self, card: FakeCard) -> Any:
        return self._asked(card.capability)

    def nvmlDeviceGetUtilizationRates(self, card: FakeCard) -> Any:
        return SimpleNamespace(gpu=self._asked(card.utilization_percent), memory=0)

    def nvmlDeviceGetTemperature(self, card: FakeCard, sensor: int) -> Any:
        assert sensor == self.NVML_TEMPERATURE_GPU
        return self._asked(card.temperature_c)

    def nvmlDeviceGetComputeRunningProcesses(self, card: FakeCard) -> list[Any]:
        return _processes(self._asked(card.compute))

    def nvmlDeviceGetGraphicsRunningProcesses(self, card: FakeCard) -> list[Any]:
        return _processes(self._asked(card.graphics))


def _processes(found: Sequence[tuple[int, int | None]]) -> list[Any]:
    return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in found]
