"""The asset ``pages``."""

from collections.abc import Iterator
from typing import Any

from dagster import AssetExecutionContext, BackfillPolicy, MaterializeResult, MetadataValue, asset

from opentr_pipeline.defs.assets import transcripts
from opentr_pipeline.defs.descriptions import PAGES
from opentr_pipeline.defs.each_partition import each_partition
from opentr_pipeline.defs.gpu_slots import die_with_the_run
from opentr_pipeline.defs.metadata import Metadata
from opentr_pipeline.defs.partitions import archive_partitions
from opentr_pipeline.pages.lists import HOME_PAGE, list_page
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.settings.environment import load_settings


@asset(
    deps=[transcripts],
    partitions_def=archive_partitions,
    backfill_policy=BackfillPolicy.single_run(),
    description=PAGES,
    group_name="archive",
    kinds={"html"},
)
def pages(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
    """Write the pages of the run's partitions, and the archive's home page."""
    die_with_the_run()
    settings = load_settings()
    made = Pages(settings)
    link = MetadataValue.url if settings.pages_url else MetadataValue.path

    def written(key: str) -> Metadata:
        return {
            **vars(made.write(key)),
            "page": link(made.address(list_page(key, 0))),
            "home": link(made.address(HOME_PAGE)),
        }

    yield from each_partition(context, written, made.write_home)
