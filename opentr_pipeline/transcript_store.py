"""Transcripts in Parquet: schema, layout, atomic publish, what is already there (pyarrow's door).

Layout below the output directory, one file per table and partition::

    recordings/KEY.parquet     what media there are
    transcripts/KEY.parquet    one row per recording: outcome and whole text
    segments/KEY.parquet       one row per segment
    words/KEY.parquet          one row per word
    .store/                    ours: generations, checkpoints, locks

The last three tables of a partition change together: each of those files is a link through
``.store/partitions/KEY/current``, itself a link to one generation, and publishing replaces that
one link. So a reader sees the old partition or the new one, and a writer that dies leaves a
generation that nobody sees. The rows carry ``partition_key``, the paths no ``key=value``, because
readers disagree about the type of a value in a path (``2024``, ``2024-05``).
"""

import errno
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from opentr_pipeline.archive import readable
from opentr_pipeline.errors import StoreError
from opentr_pipeline.locks import locked
from opentr_pipeline.recordings import Recording
from opentr_pipeline.transcript import Transcript

SCHEMA_VERSION = 1
_VERSION_KEY = b"schema_version"

_ID = [("recording_id", pa.string()), ("partition_key", pa.string())]
SCHEMAS = {
    "recordings": pa.schema(
        [
            *_ID,
            ("path", pa.string()),
            ("in_archive", pa.bool_()),
            ("media_fingerprint", pa.string()),
            ("size_bytes", pa.int64()),
            ("modified_at", pa.timestamp("us", tz="UTC")),
            ("status", pa.string()),
            ("reason", pa.string()),
            ("container", pa.string()),
            ("codec", pa.string()),
            ("sample_rate_hz", pa.int32()),
            ("num_channels", pa.int32()),
            ("num_audio_streams", pa.int32()),
            ("has_video", pa.bool_()),
            ("duration_s", pa.float64()),
            ("tags", pa.map_(pa.string(), pa.string())),
        ]
    ),
    "transcripts": pa.schema(
        [
            *_ID,
            ("path", pa.string()),
            ("media_fingerprint", pa.string()),
            ("settings_fingerprint", pa.string()),
            ("status", pa.string()),
            ("reason", pa.string()),
            ("flags", pa.list_(pa.string())),
            ("language", pa.string()),
            ("language_probability", pa.float32()),
            ("model", pa.string()),
            ("compute_type", pa.string()),
            ("task", pa.string()),
            ("duration_s", pa.float64()),
            ("speech_s", pa.float64()),
            ("wall_s", pa.float64()),
            ("transcribed_at", pa.timestamp("ms", tz="UTC")),
            ("num_attempts", pa.int32()),
            ("num_segments", pa.int32()),
            ("num_words", pa.int32()),
            ("text", pa.string()),
        ]
    ),
    "segments": pa.schema(
        [
            *_ID,
            ("segment_index", pa.int32()),
            ("start_s", pa.float64()),
            ("end_s", pa.float64()),
            ("text", pa.string()),
            ("avg_logprob", pa.float32()),
            ("no_speech_probability", pa.float32()),
            ("compression_ratio", pa.float32()),
            ("flags", pa.list_(pa.string())),
            ("num_words", pa.int32()),
        ]
    ),
    "words": pa.schema(
        [
            *_ID,
            ("segment_index", pa.int32()),
            ("word_index", pa.int32()),
            ("text", pa.string()),
            ("start_s", pa.float64()),
            ("end_s", pa.float64()),
            ("probability", pa.float32()),
        ]
    ),
}
TRANSCRIPT_TABLES = ("transcripts", "segments", "words")
_SORT = {
    "transcripts": ["recording_id"],
    "segments": ["recording_id", "segment_index"],
    "words": ["recording_id", "segment_index", "word_index"],
}


@dataclass(frozen=True)
class PublishedRow:
    """Where a published transcript is, and what it belongs to."""

    partition_key: str
    recording_id: str
    media_fingerprint: str
    settings_fingerprint: str
    status: str
    transcribed_at: datetime
    num_attempts: int


@dataclass(frozen=True)
class Entry:
    """What one recording gets published: a new transcript, or one published for the same bytes."""

    recording_id: str
    path: str
    outcome: Transcript | PublishedRow


class StoreIndex:
    """What is published in some partitions, by recording and by content."""

    def __init__(self, rows: Iterable[PublishedRow]) -> None:
        """Sort the rows; a content counts where its outcome is final."""
        self.by_recording: dict[str, PublishedRow] = {}
        self.by_content: dict[tuple[str, str], PublishedRow] = {}
        for row in rows:
            self.by_recording[row.recording_id] = row
            if row.status != "failed":
                self.by_content[row.media_fingerprint, row.settings_fingerprint] = row


