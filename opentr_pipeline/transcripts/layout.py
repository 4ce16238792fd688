"""Where the tables of an archive are, and what is published of them; reads no rows.

Apart from ``store``, so that who asks only whether something has changed needs no
pyarrow: its import takes 0.15 s, a search with everything else little more.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from opentr_pipeline.errors import StoreError
from opentr_pipeline.transcripts.elsewhere import Elsewhere, Nowhere

# These change together; ``recordings`` is written by itself.
TRANSCRIPT_TABLES = ("transcripts", "segments", "words")
# And these with them, in the partitions in which speakers were told apart.
SPEAKER_TABLES = ("turns", "speakers")
# And these in those in which somebody has corrected something.
OPTIONAL_TABLES = (*SPEAKER_TABLES, "corrections", "uncorrected")
PUBLISHED_TABLES = (*TRANSCRIPT_TABLES, *OPTIONAL_TABLES)
# Where the files of transcripts are, below OUTPUT_DIR, unless another folder is named.
EXPORTS = "exports"
# What people have corrected, below OUTPUT_DIR; no reset deletes it.
EDITS = "edits"
# The names that people have given to voices.
PEOPLE = ".store/people/people.json"
# Where the search index is.
SEARCH = ".store/search"
_ENDING = ".parquet"
Made = TypeVar("Made")


@dataclass(frozen=True)
class Generation:
    """What is published of a partition; another publish makes another name.

    Attributes:
        files: the file of each table; those of ``OPTIONAL_TABLES`` need not be there.
    """

    name: str
    files: dict[str, Path]


class StoreLayout:
    """The files of one archive's tables (see ``store``)."""

    def __init__(self, root: Path, elsewhere: Elsewhere | None = None) -> None:
        """Name the output directory, and where else; nothing is made until something is written."""
        self.root = root
        self.elsewhere = elsewhere or Nowhere()
        self.inner = root / ".store"

    def path(self, table: str, partition_key: str) -> Path:
        """The file of a table and partition, there or not."""
        return self.root / table / f"{partition_key}{_ENDING}"

    def partition_keys(self, table: str = "transcripts") -> set[str]:
        """The partitions that a table has; those of ``transcripts`` are published."""
        try:
            names = os.listdir(self.root / table)
        except FileNotFoundError:
            return set()
        return {name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING)}

    def generation(self, partition_key: str) -> Generation:
        """What is published of a partition now.

        Raises:
            FileNotFoundError: nothing is.
        """
        if link := self._link(partition_key):
            folder = self.inner / "partitions" / partition_key / link
            return Generation(link, {t: folder / f"{t}{_ENDING}" for t in PUBLISHED_TABLES})
        files = {table: self.path(table, partition_key) for table in PUBLISHED_TABLES}
        return Generation(file_state(files["transcripts"]), files)

    def state(self, partition_key: str) -> str:
        """What changes when something of a partition is published; empty where nothing is.

        Every search asks this of every partition, so its paths are plain text.
        """
        try:
            published = self._link(partition_key) or self._file_state("transcripts", partition_key)
        except FileNotFoundError:
            return ""
        try:
            return f"{published} {self._file_state('recordings', partition_key)}"
        except FileNotFoundError:
            return f"{published} "

    def _link(self, partition_key: str) -> str:
        """The generation's name; empty in a copy of the output, whose links have become files."""
        try:
            return os.readlink(f"{self.inner}/partitions/{partition_key}/current")
        except OSError:
            return ""

    def _file_state(self, table: str, partition_key: str) -> str:
        return file_state(f"{self.root}/{table}/{partition_key}{_ENDING}")


def file_state(path: str | Path) -> str:
    """What changes when a file does.

    Raises:
        FileNotFoundError: it is not there.
    """
    info = os.stat(path)
    return f"{info.st_ino}-{info.st_size}-{info.st_mtime_ns}"


@contextmanager
def disk_sentences(output_root: Path, known_as: str = "") -> Iterator[None]:
    """Say what disks do in a sentence.

    Args:
        output_root: the directory that is written to.
        known_as: what people know it by, where it is not OUTPUT_DIR.

    Raises:
        StoreError: the disk is full, or the directory cannot be written.
    """
    name = known_as or f"OUTPUT_DIR={output_root}"
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"The disk of {name} is full; what was published before is "
                "whole. Make room and run again: nothing finished is done twice."
            ) from None
        raise StoreError(
            f"{name} cannot be written: {error.strerror} ({error.filename})."
        ) from None


def of_one_generation(
    store: StoreLayout, partition_key: str, make: Callable[[Generation], Made]
) -> Made:
    """What is made from what is published of a partition, be it published anew meanwhile.

    Raises:
        StoreError: its files are damaged, or gone.
    """
    tried: Generation | None = None
    while (generation := store.generation(partition_key)) != tried:
        tried = generation
        with contextlib.suppress(FileNotFoundError):  # swept, where it was published anew
            return make(generation)
    home = store.inner / "partitions" / partition_key
    raise StoreError(
        f"Files of the partition {partition_key} are gone; restore {home} from a backup, or "
        "remove it and run again."
    )
