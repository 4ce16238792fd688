"""The asset ``search_index``."""

from collections.abc import Iterator
from typing import Any

from dagster import AssetExecutionContext, BackfillPolicy, MaterializeResult, asset

from opentr_pipeline.defs.assets import transcripts
from opentr_pipeline.defs.descriptions import SEARCH_INDEX
from opentr_pipeline.defs.each_partition import each_partition
from opentr_pipeline.defs.gpu_slots import die_with_the_run
from opentr_pipeline.defs.metadata import Metadata
from opentr_pipeline.defs.partitions import archive_partitions
from opentr_pipeline.errors import StoreError
from opentr_pipeline.search.index import SearchIndex
from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.transcripts.store import TranscriptStore


@asset(
    deps=[transcripts],
    partitions_def=archive_partitions,
    backfill_policy=BackfillPolicy.single_run(),
    description=SEARCH_INDEX,
    group_name="archive",
    kinds={"sqlite"},
)
def search_index(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
    """Index what was published in the run's partitions."""
    die_with_the_run()
    index = SearchIndex(TranscriptStore(load_settings().workspace.output))

    def indexed(key: str) -> Metadata:
        refreshed = index.refresh([key], wait=True)
        if refreshed.problems:
            raise StoreError(" ".join(refreshed.problems))
        num_segments = index.num_segments(key)
        return {
            "num_segments": num_segments,
            "dagster/partition_row_count": num_segments,
            "size_bytes": index.size_bytes,
            "wall_s": round(refreshed.wall_s, 3),
        }

    yield from each_partition(context, indexed)
