"""The sensor that has everything made anew that is made from transcripts."""

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence

from dagster import (
    AssetKey,
    AssetsDefinition,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from opentr_pipeline.commands import command
from opentr_pipeline.defs.gpu_slots import PRIORITIES, PRIORITY_TAG
from opentr_pipeline.defs.jobs import MAIN_JOB
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import registered
from opentr_pipeline.defs.sensors import UNDER_WAY
from opentr_pipeline.defs.tags import REFRESH_TAG, SENSOR_TAG, tag_of
from opentr_pipeline.planning import refreshes
from opentr_pipeline.planning.refreshes import Asked, Follower, Memory, Refresh, Seen

REFRESHES_SENSOR = "refreshes"
# A run that waits publishes nothing yet.
WORKING = (DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)
# Steps observe what they publish at once, and at the end a run says how each partition stands: of
# one in which recordings failed or wait, by an observation, of the others by the first.
PUBLISHED = (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_OBSERVATION)
# What is published by these, the followers are made from.
PUBLISHERS = ("transcripts", "speakers")

REFRESHES = """\
Has everything made anew that is made from transcripts and speakers ({names}), for the partitions in
which new ones were published: by uploads, nights, backfills or {run}, also where some recordings
failed or the run was ended. While runs transcribe, it waits for their end, five minutes at most.
Many partitions share a run; none of these runs needs a worker slot. What has no partitions is made
after all others, at most once an hour.

A tick without runs says in a sentence why. When a tick fails, nothing is forgotten, the next one
goes on. A run that fails is not repeated before there are new transcripts: materialise its
partitions by hand, or reset the cursor, and the next tick looks for all that is older than its
transcripts."""


def refreshes_sensor(
    names: Names, followers: Sequence[AssetsDefinition], every_s: int
) -> SensorDefinition:
    """The sensor ``refreshes``, which runs unless somebody switches it off.

    Args:
        names: of the archive.
        followers: the assets that are made from transcripts, with the archive's partitions, or
            without any.
        every_s: how often it looks.
    """
    are_whole = {asset.key.to_user_string(): asset.partitions_def is None for asset in followers}

    @sensor(
        target=list(followers),
        name=names.name(REFRESHES_SENSOR),
        minimum_interval_seconds=every_s,
        default_status=DefaultSensorStatus.RUNNING,
        description=REFRESHES.format(names=", ".join(are_whole), run=command("run")),
    )
    def follow(context: SensorEvaluationContext) -> SensorResult:
        return _tick(context, names, are_whole)

    return follow


def _tick(
    context: SensorEvaluationContext, names: Names, are_whole: Mapping[str, bool]
) -> SensorResult:
    instance = context.instance
    memory = Memory.from_cursor(context.cursor)
    followers = [
        _follower(instance, name, is_whole, memory.asked.get(name))
        for name, is_whole in are_whole.items()
    ]
    runs = instance.get_runs(RunsFilter(statuses=UNDER_WAY))
    seen = Seen(
        _published(instance, names, min(one.so_far.until for one in followers)),
        registered(instance, names),
        _refreshing(runs, names),
        time.time(),
        any(run.status in WORKING and _transcribes(run, names) for run in runs),
    )
    look = refreshes.due_refreshes(followers, memory.waiting, seen)
    if look.refreshes:  # else the page shows the sentence with the tick
        context.log.info(look.sentence)
    return SensorResult(
        run_requests=[_run_request(refresh) for refresh in look.refreshes],
        skip_reason=None if look.refreshes else look.sentence,
        cursor=look.memory.to_cursor(),
    )


def _refreshing(runs: Iterable[DagsterRun], names: Names) -> set[str]:
    """The kinds of this archive's refreshes among some runs."""
    ours = names.name(REFRESHES_SENSOR)
    mine = (tag_of(run.tags, REFRESH_TAG) for run in runs if run.tags.get(SENSOR_TAG) == ours)
    return {kind for kind in mine if kind}


def _transcribes(run: DagsterRun, names: Names) -> bool:
    """Whether a run may publish transcripts of this archive; what else an instance runs may not."""
    chosen = run.asset_selection or set()
    is_main = run.job_name == names.name(MAIN_JOB)
    return is_main or not chosen.isdisjoint(map(names.key, PUBLISHERS))


def _published(instance: DagsterInstance, names: Names, after: int) -> dict[str, int]:
    """The partitions of transcripts with events after one, and the last of these."""
    found: dict[str, int] = {}
    for asset, kind in itertools.product(PUBLISHERS, PUBLISHED):
        events = instance.get_latest_storage_id_by_partition(
            names.key(asset), kind, after_cursor=after
        )
        found |= {key: max(event, found.get(key, 0)) for key, event in events.items()}
    return found


def _follower(
    instance: DagsterInstance, name: str, is_whole: bool, asked: Asked | None
) -> Follower:
    made = (
        _made(instance, AssetKey.from_user_string(name)) if asked is None and not is_whole else {}
    )
    return Follower(name, is_whole, asked, made)


def _made(instance: DagsterInstance, asset: AssetKey) -> dict[str, int]:
    """The partitions that were made, and where it is known, the event that began the run."""
    made, planned = (
        instance.get_latest_storage_id_by_partition(asset, kind)
        for kind in (
            DagsterEventType.ASSET_MATERIALIZATION,
            DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        )
    )
    return {key: min(event, planned.get(key, event)) for key, event in made.items()}


def _run_request(refresh: Refresh) -> RunRequest:
    return RunRequest(
        asset_selection=[AssetKey.from_user_string(name) for name in refresh.names],
        tags={
            **refresh.tags,
            PRIORITY_TAG: PRIORITIES["backfills" if refresh.kind == "stock" else "usual"],
            REFRESH_TAG: refresh.kind,
        },
    )
