"""What a transcription step measured of itself; each field is a key of the step's metadata."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.devices.cards import WorkerSlot
from opentr_pipeline.devices.cluster_slots import known_as
from opentr_pipeline.devices.usage import Usage, peak_memory_bytes
from opentr_pipeline.steps.outcome import ShardOutcome


@dataclass(frozen=True)
class StepFigures:
    """How a step used its device, the machine and its time, from the lease to its end.

    Attributes:
        worker_slot: as ``known_as`` names it: what is before its number names the device.
        device: for people.
        audio_s: seconds of sound that it transcribed.
        load_s: of ``wall_s``, to load the model.
        batch_size: most windows decoded together.
        windows_per_batch_mean: that were.
        waited_for_front_end_percent: see ``WorkerTimes``.
        peak_memory_bytes: of the step's process, resident.
        cpu_utilization_percent_mean: of the cores that we may use, whoever uses them; this and
            what follows is None where it cannot be had.
        main_memory_used_bytes_max: of the machine, whoever uses it.
        gpu_utilization_percent_mean: of the card, whoever uses it; likewise what follows.
    """

    worker_slot: str
    device: str
    audio_s: float
    wall_s: float
    load_s: float
    batch_size: int
    windows_per_batch_mean: float
    waited_for_front_end_percent: float
    peak_memory_bytes: int
    cpu_utilization_percent_mean: float | None = None
    main_memory_used_bytes_max: int | None = None
    main_memory_total_bytes: int | None = None
    gpu_utilization_percent_mean: float | None = None
    gpu_memory_used_bytes_max: int | None = None
    gpu_memory_total_bytes: int | None = None
    gpu_temperature_c_max: int | None = None

    @classmethod
    def of(
        cls, outcome: ShardOutcome, slot: WorkerSlot, usages: Mapping[str, Usage]
    ) -> "StepFigures":
        """The figures of a step that has ended.

        Args:
            outcome: what became of its shard.
            slot: that it held.
            usages: of ``cpu`` and, on a card, of ``gpu``, sampled meanwhile.
        """
        times = outcome.worker_times
        return cls(
            known_as(slot),
            slot.device.name,
            round(outcome.audio_s, 3),
            round(outcome.wall_s, 3),
            round(outcome.load_s, 3),
            outcome.batch_size,
            round(times.windows_per_batch, 2),
            round(100 * times.waited_share, 1),
            peak_memory_bytes(),
            **_usage(usages["cpu"], "cpu", "main_memory"),
            **(_usage(usages["gpu"], "gpu", "gpu_memory") if "gpu" in usages else {}),
        )

    @classmethod
    def of_metadata(cls, metadata: Mapping[str, Any]) -> "StepFigures":
        """What ``as_metadata`` gave, with whatever else beside it."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in metadata.items() if name in names})

    def as_metadata(self) -> dict[str, Any]:
        """The figures that there are."""
        return {name: value for name, value in vars(self).items() if value is not None}


def _usage(usage: Usage, device: str, memory: str) -> dict[str, Any]:
    if usage.utilization_percent_mean is None:
        return {}
    figures = {
        f"{device}_utilization_percent_mean": round(usage.utilization_percent_mean, 1),
        f"{memory}_used_bytes_max": usage.memory_used_bytes_max,
        f"{memory}_total_bytes": usage.memory_total_bytes,
    }
    if usage.temperature_c_max is not None:
        figures[f"{device}_temperature_c_max"] = usage.temperature_c_max
    return figures
