"""What the steps of ``recordings`` and ``transcripts`` do; ``archive_assets`` declares them."""

import contextlib
import dataclasses
import functools
import itertools
import logging
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    DagsterInstance,
    DataVersion,
    DynamicOutput,
    Failure,
    MaterializeResult,
    Output,
    RetryRequested,
)

from opentr_pipeline.commands import command
from opentr_pipeline.defs import metadata
from opentr_pipeline.defs.checks import log_verdicts
from opentr_pipeline.defs.failures import refused, some_of, unexpected
from opentr_pipeline.defs.gpu_slots import die_with_the_run, rank_of
from opentr_pipeline.defs.handed_on import sweep
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.resources import Transcription
from opentr_pipeline.defs.run_config import PlanConfig
from opentr_pipeline.devices.cards import WorkerSlot
from opentr_pipeline.devices.cluster_slots import known_as
from opentr_pipeline.devices.leases import Holder, introduce, lease
from opentr_pipeline.devices.memory_limits import MAX_TRIES, learning
from opentr_pipeline.devices.usage import looks_at, sampled
from opentr_pipeline.errors import DeviceError, OpentrError, OutOfMemoryError
from opentr_pipeline.planning import backlog
from opentr_pipeline.planning.places import claim_output, settle_claims
from opentr_pipeline.planning.plan import Plan, load_plan, plans_of
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.shards import ShardItem
from opentr_pipeline.recognition.loading import SlotLoader
from opentr_pipeline.services.log_files import slot_log
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.steps import bottleneck, publishing
from opentr_pipeline.steps.bottleneck import AsSet
from opentr_pipeline.steps.figures import StepFigures
from opentr_pipeline.steps.shard_run import ShardRun

_log = logging.getLogger(__name__)


def probe_recordings(
    context: AssetExecutionContext, setup: Setup
) -> Iterator[MaterializeResult[Any]]:
    """Probe the media files of the run's partitions."""
    die_with_the_run()
    started, store = time.monotonic(), setup.store
    try:
        claim_output(setup.workspace)
        settle_claims(setup.workspace, setup.database)
        unread: set[str] = set()
        partitions = backlog.recordings_of(setup, context.partition_keys, unread)
        for key, found in partitions.items():
            store.write_recordings(key, found, unread)
    except OpentrError as error:
        raise refused(error) from None
    wall_s = time.monotonic() - started
    for key, found in partitions.items():
        context.add_asset_metadata(
            metadata.of_recordings(key, found, store, wall_s), partition_key=key
        )
    yield MaterializeResult()


def plan_shards(
    context: AssetExecutionContext,
    config: PlanConfig,
    transcription: Transcription,
    usual: Settings,
) -> Iterator[DynamicOutput[Any] | Output[str]]:
    """Find what is to be transcribed and spread it over shards."""
    die_with_the_run()
    try:
        setup = Setup(transcription.settings(usual))
        claim_output(setup.workspace)
        settle_claims(setup.workspace, setup.database)
        options = setup.options_with(transcription.typed())
        partitions = backlog.recordings_of(setup, context.partition_keys)
        plan = backlog.make_plan(setup, partitions, options, len(setup.slots), config.taking())
        plan.save(plans_of(setup.store), context.run_id)
        sweep(context.instance, setup)
    except OpentrError as error:
        raise refused(error) from None
    context.log.info(f"{sum(map(len, plan.shards))} contents in {len(plan.shards)} shards.")
    # By its name: hosts may know the folder by other paths.
    yield Output(context.run_id, "plan_name")
    for number in range(len(plan.shards)):
        shard = {"number": number, "plan_name": context.run_id}
        yield DynamicOutput(shard, mapping_key=f"s{number:05d}", output_name="shards")


def transcribe_shard(
    context: AssetExecutionContext,
    transcription: Transcription,
    usual: Settings,
    names: Names,
    shard: dict[str, Any],
) -> dict[str, Any]:
    """Wait for a worker slot, then transcribe the recordings of one shard."""
    under_way = contextlib.ExitStack()
    die_with_the_run(under_way.close)
    try:
        setup = Setup(transcription.settings(usual))
        slots, folder = setup.slots, setup.slots_folder
        with (
            lease(slots, folder, rank_of(context.run.tags)) as slot,
            slot_log(setup.workspace.dagster_home, known_as(slot)),
            sampled(looks_at(slot.device)) as usages,
        ):
            leased_at = time.time()
            plan = load_plan(plans_of(setup.store), shard["plan_name"])
            items = plan.shards[shard["number"]]
            _introduce(context, setup, slot, items)
            run = _shard_run(setup, slot, plan, items)
            key = names.key("transcripts")
            run.announce = functools.partial(announce, context.instance, key)
            under_way.callback(run.withdraw)
            with contextlib.closing(run), learning(slot, slots, folder, run.batch_size):
                outcome = run.run(items)
            released_at = time.time()
            _log.info("Worker slot %s released: %s.", slot.name, outcome.summary())
    except OpentrError as error:
        raise refused(error) from None
    except OutOfMemoryError as error:
        raise RetryRequested(MAX_TRIES) from error  # each with less than the one before
    except DeviceError:
        raise  # a new process may have more luck
    except Exception as error:
        raise unexpected(error) from error
    figures = StepFigures.of(outcome, slot, usages)
    context.add_output_metadata(metadata.of_shard(outcome, figures, leased_at, released_at))
    return {"failures": outcome.failures, "figures": dataclasses.asdict(figures)}


