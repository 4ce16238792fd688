"""Transcripts in Parquet: layout, atomic publish, what is already there.

Layout below the output directory, one file per table and partition::

    recordings/KEY.parquet     what media there are
    transcripts/KEY.parquet    one row per recording: outcome and whole text
    segments/KEY.parquet       one row per segment
    words/KEY.parquet          one row per word
    turns/KEY.parquet          one row per stretch in which one person speaks
    speakers/KEY.parquet       one row per speaker of a recording
    corrections/KEY.parquet    one row per correction of a person's
    uncorrected/KEY.parquet    one row per corrected recording: what it was before
    .store/                    ours: generations, checkpoints, locks

The last four are there where speakers were told apart, or something was corrected. All tables of a
partition but the first change together: each of those files is a link through
``.store/partitions/KEY/current``, itself a link to one generation, and publishing replaces that
one link. So a reader sees the old partition or the new one, and a writer that dies leaves one that
nobody sees. The rows carry ``partition_key``, the paths no ``key=value``: readers disagree about
the type of a value in a path (``2024-05``).
"""

import functools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.locks import locked
from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts import generations
from opentr_pipeline.transcripts.checkpoints import Checkpoints, FailedAttempts
from opentr_pipeline.transcripts.content_index import partitions_with
from opentr_pipeline.transcripts.elsewhere import Elsewhere
from opentr_pipeline.transcripts.layout import (
    PUBLISHED_TABLES,
    TRANSCRIPT_TABLES,
    StoreLayout,
    disk_sentences,
)
from opentr_pipeline.transcripts.new_rows import NewRows, merged, with_gone
from opentr_pipeline.transcripts.published_rows import (
    PublishedRow,
    StoreIndex,
    holds,
    replaces,
    rows_in,
)
from opentr_pipeline.transcripts.schemas import (
    SCHEMAS,
    by_recording,
    columns_of,
    relabelled,
    transcript_of,
    transcript_rows,
)
from opentr_pipeline.transcripts.table_files import read_published, read_table, write_table
from opentr_pipeline.transcripts.transcript import Content, Transcript

# Makes a transcript that takes the place of a published one.
Change = Callable[[Transcript], Transcript]


@dataclass(frozen=True)
class Entry:
    """What one recording gets published: a new transcript, or one published for the same bytes."""

    recording_id: str
    path: str
    outcome: Transcript | PublishedRow


