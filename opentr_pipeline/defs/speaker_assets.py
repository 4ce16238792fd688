"""The asset ``speakers`` of one archive."""

from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    BackfillPolicy,
    DynamicOut,
    DynamicOutput,
    In,
    Nothing,
    OpDefinition,
    Out,
    Output,
    RetryPolicy,
    graph_asset,
    op,
)

from opentr_pipeline.defs import speaker_steps
from opentr_pipeline.defs.descriptions import SPEAKERS, described
from opentr_pipeline.defs.gpu_slots import HEARING_TAG
from opentr_pipeline.defs.handed_on import HANDED_ON
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.page_facts import page_facts
from opentr_pipeline.defs.run_config import PlanConfig
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.settings.environment import Settings


def speakers_asset(settings: Settings, names: Names) -> AssetsDefinition:
    """The tables of who speaks."""
    plan_speakers = _plan_op(settings, names)
    hear_shard = _hear_op(settings, names)
    publish_speakers = _publish_op(settings, names)

    def speakers(transcripts: None) -> Any:
        shards, plan_name = plan_speakers(transcripts)
        return publish_speakers(plan_name, shards.map(hear_shard).collect())

    declared: AssetsDefinition = graph_asset(
        ins={"transcripts": AssetIn(key=names.key("transcripts"), dagster_type=Nothing)},
        partitions_def=names.partitions,
        backfill_policy=BackfillPolicy.single_run(),
        description=described(SPEAKERS),
        **page_facts("speakers", settings, names),
    )(speakers)
    return declared


def _plan_op(settings: Settings, names: Names) -> OpDefinition:
    handed_on = names.name(HANDED_ON)

    @op(
        name=names.name("plan_speakers"),
        description="Find where speakers are to be told apart, and spread it over shards. When it "
        "fails: settings or archive are not as they should be; the error says what to do.",
        ins={"transcripts": In(Nothing)},
        out={
            "shards": DynamicOut(io_manager_key=handed_on),
            "plan_name": Out(str, io_manager_key=handed_on),
        },
        tags={"dagster/priority": "1"},
    )
    def plan_speakers(
        context: AssetExecutionContext, config: PlanConfig
    ) -> Iterator[DynamicOutput[Any] | Output[str]]:
        yield from speaker_steps.plan_speakers(context, config, Setup(settings))

    return plan_speakers


def _hear_op(settings: Settings, names: Names) -> OpDefinition:
    @op(
        name=names.name("hear_shard"),
        description="Wait for a worker slot of the CPU, then hear who speaks in the recordings of "
        "one shard. A recording that cannot be heard does not fail it. A process that dies is "
        "started again and goes on where it was.",
        out=Out(io_manager_key=names.name(HANDED_ON)),
        tags={HEARING_TAG: "slot"},
        # As in ``transcribe_shard``.
        retry_policy=RetryPolicy(max_retries=20),
    )
    def hear_shard(context: AssetExecutionContext, shard: dict[str, Any]) -> dict[str, Any]:
        return speaker_steps.hear_shard(context, Setup(settings), names, shard)

    return hear_shard


def _publish_op(settings: Settings, names: Names) -> OpDefinition:
    @op(
        name=names.name("publish_speakers"),
        description="Publish what no shard has published, and say how each partition stands. Where "
        "some could not be heard, the other partitions are materialised all the same, and it "
        "fails.",
        out=Out(Nothing, is_required=False, io_manager_key=names.name(HANDED_ON)),
        tags={"dagster/priority": "1"},
    )
    def publish_speakers(
        context: AssetExecutionContext, plan_name: str, shards: list[dict[str, Any]]
    ) -> Iterator[Output[None]]:
        yield from speaker_steps.publish_speakers(
            context, Setup(settings), names, plan_name, shards
        )

    return publish_speakers
