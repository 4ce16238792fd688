"""The tables: their schemas and their rows."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.transcripts.columns import COLUMNS
from opentr_pipeline.transcripts.edits import Correction
from opentr_pipeline.transcripts.transcript import RECORDING_FLAGS, Segment, Transcript, Word
from opentr_pipeline.transcripts.turns import Turn, Voice, number, voice_from_dict
from opentr_pipeline.transcripts.turns import label as named
from opentr_pipeline.wording import readable

# Of ``transcripts``, from the row of the same recording in ``recordings``.
COPIED_COLUMNS = ("recording_id", "partition_key", "path", "media_fingerprint")
_DESCRIPTION_KEY = b"description"
# The files carry the descriptions as metadata of their columns.
SCHEMAS = {
    table: pa.schema(
        [pa.field(name, kind, metadata={_DESCRIPTION_KEY: said}) for name, kind, said in columns]
    )
    for table, columns in COLUMNS.items()
}
# What the columns of a table are the fields of, where they are some; labels and counts are not.
_FIELDS_OF: dict[str, type] = {
    "recordings": Probe,
    "transcripts": Transcript,
    "segments": Segment,
    "words": Word,
    "turns": Turn,
    "speakers": Voice,
    "corrections": Correction,
    "uncorrected": Transcript,
}
SORT_KEYS = {
    "transcripts": ["recording_id"],
    "segments": ["recording_id", "segment_index"],
    "words": ["recording_id", "segment_index", "word_index"],
    "turns": ["recording_id", "turn_index"],
    "speakers": ["recording_id", "speaker"],
    "corrections": ["recording_id", "correction_index"],
    "uncorrected": ["recording_id"],
}
TROUBLE_COLUMNS = "recording_id partition_key path status reason flags num_attempts".split()


def describe(table: str) -> list[tuple[str, str, str]]:
    """Name, type and meaning of each column of a table."""
    return [(name, str(kind), meaning) for name, kind, meaning in COLUMNS[table]]


def columns_of(table: str, names: Sequence[str] = ()) -> pa.Schema:
    """The schema of some columns of a table, or of all."""
    schema = SCHEMAS[table]
    return pa.schema([schema.field(name) for name in names]) if names else schema


def defaults_of(table: str) -> dict[str, Any]:
    """The defaults of the fields that have one that a column can hold; a time has none."""
    return {
        field.name: field.default
        for field in dataclasses.fields(_FIELDS_OF[table])
        if isinstance(field.default, str | int | float)
        and field.name not in ("transcribed_at", "made_at")
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
        at = {**label, "segment_index": index, "channel": segment.channel}
        facts = {
            **_plain(segment, "segments"),
            "num_words": len(segment.words),
            "language": segment.language or transcript.language,
        }
        segments.append({**facts, **at})
        for place, word in enumerate(segment.words):
            words.append({**_plain(word, "words"), **at, "word_index": place})
    outcome = {
        **_plain(transcript, "transcripts"),
        **label,
        "path": readable(path),
        "transcribed_at": datetime.fromisoformat(transcript.transcribed_at),
        "num_segments": len(segments),
        "num_words": len(words),
    }
    return {
        "transcripts": [outcome],
        "segments": segments,
        "words": words,
        "turns": [
            {**_plain(turn, "turns"), **label, "turn_index": index, "speaker": named(turn.speaker)}
            for index, turn in enumerate(transcript.turns)
        ],
        "speakers": [
            {**_plain(voice, "speakers"), **label, "speaker": named(voice.speaker)}
            for voice in transcript.voices
        ],
        "corrections": [
            {**_plain(one, "corrections"), **label, "correction_index": index, **_made(one)}
            for index, one in enumerate(transcript.corrections)
        ],
        "uncorrected": [{**_plain(transcript, "uncorrected"), **label}]
        if transcript.uncorrected
        else [],
    }


def _made(correction: Correction) -> dict[str, Any]:
    return {"made_at": datetime.fromisoformat(correction.made_at)}


def transcript_of(tables: Mapping[str, pa.Table], recording_id: str) -> Transcript:
    """The inverse of ``transcript_rows``, for a recording that a partition's tables hold."""
    rows = {
        table: rows.filter(pc.equal(rows["recording_id"], recording_id)).to_pylist()
        for table, rows in tables.items()
    }
    words: dict[int, list[Word]] = {}
    for row in rows["words"]:
        words.setdefault(row["segment_index"], []).append(Word(**_fields(Word, row)))
    segments = []
    for row in rows["segments"]:
        found = Segment(**_fields(Segment, row))
        segments.append(
            dataclasses.replace(
                found,
                words=tuple(words.get(row["segment_index"], ())),
                is_endless="loop" in (row["flags"] or ()) and "loop" not in found.flags,
                is_unmatched="unmatched_text" in (row["flags"] or ()),
            )
        )
    (row,) = rows["transcripts"]
    written = {
        "transcribed_at": _text_of(row["transcribed_at"]),
        "peaks": tuple(row.get("peaks") or ()),
    }
    return Transcript(
        **{**_fields(Transcript, row), **written},
        segments=tuple(segments),
        recording_flags=tuple(flag for flag in row["flags"] or () if flag in RECORDING_FLAGS),
        turns=tuple(Turn(**_numbered(_fields(Turn, row))) for row in rows.get("turns", ())),
        voices=tuple(
            voice_from_dict(_numbered(_fields(Voice, row))) for row in rows.get("speakers", ())
        ),
        corrections=tuple(
            Correction(**{**_fields(Correction, row), "made_at": _text_of(row["made_at"])})
            for row in rows.get("corrections", ())
        ),
        uncorrected="".join(row["uncorrected"] for row in rows.get("uncorrected", ())),
    )


def _text_of(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def _numbered(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "speaker": number(fields["speaker"])}


def by_recording(tables: Mapping[str, pa.Table]) -> Iterator[tuple[str, dict[str, pa.Table]]]:
    """Each recording of a partition's tables with its rows, which lie together in each of them."""
    spans: dict[str, dict[str, tuple[int, int]]] = {}
    for table, rows in tables.items():
        begin = 0
        for counted in pc.value_counts(rows["recording_id"]).to_pylist():
            spans.setdefault(counted["values"], {})[table] = begin, counted["counts"]
            begin += counted["counts"]
    for recording_id, found in spans.items():
        if "transcripts" in found:
            none = (0, 0)
            yield (
                recording_id,
                {table: rows.slice(*found.get(table, none)) for table, rows in tables.items()},
            )


def _fields(kind: type, row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that are fields of a dataclass."""
    return {field.name: row[field.name] for field in dataclasses.fields(kind) if field.name in row}


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