class TranscriptStore(StoreLayout):
    """The tables of one archive."""

    def __init__(
        self, root: Path, database: Database | None = None, elsewhere: Elsewhere | None = None
    ) -> None:
        """Name the output directory; nothing is made until something is written.

        Args:
            root: it.
            database: that several hosts share; None where there is one host.
            elsewhere: where the tables are kept as well.
        """
        super().__init__(root, elsewhere)
        self.database = database
        # What is ours: the root may be a folder in which a person keeps other things as well.
        self.folders = [*(root / table for table in SCHEMAS), self.inner]

    def index(self, partition_keys: Iterable[str], only: Set[str] | None = None) -> StoreIndex:
        """What is published in some partitions, of all recordings or only of those named."""
        paths = [self.path("transcripts", key) for key in partition_keys]
        there = (path for path in paths if path.exists())
        rows = (row for path in there for row in rows_in(path, "recording_id", only))
        return StoreIndex(rows, FailedAttempts(Checkpoints(self.inner, self.database)))

    def find_contents(self, contents: Set[Content]) -> dict[Content, PublishedRow]:
        """Final outcomes for some contents, in whatever partition they are."""
        if not contents:
            return {}
        media = {media_fingerprint for media_fingerprint, _ in contents}
        found = {}
        for key in self.partitions_with(media):
            for row in rows_in(self.path("transcripts", key), "media_fingerprint", media):
                if row.status != "failed" and row.content in contents:
                    found[row.content] = row
        return found

    def partitions_with(self, media_fingerprints: Set[str]) -> list[str]:
        """The partitions that may hold final outcomes for some bytes, sorted; no other does."""
        return sorted(partitions_with(self, self.database, media_fingerprints))

    def read(self, table: str, columns: Sequence[str] = (), since_s: float = 0.0) -> pa.Table:
        """A whole table or some of its columns, all partitions that were written since a time.

        Raises:
            StoreError: a file was written by a newer release.
        """
        paths = sorted((self.root / table).glob("*.parquet"))
        if since_s:
            paths = [path for path in paths if path.stat().st_mtime >= since_s]
        none = pa.Table.from_batches([], columns_of(table, columns))
        return pa.concat_tables([none, *(read_table(path, table, columns) for path in paths)])

    def recordings_here(self) -> dict[str, set[tuple[str, str]]]:
        """What the ``recordings`` table says is in the archive.

        Returns:
            For each partition key, the recording ids with their media fingerprints.
        """
        columns = ["recording_id", "partition_key", "in_archive", "media_fingerprint"]
        here: dict[str, set[tuple[str, str]]] = {}
        for row in self.read("recordings", columns).to_pylist():
            known = here.setdefault(row["partition_key"], set())
            if row["in_archive"]:
                known.add((row["recording_id"], row["media_fingerprint"]))
        return here

    def write_recordings(
        self, partition_key: str, recordings: Sequence[Recording], unread: Collection[str] = ()
    ) -> None:
        """Replace the ``recordings`` rows of a partition.

        Rows of media files that have left the archive stay, with ``in_archive`` false; those of
        what is ``unread``, as in ``Scan``, stay as they are.
        """
        target, is_written = self.path("recordings", partition_key), False
        with self._writing(partition_key):
            target.parent.mkdir(parents=True, exist_ok=True)
            while not is_written:
                self.elsewhere.follow(partition_key)
                old = self.read_partition("recordings", partition_key)
                new = with_gone(recordings, old, unread)
                is_same = new.equals(old) and target.exists()
                is_written = is_same or self._write_recordings(partition_key, target, new)
            self.elsewhere.settle(partition_key)

    def _write_recordings(self, key: str, target: Path, rows: pa.Table) -> bool:
        fresh = self._home(key) / "recordings.new"
        write_table(fresh, rows)
        is_ours = self.elsewhere.commit(key, {"recordings": fresh})
        (os.replace(fresh, target) if is_ours else fresh.unlink())
        return is_ours

    def read_partition(self, table: str, partition_key: str) -> pa.Table:
        """The rows of one partition, none where it is not published."""
        path = self.path(table, partition_key)
        return read_table(path, table) if path.exists() else SCHEMAS[table].empty_table()

    def publish(self, partition_key: str, entries: Sequence[Entry]) -> None:
        """Put outcomes into a partition, all tables at once; rows of other recordings stay.

        Publishing the same again changes nothing, not even a file. A failure never takes the place
        of a transcript, be it for earlier bytes or options. Several processes may publish to one
        partition; each adds to what the others left.

        Raises:
            StoreError: the disk is full, or the directory cannot hold links.
        """
        with self._writing(partition_key):
            while not self._publish(partition_key, entries):
                pass  # others have published; what they have is followed, and ours added to that
            self._settle(partition_key)

    def _publish(self, key: str, entries: Sequence[Entry]) -> bool:
        self.elsewhere.follow(key)
        rows = {row[1]: one for row, one in self.index([key]).by_recording.items()}
        news = [one for one in entries if replaces(one.outcome, rows.get(one.recording_id))]
        added = self._added(key, news)
        if not added["transcripts"].num_rows and self.path("words", key).exists():
            return True
        return self._swap(key, merged(self.read_together(key), added))

    def change(self, partition_key: str, changes: Mapping[str, Change]) -> None:
        """Put something else in the place of what is published of some recordings.

        A recording that has no row any more is left out; what would be the same is not written.

        Args:
            partition_key: theirs.
            changes: by recording id, what makes the new transcript of the one that is published.

        Raises:
            StoreError: the disk is full.
        """
        with self._writing(partition_key):
            while (is_changed := self._change(partition_key, changes)) is None:
                pass
            if is_changed:
                self._settle(partition_key)

    def _change(self, key: str, changes: Mapping[str, Change]) -> bool | None:
        """Whether anything was another thing; None where somebody else has published meanwhile."""
        self.elsewhere.follow(key)
        old, added = self.read_together(key), NewRows()
        for recording_id, tables in by_recording(old):
            if recording_id not in changes:
                continue
            before = transcript_of(tables, recording_id)
            after = changes[recording_id](before)
            if after != before:
                path = tables["transcripts"]["path"][0].as_py()
                added.add(transcript_rows(after, recording_id, key, path))
        if not added:
            return False
        return self._swap(key, merged(old, added.tables())) or None

    def _settle(self, partition_key: str) -> None:
        generations.settle(self._home(partition_key), self._links(partition_key))
        self.elsewhere.settle(partition_key)

    def _home(self, partition_key: str) -> Path:
        home = self.inner / "partitions" / partition_key
        home.mkdir(parents=True, exist_ok=True)
        return home

    def read_together(self, partition_key: str) -> dict[str, pa.Table]:
        """The tables of a partition, all of one generation."""
        current = self.inner / "partitions" / partition_key / "current"
        while current.is_symlink():
            generation = current.resolve()
            files = {table: generation / f"{table}.parquet" for table in PUBLISHED_TABLES}
            try:
                return {
                    table: read_published(files, table, known_as=self.path(table, partition_key))
                    for table in files
                }
            except FileNotFoundError:
                if generation == current.resolve():  # removed by hand
                    break
        # No generation yet, or a copy of the output whose links have become files.
        return {table: self.read_partition(table, partition_key) for table in PUBLISHED_TABLES}

    def _added(self, partition_key: str, entries: Sequence[Entry]) -> dict[str, pa.Table]:
        """The rows of new entries, copied from another partition where the bytes are known."""
        parts = NewRows()
        sources: dict[str, dict[str, pa.Table]] = {}
        for entry in entries:
            label = (entry.recording_id, partition_key, entry.path)
            if isinstance(entry.outcome, Transcript):
                parts.add(transcript_rows(entry.outcome, *label))
                continue
            key = entry.outcome.partition_key
            if key not in sources:
                sources[key] = self.read_together(key)
            if not holds(sources[key]["transcripts"], entry.outcome):
                continue  # it has been replaced since; a later run does the work
            for table, rows in sources[key].items():
                mine = pc.equal(rows["recording_id"], entry.outcome.recording_id)
                parts.copy(table, relabelled(rows.filter(mine), *label))
        return parts.tables()

    def _links(self, partition_key: str) -> dict[str, Path]:
        """Where readers find the tables of a generation."""
        return {table: self.path(table, partition_key) for table in PUBLISHED_TABLES}

    def _swap(self, partition_key: str, tables: dict[str, pa.Table]) -> bool:
        home, links = self._home(partition_key), self._links(partition_key)
        kept = {
            table: rows
            for table, rows in tables.items()
            if table in TRANSCRIPT_TABLES or rows.num_rows or links[table].is_symlink()
        }
        commit = functools.partial(self.elsewhere.commit, partition_key)
        return generations.swap(home, kept, {table: links[table] for table in kept}, commit)

    @contextmanager
    def _writing(self, partition_key: str) -> Iterator[None]:
        """The partition's lock, and sentences for what disks do."""
        with disk_sentences(self.root):
            locks = self.inner / "locks"
            locks.mkdir(parents=True, exist_ok=True)
            with locked(locks / partition_key):
                yield
