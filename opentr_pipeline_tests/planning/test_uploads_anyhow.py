"""Uploads, with whatever may happen to files, runs and processes in any order."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings as how_many
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.planning import backlog, uploads
from opentr_pipeline_tests.making import PROPERTY
from opentr_pipeline_tests.upload_desk import SETTLE_S, Desk, overwrite_in_place

NAMES = st.sampled_from(["a/1.wav", "a/b/1.wav", "1.wav", "1.wav.part"])
PITCHES = st.integers(200, 900)
WAITS = st.sampled_from([0.0, 1.0, SETTLE_S / 2, SETTLE_S, 3.0 * SETTLE_S, uploads.MAX_DELAY_S])


class Anyhow(RuleBasedStateMachine):
    """No file is taken before it rests, none is in two runs, and in the end all are done."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.desk = Desk(self.folder)
        self.touched: dict[str, float] = {}
        self.num_touches = 0
        self.in_runs: dict[str, set[str]] = {}

    def teardown(self) -> None:
        try:
            self.all_is_done_in_the_end()
        finally:
            shutil.rmtree(self.folder)

    def touch(self, name: str) -> None:
        self.num_touches += 1
        self.touched[name] = self.desk.now
        # File systems have coarse clocks, and all of this takes no time.
        os.utime(self.desk.archive / name, (self.num_touches, self.num_touches))
        for paths in self.in_runs.values():
            paths.discard(name)  # it is another file now

    def here(self, name: str) -> Path | None:
        path = self.desk.archive / name
        return path if path.exists() else None

    @rule(name=NAMES, pitch=PITCHES)
    def write(self, name: str, pitch: int) -> None:
        self.desk.put(name, pitch)
        self.touch(name)

    @rule(name=NAMES)
    def append(self, name: str) -> None:
        if path := self.here(name):
            with path.open("ab") as stream:
                stream.write(b"\0\0")
            self.touch(name)

    @rule(name=NAMES, pitch=PITCHES)
    def overwrite(self, name: str, pitch: int) -> None:
        if path := self.here(name):
            overwrite_in_place(path, pitch)
            self.touch(name)

    @rule(name=NAMES, to=NAMES)
    def move(self, name: str, to: str) -> None:
        if name != to and (path := self.here(name)):
            (self.desk.archive / to).parent.mkdir(parents=True, exist_ok=True)
            path.rename(self.desk.archive / to)
            self.touch(to)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if path := self.here(name):
            path.unlink()

    @rule(after_s=WAITS, is_lost=st.sampled_from([False, False, False, True]))
    def tick(self, after_s: float, is_lost: bool) -> None:
        ticked = self.desk.tick(after_s, is_lost=is_lost)
        for request in ticked.requests:
            paths = self.desk.paths([request])
            assert len(paths) == len(request.recording_ids)
            for path in paths:
                assert self.desk.now - self.touched[path] >= SETTLE_S
                assert not any(path in others for others in self.in_runs.values())
            if not is_lost:
                self.in_runs[request.key] = set(paths)

    @rule(status=st.sampled_from(["ok", "ok", "failed", "died"]))
    def end_runs(self, status: str) -> None:
        if status == "died":
            self.desk.active = {}
        else:
            self.desk.work_off(status)
        self.in_runs.clear()

    @rule()
    def rest(self) -> None:
        """Let what there is be transcribed, so that what follows meets known files."""
        for _ in range(4):
            self.tick(float(SETTLE_S), is_lost=False)
            self.end_runs("ok")

    @rule()
    def lose_the_ledger(self) -> None:
        self.desk.uploads.ledger.forget()
        self.in_runs.clear()

    @rule()
    def start_the_machine_again(self) -> None:
        self.desk.boot += "again"
        # What rested by the old clock may have been touched a moment before.
        self.touched = dict.fromkeys(self.touched, self.desk.now)

    def all_is_done_in_the_end(self) -> None:
        for _ in range(12):
            self.tick(uploads.MAX_DELAY_S, is_lost=False)
            self.desk.work_off()
            self.in_runs.clear()
        found = scan(self.desk.archive)
        all_work = backlog.known_work(self.desk.setup, found, self.desk.options)
        assert {one.state for one in all_work} <= {"done"}
        assert self.desk.tick().requests == ()


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_or_taken_early() -> None:
    few = how_many(PROPERTY, max_examples=20, stateful_step_count=25)
    run_state_machine_as_test(Anyhow, settings=few)
