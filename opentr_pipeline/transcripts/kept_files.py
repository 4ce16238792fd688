"""What one step keeps for another: outcomes that wait to be published, plans, what is handed on.

Hosts that see one folder keep it there. Where the tables are in a bucket they share none, and keep
it in PostgreSQL, whole contents too: they are small beside media, asked for one by one and many
times, and most are gone once they are published; what was heard under given texts stays.
``test_kept_files`` holds both to what they promise.
"""

import contextlib
import time
from pathlib import Path
from typing import Any, Protocol

from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts.layout import disk_sentences
from opentr_pipeline.whole_files import write_whole

KEPT_DAYS = 30
_SCHEMA = """
CREATE TABLE IF NOT EXISTS opentr_files (kind TEXT, name TEXT COLLATE "C", content BYTEA,
    kept_at TIMESTAMPTZ DEFAULT clock_timestamp(), PRIMARY KEY (kind, name));
"""


class KeptFiles(Protocol):
    """Contents by names, which may have folders: ``FOLDER/NAME.json``."""

    def write(self, name: str, content: bytes, *, is_durable: bool = False) -> None:
        """Keep a content; it is whole or not there.

        Args:
            name: of it.
            content: all of it.
            is_durable: also after a power cut.

        Raises:
            StoreError: the disk is full, or the database is away.
        """

    def read(self, name: str) -> bytes:
        """A content.

        Raises:
            FileNotFoundError: there is none.
        """

    def has_any(self, *names: str) -> bool:
        """Whether there is one of these."""

    def remove(self, *names: str) -> None:
        """Forget those of these that there are."""

    def names(self, ending: str, folder: str = "") -> list[str]:
        """The names that end so, of one folder or of all, in no order."""

    def newest(self, ending: str, num: int) -> list[str]:
        """Of the names that end so, those that were kept last."""

    def sweep(self, *endings: str) -> None:
        """Remove what was kept long ago under names that end so, and what is left of writers."""


class FolderFiles:
    """Files of a folder, which is made when something is kept; see ``KeptFiles``."""

    def __init__(self, folder: Path, known_as: str) -> None:
        """Name the folder, and what people know it or what it lies in by."""
        self._folder, self._known_as = folder, known_as

    def write(self, name: str, content: bytes, *, is_durable: bool = False) -> None:
        """See ``KeptFiles``."""
        path = self._folder / name
        with disk_sentences(self._folder, self._known_as):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content, is_durable=is_durable)

    def read(self, name: str) -> bytes:
        """See ``KeptFiles``."""
        return (self._folder / name).read_bytes()

    def has_any(self, *names: str) -> bool:
        """See ``KeptFiles``."""
        return any((self._folder / name).exists() for name in names)

    def remove(self, *names: str) -> None:
        """See ``KeptFiles``."""
        for name in names:
            (self._folder / name).unlink(missing_ok=True)

    def names(self, ending: str, folder: str = "") -> list[str]:
        """See ``KeptFiles``."""
        pattern = f"{folder}/*{ending}" if folder else f"**/*{ending}"
        return [str(path.relative_to(self._folder)) for path in self._folder.glob(pattern)]

    def newest(self, ending: str, num: int) -> list[str]:
        """See ``KeptFiles``."""
        times = [(_modified_ns(self._folder / name), name) for name in self.names(ending)]
        return [name for _, name in sorted(times, reverse=True)[:num]]

    def sweep(self, *endings: str) -> None:
        """See ``KeptFiles``."""
        for path in self._folder.glob("**/*"):
            is_left = path.name.endswith(endings) or path.suffix.startswith(".new-")
            with contextlib.suppress(FileNotFoundError):  # another run sweeps as well
                if (
                    is_left
                    and path.is_file()
                    and path.stat().st_mtime < time.time() - KEPT_DAYS * 86_400
                ):
                    path.unlink()


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


