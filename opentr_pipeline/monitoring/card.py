"""``opentr bench card``: everything that only the device itself can say, in one measurement.

Stages by batch size, arithmetic, front end, memory beside what ``memory`` computes, workers at
once, out of memory on purpose, and which settings follow from it.
"""

import contextlib
import dataclasses
import itertools
import json
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from opentr_pipeline.devices.cards import MAX_CPU_WORKERS, Device, find_cards, num_cores
from opentr_pipeline.devices.compute_types import fast_types
from opentr_pipeline.errors import ModelError
from opentr_pipeline.monitoring import card_stages, scaling
from opentr_pipeline.monitoring.card_memory import Try, tries
from opentr_pipeline.monitoring.card_stages import FrontEnd, StageRow
from opentr_pipeline.monitoring.scaling import Scaling, Turns
from opentr_pipeline.monitoring.scaling_workers import Bench, Take
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.recognition.whisper.memory import worker_bytes
from opentr_pipeline.recognition.whisper.shapes import ModelShape
from opentr_pipeline.wording import now

BATCH_SIZES = (1, 4, 8, 16, 32, 64)
NUMS_LISTENERS = (1, 2, 4, 8, 16)
TURN_S = 8.0
# Recordings that everything but the workers hears; their speech fills the largest batch.
NUM_TAKES = 12
# A setting is good enough with so much of the best speed: more costs memory for nothing.
ENOUGH = 0.95
LIBRARIES = ("ctranslate2", "faster-whisper", "onnxruntime", "av", "numpy")
# A batch this many times what is left for it, so that the step must learn twice.
OVER = 4
STEP_AUDIO_S = 600.0


@dataclass(frozen=True)
class CardBench:
    """A whole measurement.

    Attributes:
        measured_at: ISO 8601.
        device: its name.
        is_real: whether the weights are the model's; otherwise they are noise in its shape.
        libraries: versions by name, the driver's and CUDA's among them.
        front_end: by number of listeners at once.
        stages: by batch size, in the arithmetic of the settings.
        other_arithmetic: one batch size in each other compute type.
        computed_bytes: of a worker, by batch size, beside ``stages``.
        workers: so many at once.
        out_of_memory: the tries of a step for which too little memory was left.
    """

    measured_at: str
    device: str
    memory_bytes: int
    num_cores: int
    processor: str
    libraries: dict[str, str]
    model: str
    is_real: bool
    compute_type: str
    beam_size: int
    front_end: tuple[FrontEnd, ...]
    stages: tuple[StageRow, ...]
    other_arithmetic: tuple[StageRow, ...]
    computed_bytes: tuple[int, ...]
    workers: Scaling
    left_bytes: int
    out_of_memory: tuple[Try, ...]

    @property
    def batch_size(self) -> int:
        """The smallest with which one worker is as fast as it gets."""
        return _enough(self.stages).batch_size

    @property
    def num_workers(self) -> int:
        """The fewest with which the device is as fast as it gets."""
        rows = [row for row in self.workers.rows if not row.failure]
        best_x = max(row.speed_x for row in rows)
        return next(row.num_workers for row in rows if row.speed_x >= ENOUGH * best_x)

    @property
    def fastest_arithmetic(self) -> str:
        """The compute type with which a worker is fastest, at one batch size."""
        (own,) = [row for row in self.stages if row.batch_size == self.batch_size]
        rows = [row for row in (own, *self.other_arithmetic) if not row.failure]
        best_x = max(row.engine_x for row in rows)
        return own.compute_type if own.engine_x >= ENOUGH * best_x else _fastest(rows).compute_type


def _fastest(rows: Sequence[StageRow]) -> StageRow:
    return max(rows, key=lambda row: row.engine_x)


def _enough(stages: Sequence[StageRow]) -> StageRow:
    rows = [row for row in stages if not row.failure]
    return next(row for row in rows if row.engine_x >= ENOUGH * _fastest(rows).engine_x)


@dataclass(frozen=True)
class Weights:
    """What is measured.

    Attributes:
        is_real: whether the weights are the model's own.
    """

    model: Model
    shape: ModelShape
    is_real: bool


