"""What run monitoring learns from the launcher of runs."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterEvent, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.events import DagsterEventType, JobFailureData
from dagster._core.execution.asset_backfill import backfill_runs_are_complete
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import BACKFILL_ID_TAG
from dagster._core.test_utils import create_run_for_test
from dagster._time import get_current_datetime

from opentr_pipeline.settings.installation import PROJECT_ROOT


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    shutil.copy(PROJECT_ROOT / "dagster.yaml", tmp_path)
    with DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def run_begun_by(instance: DagsterInstance, process: int) -> DagsterRun:
    run = create_run_for_test(
        instance, status=DagsterRunStatus.STARTED, tags={BACKFILL_ID_TAG: "nightly"}
    )
    begun = DagsterEvent(DagsterEventType.RUN_START.value, run.job_name, pid=process)
    instance.report_dagster_event(begun, run.run_id)
    return run


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_run_whose_process_lives(instance: DagsterInstance, tmp_path: Path) -> None:
    environ = {**os.environ, "DAGSTER_HOME": str(tmp_path)}
    with subprocess.Popen(["sleep", "600"], env=environ) as process:
        run = run_begun_by(instance, process.pid)
        said = instance.run_launcher.check_run_worker_health(run)
        process.kill()
    assert said.status == WorkerStatus.RUNNING


def test_a_backfill_waits_for_the_retry_of_a_run_whose_process_is_gone(
    instance: DagsterInstance,
) -> None:
    run = run_begun_by(instance, dead_process())
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND
    # What Dagster writes first, and what it has not written yet when a backfill looks.
    failed = DagsterEvent(
        DagsterEventType.RUN_FAILURE.value,
        run.job_name,
        event_specific_data=JobFailureData(error=None),
    )
    instance.run_storage.handle_run_event(run.run_id, failed, get_current_datetime())
    looked_at = instance.get_run_by_id(run.run_id)
    assert looked_at is not None
    assert looked_at.status == DagsterRunStatus.FAILURE
    assert not backfill_runs_are_complete("nightly", instance, logging.getLogger())