class TranscriptStore:
    """The tables of one archive."""

    def __init__(self, root: Path) -> None:
        """Name the output directory; nothing is made until something is written."""
        self.root = root
        self.inner = root / ".store"

    def index(self, partition_keys: Iterable[str]) -> StoreIndex:
        """What is published in some partitions."""
        paths = [self.path("transcripts", key) for key in partition_keys]
        return StoreIndex(row for path in paths if path.exists() for row in _rows_of(_facts(path)))

    def find_contents(
        self, media_fingerprints: Sequence[str], settings_fingerprint: str
    ) -> dict[str, PublishedRow]:
        """Final outcomes for some contents and options, in whatever partition they are."""
        if not media_fingerprints:
            return {}
        wanted = pa.array(media_fingerprints, pa.string())
        found = {}
        for path in sorted((self.root / "transcripts").glob("*.parquet")):
            facts = _facts(path)
            same = pc.is_in(facts["media_fingerprint"], value_set=wanted)
            same = pc.and_(same, pc.equal(facts["settings_fingerprint"], settings_fingerprint))
            for row in _rows_of(facts.filter(same)):
                if row.status != "failed":
                    found[row.media_fingerprint] = row
        return found

    def path(self, table: str, partition_key: str) -> Path:
        """The file of a table and partition, there or not."""
        return self.root / table / f"{partition_key}.parquet"

    def read(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole table, all partitions.

        Raises:
            StoreError: a file was written by a newer release.
        """
        paths = sorted((self.root / table).glob("*.parquet"))
        schema = SCHEMAS[table]
        if columns:
            schema = pa.schema([schema.field(name) for name in columns])
        return pa.concat_tables([schema.empty_table(), *(_read(p, schema) for p in paths)])

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

    def write_recordings(self, partition_key: str, recordings: Sequence[Recording]) -> None:
        """Replace the ``recordings`` rows of a partition.

        Rows of media files that have left the archive stay, with ``in_archive`` false.
        """
        rows = [_recording_row(recording) for recording in recordings]
        target = self.path("recordings", partition_key)
        with self._writing(partition_key):
            old = _read(target, SCHEMAS["recordings"]).to_pylist() if target.exists() else []
            here = {row["recording_id"] for row in rows}
            rows += [{**row, "in_archive": False} for row in old if row["recording_id"] not in here]
            rows.sort(key=lambda row: row["recording_id"])
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.inner / f"{uuid.uuid4().hex}.parquet"
            _write(fresh, pa.Table.from_pylist(rows, SCHEMAS["recordings"]))
            os.replace(fresh, target)

    def publish(self, partition_key: str, entries: Sequence[Entry]) -> None:
        """Put outcomes into a partition, all tables at once; rows of other recordings stay.

        Publishing the same again changes nothing, not even a file. Several processes may publish
        to one partition; each adds to what the others left.

        Raises:
            StoreError: the disk is full, or the directory cannot hold links.
        """
        with self._writing(partition_key):
            old = self._tables(partition_key)
            rows = {row.recording_id: row for row in _rows_of(old["transcripts"])}
            new = [entry for entry in entries if not _is_same(entry, rows)]
            if not new and self.path("transcripts", partition_key).exists():
                return
            replaced = pa.array([entry.recording_id for entry in new], pa.string())
            added = self._rows(partition_key, new)
            merged = {}
            for table in TRANSCRIPT_TABLES:
                stale = pc.is_in(old[table]["recording_id"], value_set=replaced)
                kept = old[table].filter(pc.invert(stale))
                keys = [(name, "ascending") for name in _SORT[table]]
                merged[table] = pa.concat_tables([kept, *added[table]]).sort_by(keys)
            self._swap(partition_key, merged)

    def read_partition(self, table: str, partition_key: str) -> pa.Table:
        """The rows of one partition, none where it is not published."""
        path, schema = self.path(table, partition_key), SCHEMAS[table]
        return _read(path, schema) if path.exists() else schema.empty_table()

    def _tables(self, partition_key: str) -> dict[str, pa.Table]:
        return {table: self.read_partition(table, partition_key) for table in TRANSCRIPT_TABLES}

    def _rows(self, partition_key: str, entries: Sequence[Entry]) -> dict[str, list[pa.Table]]:
        """The rows of new entries, copied from another partition where the bytes are known."""
        rows: dict[str, list[dict[str, Any]]] = {table: [] for table in TRANSCRIPT_TABLES}
        copies: dict[str, list[pa.Table]] = {table: [] for table in TRANSCRIPT_TABLES}
        for entry in entries:
            if isinstance(entry.outcome, Transcript):
                _append_rows(rows, partition_key, entry, entry.outcome)
                continue
            source = self._tables(entry.outcome.partition_key)
            for table in TRANSCRIPT_TABLES:
                mine = pc.equal(source[table]["recording_id"], entry.outcome.recording_id)
                copies[table].append(_relabelled(source[table].filter(mine), partition_key, entry))
        for table in TRANSCRIPT_TABLES:
            copies[table].append(pa.Table.from_pylist(rows[table], SCHEMAS[table]))
        return copies

    def _swap(self, partition_key: str, tables: dict[str, pa.Table]) -> None:
        home = self.inner / "partitions" / partition_key
        current = home / "current"
        if not current.is_symlink():
            # A partition is born empty, so that no reader meets a link that leads nowhere.
            empty = {table: SCHEMAS[table].empty_table() for table in TRANSCRIPT_TABLES}
            _point(current, _write_generation(home, empty))
        for table in TRANSCRIPT_TABLES:
            link = self.path(table, partition_key)
            if not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                _point(link, os.path.relpath(current / f"{table}.parquet", link.parent))
        generation = _write_generation(home, tables)
        _point(current, generation)
        for path in home.iterdir():  # older ones, and those of writers that died
            if path.is_dir() and not path.is_symlink() and path.name != generation:
                shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def _writing(self, partition_key: str) -> Iterator[None]:
        """The partition's lock, and sentences for what disks do."""
        try:
            locks = self.inner / "locks"
            locks.mkdir(parents=True, exist_ok=True)
            with locked(locks / partition_key):
                yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreError(
                    f"The disk of OUTPUT_DIR={self.root} is full; what was published before is "
                    "whole. Make room and run again: nothing finished is done twice."
                ) from None
            raise StoreError(
                f"OUTPUT_DIR={self.root} cannot be written: {error.strerror} ({error.filename})."
            ) from None


def _write_generation(home: Path, tables: dict[str, pa.Table]) -> str:
    folder = home / uuid.uuid4().hex
    folder.mkdir(parents=True)
    for table, rows in tables.items():
        _write(folder / f"{table}.parquet", rows)
    return folder.name


def _write(path: Path, rows: pa.Table) -> None:
    """Write a file and wait until it is on the disk: a checkpoint is deleted after it."""
    versioned = rows.replace_schema_metadata({_VERSION_KEY: str(SCHEMA_VERSION).encode()})
    with path.open("wb") as stream:
        pq.write_table(versioned, stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())


def _point(link: Path, target: str) -> None:
    """Make a link point somewhere else, in one step."""
    fresh = link.with_name(f".{uuid.uuid4().hex}")
    fresh.symlink_to(target)
    os.replace(fresh, link)


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    """Some columns of a file of this release or an older one; columns it lacks are null."""
    with pq.ParquetFile(path) as file:
        version = int((file.schema_arrow.metadata or {}).get(_VERSION_KEY, b"0"))
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{path} has schema version {version}, this release reads up to {SCHEMA_VERSION}; "
                "update opentr_pipeline."
            )
        there = [name for name in schema.names if name in file.schema_arrow.names]
        table = file.read(columns=there)
    columns = [
        table[field.name].cast(field.type)
        if field.name in there
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _facts(path: Path) -> pa.Table:
    schema = SCHEMAS["transcripts"]
    names = PublishedRow.__dataclass_fields__
    return _read(path, pa.schema([schema.field(name) for name in names]))


def _rows_of(transcripts: pa.Table) -> Iterator[PublishedRow]:
    names = list(PublishedRow.__dataclass_fields__)
    return (PublishedRow(**row) for row in transcripts.select(names).to_pylist())


def _is_same(entry: Entry, rows: dict[str, PublishedRow]) -> bool:
    row, outcome = rows.get(entry.recording_id), entry.outcome
    return row is not None and (
        row.media_fingerprint == outcome.media_fingerprint
        and row.settings_fingerprint == outcome.settings_fingerprint
        and row.transcribed_at == _time(outcome.transcribed_at)
    )


def _time(value: str | datetime) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _relabelled(rows: pa.Table, partition_key: str, entry: Entry) -> pa.Table:
    """Rows of the same content as those of another recording."""
    labels = {
        "recording_id": entry.recording_id,
        "partition_key": partition_key,
        "path": readable(entry.path),
    }
    for name, value in labels.items():
        if name in rows.column_names:
            column = pa.array([value] * rows.num_rows, pa.string())
            rows = rows.set_column(rows.column_names.index(name), name, column)
    return rows


def _append_rows(
    rows: dict[str, list[dict[str, Any]]], partition_key: str, entry: Entry, outcome: Transcript
) -> None:
    label = {"recording_id": entry.recording_id, "partition_key": partition_key}
    words_before = 0
    for index, segment in enumerate(outcome.segments):
        at = {**label, "segment_index": index}
        facts = _plain(segment, "segments")
        rows["segments"].append({**facts, **at, "num_words": len(segment.words)})
        for number, word in enumerate(segment.words):
            rows["words"].append({**_plain(word, "words"), **at, "word_index": number})
        words_before += len(segment.words)
    rows["transcripts"].append(
        {
            **_plain(outcome, "transcripts"),
            **label,
            "path": readable(entry.path),
            "transcribed_at": _time(outcome.transcribed_at),
            "num_segments": len(outcome.segments),
            "num_words": words_before,
        }
    )


def _plain(thing: object, table: str) -> dict[str, Any]:
    """Attributes of a dataclass that are columns of a table under the same name."""
    return {name: getattr(thing, name) for name in SCHEMAS[table].names if hasattr(thing, name)}


def _recording_row(recording: Recording) -> dict[str, Any]:
    media_file, probe = recording.media_file, recording.probe
    return {
        **_plain(probe, "recordings"),
        **_plain(recording, "recordings"),
        "path": readable(media_file.path),
        "in_archive": True,
        "size_bytes": media_file.size_bytes,
        "modified_at": media_file.modified_at.astimezone(UTC),
        "tags": list(probe.tags.items()),
    }
