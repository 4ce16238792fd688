"""One file of a table, written and read; those of older releases as well."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from opentr_pipeline.errors import StoreError
from opentr_pipeline.transcripts.layout import OPTIONAL_TABLES, Generation
from opentr_pipeline.transcripts.schemas import columns_of, defaults_of
from opentr_pipeline.whole_files import replacing

SCHEMA_VERSION = 1
_VERSION_KEY = b"schema_version"


def write_table(path: Path, rows: pa.Table) -> None:
    """Write a file and wait until it is on the disk; where that fails, leave none."""
    versioned = rows.replace_schema_metadata({_VERSION_KEY: str(SCHEMA_VERSION).encode()})
    try:
        with path.open("wb") as stream:
            pq.write_table(versioned, stream, compression="zstd")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def replace_rows(
    path: Path, table: str, rows: Sequence[Mapping[str, Any]], fresh: Path | None = None
) -> None:
    """Write a file of a table in the place of another, in one step.

    Args:
        path: the file.
        table: that it is of.
        rows: all of them.
        fresh: see ``whole_files.replacing``.
    """
    with replacing(path, fresh) as new:
        write_table(new, pa.Table.from_pylist(list(rows), columns_of(table)))


def read_table(
    path: Path, table: str, columns: Sequence[str] = (), known_as: Path | None = None
) -> pa.Table:
    """Some columns of a file of this release or an older one.

    A column that it lacks has the default of its field, and is null where that has none.

    Args:
        path: the file.
        table: that it is of.
        columns: those wanted; none means all.
        known_as: the path that people know it by, where that is another.

    Raises:
        StoreError: the file is damaged, or was written by a newer release.
        FileNotFoundError: it is not there.
    """
    try:
        return _conformed(path, table, columns_of(table, columns), known_as or path)
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise StoreError(
            f"{known_as or path} is damaged ({reason}); restore it from a backup, or remove "
            f"{path.resolve().parent} to have its partition transcribed again."
        ) from None


def _conformed(path: Path, table: str, schema: pa.Schema, known_as: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        written = file.schema_arrow  # each look at it costs as much as a small column
        version = int((written.metadata or {}).get(_VERSION_KEY, b"0"))
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{known_as} has schema version {version}, this release reads up to "
                f"{SCHEMA_VERSION}; update opentr_pipeline."
            )
        there = [name for name in schema.names if name in written.names]
        rows = file.read(columns=there)
    defaults = defaults_of(table)
    columns = []
    for field in schema:
        column = rows[field.name] if field.name in there else pa.nulls(rows.num_rows)
        column = column.cast(field.type)
        # Earlier releases published again, as null, what they had read from files without it.
        default = defaults.get(field.name)
        is_whole = default is None or not column.null_count  # filling imports pandas
        columns.append(column if is_whole else column.fill_null(default))
    return pa.Table.from_arrays(columns, schema=schema)


def dictionaries(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows by the names of their columns, with their times in UTC."""
    names = rows.column_names
    return (dict(zip(names, values, strict=True)) for values in tuples(rows))


def tuples(rows: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Rows in the order of their columns, with their times in UTC.

    To make a time of one with a zone, pyarrow imports pandas, a fifth of a second.
    """
    return zip(*map(_values, rows.columns), strict=True)


def _values(column: pa.ChunkedArray) -> list[Any]:
    if not getattr(column.type, "tz", None):
        return list(column.to_pylist())
    plain = column.cast(pa.timestamp(column.type.unit)).to_pylist()
    return [at and at.replace(tzinfo=UTC) for at in plain]


def read_columns(generation: Generation, table: str, names: str) -> pa.Table:
    """Some columns of a table, their names with spaces between.

    Raises:
        FileNotFoundError: the generation is gone.
    """
    return read_published(generation.files, table, names.split())


def read_published(
    files: Mapping[str, Path], table: str, columns: Sequence[str] = (), known_as: Path | None = None
) -> pa.Table:
    """The same of the files of one generation; it need not have those of ``OPTIONAL_TABLES``.

    Raises:
        FileNotFoundError: the generation is gone.
    """
    try:
        return read_table(files[table], table, columns, known_as=known_as)
    except FileNotFoundError:
        if table not in OPTIONAL_TABLES or not files["transcripts"].exists():
            raise
        return columns_of(table, columns).empty_table()


class GenerationRows:
    """The tables of one generation, of which each column is read once, when it is asked for."""

    def __init__(self, generation: Generation) -> None:
        """Name the generation; nothing is read yet."""
        self._generation = generation
        self._read: dict[str, dict[str, pa.ChunkedArray]] = {}

    def columns(self, table: str, names: str) -> pa.Table:
        """Some columns of a table, their names with spaces between."""
        known = self._read.setdefault(table, {})
        if missing := [name for name in names.split() if name not in known]:
            rows = read_columns(self._generation, table, " ".join(missing))
            known.update(zip(missing, rows.columns, strict=True))
        wanted = columns_of(table, names.split())
        return pa.Table.from_arrays([known[name] for name in wanted.names], schema=wanted)
