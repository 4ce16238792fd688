"""How speed grows with the number of workers on a device, measured on an archive's own media.

A worker here does what a transcription step does, without Dagster: a process that loads the model
and hears recordings. All workers of a number hear the same media, share them evenly, and begin
together when the last one has its model. The numbers take turns up and down (1 2 4 4 2 1), so that
a machine that gets slower or faster meanwhile favours none.
"""

import dataclasses
import functools
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.audio.probe import probe_file
from opentr_pipeline.devices.cards import Device
from opentr_pipeline.devices.usage import Reading, look_at, sampled
from opentr_pipeline.errors import ArchiveError, ModelError
from opentr_pipeline.monitoring.scaling_workers import NOT_ITS_FAULT, Bench, Done, Take, answers
from opentr_pipeline.wording import now

# What one worker hears in a turn should take so long that start and end do not count.
TURN_S = 20.0
# Heard first, by one worker, to learn how much that is: ever more, until it takes so long.
TRIAL_AUDIO_S = 60.0
TRIAL_S = 5.0
# So that they can be shared evenly; where recordings are longer than it takes, their beginnings.
MIN_RECORDINGS_PER_WORKER = 4
MIN_TAKE_S = 30.0
MAX_READINGS = 120
_SEED = 0


@dataclass(frozen=True)
class Row:
    """What was measured with a number of workers.

    Attributes:
        wall_s: of both turns together, from the moment that all begin until the last is done.
        audio_s: heard in them.
        peak_memory_bytes: of all workers together: on a CPU the sum of each one's highest, on a
            card the most that was used beyond what was used before.
        failure: why it could not be measured; the figures are 0 then.
        utilization_percent: of the device, at equal distances from when all begin to hear until
            they have ended.
    """

    num_workers: int
    wall_s: float = 0.0
    audio_s: float = 0.0
    peak_memory_bytes: int = 0
    failure: str = ""
    utilization_percent: tuple[float, ...] = ()

    @property
    def speed_x(self) -> float:
        """Seconds of audio in a second, all workers together."""
        return self.audio_s / self.wall_s if self.wall_s else 0.0


@dataclass(frozen=True)
class Scaling:
    """A whole measurement; the first row is one worker.

    Attributes:
        measured_at: ISO 8601.
        audio_s: heard in each turn.
    """

    measured_at: str
    device: str
    model: str
    compute_type: str
    batch_size: int
    num_cores: int
    num_recordings: int
    audio_s: float
    rows: tuple[Row, ...]

    def speed_up(self, row: Row) -> float:
        """Speed with so many workers over the speed with one; 0 where either failed."""
        one = self.rows[0].speed_x
        return row.speed_x / one if one else 0.0

    def efficiency(self, row: Row) -> float:
        """The share of a worker that each of them is worth."""
        return self.speed_up(row) / row.num_workers


@dataclass(frozen=True)
class Turns:
    """What is measured, and how long.

    Attributes:
        numbers: of workers; one is measured always.
        turn_s: that one worker is to take.
        is_steady: the device, so that once is enough.
        speed_x: of one worker where it is known; else it is tried.
    """

    numbers: Sequence[int]
    turn_s: float = TURN_S
    is_steady: bool = False
    speed_x: float = 0.0


def measure(bench: Bench, archive: Path, turns: Turns, say: Callable[[str], object]) -> Scaling:
    """Measure each number of workers, twice unless the device is steady.

    Args:
        bench: model and device.
        archive: whose media are heard.
        turns: what is measured.
        say: told what happens, a sentence at a time.

    Raises:
        ArchiveError: there is nothing to hear.
    """
    numbers = sorted({1, *turns.numbers})
    there = media(archive)
    speed_x = turns.speed_x or _trial(bench, there).speed_x
    takes = _gathered(there, turns.turn_s * speed_x, MIN_RECORDINGS_PER_WORKER * numbers[-1])
    audio_s = sum(take.duration_s for take in takes)
    order = numbers if turns.is_steady else (*numbers, *reversed(numbers))
    left_s = len(order) * audio_s / speed_x
    say(
        f"{len(takes)} recordings, {audio_s / 60:.1f} min of audio, in each of {len(order)} "
        f"turns; at most {math.ceil(left_s / 60)} min."
    )
    rows: dict[int, list[Row]] = {number: [] for number in numbers}
    for number in order:
        if not any(row.failure for row in rows[number]):
            rows[number].append(_turn(bench, takes, number))
            say(_said(rows[number][-1]))
    return Scaling(
        now(),
        bench.device.name,
        bench.model.name,
        bench.options.compute_type,
        bench.batch_size,
        len(os.sched_getaffinity(0)),
        len(takes),
        audio_s,
        tuple(_together(measured) for measured in rows.values()),
    )


