"""The index of what is said, made from the published tables and brought up to date.

One SQLite file with its full-text engine, below ``.store/search``. It is derived: removing the
folder costs only the time to build it again. A partition that was published anew is compared
recording by recording, so that an upload costs no more than itself. Writers come one by one, a
recording is replaced in one transaction, and readers see the index as it was (write-ahead log).
"""

import contextlib
import json
import os
import sqlite3
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opentr_pipeline.errors import StoreError
from opentr_pipeline.locks import locked, try_lock
from opentr_pipeline.plain_files import private_folder
from opentr_pipeline.search.passages import Passage, PassageSource, Spoken, Wanted, passages_of
from opentr_pipeline.search.terms import Term, characters_of, index_query, indexed
from opentr_pipeline.transcripts.layout import Generation, StoreLayout, disk_sentences
from opentr_pipeline.whole_files import replacing

if TYPE_CHECKING:
    from opentr_pipeline.search.sources import SearchableRecording

# Another number builds the index afresh; so does another Unicode, which makes other tokens.
INDEX_VERSION = 5
NUM_RECORDINGS_COMMITTED = 200
# No rank is computed by the engine, so that it needs no lengths; without content it keeps no text.
_SCHEMA = """
PRAGMA journal_mode=WAL;
CREATE TABLE partitions (key TEXT PRIMARY KEY, state TEXT) WITHOUT ROWID;
CREATE TABLE recordings (id INTEGER PRIMARY KEY, partition_key TEXT, recording_id TEXT, state TEXT,
    path TEXT, day TEXT, media TEXT, num_segments INT, UNIQUE (partition_key, recording_id));
CREATE TABLE passages (id INTEGER PRIMARY KEY, recording INT, best REAL, packed BLOB);
CREATE INDEX passages_of_recording ON passages (recording);
CREATE VIRTUAL TABLE said USING fts5(
    tokens, facets, content='', columnsize=0, tokenize='ascii');
"""


@dataclass(frozen=True)
class Refreshed:
    """What was done to bring the index up to date.

    Attributes:
        num_partitions: that were indexed.
        num_left: that another process is to index, or could not be read.
        problems: a sentence for each of the latter.
    """

    num_partitions: int = 0
    num_left: int = 0
    wall_s: float = 0.0
    problems: list[str] = field(default_factory=list)


class SearchIndex:
    """The index of one archive."""

    def __init__(self, store: StoreLayout) -> None:
        """Name it; it is made by the first refresh."""
        name = f"index-{INDEX_VERSION}-{unicodedata.unidata_version}.sqlite"
        self.store = store
        self.path = store.inner / "search" / name

    @property
    def size_bytes(self) -> int:
        """Of its files."""
        return sum(path.stat().st_size for path in self.path.parent.glob(f"{self.path.name}*"))

    def num_segments(self, partition_key: str) -> int:
        """How many are indexed of a partition."""
        if not self.path.exists():
            return 0
        with self._opened() as database:
            query = "SELECT total(num_segments) FROM recordings WHERE partition_key=?"
            (total,) = database.execute(query, (partition_key,)).fetchone()
        return int(total)

    def refresh(self, only: Iterable[str] | None = None, *, wait: bool) -> Refreshed:
        """Index what was published since.

        Args:
            only: these partitions; None: all.
            wait: for another process that indexes, instead of leaving it to that.

        Raises:
            StoreError: the index cannot be written.
        """
        started = time.monotonic()
        chosen = None if only is None else set(only)
        if not self._stale(chosen):
            return Refreshed()
        with disk_sentences(self.store.root), self._writing(wait) as is_ours:
            if not is_ours:
                return Refreshed(0, len(self._stale(chosen)))
            self._make()
            stale = self._stale(chosen)
            problems = []
            with self._opened() as database:
                for key in stale:
                    try:
                        self._index(database, key)
                    except StoreError as error:
                        problems.append(str(error))
        done = len(stale) - len(problems)
        return Refreshed(done, len(problems), time.monotonic() - started, problems)

    def passages(
        self, terms: Sequence[Term], wanted: Wanted
    ) -> Iterator[tuple[PassageSource, Passage]]:
        """The passages that hold all terms, in the order in which they were indexed.

        Raises:
            StoreError: the index is damaged.
        """
        if not self.path.exists():
            return
        matched = list(map(_asked, terms))
        matched += [f'facets : "{facet}"' for facet in wanted.facets]
        if wanted.speakers:
            either = " OR ".join(f'"{facet}"' for facet in wanted.speakers)
            matched.append(f"facets : ({either})")
        query = (
            # CROSS: the engine first, in this order; the planner cannot tell how few it gives.
            "SELECT path, recording_id, partition_key, media, packed FROM said "
            "CROSS JOIN passages ON passages.id = said.rowid "
            "CROSS JOIN recordings ON recordings.id = passages.recording "
            "WHERE said MATCH ? AND best >= ? AND day >= ? AND day < ?"
        )
        asked = [
            " AND ".join(matched),
            wanted.min_confidence,
            str(wanted.after or ""),
            str(wanted.before or "z"),
        ]
        if wanted.voices is not None:
            query += " AND media IN (SELECT value FROM json_each(?))"
            asked.append(json.dumps(sorted({content for content, _ in wanted.voices})))
        with self._opened() as database:
            for *source, packed in database.execute(query, asked):
                yield PassageSource(*source), Passage.unpacked(packed)

    def _stale(self, only: set[str] | None) -> list[str]:
        """Partitions whose index is not that of what is published; those that are gone as well."""
        known: dict[str, str] = {}
        if self.path.exists():
            with self._opened() as database:
                known = dict(database.execute("SELECT key, state FROM partitions"))
        keys = self.store.partition_keys() | known.keys() if only is None else only
        return [key for key in sorted(keys) if known.get(key, "") != self.store.state(key)]

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            # A minute for whoever repairs the log of a process that was killed.
            database = sqlite3.connect(self.path, timeout=60.0, isolation_level=None)
            with contextlib.closing(database):
                # What is taken out is not left in free pages, whatever SQLite was built with.
                database.execute("PRAGMA secure_delete=ON")
                yield database
        except sqlite3.Error as error:
            raise StoreError(
                f"The search index {self.path} cannot be used ({error}); make room on its disk, "
                "or remove its folder to have it built again."
            ) from None

    @contextlib.contextmanager
    def _writing(self, wait: bool) -> Iterator[bool]:
        private_folder(self.path.parent)
        lock = self.path.with_name("lock")
        if wait:
            with locked(lock):
                yield True
            return
        descriptor = try_lock(lock)
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _make(self) -> None:
        """An empty index, where there is none of this version."""
        if self.path.exists():
            return
        for old in self.path.parent.glob("*index-*"):
            old.unlink(missing_ok=True)
        fresh = SearchIndex(self.store)
        place = self.path.with_name("new-index-")
        with replacing(self.path, place) as fresh.path, fresh._opened() as database:
            database.executescript(_SCHEMA)

    def _index(self, database: sqlite3.Connection, key: str) -> None:
        """Bring a partition up to date.

        Raises:
            StoreError: its tables cannot be read.
        """
        from opentr_pipeline.search.sources import searchable_recordings

        tried: Generation | None = None
        state = self.store.state(key)
        while state and (generation := self.store.generation(key)) != tried:
            tried = generation
            with contextlib.suppress(FileNotFoundError):  # swept, where it was published anew
                recordings = searchable_recordings(self.store, key, generation)
                _replace(database, key, recordings, generation)
                database.execute("INSERT OR REPLACE INTO partitions VALUES (?,?)", (key, state))
                return
        if state:
            raise StoreError(f"Files of the partition {key} are gone; restore them from a backup.")
        _replace(database, key, {}, None)
        database.execute("DELETE FROM partitions WHERE key=?", (key,))


