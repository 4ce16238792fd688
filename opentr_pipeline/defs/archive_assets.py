"""The assets ``media``, ``recordings`` and ``transcripts`` of one archive."""

import warnings
from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    BetaWarning,
    DynamicOut,
    DynamicOutput,
    In,
    MaterializeResult,
    Nothing,
    OpDefinition,
    Out,
    Output,
    RetryPolicy,
    asset,
    graph_asset,
    op,
)

from opentr_pipeline.defs import assets
from opentr_pipeline.defs.descriptions import MEDIA, RECORDINGS, TRANSCRIPTS, described
from opentr_pipeline.defs.gpu_slots import GPU_POOL, GPU_TAG
from opentr_pipeline.defs.handed_on import HANDED_ON
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.page_facts import page_facts
from opentr_pipeline.defs.resources import Transcription
from opentr_pipeline.defs.run_config import PlanConfig
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.settings.environment import Settings

# ``backfill_policy`` is in beta in the release that we pin; the notice is not for users.
warnings.filterwarnings("ignore", category=BetaWarning)

TRANSCRIPTION = "transcription"


def media_asset(settings: Settings, names: Names) -> AssetSpec:
    """The archive itself, with which lineage begins; nothing of ours makes it."""
    facts = page_facts("media", settings, names)
    facts["metadata"] = {"dagster/uri": settings.workspace.archive.as_uri()}
    return AssetSpec(description=described(MEDIA), **facts)


def recordings_asset(settings: Settings, names: Names) -> AssetsDefinition:
    """The table of media files."""

    def recordings(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
        yield from assets.probe_recordings(context, Setup(settings))

    declared: AssetsDefinition = asset(
        deps=[names.key("media")],
        partitions_def=names.partitions,
        backfill_policy=BackfillPolicy.single_run(),
        description=described(RECORDINGS),
        io_manager_key=names.name(HANDED_ON),
        **page_facts("recordings", settings, names),
    )(recordings)
    return declared


def transcripts_asset(settings: Settings, names: Names) -> AssetsDefinition:
    """The tables of what is said."""
    plan_shards = _plan_op(settings, names)
    transcribe_shard = _transcribe_op(settings, names)
    publish_transcripts = publish_op(settings, names)

    def transcripts(recordings: None) -> Any:
        shards, plan_name = plan_shards(recordings)
        return publish_transcripts(plan_name, shards.map(transcribe_shard).collect())

    declared: AssetsDefinition = graph_asset(
        ins={"recordings": AssetIn(key=names.key("recordings"), dagster_type=Nothing)},
        partitions_def=names.partitions,
        backfill_policy=BackfillPolicy.single_run(),
        description=described(TRANSCRIPTS),
        **page_facts("transcripts", settings, names),
    )(transcripts)
    return declared


def _plan_op(settings: Settings, names: Names) -> OpDefinition:
    transcription, handed_on = names.name(TRANSCRIPTION), names.name(HANDED_ON)

    @op(
        name=names.name("plan_shards"),
        description="Find what is to be transcribed and spread it over shards. When it fails: "
        "settings, model or archive are not as they should be; the error says what to do.",
        ins={"recordings": In(Nothing)},
        out={
            "shards": DynamicOut(io_manager_key=handed_on),
            "plan_name": Out(str, io_manager_key=handed_on),
        },
        required_resource_keys={transcription},
        tags={"dagster/priority": "1"},
    )
    def plan_shards(
        context: AssetExecutionContext, config: PlanConfig
    ) -> Iterator[DynamicOutput[Any] | Output[str]]:
        options: Transcription = getattr(context.resources, transcription)
        yield from assets.plan_shards(context, config, options, settings)

    return plan_shards


def _transcribe_op(settings: Settings, names: Names) -> OpDefinition:
    transcription = names.name(TRANSCRIPTION)

    @op(
        name=names.name("transcribe_shard"),
        description="Wait for a worker slot, then transcribe the recordings of one shard. A "
        "recording that cannot be transcribed does not fail it. A process that dies is started "
        "again and goes on where it was.",
        out=Out(io_manager_key=names.name(HANDED_ON)),
        required_resource_keys={transcription},
        tags={GPU_TAG: "slot"},
        pool=names.name(GPU_POOL),
        # A process that dies is tried again; each try gets further, because what is finished is
        # kept and a recording that kills twice is given up.
        retry_policy=RetryPolicy(max_retries=20),
    )
    def transcribe_shard(context: AssetExecutionContext, shard: dict[str, Any]) -> dict[str, Any]:
        options: Transcription = getattr(context.resources, transcription)
        return assets.transcribe_shard(context, options, settings, names, shard)

    return transcribe_shard


def publish_op(settings: Settings, names: Names) -> OpDefinition:
    """The last step of ``transcripts``."""

    @op(
        name=names.name("publish_transcripts"),
        description="Publish what no shard has published, and say how each partition stands. Where "
        "recordings failed, the other partitions are materialised all the same, and it fails.",
        out=Out(Nothing, is_required=False, io_manager_key=names.name(HANDED_ON)),
        tags={"dagster/priority": "1"},
    )
    def publish_transcripts(
        context: AssetExecutionContext, plan_name: str, shards: list[dict[str, Any]]
    ) -> Iterator[Output[None]]:
        yield from assets.publish_transcripts(context, Setup(settings), names, plan_name, shards)

    return publish_transcripts
