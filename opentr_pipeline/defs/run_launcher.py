"""The launcher of runs: Dagster's own, which also notices that a run's process is gone.

A code server tells when a run that it started dies. Where both die, by a power cut or for want of
memory, nobody would: the run would count as running for ever, hold its place in the queue, and its
recordings would not be asked for again. Run monitoring asks a launcher that can tell.
"""

import os
import socket
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DefaultRunLauncher
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.tags import RETRY_STRATEGY_TAG, WILL_RETRY_TAG

from opentr_pipeline.defs.tags import HOST_TAG, tag_of

# Dagster's default takes up the steps that had begun when a run was lost, leaves out the shards
# that had not, and so fails. What is finished is kept outside of it, and not done again.
RETRY_TAGS = {RETRY_STRATEGY_TAG: "ALL_STEPS"}
PROCESS_GONE = CheckRunHealthResult(WorkerStatus.NOT_FOUND, "The process of this run is gone.")


class LocalRunLauncher(DefaultRunLauncher):
    """Starts runs as processes of this machine, and looks after them."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """So that run monitoring asks."""
        return True

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run, and note where."""
        run_id = context.dagster_run.run_id
        self._instance.add_run_tags(run_id, {HOST_TAG: socket.gethostname(), **RETRY_TAGS})
        super().launch_run(context)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a run is there; see ``has_process``."""
        if has_process(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return lost(self._instance, run, PROCESS_GONE)


def lost(
    instance: DagsterInstance, run: DagsterRun, health: CheckRunHealthResult
) -> CheckRunHealthResult:
    """The same health of a run that is lost, once a backfill knows that a retry will follow."""
    now = instance.get_run_by_id(run.run_id)
    if now and not now.is_finished:  # else whoever looked at it was late, and it says how it ended
        # Dagster says so itself, but only after it has noted the failure; a backfill that looks in
        # between, as it does when the daemon has just started, ends, and so forbids the retry.
        instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "true"})
    return health


def has_process(instance: DagsterInstance, run: DagsterRun) -> bool:
    """Whether the process that began a run is there; of other machines' runs, it is assumed.

    In PostgreSQL that is every run of a command line other than ``opentr``.
    """
    here = socket.gethostname()
    is_ours = isinstance(instance.run_storage, SqliteRunStorage)  # it cannot be shared
    if not is_ours and tag_of(run.tags, HOST_TAG) != here:
        return True
    process = process_of(instance, run)
    return process is None or _is_ours(process, instance.root_directory)


def process_of(instance: DagsterInstance, run: DagsterRun) -> int | None:
    """The number of the process that began a run; None where none has yet."""
    begun = instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_START)
    event = begun[-1].dagster_event if begun else None
    return event.pid if event else None


def _is_ours(process: int, home: str) -> bool:
    """Whether a process is there, and works on a state folder; numbers are given again."""
    folder = Path("/proc", str(process))
    try:
        said = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
    except PermissionError:  # another user's
        return True
    except OSError:
        return False
    # A command of ours names its folder to its children alone.
    return os.fsencode(home) in said or b"opentr" in said