def _replace(
    database: sqlite3.Connection,
    key: str,
    recordings: "dict[str, SearchableRecording]",
    generation: Generation | None,
) -> None:
    """Take out what is not published any more, and put in what is new."""
    from opentr_pipeline.search.sources import segments_of

    query = "SELECT recording_id, id, path, state FROM recordings WHERE partition_key=?"
    known = {name: rest for name, *rest in database.execute(query, (key,))}
    new = {n: one for n, one in recordings.items() if known.get(n, [""])[-1] != one.state}
    stale = {name: known[name] for name in known if name in new or name not in recordings}
    segments = segments_of(generation, new) if generation and new else iter(())
    for num_done, (name, spoken) in enumerate(segments, 1):
        if not database.in_transaction:
            database.execute("BEGIN IMMEDIATE")
        if name in stale:
            _take_out(database, *stale.pop(name)[:2])
        _put_in(database, key, name, recordings[name], spoken)
        if num_done % NUM_RECORDINGS_COMMITTED == 0:
            database.execute("COMMIT")
    if not database.in_transaction:
        database.execute("BEGIN IMMEDIATE")
    for number, path, _ in stale.values():
        _take_out(database, number, path)
    database.execute("COMMIT")


def _put_in(
    database: sqlite3.Connection,
    key: str,
    recording_id: str,
    recording: "SearchableRecording",
    segments: list[Spoken],
) -> None:
    added = database.execute(
        "INSERT INTO recordings (partition_key, recording_id, num_segments, state, path, day, "
        "media) VALUES (?,?,?,?,?,?,?)",
        (key, recording_id, len(segments), *recording[:3], recording.media_fingerprint),
    )
    number = added.lastrowid
    for passage in passages_of(segments):
        row = database.execute(
            "INSERT INTO passages (recording, best, packed) VALUES (?,?,?)",
            (number, passage.best_confidence, passage.packed()),
        )
        entry = row.lastrowid, *_entry(passage, recording.path)
        database.execute("INSERT INTO said (rowid, tokens, facets) VALUES (?,?,?)", entry)


def _take_out(database: sqlite3.Connection, number: int, path: str) -> None:
    query = "SELECT id, packed FROM passages WHERE recording=?"
    for row, packed in database.execute(query, (number,)).fetchall():
        # The engine keeps no text and has to be told what it had.
        entry = row, *_entry(Passage.unpacked(packed), path)
        database.execute(
            "INSERT INTO said (said, rowid, tokens, facets) VALUES ('delete',?,?,?)", entry
        )
    database.execute("DELETE FROM passages WHERE recording=?", (number,))
    database.execute("DELETE FROM recordings WHERE id=?", (number,))


def _entry(passage: Passage, path: str) -> tuple[str, str]:
    """What the engine indexes of a passage."""
    tokens = passage.tokens
    facets = passage.facets(path) | characters_of(tokens)
    return " ".join(indexed(tokens)), " ".join(sorted(facets))


def _asked(term: Term) -> str:
    """What the engine is asked for a term.

    A character by itself is the beginning of many pairs. The engine gathers their places, all of
    them, before it gives the first: 180 ms for the commonest in 1,000 hours.
    """
    if len(term.tokens) == 1 and (alone := characters_of(term.tokens)):
        return f'facets : "{alone.pop()}"'
    return f"tokens : {index_query(term)}"
