"""What runs, who holds a worker slot, and who waits for one."""

import dataclasses
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from dagster._core.test_utils import create_run_for_test

from opentr_pipeline.cli.queue import of_queue
from opentr_pipeline.defs.tags import REFRESH_TAG
from opentr_pipeline.devices import leases
from opentr_pipeline.devices.cards import CPU, WorkerSlot
from opentr_pipeline.launching import run_state
from opentr_pipeline_tests.cli.answers import shown
from opentr_pipeline_tests.cli.test_reset import state
from opentr_pipeline_tests.conftest import wait_for
from opentr_pipeline_tests.making import settings_of

RUN_ID = "0" * 8 + "-0000-0000-0000-" + "0" * 12


def test_runs_say_where_they_come_from_and_whether_they_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster import DagsterEvent, DagsterEventType, DagsterRunStatus

    for name in ("DAGSTER_HOME", "ARCHIVE_DIR", "DAGSTER_POSTGRES_URL"):
        monkeypatch.setenv(name, "")  # given back at the end
    settings = settings_of(ARCHIVE_DIR=tmp_path, OPENTR_HOME=tmp_path / "state")
    home = settings.workspace.dagster_home
    home.mkdir(parents=True)
    (home / "dagster.yaml").touch()  # another process is about to make the databases
    assert run_state.active_runs(settings.workspace) == []
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"]
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with state(settings.workspace.dagster_home) as instance:
        tags = {"dagster/partition": "a", "dagster/sensor_name": "s", "dagster/priority": "10"}
        create_run_for_test(instance, status=DagsterRunStatus.NOT_STARTED, tags=tags)
        span = {
            "dagster/asset_partition_range_start": "b",
            "dagster/asset_partition_range_end": "c",
        }
        lost = create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags=span)
        create_run_for_test(instance, status=DagsterRunStatus.SUCCESS)
        follows = {"dagster/sensor_name": "s", REFRESH_TAG: "whole"}
        create_run_for_test(instance, status=DagsterRunStatus.STARTING, tags=follows)
        event = DagsterEvent(DagsterEventType.RUN_START.value, lost.job_name, pid=dead.pid)
        instance.report_dagster_event(event, lost.run_id)
    runs = run_state.active_runs(settings.workspace)
    facts = [(one.status, one.partitions, one.launched_by, one.priority) for one in runs]
    assert facts == [
        ("running", ("b", "c"), "command line", 0),
        ("starting", ("a",), "upload", 10),
        ("starting", (), "refresh", 0),
    ]
    assert [one.is_orphan for one in runs] == [True, False, False]
    text = shown(of_queue(runs, [], 2, ["uploads"]))
    assert "process gone" in text
    assert "b...c" in text
    assert "0 of 2 worker slots in use; uploads wait for one" in text
    assert all(not beat.is_fresh for beat in run_state.daemon_beats(settings.workspace))


def test_a_slot_says_who_holds_it(tmp_path: Path) -> None:
    slots = (WorkerSlot(CPU, 0), WorkerSlot(CPU, 1))
    assert leases.holders(slots, tmp_path) == []
    with leases.lease(slots, tmp_path) as slot:
        unsaid = leases.Holder(slot.name, worker="worker-0")
        assert leases.holders(slots, tmp_path) == [unsaid]
        mine = leases.Holder(slot.name, RUN_ID, "/archive", partitions=("[a]", "b"))
        leases.introduce(mine, tmp_path)
        (holder,) = leases.holders(slots, tmp_path)
        assert dataclasses.replace(holder, since="", worker="") == mine
        assert holder.held_s is not None
        assert 0 <= holder.held_s < 60
        text = shown(of_queue([], [holder], 2, []))
        assert "worker-0 cpu.slot-0, run 00000000, [a], b" in text
        # Who counts the slots otherwise calls it otherwise.
        (other,) = leases.holders(slots[::-1], tmp_path)
        assert (other.slot, other.worker) == ("cpu.slot-0", "worker-1")
    assert leases.holders(slots, tmp_path) == []


def test_who_waits_for_a_slot_is_seen(tmp_path: Path) -> None:
    slots = (WorkerSlot(CPU, 0),)
    over = threading.Event()

    def wait() -> None:
        with leases.lease(slots, tmp_path, "uploads"):
            over.set()

    with leases.lease(slots, tmp_path):
        thread = threading.Thread(target=wait)
        thread.start()
        wait_for(lambda: leases.ranks_waiting(slots, tmp_path) == ["uploads"], 20)
    thread.join()
    assert over.is_set()
    assert leases.ranks_waiting(slots, tmp_path) == []
