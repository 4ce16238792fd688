"""What Dagster knows of an archive: its runs, its daemon, its sensors and schedules; only read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.dagster_run import RunRecord

from opentr_pipeline.defs.build import archive_defs
from opentr_pipeline.defs.gpu_slots import PRIORITY_TAG
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.run_launcher import has_process
from opentr_pipeline.defs.tags import BEFORE, REFRESH_TAG
from opentr_pipeline.launching.home import enter_home, is_prepared
from opentr_pipeline.planning.run_ranges import RANGE_END_TAG, RANGE_START_TAG, SINGLE_TAG
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.workspace import Workspace

STATUS_WORDS = {
    DagsterRunStatus.QUEUED: "queued",
    DagsterRunStatus.NOT_STARTED: "starting",
    DagsterRunStatus.STARTING: "starting",
    DagsterRunStatus.STARTED: "running",
    DagsterRunStatus.CANCELING: "ending",
}
# The first tag that a run has says where it came from.
LAUNCHERS = {
    REFRESH_TAG: "refresh",
    BEFORE[REFRESH_TAG]: "refresh",
    "dagster/sensor_name": "upload",
    "dagster/schedule_name": "night",
    "dagster/backfill": "backfill",
    "dagster/from_ui": "by hand",
    ".dagster/grpc_info": "by hand",
}
HEARTBEAT_FRESH_S = 120.0


@dataclass(frozen=True)
class ActiveRun:
    """A run that has not ended.

    Attributes:
        status: a word of ``STATUS_WORDS``.
        partitions: a key, or the first and the last of a range.
        launched_by: a word of ``LAUNCHERS``, or ``command line``.
        since: it was queued, or started; ISO 8601.
        is_orphan: it counts as running, but its process is gone.
    """

    run_id: str
    status: str
    partitions: tuple[str, ...]
    launched_by: str
    priority: int
    since: str
    is_orphan: bool


@dataclass(frozen=True)
class DaemonBeat:
    """One of the daemon's threads.

    Attributes:
        age_s: of its last sign of life; None where there was none.
        error: its last one, if that was not followed by a success.
    """

    name: str
    age_s: float | None
    error: str

    @property
    def is_fresh(self) -> bool:
        """Whether it lives."""
        return self.age_s is not None and self.age_s < HEARTBEAT_FRESH_S


@dataclass(frozen=True)
class Automation:
    """A sensor or a schedule.

    Attributes:
        error: of its last tick; empty where that went well.
    """

    name: str
    kind: str
    is_on: bool
    error: str


@contextmanager
def _instance(workspace: Workspace) -> Iterator[DagsterInstance | None]:
    """The state, or None where no command has made it yet: looking must not make it."""
    if not is_prepared(workspace.dagster_home):
        yield None
        return
    enter_home(workspace)
    with DagsterInstance.get() as instance:
        yield instance


def active_runs(workspace: Workspace) -> list[ActiveRun]:
    """The runs that wait or work, those that started first on top."""
    with _instance(workspace) as instance:
        if instance is None:
            return []
        records = instance.get_run_records(RunsFilter(statuses=list(STATUS_WORDS)))
        runs = [_active(instance, record) for record in records]
    order = list(dict.fromkeys(STATUS_WORDS.values()))
    return sorted(runs, key=lambda run: (-order.index(run.status), -run.priority, run.since))


def _active(instance: DagsterInstance, record: RunRecord) -> ActiveRun:
    run = record.dagster_run
    tags = run.tags
    started = record.start_time
    since = datetime.fromtimestamp(started, UTC) if started else record.create_timestamp
    return ActiveRun(
        run.run_id,
        STATUS_WORDS[run.status],
        tuple(tags[name] for name in (SINGLE_TAG, RANGE_START_TAG, RANGE_END_TAG) if name in tags),
        next((word for tag, word in LAUNCHERS.items() if tag in tags), "command line"),
        int(tags.get(PRIORITY_TAG, "0")),
        since.astimezone(UTC).isoformat(timespec="seconds"),
        run.status == DagsterRunStatus.STARTED and not has_process(instance, run),
    )


def daemon_beats(workspace: Workspace) -> list[DaemonBeat]:
    """The signs of life of the daemon's threads."""
    with _instance(workspace) as instance:
        if instance is None:
            return []
        beats = instance.get_daemon_heartbeats()
        found = []
        for name in instance.get_required_daemon_types():
            beat = beats.get(name)
            age_s = datetime.now(UTC).timestamp() - beat.timestamp if beat else None
            errors = [_first_line(error.message) for error in (beat.errors if beat else None) or []]
            found.append(DaemonBeat(name.lower(), age_s, "; ".join(errors)))
    return found


def automations(settings: Settings) -> list[Automation]:
    """The sensors and schedules of the code location, and how their last ticks went."""
    repository = archive_defs(settings, Names(), with_executor=False).get_repository_def()
    declared = [
        *(("sensor", one.name, one.default_status.value) for one in repository.sensor_defs),
        *(("schedule", one.name, one.default_status.value) for one in repository.schedule_defs),
    ]
    with _instance(settings.workspace) as instance:
        if instance is None:
            return []
        states = {state.instigator_name: state for state in instance.all_instigator_state()}
        found = []
        for kind, name, default in declared:
            state = states.get(name)
            is_on = state.is_running if state else default == "RUNNING"
            error = ""
            if state:
                place = (state.instigator_origin_id, state.selector_id)
                ticks = instance.get_ticks(*place, limit=1)
                if ticks and ticks[0].error:
                    error = _first_line(ticks[0].error.message)
            found.append(Automation(name, kind, is_on, error))
    return found


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""
