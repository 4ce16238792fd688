"""What the sensor has seen of an archive, in one SQLite file.

It only makes a look cheaper: deleting it costs a fresh look at everything and nothing else, so
it is never synchronised with the disk, and begun anew where it is damaged. Names are bytes, as the
file system has them; numbers of 64 bits are signed.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from opentr_pipeline.errors import StoreError
from opentr_pipeline.plain_files import private_folder

# settling: seen, not yet twice the same; written: some process has it open for writing;
# settled: to be held against the store; due: to be asked for; asked: in a run, or soon;
# known: nothing to do.
State = Literal["settling", "written", "settled", "due", "asked", "known"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS folders_1 (id INTEGER PRIMARY KEY, path BLOB, inode INT,
    modified_ns INT, seen_at REAL, listed_at REAL);
CREATE TABLE IF NOT EXISTS files_1 (folder INT, name BLOB, size_bytes INT, modified_ns INT,
    device INT, inode INT, state TEXT, since REAL, num_asked INT, request TEXT, is_stock INT,
    changed_ns INT,
    PRIMARY KEY (folder, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS at_work_1 ON files_1 (state, is_stock, since) WHERE state != 'known';
CREATE TABLE IF NOT EXISTS notes_1 (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS added_1 AFTER INSERT ON files_1 BEGIN
    UPDATE notes_1 SET value = value + 1 WHERE name = 'num_files'; END;
CREATE TRIGGER IF NOT EXISTS removed_1 AFTER DELETE ON files_1 BEGIN
    UPDATE notes_1 SET value = value - 1 WHERE name = 'num_files'; END;
"""
# Counting a million rows takes a tenth of a second of every look.
_COUNT_ONCE = "INSERT OR IGNORE INTO notes_1 SELECT 'num_files', count(*) FROM files_1"


class Folder(NamedTuple):
    """A folder of the archive.

    Attributes:
        number: that its files name it by.
        path: in the archive; empty for the root.
        seen_at: when this inode and modified time were first seen, seconds of the look's clock.
        listed_at: when its names were last read; None: never; 0: they are to be read again.
    """

    number: int
    path: bytes
    inode: int
    modified_ns: int
    seen_at: float
    listed_at: float | None


class File(NamedTuple):
    """A media file as it was last seen.

    Attributes:
        folder: number of its folder.
        since: seconds of the look's clock: settling or written, first seen like this; asked, when;
            due, from when it may be asked for.
        num_asked: how often a run was asked for it, as it is.
        request: the last of those runs.
        is_stock: it was there before anybody looked for uploads.
        changed_ns: None where a release noted it that did not look at that time.
    """

    folder: int
    name: bytes
    size_bytes: int
    modified_ns: int
    device: int
    inode: int
    state: State
    since: float
    num_asked: int
    request: str
    is_stock: bool
    changed_ns: int | None


