"""What a look for new uploads costs over an archive of many files.

    python -m benchmarks.uploads --files 100000 1000000

The archive is made of empty files, in folders of 1,000 and one flat folder with a tenth of them.
First the store is empty, then everything has a transcript; no run is started. The time that files
need to settle is skipped.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from benchmarks import machine
from opentr_pipeline.archive.changes import Clock
from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.archive.recordings import ProbeMemory
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.devices.usage import peak_memory_bytes
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.uploads import Uploads
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.settings.environment import Settings, load_settings
from opentr_pipeline.transcripts.schemas import SCHEMAS
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.table_files import write_table

Made = TypeVar("Made")
FILES_OF_FOLDER = 1_000
FLAT_SHARE = 10
SETTLE_S = 60


@dataclass(frozen=True)
class Looks:
    """What the looks took, all seconds of the wall clock.

    Attributes:
        num_first: looks until every file was seen.
        first_s: the longest of them.
        num_settling: looks until every file was held against the store.
        settling_s: the longest of them.
        num_again: looks until all is known again after the ledger was lost, everything transcribed.
        again_s: the longest of them.
        idle_s: a look that finds nothing, the longest of five.
        upload_s: a look that finds one file in the flat folder.
        taken_s: the look that asks a run for it.
        ledger_bytes: size of the ledger.
        max_rss_bytes: of the process that looked.
    """

    num_first: int
    first_s: float
    num_settling: int
    settling_s: float
    num_again: int
    again_s: float
    idle_s: float
    upload_s: float
    taken_s: float
    ledger_bytes: int
    max_rss_bytes: int


def main() -> None:
    """Measure each size in a fresh process, smallest first."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="where the archive is made, for a while")
    parser.add_argument("--json", type=Path, help="where the figures go")
    asked = parser.parse_args()
    facts = machine.facts()
    print("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    rows = []
    for num_files in sorted(asked.files):
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            made_s = make_archive(Path(folder, "archive"), num_files)
            looks = in_process_of_its_own(measure, Path(folder), num_files)
            started = time.monotonic()
            shutil.rmtree(folder, ignore_errors=True)
        print(f"\n{num_files:,} files (made in {made_s:.0f} s)")
        for name, value in asdict(looks).items():
            print(f"  {name:<16}{value:>16,.2f}" if "_s" in name else f"  {name:<16}{value:>16,}")
        print(f"  removed in {time.monotonic() - started:.0f} s", flush=True)
        rows.append({"num_files": num_files, **asdict(looks)})
    if asked.json:
        asked.json.write_text(json.dumps({"machine": facts, "looks": rows}, indent=1))


def in_process_of_its_own(function: Callable[..., Made], *arguments: object) -> Made:
    """Call a function where its memory is told apart."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def make_archive(root: Path, num_files: int) -> float:
    """Make the archive; the seconds that it took."""
    started = time.monotonic()
    flat = num_files // FLAT_SHARE
    for number in range(num_files):
        folder = root / "flat" if number < flat else root / f"{number // FILES_OF_FOLDER:05}"
        if number in (0, flat) or number % FILES_OF_FOLDER == 0:
            folder.mkdir(parents=True, exist_ok=True)
        os.close(os.open(folder / f"{number:08}.wav", os.O_CREAT | os.O_WRONLY))
    return time.monotonic() - started


class Looker:
    """Looks, with a clock that also goes on when it is told to."""

    def __init__(self, folder: Path) -> None:
        """Begin with an empty ledger."""
        variables = {
            "ARCHIVE_DIR": str(folder / "archive"),
            "OUTPUT_DIR": str(folder / "output"),
            "OPENTR_HOME": str(folder / "state"),
            "UPLOAD_SETTLE_S": str(SETTLE_S),
        }
        self.settings = load_settings(variables, None)
        self.options = ArchiveOptions(
            TranscriptionOptions("base", "0" * 64, "int8", "auto", "transcribe", 5)
        )
        self._skipped_s = 0.0
        self._keys: list[str] = []
        self.active: dict[str, bool] = {}
        self.ledger = self._uploads().ledger

    def _uploads(self) -> Uploads:
        clock = Clock(lambda: time.monotonic() + self._skipped_s)
        return Uploads(Setup(self.settings), self.options, clock)

    def _register(self, keys: set[str]) -> list[str]:
        self._keys += sorted(keys - set(self._keys))
        return self._keys

    def look(self, after_s: float = SETTLE_S) -> tuple[float, str]:
        """Look once; the seconds that it took and the sentence."""
        self._skipped_s += after_s
        started = time.monotonic()
        tick = self._uploads().tick(self.active, self._register)
        wall_s = time.monotonic() - started
        self.active |= {request.key: request.is_stock for request in tick.requests}
        return wall_s, tick.sentence

    def counts(self) -> dict[str, int]:
        """How many files are in each state."""
        with self.ledger.opened():
            return dict(self.ledger.counts())


def measure(folder: Path, num_files: int) -> Looks:
    """Look until nothing is new, then with one file more."""
    looker = Looker(folder)
    first = []
    while sum(looker.counts().values()) < num_files:
        first.append(looker.look(0)[0])
    settling = []
    while (counts := looker.counts()).get("settling") or counts.get("settled"):
        settling.append(looker.look()[0])
    in_process_of_its_own(fill_store, looker.settings, looker.options)
    looker.ledger.forget()
    again = []
    while looker.counts().get("known", 0) < num_files:
        again.append(looker.look()[0])
    idle = [looker.look()[0] for _ in range(5)]
    (folder / "archive" / "flat" / "new.wav").write_bytes(b"RIFF")
    upload_s, said = looker.look()
    assert "1 settling" in said, said
    taken_s, said = looker.look()
    assert "1 media file to transcribe" in said, said
    peak_bytes = peak_memory_bytes()
    return Looks(
        len(first),
        max(first),
        len(settling),
        max(settling),
        len(again),
        max(again),
        max(idle),
        upload_s,
        taken_s,
        looker.ledger.path.stat().st_size,
        peak_bytes,
    )


def fill_store(settings: Settings, options: ArchiveOptions) -> None:
    """Have all files probed and transcribed, as far as anybody can tell."""
    found = scan(settings.workspace.archive)
    probe = Probe(duration_s=60.0)
    ProbeMemory(settings.workspace.probe_memory).remember_all(
        (one, "0" * 64, probe) for one in found.media_files
    )
    schema = SCHEMAS["transcripts"]
    for key, group in Setup(settings).partitioning.groups(found.media_files).items():
        rows = pa.Table.from_pylist(
            [
                {
                    "recording_id": one.recording_id,
                    "partition_key": key,
                    "path": one.path,
                    "media_fingerprint": "0" * 64,
                    "settings_fingerprint": options.default.settings_fingerprint,
                    "status": "ok",
                    "num_attempts": 1,
                    "transcribed_at": one.modified_at,
                    "text": "word " * 100,
                }
                for one in group
            ],
            schema,
        )
        path = TranscriptStore(settings.workspace.output).path("transcripts", key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, rows)


if __name__ == "__main__":
    main()
