"""What dies in the middle of a backfill, and what becomes of the work; the services are real."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opentr_pipeline.services.dev import DevServices
from opentr_pipeline_tests.conftest import Project, RecordProperty, wait_for
from opentr_pipeline_tests.page_api import (
    TERMINATE,
    TICKS,
    ask,
    backfill,
    free_port,
    launch,
    run_ids,
)
from opentr_pipeline_tests.runs import (
    holder_of,
    is_any_run_under_way,
    leases,
    parent,
    partition_statuses,
    process_of,
    processes_of,
    run_process,
    speech_file,
)

pytestmark = pytest.mark.slow
NUM_RECORDINGS = 10


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, models_root: Path) -> Iterator[Project]:
    """An archive with its services, shared by the tests of this module; each has a partition."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "archive").mkdir()
    project = Project(
        folder,
        folder / "archive",
        DAGSTER_PORT=free_port(),
        PYTHONPATH=TICKS,
        WHISPER_BATCH_SIZE="2",
        GPU_DEVICE_ID="cpu",
    )
    project.serve()
    yield project
    DevServices.of(project.settings).stop()


class Backfill:
    """A backfill of a partition of its own, or a single run, caught in the middle."""

    def __init__(self, one: Project, key: str, *, as_run: bool = False) -> None:
        self.one, self.key = one, key
        self.slot = one.folder / "slots" / "cpu.slot-0"
        self.paths = [
            speech_file(one.archive / key / f"{n}.wav", NUM_RECORDINGS * ord(key[-1]) + n)
            for n in range(NUM_RECORDINGS)
        ]
        one.opentr("scan")
        wait_for(DevServices.of(one.settings).answers)  # it was killed a moment ago, perhaps
        self.num_before = self.num_transcribed()
        self.kept_before = one.kept_times().keys()
        if as_run:
            launch(one, dagster__partition=key)
        else:
            backfill(one, [key])
        wait_for(lambda: len(self.kept()) >= 2)

    def num_transcribed(self) -> int:
        """Recordings transcribed by steps that ended well, since the services were started."""
        held = leases(self.one.settings.workspace.dagster_home)
        return sum(lease.num_transcribed for lease in held)

    def kept(self) -> dict[str, object]:
        """When each recording of it that is kept, but not published, was transcribed."""
        kept = self.one.kept_times()
        return {name: at for name, at in kept.items() if name not in self.kept_before}

    def run_id(self) -> str:
        return run_ids(self.one, self.key)[0]

    def wait_until_done(self, kept: dict[str, object]) -> None:
        home = self.one.settings.workspace.dagster_home
        wait_for(lambda: partition_statuses(home, "transcripts").get(self.key) == "MATERIALIZED")
        rows = [r for r in self.one.rows("transcripts") if r["partition_key"] == self.key]
        assert len(rows) == NUM_RECORDINGS
        assert {row["status"] for row in rows} == {"ok"}
        # What was kept was not done again, and nothing else twice.
        times = {str(row["media_fingerprint"]): row["transcribed_at"] for row in rows}
        assert kept.items() <= times.items()
        assert not self.kept()
        wait_for(lambda: not is_any_run_under_way(self.one.settings.workspace.dagster_home))
        assert self.num_transcribed() - self.num_before <= NUM_RECORDINGS
        wait_for(lambda: holder_of(self.slot) is None, timeout_s=20)


def kill(process: int | None) -> None:
    assert process is not None
    os.kill(process, signal.SIGKILL)


def test_a_killed_step(one: Project) -> None:
    caught = Backfill(one, "step-a")
    kept = caught.kept()
    kill(holder_of(caught.slot))
    caught.wait_until_done(kept)
    rows = [row for row in one.rows("transcripts") if row["partition_key"] == caught.key]
    attempts = {str(row["media_fingerprint"]): row["num_attempts"] for row in rows}
    assert {attempts[name] for name in kept} == {1}
    assert 2 in attempts.values()  # what was in hand


def test_a_killed_run(one: Project) -> None:
    # Not in a backfill: Dagster notes a run's failure, and a moment later that it will be retried;
    # a backfill that looks in between ends, and forbids the retry. The next upload, night or
    # backfill would do the rest.
    caught = Backfill(one, "run-b", as_run=True)
    kept, step = caught.kept(), holder_of(caught.slot)
    assert step is not None
    run = run_process(one.settings.workspace.dagster_home)
    assert run is not None
    assert parent(run) == parent(step)  # both are forks of the code server's
    kill(run)
    # No orphan works on after its run.
    wait_for(lambda: holder_of(caught.slot) != step, timeout_s=10)
    caught.wait_until_done(kept)


def test_a_killed_server_of_forks(one: Project) -> None:
    caught = Backfill(one, "forks-h", as_run=True)
    kept, step = caught.kept(), holder_of(caught.slot)
    assert step is not None
    run = run_process(one.settings.workspace.dagster_home)
    assert run is not None
    kill(parent(run))
    # It is tried again, and neither it nor its step works on beside that.
    both = [Path(f"/proc/{process}") for process in (run, step)]
    wait_for(lambda: not any(one.exists() for one in both), timeout_s=10)
    caught.wait_until_done(kept)
    again = run_ids(one, caught.key)
    assert len(again) == 2


def test_a_killed_daemon(one: Project) -> None:
    caught = Backfill(one, "daemon-c")
    kept = caught.kept()
    kill(process_of("dagster._daemon", str(one.settings.workspace.dagster_home)))
    caught.wait_until_done(kept)


def test_a_killed_code_server(one: Project) -> None:
    caught = Backfill(one, "server-d")
    kept = caught.kept()
    kill(process_of("api\0grpc", str(one.settings.workspace.dagster_home)))
    caught.wait_until_done(kept)


def test_a_power_cut(one: Project) -> None:
    caught = Backfill(one, "power-f")
    for process in processes_of(one.settings.workspace.dagster_home):
        with contextlib.suppress(ProcessLookupError):
            kill(process)
    wait_for(lambda: holder_of(caught.slot) is None, timeout_s=10)
    kept = caught.kept()
    one.opentr("start", "dev")
    caught.wait_until_done(kept)


def test_a_terminated_run(one: Project, record_property: RecordProperty) -> None:
    caught = Backfill(one, "ended-e")
    began = time.monotonic()
    ask(one, TERMINATE, run=caught.run_id())
    wait_for(lambda: holder_of(caught.slot) is None, timeout_s=10)
    kept = caught.kept()
    assert 2 <= len(kept) < NUM_RECORDINGS
    said = f"terminated in {time.monotonic() - began:.1f} s, {len(kept)} kept"
    record_property("figures", said)
    backfill(one, [caught.key])
    caught.wait_until_done(kept)
    rows = [row for row in one.rows("transcripts") if row["partition_key"] == caught.key]
    assert {row["num_attempts"] for row in rows} == {1}
