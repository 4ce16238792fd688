"""What is published of a partition, each time all of its tables in a folder of their own."""

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from opentr_pipeline.transcripts.layout import PUBLISHED_TABLES, TRANSCRIPT_TABLES
from opentr_pipeline.transcripts.schemas import SCHEMAS
from opentr_pipeline.transcripts.table_files import write_table
from opentr_pipeline.whole_files import replacing


def swap(
    home: Path,
    tables: Mapping[str, pa.Table],
    links: Mapping[str, Path],
    commit: Callable[[dict[str, Path | None]], bool],
) -> bool:
    """Publish tables in the place of those before; the caller holds the partition's lock.

    A table that the generation before did not have is found when ``settle`` has linked it.

    Args:
        home: the folder of the partition's generations.
        tables: all that is to be published.
        links: where each of them is found by readers.
        commit: asked with the files, once they are there; where it refuses, nothing is published.
    """
    current = home / "current"
    if not current.is_symlink():
        # A partition is born empty, so that no reader meets a link that leads nowhere.
        empty = {table: SCHEMAS[table].empty_table() for table in TRANSCRIPT_TABLES}
        _point(current, _write(home, empty), home)
    _link({table: links[table] for table in TRANSCRIPT_TABLES}, current, home)
    generation = _write(home, tables)
    files = {t: _file(home / generation, t) if t in tables else None for t in PUBLISHED_TABLES}
    if not commit(files):
        shutil.rmtree(home / generation, ignore_errors=True)
        return False
    _point(current, generation, home)
    return True


def adopt(home: Path, generation: str, links: Mapping[str, Path]) -> None:
    """Publish a generation that somebody else has made, in a folder of that name."""
    _point(home / "current", generation, home)
    settle(home, links)


def settle(home: Path, links: Mapping[str, Path]) -> None:
    """Remove older generations and those of writers that died, and link what these did not."""
    # By name: the output directory may itself lie behind a link.
    generation = os.readlink(home / "current")
    there = {
        table: link for table, link in links.items() if _file(home / generation, table).exists()
    }
    _link(there, home / "current", home)
    for path in home.iterdir():
        if path.is_dir() and not path.is_symlink() and path.name != generation:
            shutil.rmtree(path, ignore_errors=True)


def _file(generation: Path, table: str) -> Path:
    return generation / f"{table}.parquet"


def _link(links: Mapping[str, Path], current: Path, home: Path) -> None:
    for table, link in links.items():
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            _point(link, os.path.relpath(_file(current, table), link.parent), home)


def _write(home: Path, tables: Mapping[str, pa.Table]) -> str:
    folder = home / uuid.uuid4().hex
    folder.mkdir()
    try:
        for table, rows in tables.items():
            write_table(_file(folder, table), rows)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder.name


def _point(link: Path, target: str, home: Path) -> None:
    """Make a link point somewhere else, in one step."""
    # Not beside the link: some readers look at hidden files.
    with replacing(link, home / "link.new") as fresh:
        fresh.symlink_to(target)
