"""The sensor that has new media transcribed."""

from collections.abc import Sequence
from datetime import UTC, datetime

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from opentr_pipeline.defs.gpu_slots import PRIORITIES, PRIORITY_TAG
from opentr_pipeline.defs.jobs import MAIN_JOB
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import register_partitions, registered
from opentr_pipeline.defs.run_config import plan_config
from opentr_pipeline.defs.tags import REQUEST_TAG, SENSOR_TAG, UPLOADS_TAG, tag_of
from opentr_pipeline.devices.leases import slots_in_use
from opentr_pipeline.planning.plan import Taking
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.upload_runs import Request
from opentr_pipeline.planning.uploads import Uploads
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.settings.environment import Settings

USUAL_INTERVAL_S = 30
UNDER_WAY = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]

# The pages of sensors and schedules show text as it is, other than those of assets and jobs.
UPLOADS = """\
Has new and changed media transcribed, as soon as size and time of a file have been the same for
{settle_s} s and nobody has it open for writing (UPLOAD_SETTLE_S). What was in the archive before
is transcribed as well, after all uploads, one run at a time.

A tick without runs says in a sentence what it found. When a tick fails, its error says what to
do; nothing is forgotten, the next tick goes on. Resetting the cursor makes the next tick look at
everything afresh; what is transcribed is not transcribed again."""


def uploads_sensor(settings: Settings, names: Names) -> SensorDefinition:
    """The sensor ``uploads``, which runs unless somebody switches it off."""

    @sensor(
        job_name=names.name(MAIN_JOB),
        name=names.name("uploads"),
        minimum_interval_seconds=look_every_s(settings),
        default_status=DefaultSensorStatus.RUNNING,
        description=UPLOADS.format(settle_s=settings.upload_settle_s),
    )
    def find(context: SensorEvaluationContext) -> SensorResult:
        return _tick(context, Setup(settings), names)

    return find


def look_every_s(settings: Settings) -> int:
    """How often the archive is looked at: each look at a bucket is paid for."""
    if isinstance(settings.workspace.archive, BucketAddress):
        return settings.bucket_look_s
    return interval_s(settings.upload_settle_s)


def interval_s(upload_settle_s: int) -> int:
    """How often sensors look: as often as a short ``UPLOAD_SETTLE_S`` asks for."""
    return min(USUAL_INTERVAL_S, upload_settle_s)


def _tick(context: SensorEvaluationContext, setup: Setup, names: Names) -> SensorResult:
    uploads = Uploads(setup, setup.options)
    if not context.cursor:  # the first tick, or somebody has reset it
        uploads.ledger.forget()

    def register(keys: set[str]) -> Sequence[str]:
        register_partitions(context.instance, keys, names)
        return registered(context.instance, names)

    active = _under_way(context.instance, names)
    tick = uploads.watch(active, register)
    sentence = f"{tick.sentence} {_slots_said(setup)}"
    context.log.info(sentence)
    return SensorResult(
        run_requests=[_run_request(request, names) for request in tick.requests],
        skip_reason=None if tick.requests else sentence,
        cursor=context.cursor or f"looking since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def _slots_said(setup: Setup) -> str:
    if setup.settings.cluster_address:  # whose head is asked by commands, not at each tick
        return f"The cluster has {len(setup.slots)} worker slots."
    used = slots_in_use(setup.slots, setup.slots_folder)
    return f"{len(used)} of {len(setup.slots)} worker slots in use."


def _under_way(instance: DagsterInstance, names: Names) -> dict[str, bool]:
    """The requests whose runs wait or work, and whether they are for stock."""
    ours = RunsFilter(statuses=UNDER_WAY, tags={SENSOR_TAG: names.name("uploads")})
    asked = ((tag_of(run.tags, REQUEST_TAG), run.tags) for run in instance.get_runs(ours))
    return {key: tag_of(tags, UPLOADS_TAG) == "stock" for key, tags in asked if key}


def _run_request(request: Request, names: Names) -> RunRequest:
    return RunRequest(
        run_key=request.key,
        run_config=plan_config(Taking(recordings=frozenset(request.recording_ids)), names),
        tags={
            **request.run_range.tags,
            PRIORITY_TAG: PRIORITIES["backfills" if request.is_stock else "uploads"],
            UPLOADS_TAG: "stock" if request.is_stock else "new",
            REQUEST_TAG: request.key,
        },
    )