def _trial(bench: Bench, there: Iterator[Take]) -> Row:
    """One worker, long enough to know its speed.

    Raises:
        ModelError: it cannot work.
    """
    audio_s = TRIAL_AUDIO_S
    while True:
        row = _turn(bench, _gathered(there, audio_s, 1), 1)
        if row.failure:
            raise ModelError(f"One worker on {bench.device.name} fails: {row.failure}")
        if row.wall_s >= TRIAL_S:
            return row
        audio_s *= 4


def _said(row: Row) -> str:
    name = "1 worker" if row.num_workers == 1 else f"{row.num_workers} workers"
    return f"{name}: {row.failure or f'{row.speed_x:.1f}x in {row.wall_s:.1f} s'}"


def _together(rows: Sequence[Row]) -> Row:
    number = rows[0].num_workers
    if failure := next((row.failure for row in rows if row.failure), ""):
        return Row(number, failure=failure)
    return Row(
        number,
        sum(row.wall_s for row in rows),
        sum(row.audio_s for row in rows),
        max(row.peak_memory_bytes for row in rows),
        utilization_percent=rows[0].utilization_percent,
    )


def media(archive: Path) -> Iterator[Take]:
    """The archive's recordings in an order of chance that is the same every time, again and again.

    Raises:
        ArchiveError: no file can be heard.
    """
    files = list(scan(archive).media_files)
    random.Random(_SEED).shuffle(files)
    known: list[Take] = []
    for file in files:
        path = archive / file.path
        probe = probe_file(path)
        if probe.status == "ok" and probe.duration_s:
            known.append(Take(path, probe.duration_s))
            yield known[-1]
    if not known:
        raise ArchiveError(f"{archive} holds nothing that can be heard; name one with speech.")
    while True:
        yield from known


def _gathered(there: Iterator[Take], audio_s: float, num_recordings: int) -> list[Take]:
    """So much audio, in so many recordings, at least; no more of each than it takes."""
    most_s = max(MIN_TAKE_S, audio_s / num_recordings)
    takes: list[Take] = []
    while sum(take.duration_s for take in takes) < audio_s or len(takes) < num_recordings:
        take = next(there)
        takes.append(Take(take.path, min(take.duration_s, most_s)))
    return takes


def _turn(bench: Bench, takes: Sequence[Take], num_workers: int) -> Row:
    look = functools.partial(look_at, bench.device)
    readings: list[tuple[float, Reading]] = []

    def remembered() -> Reading:
        readings.append((time.monotonic(), look()))
        return readings[-1][1]

    with sampled({"before": look}) as before:
        pass
    with sampled({"device": remembered}, every_s=0.1) as usages:
        said = answers(bench, takes, num_workers)
    if failures := [one for one in said if isinstance(one, str)]:
        own = [failure for failure in failures if failure != NOT_ITS_FAULT]
        return Row(num_workers, failure=(own or failures)[0])
    done = [one for one in said if isinstance(one, Done)]
    used = usages["device"].memory_used_bytes_max
    peak_bytes = used - min(used, before["before"].memory_used_bytes_max)
    if bench.device.is_cpu:
        peak_bytes = sum(one.peak_bytes for one in done)
    began, ended = min(one.began for one in done), max(one.ended for one in done)
    meanwhile = [reading for at, reading in readings if began <= at <= ended]
    step = max(1, math.ceil(len(meanwhile) / MAX_READINGS))
    return Row(
        num_workers,
        ended - began,
        sum(take.duration_s for take in takes),
        peak_bytes,
        utilization_percent=tuple(reading.utilization_percent for reading in meanwhile[::step]),
    )


def result_path(folder: Path, device: Device, model_name: str) -> Path:
    """Where the last measurement of a model on a device is kept, as JSON."""
    return folder / f"scaling-{device.uuid}-{Path(model_name).name}.json"


def save(scaling: Scaling, path: Path) -> None:
    """Keep a measurement."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dataclasses.asdict(scaling), indent=2), encoding="utf-8")


def load(path: Path) -> Scaling | None:
    """The last measurement, or None where there is none that can be read."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(_row(row) for row in facts["rows"])
        return Scaling(**{**facts, "rows": rows})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _row(facts: dict[str, Any]) -> Row:
    return Row(**{**facts, "utilization_percent": tuple(facts.get("utilization_percent", ()))})
