"""What the page shows of every asset: its key, group, kinds, owners, tags, columns and lineage."""

from typing import Any

from dagster import MetadataValue, TableColumn, TableColumnDep, TableColumnLineage, TableSchema

from opentr_pipeline.defs.names import Names
from opentr_pipeline.settings.page import PageSettings
from opentr_pipeline.transcripts.layout import TRANSCRIPT_TABLES
from opentr_pipeline.transcripts.schemas import COPIED_COLUMNS, describe

KINDS = {
    "media": {"file"},
    "recordings": {"parquet"},
    "transcripts": {"parquet"},
    "speakers": {"parquet"},
    "subtitles": {"text"},
    "pages": {"html"},
    "search_index": {"sqlite"},
    "archive_report": {"html"},
}


def page_facts(asset: str, settings: PageSettings, names: Names) -> dict[str, Any]:
    """What is declared of an asset, by the names that Dagster's decorators have for it."""
    return {
        "key": names.key(asset),
        "group_name": names.name("archive"),
        "kinds": KINDS[asset],
        "owners": settings.owners,
        "tags": settings.tags,
        "metadata": _metadata(asset, names),
    }


def _metadata(asset: str, names: Names) -> dict[str, Any]:
    if asset == "recordings":
        return {"dagster/column_schema": columns("recordings")}
    if asset == "transcripts":
        return {
            "dagster/column_schema": columns("transcripts"),
            "dagster/column_lineage": lineage(names),
            # Tables that are published with it have columns of their own.
            **{f"{table}_columns": columns(table) for table in TRANSCRIPT_TABLES[1:]},
        }
    if asset == "speakers":
        return {
            "dagster/column_schema": columns("speakers"),
            "turns_columns": columns("turns"),
        }
    return {}


def columns(table: str) -> TableSchema:
    """The columns of a table, with type and meaning."""
    return TableSchema([TableColumn(name, kind, said) for name, kind, said in describe(table)])


def lineage(names: Names) -> Any:
    """Which columns of ``transcripts`` are those of ``recordings``."""
    recordings = names.key("recordings")
    found = {name: [TableColumnDep(recordings, name)] for name in COPIED_COLUMNS}
    return MetadataValue.column_lineage(TableColumnLineage(found))
