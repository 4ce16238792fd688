"""The tables: their schemas and their rows."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.transcripts.transcript import RECORDING_FLAGS, Segment, Transcript, Word
from opentr_pipeline.transcripts.turns import Turn, Voice, number, voice_from_dict
from opentr_pipeline.transcripts.turns import label as named
from opentr_pipeline.wording import readable

_PATH = r"in the archive; what no text can show (control characters, bytes) as \x1b, \xe9, \u202e"
_ID = [
    ("recording_id", pa.string(), "digest of the path in the archive"),
    ("partition_key", pa.string(), "Dagster's partition"),
]
_COLUMNS: dict[str, list[tuple[str, pa.DataType, str]]] = {
    "recordings": [
        *_ID,
        ("path", pa.string(), _PATH),
        ("in_archive", pa.bool_(), "false where the media file is gone"),
        ("media_fingerprint", pa.string(), "SHA-256 of the bytes"),
        ("size_bytes", pa.int64(), "of the media file"),
        ("modified_at", pa.timestamp("us", tz="UTC"), "by the file system"),
        ("status", pa.string(), "ok, or why there is nothing to transcribe"),
        ("reason", pa.string(), "a sentence where the status is not ok"),
        ("container", pa.string(), "FFmpeg's name of the format"),
        ("codec", pa.string(), "of the audio stream"),
        ("sample_rate_hz", pa.int32(), "of the audio stream"),
        ("num_channels", pa.int32(), "of the audio stream"),
        ("num_audio_streams", pa.int32(), "in the container"),
        ("has_video", pa.bool_(), "cover pictures do not count"),
        ("duration_s", pa.float64(), "as the container claims it"),
        ("tags", pa.map_(pa.string(), pa.string()), "the container's own, such as title"),
    ],
    "transcripts": [
        *_ID,
        ("path", pa.string(), _PATH),
        ("media_fingerprint", pa.string(), "SHA-256 of the bytes that were heard"),
        ("settings_fingerprint", pa.string(), "digest of model and options"),
        (
            "status",
            pa.string(),
            "ok, suspect, no_speech, truncated, too_long, corrupt, unsupported, failed",
        ),
        ("reason", pa.string(), "a sentence where the status is not ok"),
        ("flags", pa.list_(pa.string()), "of the recording and of all its segments, each once"),
        ("language", pa.string(), "ISO 639 code, empty where nothing was heard"),
        ("language_probability", pa.float32(), "1 where the language was asked for"),
        ("model", pa.string(), "as in WHISPER_MODEL"),
        ("compute_type", pa.string(), "the model's arithmetic"),
        ("task", pa.string(), "transcribe or translate"),
        ("duration_s", pa.float64(), "of the sound that could be decoded"),
        ("speech_s", pa.float64(), "seconds of that with speech, pauses up to one second included"),
        ("wall_s", pa.float64(), "seconds that the engine took"),
        ("transcribed_at", pa.timestamp("ms", tz="UTC"), "when it was finished"),
        ("num_attempts", pa.int32(), "tries, those that died included"),
        ("num_segments", pa.int32(), "rows in segments"),
        ("num_words", pa.int32(), "rows in words"),
        ("text", pa.string(), "all segments, a space between them"),
        ("num_speakers", pa.int32(), "told apart by their voices; empty where nobody has asked"),
        ("speakers_reason", pa.string(), "a sentence where they could not be told apart"),
        ("speakers_fingerprint", pa.string(), "digest of what told them apart, empty before"),
    ],
    "segments": [
        *_ID,
        ("segment_index", pa.int32(), "from 0, in order"),
        ("start_s", pa.float64(), "from the beginning of the recording"),
        ("end_s", pa.float64(), "from the beginning of the recording"),
        ("channel", pa.int32(), "0 is the first; empty where all channels were mixed"),
        ("language", pa.string(), "of these words; the recording's is the one spoken longest"),
        ("text", pa.string(), "as the model said it"),
        ("avg_logprob", pa.float32(), "mean log-probability of the tokens; 0 is certain"),
        ("no_speech_probability", pa.float32(), "that there is no speech at all"),
        ("compression_ratio", pa.float32(), "of the text; loops compress well"),
        ("flags", pa.list_(pa.string()), "loop, low_confidence, likely_silence, boilerplate"),
        ("num_words", pa.int32(), "rows in words"),
        ("speaker", pa.string(), "such as SPEAKER_00, by first appearance; empty before"),
        ("has_overlap", pa.bool_(), "somebody else speaks at the same time"),
        ("part_of", pa.int32(), "number of the model's segment, where it was parted by speakers"),
    ],
    "words": [
        *_ID,
        ("segment_index", pa.int32(), "of its segment"),
        ("word_index", pa.int32(), "from 0 in its segment"),
        ("channel", pa.int32(), "of its segment"),
        ("text", pa.string(), "as the model wrote it, with the space in front"),
        ("start_s", pa.float64(), "from the beginning of the recording"),
        ("end_s", pa.float64(), "from the beginning of the recording"),
        ("probability", pa.float32(), "0 to 1, the model's own"),
        ("speaker", pa.string(), "who says it; the neighbours decide where no turn reaches it"),
        ("speaker_share", pa.float32(), "of the word that lies in that speaker's turns, 0 to 1"),
    ],
    "turns": [
        *_ID,
        ("turn_index", pa.int32(), "from 0, by start"),
        ("channel", pa.int32(), "0 is the first; empty where all channels were mixed"),
        ("speaker", pa.string(), "such as SPEAKER_00, by first appearance in the recording"),
        ("start_s", pa.float64(), "from the beginning of the recording"),
        ("end_s", pa.float64(), "from there too; turns of several speakers may overlap"),
    ],
    "speakers": [
        *_ID,
        ("speaker", pa.string(), "such as SPEAKER_00, by first appearance in the recording"),
        ("channel", pa.int32(), "0 is the first; empty where all channels were mixed"),
        ("speech_s", pa.float64(), "seconds that they speak"),
        ("embedding", pa.list_(pa.float32()), "of the voice, of length 1; none of short ones"),
        ("embedding_model", pa.string(), "names the network; only what one made can be compared"),
        ("person_id", pa.string(), "of the person in people; empty where nobody has said"),
        ("name", pa.string(), "of that person, as somebody has confirmed it"),
        ("similarity", pa.float32(), "to their other voices, where a suggestion was confirmed"),
        ("named_by", pa.string(), "hand, or suggestion where one was confirmed"),
    ],
    "people": [
        ("person_id", pa.string(), "stays when the name changes"),
        ("name", pa.string(), "as somebody typed it"),
        ("note", pa.string(), "whatever tells them from others"),
        ("confirmed_at", pa.timestamp("ms", tz="UTC"), "when a voice was confirmed last"),
        ("num_voices", pa.int32(), "that were confirmed, in as many recordings"),
    ],
}
# Of ``transcripts``, from the row of the same recording in ``recordings``.
COPIED_COLUMNS = ("recording_id", "partition_key", "path", "media_fingerprint")
_DESCRIPTION_KEY = b"description"
# The files carry the descriptions as metadata of their columns.
SCHEMAS = {
    table: pa.schema(
        [pa.field(name, kind, metadata={_DESCRIPTION_KEY: said}) for name, kind, said in columns]
    )
    for table, columns in _COLUMNS.items()
}
# What the columns of a table are the fields of, where they are some; labels and counts are not.
_FIELDS_OF: dict[str, type] = {
    "recordings": Probe,
    "transcripts": Transcript,
    "segments": Segment,
    "words": Word,
    "turns": Turn,
    "speakers": Voice,
}
SORT_KEYS = {
    "transcripts": ["recording_id"],
    "segments": ["recording_id", "segment_index"],
    "words": ["recording_id", "segment_index", "word_index"],
    "turns": ["recording_id", "turn_index"],
    "speakers": ["recording_id", "speaker"],
}
TROUBLE_COLUMNS = "recording_id partition_key path status reason flags num_attempts".split()


def describe(table: str) -> list[tuple[str, str, str]]:
    """Name, type and meaning of each column of a table."""
    return [(name, str(kind), meaning) for name, kind, meaning in _COLUMNS[table]]


def columns_of(table: str, names: Sequence[str] = ()) -> pa.Schema:
    """The schema of some columns of a table, or of all."""
    schema = SCHEMAS[table]
    return pa.schema([schema.field(name) for name in names]) if names else schema


def defaults_of(table: str) -> dict[str, Any]:
    """The defaults of the fields that have one that a column can hold; a time has none."""
    return {
        field.name: field.default
        for field in dataclasses.fields(_FIELDS_OF[table])
        if isinstance(field.default, str | int | float) and field.name != "transcribed_at"
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
    }


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
            )
        )
    (row,) = rows["transcripts"]
    written = {"transcribed_at": row["transcribed_at"].isoformat(timespec="milliseconds")}
    return Transcript(
        **{**_fields(Transcript, row), **written},
        segments=tuple(segments),
        recording_flags=tuple(flag for flag in row["flags"] or () if flag in RECORDING_FLAGS),
        turns=tuple(Turn(**_numbered(_fields(Turn, row))) for row in rows.get("turns", ())),
        voices=tuple(
            voice_from_dict(_numbered(_fields(Voice, row))) for row in rows.get("speakers", ())
        ),
    )


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
