"""What a run of transcription was limited by, and which setting to change; pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from opentr_pipeline.devices.cards import CPU
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.steps.figures import StepFigures

# A shorter run is start and end; its figures say nothing about an archive.
MIN_WORK_S = 60.0
MAX_SENTENCES = 3
# One worker on long recordings leaves a card idle for some 10 %; twice that can be had back.
# Source: OpenTranscribe's own measurements (about 90 % busy).
IDLE_PERCENT = 20.0
# Who removes a wait of a tenth gains 11 % at most; for less, nobody need touch anything.
WAITED_PERCENT = 10.0
LOAD_PERCENT = 10.0
# Beyond this, listening threads of one more worker find no time on the cores.
BUSY_PERCENT = 80.0
# Kinds of windows that cannot share a batch leave some places empty.
FULL_BATCH_SHARE = 0.8
# The rest is less than what one batch more or a longer context may ask for at any moment.
FULL_PERCENT = 95.0


@dataclass(frozen=True)
class AsSet:
    """The settings that the sentences name.

    Attributes:
        num_workers: of ``GPU_SCALE_WORKERS``; None without scaling.
    """

    shard_audio_s: int
    num_workers: int | None

    @classmethod
    def of(cls, settings: Settings) -> "AsSet":
        """As the settings say."""
        workers = settings.gpu_scale_workers if settings.gpu_scale_enabled else None
        return cls(settings.shard_audio_s, workers)

    @property
    def workers(self) -> str:
        """The number of workers, for people."""
        if self.num_workers:
            return f"GPU_SCALE_WORKERS ({self.num_workers} now)"
        return "GPU_SCALE_WORKERS (one worker now, GPU_SCALE_ENABLED=false)"


@dataclass(frozen=True)
class _DeviceUse:
    """How the steps used one device; None where that was not measured.

    Attributes:
        memory_percent: of the card; None for the CPU.
        load_percent: of the steps' time, to load the model.
        is_full_shards: whether the shards are as large as ``SHARD_AUDIO_S`` makes them.
        is_full_batches: whether larger batches would find windows to fill them.
    """

    device: str
    is_card: bool
    batch_size: int
    idle_percent: float | None
    cpu_percent: float | None
    memory_percent: float | None
    main_memory_percent: float | None
    waited_percent: float
    load_percent: float
    is_full_shards: bool
    is_full_batches: bool


def verdict(steps: Sequence[StepFigures], as_set: AsSet) -> str:
    """One to three sentences for people; empty where the steps were too short to judge.

    Args:
        steps: the transcription steps of one or several runs.
        as_set: what they ran with.
    """
    if sum(step.wall_s for step in steps) < MIN_WORK_S:
        return ""
    by_device: dict[str, list[StepFigures]] = {}
    for step in steps:
        by_device.setdefault(step.worker_slot.rpartition(".")[0], []).append(step)
    uses = [_use(group, as_set) for group in by_device.values()]
    uses.sort(key=lambda use: -(use.idle_percent or 0.0))
    said = [sentence for use in uses for sentence in _trouble(use, as_set)]
    said = said or [sentence for use in uses if (sentence := _all_well(use))]
    return " ".join(list(dict.fromkeys(said))[:MAX_SENTENCES])


def _use(steps: Sequence[StepFigures], as_set: AsSet) -> _DeviceUse:
    first = steps[0]
    # Of a cluster, after the host's name.
    is_card = first.worker_slot.rpartition(".")[0].rpartition(".")[2] != CPU.uuid
    cpu = _mean(steps, lambda step: step.cpu_utilization_percent_mean)
    used = _mean(steps, lambda step: step.gpu_utilization_percent_mean) if is_card else cpu
    wall_s = sum(step.wall_s for step in steps)
    return _DeviceUse(
        first.device,
        is_card,
        first.batch_size,
        None if used is None else 100 - used,
        cpu,
        _share(steps, lambda step: (step.gpu_memory_used_bytes_max, step.gpu_memory_total_bytes)),
        _share(steps, lambda step: (step.main_memory_used_bytes_max, step.main_memory_total_bytes)),
        _mean(steps, lambda step: step.waited_for_front_end_percent) or 0.0,
        100 * sum(step.load_s for step in steps) / wall_s,
        sum(step.audio_s for step in steps) >= len(steps) * as_set.shard_audio_s / 2,
        (_mean(steps, lambda step: step.windows_per_batch_mean) or 0.0)
        >= FULL_BATCH_SHARE * first.batch_size,
    )


def _mean(
    steps: Iterable[StepFigures], figure: Callable[[StepFigures], float | None]
) -> float | None:
    """Weighted by how long each step took, of those that have the figure."""
    there = [(value, step.wall_s) for step in steps if (value := figure(step)) is not None]
    weight = sum(wall_s for _, wall_s in there)
    return sum(value * wall_s for value, wall_s in there) / weight if weight else None


def _share(
    steps: Iterable[StepFigures], figures: Callable[[StepFigures], tuple[int | None, int | None]]
) -> float | None:
    """The highest share of a memory, in percent."""
    pairs = [figures(step) for step in steps]
    return max((100 * used / total for used, total in pairs if used and total), default=None)


def _trouble(use: _DeviceUse, as_set: AsSet) -> list[str]:
    """What to change; empty where all is well."""
    batch = f"WHISPER_BATCH_SIZE ({use.batch_size} now)"
    said = [
        f"{name} at {percent:.0f} %: lower {as_set.workers} or {batch}."
        for name, percent in (
            (f"Memory of {use.device}", use.memory_percent),
            ("Main memory", use.main_memory_percent),
        )
        if percent is not None and percent >= FULL_PERCENT
    ]
    is_full = bool(said)
    if use.idle_percent is not None and use.idle_percent < IDLE_PERCENT:
        return said
    if use.waited_percent >= WAITED_PERCENT:
        said.append(f"{_idle(use)}the front end is the limit, {_raise_front_end(use, as_set)}.")
    elif use.idle_percent is None:
        return said
    elif use.load_percent >= LOAD_PERCENT and use.is_full_shards:
        said.append(
            f"{_idle(use)}loading the model takes {use.load_percent:.0f} % of the steps, raise "
            f"SHARD_AUDIO_S ({as_set.shard_audio_s} now)."
        )
    elif not is_full:
        more = f"{as_set.workers} or {batch}" if use.is_full_batches else as_set.workers
        said.append(f"{_idle(use)}the front end keeps up, raise {more}.")
    return said


def _idle(use: _DeviceUse) -> str:
    if use.idle_percent is None:
        return f"{use.device}: "
    name = f"GPU ({use.device})" if use.is_card else "CPU"
    return f"{name} idle {use.idle_percent:.0f} %: "


def _raise_front_end(use: _DeviceUse, as_set: AsSet) -> str:
    waited = f"the model waited {use.waited_percent:.0f} % of the time for sound"
    if use.cpu_percent is not None and use.cpu_percent >= BUSY_PERCENT:
        return f"{waited}, and the cores are {use.cpu_percent:.0f} % busy: give it more cores"
    return f"{waited}, and cores are idle: raise {as_set.workers} or use a faster disk"


def _all_well(use: _DeviceUse) -> str:
    if use.idle_percent is None:
        return ""
    name = f"GPU ({use.device})" if use.is_card else "CPU"
    percent = use.memory_percent if use.is_card else use.main_memory_percent
    memory = "" if percent is None else f", memory at {percent:.0f} %"
    return (
        f"{name} {100 - use.idle_percent:.0f} % busy{memory}, {use.waited_percent:.0f} % of the "
        "time waiting for sound: no setting would gain much."
    )
