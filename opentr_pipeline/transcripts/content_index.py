"""Which partitions hold a transcript of some bytes, so that nobody need open all of them.

The index only makes looking cheaper. Whoever asks holds it against what is published first, by the
names of the generations, and reads what has changed; so publishing need not know of it, a process
may die at any time, and an index that is lost or damaged is made anew. It keeps numbers instead of
fingerprints: two that share one cost a look at a partition, and no more.
"""

import hashlib
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from opentr_pipeline.errors import StoreError
from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts.elsewhere import Nowhere
from opentr_pipeline.transcripts.layout import Generation, StoreLayout, of_one_generation
from opentr_pipeline.transcripts.table_files import read_published

# Between two writes: what a process that dies has read in vain, and how long others wait.
PARTITIONS_AT_ONCE = 50
_log = logging.getLogger(__name__)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS partitions_1 (id INTEGER PRIMARY KEY, key TEXT UNIQUE, generation TEXT);
CREATE TABLE IF NOT EXISTS contents_1 (media INT, partition INT, PRIMARY KEY (media, partition))
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_partition_1 ON contents_1 (partition);
"""


class Holding(NamedTuple):
    """What a partition holds now.

    Attributes:
        before: the generation that was kept of it; empty where none was.
        generation: that is published; empty where none is any more.
        media: numbers of the bytes that have a final outcome in it.
    """

    partition_key: str
    before: str
    generation: str
    media: Set[int]


class ContentTable(Protocol):
    """Where the numbers are kept."""

    def generations(self) -> dict[str, str]:
        """The generation of each partition of which something is kept."""

    def keep(self, holdings: Sequence[Holding]) -> None:
        """Keep what some partitions hold, those left out of which something else is kept by now."""

    def partitions_of(self, media: Iterable[int]) -> set[str]:
        """The partitions that hold some of these bytes."""


class UnusableIndexError(StoreError):
    """The index cannot be read or written; what is published is well."""


def partitions_with(
    store: StoreLayout, database: Database | None, media_fingerprints: Set[str]
) -> set[str]:
    """The partitions that may hold final outcomes for some bytes; no other does.

    Args:
        store: has the partitions.
        database: that several hosts share; None where there is one host.
        media_fingerprints: of the bytes.

    Raises:
        StoreError: a partition's file is damaged.
    """
    try:
        return look_up(store, _table(store, database), media_fingerprints)
    except UnusableIndexError as error:
        _log.warning("%s All partitions are looked through.", error)
        return store.partition_keys()


def _table(store: StoreLayout, database: Database | None) -> ContentTable:
    # Copies of a bucket follow it each at its own pace, and an index is of one of them.
    is_copy = not isinstance(store.elsewhere, Nowhere)
    if database is None or is_copy:
        return ContentFile(store.inner / "contents.sqlite")
    from opentr_pipeline.transcripts.shared_contents import SharedContents

    return SharedContents(database)


def look_up(store: StoreLayout, table: ContentTable, media_fingerprints: Set[str]) -> set[str]:
    """The same by one table, which is brought up to date first.

    Raises:
        StoreError: a partition's file is damaged.
        UnusableIndexError: the table is.
    """
    # Again, for others may have published meanwhile, or kept what they had read earlier.
    while outdated := _outdated(store, table.generations()):
        for first in range(0, len(outdated), PARTITIONS_AT_ONCE):
            some = outdated[first : first + PARTITIONS_AT_ONCE]
            table.keep([_holding(store, key, before) for key, before in some])
    return table.partitions_of(map(number_of, media_fingerprints))


def number_of(media_fingerprint: str) -> int:
    """Stands for a fingerprint: 64 bits, signed."""
    digest = hashlib.blake2b(media_fingerprint.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _outdated(store: StoreLayout, kept: Mapping[str, str]) -> list[tuple[str, str]]:
    """The partitions that have changed, and the generation that was kept of each."""
    keys = sorted(store.partition_keys() | kept.keys())
    return [
        (key, kept.get(key, "")) for key in keys if _generation(store, key) != kept.get(key, "")
    ]


def _generation(store: StoreLayout, partition_key: str) -> str:
    with suppress(FileNotFoundError):
        return store.generation(partition_key).name
    return ""


def _holding(store: StoreLayout, partition_key: str, before: str) -> Holding:
    def read(generation: Generation) -> Holding:
        columns, known_as = (
            ("media_fingerprint", "status"),
            store.path("transcripts", partition_key),
        )
        rows = read_published(generation.files, "transcripts", columns, known_as)
        pairs = zip(*(column.to_pylist() for column in rows.columns), strict=True)
        media = frozenset(number_of(media) for media, status in pairs if status != "failed")
        return Holding(partition_key, before, generation.name, media)

    if not _generation(store, partition_key):
        return Holding(partition_key, before, "", frozenset())
    return of_one_generation(store, partition_key, read)


class ContentFile:
    """The table as an SQLite file beside the store, for any number of processes of one host."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when something is kept."""
        self._path = path

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self._path, 60, isolation_level=None)) as database:
                database.executescript(_SCHEMA)
                yield database
        except OSError as error:
            raise UnusableIndexError(f"{self._path} cannot be made: {error.strerror}.") from None
        except sqlite3.OperationalError as error:  # a full disk, a lock: the file is well
            raise UnusableIndexError(f"{self._path} cannot be used: {error}.") from None
        except sqlite3.DatabaseError as error:
            self._path.unlink(missing_ok=True)
            raise UnusableIndexError(
                f"{self._path} was damaged ({error}) and is removed."
            ) from None

    def generations(self) -> dict[str, str]:
        """See ``ContentTable``."""
        if not self._path.exists():  # looking makes no file
            return {}
        with self._opened() as database:
            return dict(database.execute("SELECT key, generation FROM partitions_1"))

    def keep(self, holdings: Sequence[Holding]) -> None:
        """See ``ContentTable``."""
        with self._opened() as database:
            database.execute("BEGIN IMMEDIATE")
            for one in holdings:
                _keep(database, one)
            database.execute("COMMIT")

    def partitions_of(self, media: Iterable[int]) -> set[str]:
        """See ``ContentTable``."""
        if not self._path.exists():
            return set()
        query = "SELECT key FROM contents_1 JOIN partitions_1 ON id = partition WHERE media = ?"
        with self._opened() as database:
            return {key for one in media for (key,) in database.execute(query, (one,))}


def _keep(database: sqlite3.Connection, one: Holding) -> None:
    query = "SELECT id, generation FROM partitions_1 WHERE key = ?"
    number, kept = database.execute(query, (one.partition_key,)).fetchone() or (None, "")
    if kept != one.before:
        return
    query = "SELECT media FROM contents_1 WHERE partition = ?"
    known = {media for (media,) in database.execute(query, (number,))}
    gone = [(media, number) for media in known - one.media]
    database.executemany("DELETE FROM contents_1 WHERE media = ? AND partition = ?", gone)
    if not one.generation:
        database.execute("DELETE FROM partitions_1 WHERE id = ?", (number,))
        return
    query = "INSERT OR REPLACE INTO partitions_1 VALUES (?, ?, ?) RETURNING id"
    row = (number, one.partition_key, one.generation)
    (number,) = database.execute(query, row).fetchone()
    fresh = [(media, number) for media in one.media - known]
    database.executemany("INSERT INTO contents_1 VALUES (?, ?)", fresh)
