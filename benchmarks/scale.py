"""What an archive of many recordings costs, in which next to nothing is to be done.

    python -m benchmarks.scale --recordings 10000 100000 1000000

The archive holds files of a few bytes in folders of 1,000, with tables, probes and some failures
beside them as if all of it had been transcribed; nothing is. The folder in which a recording is new
has transcripts with words, so that publishing costs what it does in a partition of usual size. Each
figure is of a process of its own; memory is what that process held at most, its imports included.
"""

import argparse
import dataclasses
import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from benchmarks import machine
from opentr_pipeline.archive.changes import Clock
from opentr_pipeline.archive.ledger import Ledger
from opentr_pipeline.archive.media_files import MediaFile, scan
from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.cli.app import GARBAGE_THRESHOLD
from opentr_pipeline.devices.usage import peak_memory_bytes
from opentr_pipeline.monitoring.status import StatusWatch
from opentr_pipeline.planning import backlog
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.plan import Taking, load_plan, plans_of
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.uploads import Uploads
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.settings.environment import Settings, load_settings
from opentr_pipeline.steps import publishing
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.schemas import SCHEMAS, recording_row, transcript_rows
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.table_files import write_table
from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word

FILES_OF_FOLDER = 1_000
FAILED_SHARE = 100
WORDS_OF_SEGMENT = 15
WORD_S = 0.4
SETTLE_S = 60
OPTIONS = ArchiveOptions(TranscriptionOptions("base", "0" * 64, "int8", "auto", "transcribe", 5))
AT = datetime(2026, 9, 1, tzinfo=UTC)


