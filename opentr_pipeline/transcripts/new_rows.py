"""Rows that are about to be published, table by table."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.transcripts.layout import PUBLISHED_TABLES
from opentr_pipeline.transcripts.schemas import SCHEMAS, SORT_KEYS, recording_row
from opentr_pipeline.wording import readable


class NewRows:
    """The rows of some recordings, gathered one recording after another."""

    def __init__(self) -> None:
        """None yet."""
        self._parts = {table: [SCHEMAS[table].empty_table()] for table in PUBLISHED_TABLES}

    def __bool__(self) -> bool:
        """Whether there is a recording."""
        return any(rows.num_rows for rows in self._parts["transcripts"])

    def add(self, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Take in what ``transcript_rows`` gave."""
        for table, added in rows.items():
            self.copy(table, pa.Table.from_pylist(list(added), SCHEMAS[table]))

    def copy(self, table: str, rows: pa.Table) -> None:
        """Take in rows of a table."""
        self._parts[table].append(rows)

    def tables(self) -> dict[str, pa.Table]:
        """All of them."""
        return {table: pa.concat_tables(parts) for table, parts in self._parts.items()}


def merged(old: dict[str, pa.Table], added: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The old rows of other recordings and the new ones, sorted."""
    replaced = added["transcripts"]["recording_id"].combine_chunks()
    found = {}
    for table, rows in old.items():
        kept = rows.filter(pc.invert(pc.is_in(rows["recording_id"], value_set=replaced)))
        keys = [(name, "ascending") for name in SORT_KEYS[table]]
        found[table] = pa.concat_tables([kept, added[table]]).sort_by(keys)
    return found


def with_gone(
    recordings: Sequence[Recording], old: pa.Table, unread: Collection[str] = ()
) -> pa.Table:
    """Rows of ``recordings``, and the old ones of media files that have left the archive.

    Args:
        recordings: that were found.
        old: rows.
        unread: paths of folders and files; nobody knows whether what was there has left.
    """
    rows = [recording_row(one) for one in recordings]
    here = {row["recording_id"] for row in rows}
    paths = {readable(path) for path in unread}
    for row in old.to_pylist():
        if row["recording_id"] not in here:
            rows.append(row if _is_below(row["path"], paths) else {**row, "in_archive": False})
    rows.sort(key=lambda row: row["recording_id"])
    return pa.Table.from_pylist(rows, SCHEMAS["recordings"])


def _is_below(path: str, places: Collection[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[: count + 1]) in places for count in range(len(parts)))
