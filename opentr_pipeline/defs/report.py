"""The asset ``archive_report``."""

from typing import Any

from dagster import MaterializeResult, MetadataValue, asset

from opentr_pipeline.defs import metadata
from opentr_pipeline.defs.assets import refused, transcripts
from opentr_pipeline.defs.descriptions import ARCHIVE_REPORT
from opentr_pipeline.defs.gpu_slots import die_with_the_run
from opentr_pipeline.errors import OpentrError
from opentr_pipeline.pages.lists import REPORT_PAGE
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.report import page as report
from opentr_pipeline.report.facts import report_facts
from opentr_pipeline.settings.environment import load_settings


@asset(deps=[transcripts], description=ARCHIVE_REPORT, group_name="archive", kinds={"html"})
def archive_report() -> MaterializeResult[Any]:
    """Write the report of what is published, in all partitions."""
    die_with_the_run()
    settings = load_settings()
    try:
        facts = report_facts(settings)
        report.write(facts, settings)
    except OpentrError as error:
        raise refused(error) from None
    link = MetadataValue.url if settings.pages_url else MetadataValue.path
    page = link(Pages(settings).address(REPORT_PAGE))
    return MaterializeResult(metadata={"page": page, **metadata.of_report(facts)})
