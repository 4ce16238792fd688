"""Small archives of real speech, and what runs left behind, for the tests that start processes."""

import contextlib
import os
import shutil
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunsFilter,
)

from opentr_pipeline.defs.gpu_slots import PRIORITY_TAG
from opentr_pipeline.defs.run_launcher import process_of as process_of_run
from opentr_pipeline.defs.tags import REFRESH_TAG
from opentr_pipeline.launching.home import is_prepared
from opentr_pipeline.quality.checks import CHECKS
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.transcripts.transcript import STATUSES

SAMPLES = PROJECT_ROOT / "samples" / "archive"
# About 12 s of speech each.
SPEECH = (
    "opening_of_the_library.wav",
    "message_to_the_archive.opus",
    "radio/harvest_report.flac",
    "radio/bulletins/weather_forecast.opus",
    "film/newsreel.mp4",
    "film/family_picnic.mkv",
)


def make_archive(root: Path, files: dict[str, str]) -> Path:
    """An archive with copies of samples: path in the archive -> path in the samples."""
    for name, sample in files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SAMPLES / sample, target)
    return root


@dataclass(frozen=True)
class Lease:
    """A worker slot held by a transcription step, from its own record.

    Attributes:
        num_transcribed: contents that the step asked the engine for.
        asked_at: when the step began, and so to wait for a slot.
        priority: of its run.
    """

    slot: str
    leased_at: float
    released_at: float
    num_transcribed: int
    asked_at: float = 0.0
    priority: str = "0"


def leases(dagster_home: Path) -> list[Lease]:
    """The leases of every transcription step that ended well, over all runs of a state folder."""
    found = []
    with DagsterInstance.from_config(str(dagster_home)) as instance:
        for run in instance.get_runs():
            kinds = {DagsterEventType.STEP_START, DagsterEventType.STEP_OUTPUT}
            began: dict[str | None, float] = {}
            for entry in instance.all_logs(run.run_id, of_type=kinds):
                event = entry.get_dagster_event()
                if event.event_type == DagsterEventType.STEP_START:
                    began[event.step_key] = entry.timestamp
                    continue
                facts = {k: v.value for k, v in event.step_output_data.metadata.items()}
                if "worker_slot" in facts:
                    asked_at, priority = began[event.step_key], run.tags.get(PRIORITY_TAG, "0")
                    found.append(_lease(facts, asked_at, priority))
    return found


def num_asking(dagster_home: Path, tags: dict[str, str] | None = None) -> int:
    """Transcription steps of runs with these tags that have begun, and so asked for a slot."""
    if not is_prepared(dagster_home):
        return 0
    with DagsterInstance.from_config(str(dagster_home)) as instance:
        begun = [
            entry.step_key or ""
            for run in instance.get_runs(RunsFilter(tags=tags))
            for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_START)
        ]
    return sum("transcribe_shard" in key for key in begun)


def _lease(facts: dict[str, Any], asked_at: float, priority: str) -> Lease:
    done = (count for name, count in facts.items() if name.removeprefix("num_") in STATUSES)
    span = facts["leased_at"], facts["released_at"]
    return Lease(facts["worker_slot"], *span, sum(done), asked_at, priority)


def cpu_s(process: int) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def transcribing_runs(dagster_home: Path) -> list[DagsterRun]:
    """The runs of a state folder, latest first, those of the sensor ``refreshes`` left out."""
    with DagsterInstance.from_config(str(dagster_home)) as instance:
        return [run for run in instance.get_runs() if REFRESH_TAG not in run.tags]


def is_any_run_under_way(dagster_home: Path) -> bool:
    """Whether a run waits or works."""
    with DagsterInstance.from_config(str(dagster_home)) as instance:
        return any(not run.is_finished for run in instance.get_runs())


def most_at_once(held: Iterable[Lease]) -> int:
    """The highest number of leases that overlap."""
    changes = sorted(
        change for lease in held for change in ((lease.leased_at, 1), (lease.released_at, -1))
    )
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def speech_file(path: Path, number: int) -> Path:
    """12 s of speech in bytes that no other number has."""
    with wave.open(str(SAMPLES / SPEECH[0])) as said:
        parameters, sound = said.getparams(), said.readframes(said.getnframes())
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setparams(parameters)
        stream.writeframes(bytes(parameters.sampwidth * (number + 1)) + sound)
    return path


def processes_of(home: Path) -> list[int]:
    """Processes that name a state folder in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if str(home).encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


def process_of(*words: str) -> int | None:
    """The oldest process whose command line and environment hold all of these words."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if all(word.encode() in said for word in words):
            found.append(int(process.name))
    return min(found, default=None)


def run_process(dagster_home: Path) -> int | None:
    """The process of the run that was started last, of those that are at work."""
    with DagsterInstance.from_config(str(dagster_home)) as instance:
        at_work = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED]), limit=1)
        return process_of_run(instance, at_work[0]) if at_work else None


def parent(process: int) -> int:
    """The process that another is a child of."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def holder_of(slot_file: Path) -> int | None:
    """The process that has a slot's file open, other than ours."""
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            targets = [os.readlink(link) for link in (process / "fd").iterdir()]
        except OSError:  # it ended meanwhile
            continue
        if str(slot_file) in targets:
            return int(process.name)
    return None


def check_evaluations(dagster_home: Path) -> dict[str, AssetCheckEvaluation]:
    """The latest evaluation of each check of ``transcripts``, by name."""
    keys = {name: AssetCheckKey(AssetKey("transcripts"), name) for name in CHECKS}
    found = {}
    with DagsterInstance.from_config(str(dagster_home)) as instance:
        storage = instance.event_log_storage
        latest = storage.get_latest_asset_check_execution_by_key(list(keys.values()))
        for name, key in keys.items():
            event = latest[key].event if key in latest else None
            facts = event.dagster_event.event_specific_data if event else None  # type: ignore[union-attr]
            if isinstance(facts, AssetCheckEvaluation):
                found[name] = facts
    return found


def partition_statuses(dagster_home: Path, asset: str) -> dict[str, str]:
    """How Dagster's page shows the partitions of an asset."""
    from opentr_pipeline.defs.names import Names

    with DagsterInstance.from_config(str(dagster_home)) as instance:
        keys = instance.get_dynamic_partitions("archive")
        found = instance.get_status_by_partition(AssetKey(asset), keys, Names().partitions) or {}
        return {key: status.value for key, status in found.items() if status}