class Cost(NamedTuple):
    """What one thing took, and what came of it."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    said: str


@dataclass(frozen=True)
class Archive:
    """An archive, with output and state below one folder."""

    folder: Path

    @property
    def settings(self) -> Settings:
        """Its settings."""
        names = {"ARCHIVE_DIR": "archive", "OUTPUT_DIR": "output", "OPENTR_HOME": "state"}
        variables = {name: str(self.folder / place) for name, place in names.items()}
        variables["WORKER_SLOTS_DIR"] = str(self.folder / "slots")
        variables |= {"UPLOAD_SETTLE_S": str(SETTLE_S), "GPU_SCALE_DEVICE_ID": "cpu"}
        return load_settings(variables, None)


def main() -> None:
    """Measure each size, smallest first."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recordings", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--words", type=int, default=500, help="of a recording beside the new one")
    parser.add_argument("--folder", type=Path, help="where the archives are made, for a while")
    parser.add_argument("--keep", type=Path, help="of one size; goes on with what is there")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--json", type=Path, help="where the figures go")
    asked = parser.parse_args()
    facts = machine.facts()
    print("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    rows = []
    for num in sorted(asked.recordings):
        with tempfile.TemporaryDirectory(dir=asked.folder) as passing:
            archive = Archive(asked.keep or Path(passing))
            started = time.monotonic()
            in_process_of_its_own(make, archive, num, asked.words)
            print(f"\n{num:,} recordings (made in {time.monotonic() - started:.0f} s)", flush=True)
            costs = measure(archive, asked.only)
        rows.append({"num_recordings": num, **{name: one._asdict() for name, one in costs.items()}})
    if asked.json:
        asked.json.write_text(json.dumps({"machine": facts, "costs": rows}, indent=1))


def measure(archive: Archive, names: Sequence[str]) -> dict[str, Cost]:
    """Figures, in the order in which they are named: some need what was done before."""
    costs = {}
    for name in names:
        one = in_process_of_its_own(measured, STEPS[name], archive)
        print(
            f"  {name:<18}{one.wall_s:>9.2f} s{one.cpu_s:>9.2f} s of CPU{one.peak_mb:>8.0f} MB"
            f"  {one.said}",
            flush=True,
        )
        costs[name] = one
    return costs


def in_process_of_its_own(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function where its memory is told apart."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measured(function: Callable[[Archive], Callable[[], str]], archive: Archive) -> Cost:
    """What a function's work takes, its preparation left out."""
    work = function(archive)
    started, cpu_before_s = time.monotonic(), time.process_time()
    said = work()
    wall_s, cpu_s = time.monotonic() - started, time.process_time() - cpu_before_s
    return Cost(wall_s, cpu_s, peak_memory_bytes() / 1e6, said)


def _scan(archive: Archive) -> Callable[[], str]:
    """What ``opentr scan`` counts."""
    gc.set_threshold(GARBAGE_THRESHOLD)  # as commands do
    setup = Setup(archive.settings)

    def work() -> str:
        groups = setup.partitioning.groups(scan(setup.workspace.archive).media_files)
        return f"{sum(map(len, groups.values())):,} files in {len(groups):,} partitions"

    return work


def _ticks(archive: Archive) -> Callable[[], str]:
    """A look of the sensor, some time after the one before."""
    setup, active = Setup(archive.settings), dict[str, bool]()
    clock = Clock(lambda: time.monotonic() + skipped_s)
    keys: list[str] = []

    def register(found: set[str]) -> list[str]:
        keys.extend(sorted(found - set(keys)))
        return keys

    skipped_s = 0.0

    def look() -> str:
        nonlocal skipped_s
        skipped_s += SETTLE_S
        tick = Uploads(setup, OPTIONS, clock).tick(active, register)
        active.update({request.key: request.is_stock for request in tick.requests})
        return tick.sentence

    return look


def _first_ticks(archive: Archive) -> Callable[[], str]:
    """All looks until everything is known."""
    look, ledger = _ticks(archive), Ledger(archive.settings.workspace.uploads_ledger)

    def work() -> str:
        while True:
            said = look()
            with ledger.opened():
                counts = ledger.counts()
            if counts["known"] and counts["known"] == sum(counts.values()):
                return said

    return work


def _idle_tick(archive: Archive) -> Callable[[], str]:
    """The next look, which finds nothing."""
    look = _ticks(archive)
    for _ in range(4):  # the clock of another process: all folders are read again, as after a start
        look()
    return look


def _status(archive: Archive) -> Callable[[], str]:
    """What ``opentr status`` looks at."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    watch = StatusWatch(Setup(archive.settings), lambda: OPTIONS)

    def work() -> str:
        overview = watch.status().overview
        return f"{overview.num_done:,} done, {overview.num_failed:,} failed"

    return work


def _index(archive: Archive) -> Callable[[], str]:
    """What the first plan does about contents, or one after the index was lost."""
    store = Setup(archive.settings).store
    path = store.inner / "contents.sqlite"
    path.unlink(missing_ok=True)

    def work() -> str:
        store.find_contents({("nowhere", "at all")})
        return f"the index of contents has {path.stat().st_size / 1e6:.1f} MB"

    return work


def _plan(archive: Archive) -> Callable[[], str]:
    """What the steps ``recordings`` and ``plan_shards`` do about one upload."""
    settings = archive.settings
    now = time.time_ns()
    path = settings.workspace.archive / f"00000/{now}.wav"
    path.write_bytes(b"RIFF new")
    setup = Setup(settings)
    facts = path.stat()
    new = MediaFile(
        f"00000/{path.name}",
        facts.st_size,
        facts.st_mtime_ns,
        facts.st_dev,
        facts.st_ino,
        facts.st_ctime_ns,
    )
    setup.probe_memory.remember(new, f"{now:064}", Probe(duration_s=60.0))

    def work() -> str:
        keys = [setup.partitioning.key(new)]
        for key, found in backlog.recordings_of(setup, keys).items():
            setup.store.write_recordings(key, found)
        partitions = backlog.recordings_of(setup, keys)
        taking = Taking(recordings=frozenset({new.recording_id}))
        plan = backlog.make_plan(setup, partitions, OPTIONS, 1, taking)
        plan.save(plans_of(setup.store), "scale")
        size_mb = len(plans_of(setup.store).read("scale.json")) / 1e6
        return f"{sum(map(len, plan.shards))} to transcribe, the plan's file has {size_mb:.1f} MB"

    return work


def _publish(archive: Archive) -> Callable[[], str]:
    """What is done about one recording once it is heard: published, and looked what is left."""
    setup = Setup(archive.settings)
    store = setup.store
    ((new,),) = load_plan(plans_of(store), "scale").shards
    Checkpoints(store.inner).save(transcript(*new.content, 100))

    def work() -> str:
        plan = load_plan(plans_of(store), "scale")
        index = store.index(plan.partitions)
        for key in plan.partitions:
            publishing.publish_partition(key, plan, store, index)
        publishing.publish_all(plan, store)
        (key,) = plan.partitions
        size_mb = sum(
            path.stat().st_size for path in store.generation(key).files.values() if path.exists()
        )
        left = publishing.left_over(plan, store)
        return f"{sum(map(len, left.values()))} left, the partition has {size_mb / 1e6:.1f} MB"

    return work


STEPS: dict[str, Callable[[Archive], Callable[[], str]]] = {
    "first scan": _scan,
    "unchanged scan": _scan,
    "first ticks": _first_ticks,
    "idle tick": _idle_tick,
    "status": _status,
    "contents": _index,
    "plan of an upload": _plan,
    "publish": _publish,
}


def make(archive: Archive, num: int, num_words: int) -> None:
    """Files, probes and tables, as if all had been transcribed; what is there already stays."""
    settings = archive.settings
    setup, root = Setup(settings), settings.workspace.archive
    for first in range(0, num, FILES_OF_FOLDER):
        folder = root / f"{first // FILES_OF_FOLDER:05}"
        if setup.store.path("transcripts", folder.name).exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(first, min(first + FILES_OF_FOLDER, num)):
            handle = os.open(f"{folder}/{number:08}.wav", os.O_CREAT | os.O_WRONLY)
            os.write(handle, b"RIFF %d" % number)
            os.close(handle)
        make_partition(setup, folder, num_words if first == 0 else 0)


def make_partition(setup: Setup, folder: Path, num_words: int) -> None:
    """Probes and tables of one folder."""
    store, key, probe = setup.store, folder.name, Probe(duration_s=60.0)
    found = [dataclasses.replace(one, path=f"{key}/{one.path}") for one in scan(folder).media_files]
    recordings = [Recording(one, key, one.recording_id * 2, probe) for one in found]
    setup.probe_memory.remember_all(
        (one.media_file, one.media_fingerprint, probe) for one in recordings
    )
    own = {
        "recording_id": [one.recording_id for one in found],
        "path": [one.path for one in found],
        "media_fingerprint": [one.media_fingerprint for one in recordings],
    }
    write(store, "recordings", key, rows_like(recording_row(recordings[0]), "recordings", own))
    for one in recordings[::FAILED_SHARE]:
        said = Transcript(one.media_fingerprint, "0" * 16, "failed", "It died.")
        Checkpoints(store.inner).save(dataclasses.replace(said, transcribed_at=AT.isoformat()))
    heard = [transcript(*OPTIONS.content(one), num_words or WORDS_OF_SEGMENT) for one in recordings]
    if num_words:
        paths = zip(recordings, heard, strict=True)
        store.publish(key, [Entry(r.recording_id, r.media_file.path, one) for r, one in paths])
        return
    first = transcript_rows(heard[0], found[0].recording_id, key, found[0].path)
    for table in ("segments", "words"):
        write(store, table, key, SCHEMAS[table].empty_table())
    (row,) = first["transcripts"]
    write(store, "transcripts", key, rows_like(row, "transcripts", own))  # the last: it is whole


def rows_like(row: dict[str, Any], table: str, own: dict[str, list[str]]) -> pa.Table:
    """Rows that differ in some columns only."""
    rows = pa.Table.from_pylist([row], SCHEMAS[table]).take([0] * len(own["path"]))
    for name, values in own.items():
        rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), [values])
    return rows


def transcript(media_fingerprint: str, settings_fingerprint: str, num_words: int) -> Transcript:
    """Some words."""
    words = tuple(Word(" word", i * WORD_S, (i + 1) * WORD_S, 0.9) for i in range(num_words))
    parts = [words[i : i + WORDS_OF_SEGMENT] for i in range(0, num_words, WORDS_OF_SEGMENT)]
    segments = tuple(
        Segment(part[0].start_s, part[-1].end_s, " word" * len(part), -0.2, 0.0, 1.0, words=part)
        for part in parts
    )
    return Transcript(
        media_fingerprint,
        settings_fingerprint,
        "ok",
        language="en",
        duration_s=num_words * WORD_S,
        segments=segments,
        transcribed_at=AT.isoformat(),
        num_attempts=1,
    )


def write(store: TranscriptStore, table: str, key: str, rows: pa.Table) -> None:
    """One file of a table."""
    path = store.path(table, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, rows)


if __name__ == "__main__":
    main()
