"""The asset ``search_index``."""

from typing import Any

from dagster import AssetExecutionContext, BackfillPolicy, Failure, MaterializeResult, asset

from opentr_pipeline.defs.assets import refused, transcripts
from opentr_pipeline.defs.descriptions import SEARCH_INDEX
from opentr_pipeline.defs.gpu_slots import die_with_the_run
from opentr_pipeline.defs.partitions import archive_partitions
from opentr_pipeline.errors import OpentrError
from opentr_pipeline.search_index import SearchIndex
from opentr_pipeline.settings import load_settings
from opentr_pipeline.transcript_store import TranscriptStore


@asset(
    deps=[transcripts],
    partitions_def=archive_partitions,
    backfill_policy=BackfillPolicy.single_run(),
    description=SEARCH_INDEX,
    group_name="archive",
    kinds={"sqlite"},
)
def search_index(context: AssetExecutionContext) -> MaterializeResult[Any]:
    """Index what was published in the run's partitions."""
    die_with_the_run()
    index = SearchIndex(TranscriptStore(load_settings().output_root))
    try:
        refreshed = index.refresh(context.partition_keys, wait=True)
        num_segments = {key: index.num_segments(key) for key in context.partition_keys}
    except OpentrError as error:
        raise refused(error) from None
    if refreshed.problems:
        raise Failure(" ".join(refreshed.problems), allow_retries=False)
    for key, num in num_segments.items():
        facts = {
            "num_segments": num,
            "dagster/partition_row_count": num,
            "size_bytes": index.size_bytes,
            "wall_s": round(refreshed.wall_s, 3),
        }
        context.add_asset_metadata(facts, partition_key=key)
    return MaterializeResult()
