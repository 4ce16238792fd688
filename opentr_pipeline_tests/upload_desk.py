"""An archive whose uploads are looked at by a clock of our own, and runs that only pretend."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

from opentr_pipeline.archive.changes import Clock
from opentr_pipeline.archive.ledger import File, State
from opentr_pipeline.planning import backlog
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.upload_runs import Request
from opentr_pipeline.planning.uploads import Tick, Uploads
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.wording import now
from opentr_pipeline_tests.making import OPTIONS, settings_of, transcript, wav

SETTLE_S = 60
AT_WORK: tuple[State, ...] = ("settling", "written", "settled", "due", "asked")


class Desk:
    """What a sensor, Dagster's queue and its runs do, without any of them.

    Attributes:
        now: seconds of the clock; a test sets it.
        boot: names the start of the machine.
        after_sleep: called whenever somebody has slept.
        active: runs that wait or work.
        transcribed: the paths that runs have done, in order.
        keys: partition keys, in the order in which they were registered.
    """

    def __init__(self, folder: Path, **variables: object) -> None:
        self.archive = folder / "archive"
        self.archive.mkdir(exist_ok=True)
        self.settings = settings_of(
            ARCHIVE_DIR=self.archive,
            OUTPUT_DIR=folder / "output",
            OPENTR_HOME=folder / "state",
            **{"UPLOAD_SETTLE_S": SETTLE_S, **variables},
        )
        self.setup = Setup(self.settings)
        self.options = ArchiveOptions(OPTIONS)
        self.now, self.boot = 1000.0, "first"
        self.after_sleep: Callable[[], object] = lambda: None
        self.active: dict[str, Request] = {}
        self.transcribed: list[str] = []
        self.keys: list[str] = []

    @property
    def uploads(self) -> Uploads:
        """A new one each time, as after a restart."""
        clock = Clock(lambda: self.now, lambda: self.boot, self._sleep)
        return Uploads(self.setup, self.options, clock)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.after_sleep()

    @property
    def store(self) -> TranscriptStore:
        return TranscriptStore(self.settings.workspace.output)

    def put(self, name: str, pitch_hz: float = 440.0) -> Path:
        return wav(self.archive / name, pitch_hz=pitch_hz)

    def register(self, keys: set[str]) -> list[str]:
        self.keys += sorted(keys - set(self.keys))
        return self.keys

    def tick(self, after_s: float = 0.0, *, is_lost: bool = False) -> Tick:
        """Let time pass, look once, and start what is asked for, unless that is lost."""
        self.now += after_s
        active = {key: request.is_stock for key, request in self.active.items()}
        ticked = self.uploads.tick(active, self.register)
        if not is_lost:
            self.active |= {request.key: request for request in ticked.requests}
        return ticked

    def watch(self, num_active: int = 0) -> Tick:
        """Look as a tick of the sensor does, while so many runs for uploads work."""
        return self.uploads.watch({str(n): False for n in range(num_active)}, self.register)

    def asked(self, after_s: float = 0.0) -> list[str]:
        """The paths that one look asks runs for."""
        return self.paths(self.tick(after_s).requests)

    def paths(self, requests: Sequence[Request]) -> list[str]:
        wanted = {one for request in requests for one in request.recording_ids}
        found = backlog.recordings_of(self.setup, self.keys)
        here = (recording for group in found.values() for recording in group)
        return sorted(one.media_file.path for one in here if one.recording_id in wanted)

    def work_off(self, status: str = "ok", num_attempts: int = 1) -> None:
        """End all runs: each recording that was asked for gets this outcome."""
        for request in self.active.values():
            self._run(request, status, num_attempts)
        self.active = {}

    def _run(self, request: Request, status: str, num_attempts: int) -> None:
        found = backlog.recordings_of(self.setup, request.run_range.keys)
        index = self.store.index(found)
        for key, recordings in found.items():
            entries = []
            for works in backlog.judge(recordings, index, self.options):
                one = works.recording
                if one.recording_id not in request.recording_ids or not works.is_pending:
                    continue
                media_fingerprint, settings_fingerprint = works.content
                outcome = dataclasses.replace(
                    transcript(),
                    media_fingerprint=media_fingerprint,
                    settings_fingerprint=settings_fingerprint,
                    status=status,
                    num_attempts=num_attempts,
                    transcribed_at=now(),
                )
                entries.append(Entry(one.recording_id, one.media_file.path, outcome))
                self.transcribed.append(one.media_file.path)
            self.store.publish(key, entries)

    def finish_first_look(self) -> None:
        """Have all that is there transcribed, so that whatever comes now is an upload."""
        self.tick()
        while self.tick(SETTLE_S).requests:
            self.work_off()
        self.tick(SETTLE_S)
        self.transcribed.clear()

    def files(self) -> dict[str, File]:
        """What the ledger has, by name."""
        ledger = self.uploads.ledger
        with ledger.opened():
            rows = ledger.known_after((-1, b""), 10**6)
            rows += ledger.files_in(AT_WORK, inf, 10**6)
        return {os.fsdecode(row.name): row for row in rows}


def overwrite_in_place(path: Path, pitch_hz: float) -> None:
    """Other bytes of the same size, in the same inode; no folder changes."""
    with TemporaryDirectory() as elsewhere:
        other = wav(Path(elsewhere, "other.wav"), pitch_hz=pitch_hz).read_bytes()
    with path.open("r+b") as stream:
        stream.write(other)