class SharedFiles:
    """Rows of PostgreSQL; see ``KeptFiles``."""

    def __init__(self, database: Database, kind: str) -> None:
        """Name them; nothing is made until something is asked.

        Args:
            database: of one archive.
            kind: of contents: no two have the same.
        """
        self._database, self._kind = database, kind

    def _do(self, query: str, **facts: object) -> list[tuple[Any, ...]]:
        return self._database.ask(_SCHEMA, query, {"kind": self._kind, **facts})

    def write(self, name: str, content: bytes, *, is_durable: bool = False) -> None:
        """See ``KeptFiles``; it outlasts a power cut in any case."""
        self._do(
            "INSERT INTO opentr_files (kind, name, content) VALUES (%(kind)s, %(name)s, "
            "%(content)s) ON CONFLICT (kind, name) DO UPDATE SET content = EXCLUDED.content, "
            "kept_at = clock_timestamp()",
            name=name,
            content=content,
        )

    def take_in(self, folder: Path) -> None:
        """Take what a host kept in a folder before it had the database; what is here stays."""
        for path in [*folder.glob("**/*.json"), *folder.glob("**/*.failed")]:
            with contextlib.suppress(FileNotFoundError):  # another process does the same
                self._do(
                    "INSERT INTO opentr_files (kind, name, content) VALUES (%(kind)s, %(name)s, "
                    "%(content)s) ON CONFLICT DO NOTHING",
                    name=str(path.relative_to(folder)),
                    content=path.read_bytes(),
                )
                path.unlink()

    def read(self, name: str) -> bytes:
        """See ``KeptFiles``."""
        query = "SELECT content FROM opentr_files WHERE kind = %(kind)s AND name = %(name)s"
        for (content,) in self._do(query, name=name):
            return bytes(content)
        raise FileNotFoundError(name)

    def has_any(self, *names: str) -> bool:
        """See ``KeptFiles``."""
        query = "SELECT 1 FROM opentr_files WHERE kind = %(kind)s AND name = ANY(%(names)s) LIMIT 1"
        return bool(self._do(query, names=list(names)))

    def remove(self, *names: str) -> None:
        """See ``KeptFiles``."""
        query = "DELETE FROM opentr_files WHERE kind = %(kind)s AND name = ANY(%(names)s)"
        self._do(query, names=list(names))

    def names(self, ending: str, folder: str = "") -> list[str]:
        """See ``KeptFiles``."""
        return [name for (name,) in self._do(_named(), ending=ending, **_below(folder))]

    def newest(self, ending: str, num: int) -> list[str]:
        """See ``KeptFiles``."""
        query = f"{_named()} ORDER BY kept_at DESC LIMIT %(num)s"
        return [name for (name,) in self._do(query, ending=ending, num=num, **_below(""))]

    def sweep(self, *endings: str) -> None:
        """See ``KeptFiles``."""
        is_old = f"kept_at < now() - interval '{KEPT_DAYS} days'"
        query = f"DELETE FROM opentr_files WHERE kind = %(kind)s AND {is_old} AND {_ENDS}"
        for ending in endings:
            self._do(query, ending=ending)


_ENDS = "right(name, length(%(ending)s)) = %(ending)s"


def _named() -> str:
    is_there = "name >= %(first)s AND (%(last)s = '' OR name < %(last)s)"
    return f"SELECT name FROM opentr_files WHERE kind = %(kind)s AND {is_there} AND {_ENDS}"


def _below(folder: str) -> dict[str, str]:
    """Between which names those of a folder are: the sign after a slash is a nought."""
    return {"first": f"{folder}/", "last": f"{folder}0"} if folder else {"first": "", "last": ""}


def kept_files(folder: Path, database: Database | None, known_as: str = "") -> KeptFiles:
    """Where contents of a kind are kept.

    Args:
        folder: of them where hosts share folders; its name is that of the kind.
        database: that several hosts share; None where there is one host.
        known_as: what people know by a name, and the folder lies in; none: OUTPUT_DIR.
    """
    if database and database.keeps_files:
        return SharedFiles(database, folder.name)
    return FolderFiles(folder, known_as or f"OUTPUT_DIR={folder.parent.parent}")
