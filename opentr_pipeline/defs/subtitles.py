"""The asset ``subtitles``."""

from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetExecutionContext,
    BackfillPolicy,
    MaterializeResult,
    MetadataValue,
    asset,
)

from opentr_pipeline.defs.assets import transcripts
from opentr_pipeline.defs.descriptions import SUBTITLES
from opentr_pipeline.defs.each_partition import each_partition
from opentr_pipeline.defs.gpu_slots import die_with_the_run
from opentr_pipeline.defs.metadata import Metadata
from opentr_pipeline.defs.partitions import archive_partitions
from opentr_pipeline.exports.tree import SUBTITLE_FORMATS, Export
from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.transcripts.layout import EXPORTS
from opentr_pipeline.transcripts.store import TranscriptStore


@asset(
    deps=[transcripts],
    partitions_def=archive_partitions,
    backfill_policy=BackfillPolicy.single_run(),
    description=SUBTITLES,
    group_name="archive",
    kinds={"text"},
)
def subtitles(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
    """Write the transcripts of the run's partitions as subtitles and text."""
    die_with_the_run()
    settings = load_settings()
    store = TranscriptStore(settings.workspace.output)
    export = Export(store, store.root / EXPORTS, SUBTITLE_FORMATS, settings)

    def made(key: str) -> Metadata:
        return {**vars(export.write(key)), "path": MetadataValue.path(str(export.root))}

    yield from each_partition(context, made)