def _introduce(
    context: AssetExecutionContext, setup: Setup, slot: WorkerSlot, items: list[ShardItem]
) -> None:
    """Say who holds the slot: to Dagster, in the slot's log, and to who asks for it."""
    context.log.info(f"Worker slot {slot.name} taken.")
    keys = tuple(sorted({key for item in items for key in item.partition_keys}))
    shown = ", ".join(keys[:5]) + (" ..." if len(keys) > 5 else "")
    said = "Worker slot %s taken by run %s: %d recordings of %s."
    _log.info(said, slot.name, context.run_id, len(items), shown)
    holder = Holder(slot.name, context.run_id, str(setup.workspace.archive), partitions=keys)
    introduce(holder, setup.slots_folder)


def announce(instance: DagsterInstance, asset: AssetKey, partition_key: str) -> None:
    """Say at once that a partition was published: the run may end before it says so itself."""
    seen = AssetObservation(asset, partition=partition_key)
    try:
        instance.report_runless_asset_event(seen)  # what a step logs is written when it ends
    except Exception as error:  # a database that is away costs nothing that was done
        _log.warning("Dagster did not hear that %s was published: %s", partition_key, error)


def _shard_run(setup: Setup, slot: WorkerSlot, plan: Plan, items: list[ShardItem]) -> ShardRun:
    loader = SlotLoader.of(setup.workers, slot, items[0].options, setup.workspace.models)
    return ShardRun(
        setup.workspace.archive,
        setup.store,
        plan,
        loader.load,
        loader.batch_size,
    )


def publish_transcripts(
    context: AssetExecutionContext,
    setup: Setup,
    names: Names,
    plan_name: str,
    shards: list[dict[str, Any]],
) -> Iterator[Output[None]]:
    """Publish what no shard has published, and say how each partition stands.

    Where recordings failed, the other partitions are materialised all the same: their events are
    logged one by one, no output is yielded (it would mark every partition), and the op fails.
    """
    die_with_the_run()
    store = setup.store
    try:
        plan = load_plan(plans_of(store), plan_name)
        publishing.publish_all(plan, store)
        left = publishing.left_over(plan, store)
        figures = [StepFigures(**shard["figures"]) for shard in shards]
        verdict = bottleneck.verdict(figures, AsSet.of(setup.settings))
        facts = metadata.of_transcripts(plan, store, verdict)
    except OpentrError as error:
        raise refused(error) from None
    if verdict:
        context.log.info(verdict)
    versions = {key: plan.data_version(key) for key in plan.partitions}
    keys = plan.partitions.keys() - left.keys()
    if not left:
        for key, values in facts.items():
            context.add_asset_metadata(values, partition_key=key)
        (usual, _), *_ = Counter(versions.values()).most_common(1)
        yield Output(None, data_version=DataVersion(usual))
        # The output gave all partitions one version; those with another say so afterwards.
        keys = {key for key in keys if versions[key] != usual}
    for key in keys:
        tags = {"dagster/data_version": versions[key]}
        context.log_event(
            AssetMaterialization(
                names.key("transcripts"), partition=key, metadata=facts[key], tags=tags
            )
        )
    for key, works in left.items():
        seen = AssetObservation(names.key("transcripts"), partition=key, metadata=facts[key])
        context.log_event(seen)
        context.log.info(f"{key}: {len(works)} recordings have no transcript yet.")
    if left:  # Dagster skips the step of the checks, for want of the output
        log_verdicts(context, setup, names)
    if works := publishing.unanswered(plan, itertools.chain(*left.values())):
        raise _incomplete(works, [said for shard in shards for said in shard["failures"]])


def _incomplete(works: list[backlog.RecordingWork], sentences: list[str]) -> Failure:
    keys = sorted({one.recording.partition_key for one in works})
    remedy = "retry-failed" if all(one.state == "failed" for one in works) else "run"
    return Failure(
        description=f"{len(works)} recordings in {len(keys)} of the run's partitions have no "
        f"transcript yet. {some_of(sentences)} Everything else is published; run "
        f"{command(remedy)}.",
        metadata={"partitions": ", ".join(keys)},
        allow_retries=False,
    )