def measure(
    bench: Bench, weights: Weights, archive: Path, turns: Turns, say: Callable[[str], object]
) -> CardBench:
    """Measure a device; takes some two minutes on a card.

    Args:
        bench: model, device and options; its batch size is found out here.
        weights: of the model.
        archive: whose media are heard.
        turns: numbers of workers at once, and how long each figure of the engine is measured.
        say: told what happens, a sentence at a time.

    Raises:
        ArchiveError: there is nothing to hear.
        ModelError: one worker cannot work.
    """
    takes = list(itertools.islice(scaling.media(archive), NUM_TAKES))
    say("Front end ...")
    numbers = [number for number in NUMS_LISTENERS if number <= num_cores()]
    front = card_stages.front_end(takes, numbers, turns.turn_s / 4)
    say("Stages by batch size ...")
    stages = card_stages.stage_rows(bench, takes, BATCH_SIZES, turns.turn_s / 2)
    if stages[0].failure:
        raise ModelError(f"One worker on {bench.device.name} fails: {stages[0].failure}")
    size = _enough(stages).batch_size
    others = [name for name in fast_types(bench.device) if name != bench.options.compute_type]
    say(f"Arithmetic: {', '.join(others)} ...")
    other = [_in_arithmetic(bench, takes, name, size, turns.turn_s / 2) for name in others]
    say("Workers at once ...")
    sized = dataclasses.replace(bench, batch_size=size)
    known = dataclasses.replace(turns, speed_x=_enough(stages).engine_x)
    workers = scaling.measure(sized, archive, known, say)
    left, tried = 0, list[Try]()
    if not bench.device.is_cpu:  # whose memory is everybody's
        say("Out of memory on purpose ...")
        left, tried = _out_of_memory(bench, weights.shape, takes)
    return CardBench(
        **_machine(bench.device),
        measured_at=now(),
        model=bench.model.name,
        is_real=weights.is_real,
        compute_type=bench.options.compute_type,
        beam_size=bench.options.beam_size,
        front_end=tuple(front),
        stages=tuple(stages),
        other_arithmetic=tuple(other),
        computed_bytes=tuple(_computed(bench, weights.shape, row.batch_size) for row in stages),
        workers=workers,
        left_bytes=left,
        out_of_memory=tuple(tried),
    )


def _in_arithmetic(
    bench: Bench, takes: Sequence[Take], name: str, size: int, turn_s: float
) -> StageRow:
    options = dataclasses.replace(bench.options, compute_type=name)
    other = dataclasses.replace(bench, options=options)
    return card_stages.stage_rows(other, takes, [size], turn_s)[-1]


def _computed(bench: Bench, shape: ModelShape, size: int) -> int:
    options = bench.options
    at_once = min(num_cores(), MAX_CPU_WORKERS) if bench.device.is_cpu else 0
    return worker_bytes(shape, options.compute_type, size, options.beam_size, at_once)


def _out_of_memory(bench: Bench, shape: ModelShape, takes: Sequence[Take]) -> tuple[int, list[Try]]:
    """Leave what batches of two are computed to need, and begin with larger ones."""
    left_bytes = _computed(bench, shape, 2)
    heard = list(card_stages.looped(takes, STEP_AUDIO_S))
    with tempfile.TemporaryDirectory(prefix="opentr-bench-") as folder:
        return left_bytes, tries(bench, heard, 2 * OVER, left_bytes, Path(folder))


def _machine(device: Device) -> dict[str, Any]:
    cards = find_cards()
    versions = {name: metadata.version(name) for name in LIBRARIES}
    if not device.is_cpu:
        versions |= {"driver": cards.driver, "CUDA of the driver": str(cards.cuda or "")}
    return {
        "device": device.name,
        "memory_bytes": device.memory_bytes,
        "num_cores": num_cores(),
        "processor": _processor(),
        "libraries": {"Python": platform.python_version(), **versions},
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def result_path(folder: Path, measured: CardBench, device: Device) -> Path:
    """Where the last measurement of a model on a device is kept, as JSON."""
    name = f"card-{device.uuid}-{Path(measured.model).name}.json"
    return folder / name


def save(measured: CardBench, path: Path) -> None:
    """Keep a measurement, with what follows from it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    follows = {
        "batch_size": measured.batch_size,
        "num_workers": measured.num_workers,
        "fastest_arithmetic": measured.fastest_arithmetic,
    }
    facts = {**dataclasses.asdict(measured), "verdict": follows}
    path.write_text(json.dumps(facts, indent=2), encoding="utf-8")
