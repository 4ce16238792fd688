"""The tables: their schemas, their rows, and one file written and read."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from opentr_pipeline.archive import readable
from opentr_pipeline.errors import StoreError
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
SORT_KEYS = {
    "transcripts": ["recording_id"],
    "segments": ["recording_id", "segment_index"],
    "words": ["recording_id", "segment_index", "word_index"],
}


def recording_row(recording: Recording) -> dict[str, Any]:
    """The row of a media file that is in the archive."""
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


def transcript_rows(
    transcript: Transcript, recording_id: str, partition_key: str, path: str
) -> dict[str, list[dict[str, Any]]]:
    """The rows of one recording in each table."""
    label = {"recording_id": recording_id, "partition_key": partition_key}
    segments, words = [], []
    for index, segment in enumerate(transcript.segments):
        at = {**label, "segment_index": index}
        facts = {**_plain(segment, "segments"), "num_words": len(segment.words)}
        segments.append({**facts, **at})
        for number, word in enumerate(segment.words):
            words.append({**_plain(word, "words"), **at, "word_index": number})
    outcome = {
        **_plain(transcript, "transcripts"),
        **label,
        "path": readable(path),
        "transcribed_at": datetime.fromisoformat(transcript.transcribed_at),
        "num_segments": len(segments),
        "num_words": len(words),
    }
    return {"transcripts": [outcome], "segments": segments, "words": words}


def relabelled(rows: pa.Table, recording_id: str, partition_key: str, path: str) -> pa.Table:
    """Rows of the same content, for another recording."""
    labels = {"recording_id": recording_id, "partition_key": partition_key, "path": readable(path)}
    for name, value in labels.items():
        if name in rows.column_names:
            column = pa.array([value] * rows.num_rows, pa.string())
            rows = rows.set_column(rows.column_names.index(name), name, column)
    return rows


def _plain(thing: object, table: str) -> dict[str, Any]:
    """Attributes of a dataclass that are columns of a table under the same name."""
    return {name: getattr(thing, name) for name in SCHEMAS[table].names if hasattr(thing, name)}


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


def read_table(path: Path, schema: pa.Schema, known_as: Path | None = None) -> pa.Table:
    """Some columns of a file of this release or an older one; columns it lacks are null.

    Args:
        path: the file.
        schema: of the columns wanted.
        known_as: the path that people know it by, where that is another.

    Raises:
        StoreError: the file is damaged, or was written by a newer release.
        FileNotFoundError: it is not there.
    """
    try:
        return _conformed(path, schema, known_as or path)
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise StoreError(
            f"{known_as or path} is damaged ({reason}); restore it from a backup, or remove "
            f"{path.resolve().parent} to have its partition transcribed again."
        ) from None


def _conformed(path: Path, schema: pa.Schema, known_as: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        version = int((file.schema_arrow.metadata or {}).get(_VERSION_KEY, b"0"))
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{known_as} has schema version {version}, this release reads up to "
                f"{SCHEMA_VERSION}; update opentr_pipeline."
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


@contextmanager
def disk_sentences(output_root: Path) -> Iterator[None]:
    """Say what disks do in a sentence.

    Raises:
        StoreError: the disk is full, or the directory cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"The disk of OUTPUT_DIR={output_root} is full; what was published before is "
                "whole. Make room and run again: nothing finished is done twice."
            ) from None
        raise StoreError(
            f"OUTPUT_DIR={output_root} cannot be written: {error.strerror} ({error.filename})."
        ) from None