class Ledger:
    """The file; every method but ``forget`` is for the inside of ``opened``."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when it is opened."""
        self.path = path
        self._database: sqlite3.Connection

    @contextmanager
    def opened(self) -> Iterator[None]:
        """One transaction: all that a look finds is kept, or nothing; looks come one by one.

        Raises:
            StoreError: the disk is full, or the file was damaged, and is gone now.
        """
        private_folder(self.path.parent)
        try:
            with closing(sqlite3.connect(self.path, 60, isolation_level=None)) as database:
                self._database = database
                database.execute("PRAGMA synchronous = OFF")
                database.executescript(_SCHEMA)
                database.execute("BEGIN IMMEDIATE")
                columns = database.execute("SELECT name FROM pragma_table_info('files_1')")
                if ("changed_ns",) not in columns:  # of the release before
                    database.execute("ALTER TABLE files_1 ADD COLUMN changed_ns INT")
                if self.note("num_files") is None:
                    database.execute(_COUNT_ONCE)
                yield
                database.execute("COMMIT")
        except sqlite3.OperationalError as error:  # a full disk, a lock: the file is well
            raise StoreError(
                f"{self.path} cannot be used: {error}; see that its disk has room, and try again."
            ) from None
        except sqlite3.DatabaseError as error:
            self.forget()
            raise StoreError(
                f"{self.path} was damaged ({error}) and is removed; the next look at the archive "
                "begins anew."
            ) from None

    def forget(self) -> None:
        """Begin anew."""
        for suffix in ("", "-journal"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def note(self, name: str) -> str | None:
        """A short text kept under a name."""
        row = self._row("SELECT value FROM notes_1 WHERE name=?", name)
        return row[0] if row else None

    def keep_note(self, name: str, value: str) -> None:
        """Keep a short text."""
        self._database.execute("INSERT OR REPLACE INTO notes_1 VALUES (?,?)", (name, value))

    def restart_clock(self, now: float) -> None:
        """Count from now what was counted by a clock that is no more."""
        self._database.execute("UPDATE files_1 SET since=? WHERE state != 'known'", (now,))
        self._database.execute("UPDATE folders_1 SET seen_at=?", (now,))
        self._database.execute("UPDATE folders_1 SET listed_at=0 WHERE listed_at IS NOT NULL")

    def folders(self) -> list[Folder]:
        """All folders."""
        return [Folder(*row) for row in self._database.execute("SELECT * FROM folders_1")]

    def put_folders(self, folders: Iterable[Folder]) -> None:
        """Add folders, or replace what is known of them."""
        self._database.executemany("INSERT OR REPLACE INTO folders_1 VALUES (?,?,?,?,?,?)", folders)

    def drop_folder(self, number: int) -> int:
        """Remove a folder and its files.

        Returns:
            How many files it had.
        """
        self._database.execute("DELETE FROM folders_1 WHERE id=?", (number,))
        return self._database.execute("DELETE FROM files_1 WHERE folder=?", (number,)).rowcount

    def inodes(self, folder: int) -> dict[bytes, int]:
        """Names and inodes of the files of a folder."""
        rows = self._database.execute("SELECT name, inode FROM files_1 WHERE folder=?", (folder,))
        return dict(rows)

    def file(self, folder: int, name: bytes) -> File | None:
        """One file."""
        row = self._row("SELECT * FROM files_1 WHERE folder=? AND name=?", folder, name)
        return File(*row) if row else None

    def put_files(self, files: Iterable[File]) -> None:
        """Add files, or replace what is known of them."""
        marks = ",".join("?" * len(File._fields))
        changes = ",".join(f"{name}=excluded.{name}" for name in File._fields)
        self._database.executemany(
            f"INSERT INTO files_1 VALUES ({marks}) ON CONFLICT DO UPDATE SET {changes}", files
        )

    def drop_files(self, files: Iterable[tuple[int, bytes]]) -> None:
        """Remove files, named by folder and name."""
        self._database.executemany("DELETE FROM files_1 WHERE folder=? AND name=?", files)

    def files_in(
        self, states: Sequence[State], until: float, limit: int, *, is_stock: bool | None = None
    ) -> list[File]:
        """Files in some states since a time or longer; uploads before stock, longest first."""
        marks = ",".join("?" * len(states))
        kind = "" if is_stock is None else f" AND is_stock={int(is_stock)}"
        return self._files(
            f"state IN ({marks}) AND state != 'known' AND since<=?{kind} "
            "ORDER BY is_stock, since, folder, name LIMIT ?",
            *states,
            until,
            limit,
        )

    def first_upload_in(self, states: Sequence[State]) -> float | None:
        """Since when the one that has longest been in one of these states is; None: none is."""
        query = "SELECT min(since) FROM files_1 WHERE state=? AND state != 'known' AND is_stock=0"
        found = [self._row(query, state) for state in states]
        return min((row[0] for row in found if row and row[0] is not None), default=None)

    def known_after(self, place: tuple[int, bytes], limit: int) -> list[File]:
        """The known files that follow a place in the order of folder and name."""
        return self._files(
            "(folder, name) > (?,?) AND state = 'known' ORDER BY folder, name LIMIT ?",
            *place,
            limit,
        )

    def requests(self) -> set[str]:
        """The runs that were asked for and not seen to be over."""
        rows = self._database.execute(
            "SELECT DISTINCT request FROM files_1 WHERE state = 'asked' AND state != 'known'"
        )
        return {request for (request,) in rows}

    def end_request(self, request: str) -> None:
        """Have the files of a run that is over held against the store."""
        self._database.execute(
            "UPDATE files_1 SET state='settled' "
            "WHERE state = 'asked' AND state != 'known' AND request=?",
            (request,),
        )

    def counts(self) -> dict[State, int]:
        """How many files are in each state."""
        total = int(self.note("num_files") or 0)
        rows = self._database.execute(
            "SELECT state, count(*) FROM files_1 WHERE state != 'known' GROUP BY state"
        )
        counts: dict[State, int] = dict(rows)
        return {**counts, "known": total - sum(counts.values())}

    def _row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
        return row

    def _files(self, condition: str, *values: object) -> list[File]:
        query = f"SELECT * FROM files_1 WHERE {condition}"
        return [File(*row) for row in self._database.execute(query, values)]


def signed_64(number: int) -> int:
    """A number as SQLite keeps it: signed, while some file systems use all 64 bits for inodes."""
    return (number + 2**63) % 2**64 - 2**63
