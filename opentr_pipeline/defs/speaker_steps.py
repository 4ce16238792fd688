"""What the steps of ``speakers`` do; ``speaker_assets`` declares them."""

import contextlib
import functools
import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    AssetObservation,
    DynamicOutput,
    Failure,
    Output,
)

from opentr_pipeline.commands import command
from opentr_pipeline.defs import metadata
from opentr_pipeline.defs.assets import announce
from opentr_pipeline.defs.failures import refused, some_of, unexpected
from opentr_pipeline.defs.gpu_slots import die_with_the_run, rank_of
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.run_config import PlanConfig
from opentr_pipeline.devices.cpu_slots import hearing_slots
from opentr_pipeline.devices.leases import Holder, introduce, lease
from opentr_pipeline.errors import OpentrError, StoreError
from opentr_pipeline.planning import backlog
from opentr_pipeline.planning.places import claim_output, settle_claims
from opentr_pipeline.planning.plan import Taking, load_plan, plans_of
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.speaker_plan import (
    load_speaker_plan,
    make_speaker_plan,
)
from opentr_pipeline.services.log_files import slot_log
from opentr_pipeline.speakers import models
from opentr_pipeline.steps import speaker_publishing
from opentr_pipeline.steps.hearing import HearingRun
from opentr_pipeline.wording import number_text

_log = logging.getLogger(__name__)


def plan_speakers(
    context: AssetExecutionContext, config: PlanConfig, setup: Setup
) -> Iterator[DynamicOutput[Any] | Output[str]]:
    """Find where speakers are to be told apart, and spread it over shards."""
    die_with_the_run()
    try:
        claim_output(setup.workspace)
        settle_claims(setup.workspace, setup.database)
        partitions = backlog.recordings_of(setup, context.partition_keys)
        taking = _taking(config.taking(), setup, context.run_id)
        slots = hearing_slots(setup.slots)
        plan = make_speaker_plan(setup, partitions, len(slots), taking)
        plan.save(plans_of(setup.store), context.run_id)
        if plan.shards:
            models.check_ready(setup.workspace.models)
    except OpentrError as error:
        raise refused(error) from None
    num = sum(map(len, plan.shards))
    context.log.info(f"{number_text(num, 'content')} to hear in {len(plan.shards)} shards.")
    yield Output(context.run_id, "plan_name")
    for number in range(len(plan.shards)):
        shard = {"number": number, "plan_name": context.run_id}
        yield DynamicOutput(shard, mapping_key=f"s{number:05d}", output_name="shards")


def _taking(said: Taking, setup: Setup, run_id: str) -> Taking:
    """What this step was told to take on, else what the run transcribes by."""
    if said == Taking():
        with contextlib.suppress(StoreError):  # the run transcribes nothing
            return load_plan(plans_of(setup.store), run_id).taking
    return said


def hear_shard(
    context: AssetExecutionContext, setup: Setup, names: Names, shard: dict[str, Any]
) -> dict[str, Any]:
    """Wait for a worker slot of the CPU, then hear who speaks in the recordings of one shard."""
    under_way = contextlib.ExitStack()
    die_with_the_run(under_way.close)
    try:
        slots, folder = hearing_slots(setup.slots), setup.slots_folder
        with (
            lease(slots, folder, rank_of(context.run.tags)) as slot,
            slot_log(setup.workspace.dagster_home, slot.name),
        ):
            plan = load_speaker_plan(plans_of(setup.store), shard["plan_name"])
            items = plan.shards[shard["number"]]
            keys = tuple(sorted({key for item in items for key in item.partition_keys}))
            archive = str(setup.workspace.archive)
            introduce(Holder(slot.name, context.run_id, archive, partitions=keys), folder)
            said = "Worker slot %s taken by run %s, to tell speakers apart: %d recordings."
            _log.info(said, slot.name, context.run_id, len(items))
            load = functools.partial(_diarizer, setup.workspace.models)
            run = HearingRun(setup.workspace.archive, setup.store, plan, load)
            run.announce = functools.partial(announce, context.instance, names.key("speakers"))
            under_way.callback(run.withdraw)
            outcome = run.run(items)
            _log.info("Worker slot %s released.", slot.name)
    except OpentrError as error:
        raise refused(error) from None
    except Exception as error:
        raise unexpected(error) from error
    context.add_output_metadata(metadata.of_hearing(outcome))
    return {"failures": outcome.failures}


def _diarizer(models_dir: Path) -> Any:
    """On one thread: each slot of the CPU has its part of the cores."""
    from opentr_pipeline.speakers import diarization

    return diarization.load(models_dir, 1)


def publish_speakers(
    context: AssetExecutionContext,
    setup: Setup,
    names: Names,
    plan_name: str,
    shards: list[dict[str, Any]],
) -> Iterator[Output[None]]:
    """Publish what no shard has published, and say how each partition stands.

    Where some could not be heard, the other partitions are materialised all the same, as those of
    ``transcripts`` are.
    """
    die_with_the_run()
    store, key = setup.store, names.key("speakers")
    try:
        plan = load_speaker_plan(plans_of(store), plan_name)
        speaker_publishing.publish_all_speakers(plan, store)
        left = speaker_publishing.speakers_left(plan, store)
        facts = metadata.of_speakers(plan.partitions, store)
    except OpentrError as error:
        raise refused(error) from None
    items = list(speaker_publishing.unheard(plan, left))
    if not left:
        for partition, values in facts.items():
            context.add_asset_metadata(values, partition_key=partition)
        yield Output(None)
        return
    for partition, values in facts.items():
        kind = AssetObservation if partition in left else AssetMaterialization
        context.log_event(kind(key, partition=partition, metadata=values))
    if items:
        said = list(itertools.chain.from_iterable(shard["failures"] for shard in shards))
        raise Failure(
            f"In {number_text(len(items), 'recording')} it is not known who speaks. "
            f"{some_of(said)} Everything else is published; run {command('run')}.",
            allow_retries=False,
        )
