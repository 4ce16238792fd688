"""The launcher of runs: Dagster's own, which also notices that a run's process is gone.

A code server tells when a run that it started dies. Where both die, by a power cut or for want of
memory, nobody would: the run would count as running for ever, hold its place in the queue, and its
recordings would not be asked for again. Run monitoring asks a launcher that can tell.
"""

import os
import socket
import time
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DefaultRunLauncher
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.runs import SqliteRunStorage

HOST_TAG = ".opentr/host"
# A process that is younger than its run, by more than clocks are set right, has its number alone.
MAX_CLOCK_ERROR_S = 60.0


class LocalRunLauncher(DefaultRunLauncher):
    """Starts runs as processes of this machine, and looks after them."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """So that run monitoring asks."""
        return True

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run, and note where."""
        run_id = context.dagster_run.run_id
        self._instance.add_run_tags(run_id, {HOST_TAG: socket.gethostname()})
        super().launch_run(context)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a run is there, runs of command lines included."""
        if has_process(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "The process of this run is gone.")


def has_process(instance: DagsterInstance, run: DagsterRun) -> bool:
    """Whether the process that began a run is there; of other machines' runs, it is assumed."""
    here = socket.gethostname()
    is_ours = isinstance(instance.run_storage, SqliteRunStorage)  # it cannot be shared
    if not is_ours and run.tags.get(HOST_TAG) != here:
        return True
    begun = instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_START)
    if not begun or not (event := begun[-1].dagster_event) or not event.pid:
        return True
    began_at = _began_at(event.pid)
    return began_at is not None and began_at < begun[-1].timestamp + MAX_CLOCK_ERROR_S


def _began_at(process: int) -> float | None:
    """When a process began, seconds since 1970, or None where there is none."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    after_boot_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + after_boot_s
