"""What there is to be found in a partition, read from its published tables."""

import math
from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from typing import Any, NamedTuple

from opentr_pipeline.search.passages import Spoken
from opentr_pipeline.search.token_times import token_times
from opentr_pipeline.transcripts.layout import Generation, StoreLayout
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.table_files import read_columns

NUM_ROWS_READ = 20_000
WORD_COLUMNS = ("text", "start_s")


class SearchableRecording(NamedTuple):
    """A recording as it is published; another state has it indexed anew."""

    state: str
    path: str
    day: str
    language: str
    media_fingerprint: str


def searchable_recordings(
    layout: StoreLayout, key: str, generation: Generation
) -> dict[str, SearchableRecording]:
    """What is to be found of a partition: recordings in the archive in which somebody speaks."""
    columns = "recording_id path media_fingerprint settings_fingerprint status language "
    columns += "transcribed_at speakers_fingerprint provided_fingerprint "
    columns += "corrections_fingerprint"
    store = TranscriptStore(layout.root)
    media = {
        row["recording_id"]: row for row in store.read_partition("recordings", key).to_pylist()
    }
    recordings = {}
    for row in read_columns(generation, "transcripts", columns).to_pylist():
        file = media.get(row["recording_id"], {"in_archive": True, "modified_at": None})
        if row["status"] == "no_speech" or not file["in_archive"]:
            continue
        day = file["modified_at"].date().isoformat() if file["modified_at"] else ""
        state = f"{row['media_fingerprint']} {row['settings_fingerprint']} {row['transcribed_at']}"
        state += f" {row['speakers_fingerprint'] or ''}{row['provided_fingerprint'] or ''}"
        state += row["corrections_fingerprint"] or ""
        recordings[row["recording_id"]] = SearchableRecording(
            f"{state} {day}", row["path"], day, row["language"] or "", row["media_fingerprint"]
        )
    return recordings


def segments_of(
    generation: Generation, wanted: Mapping[str, SearchableRecording]
) -> Iterator[tuple[str, list[Spoken]]]:
    """The segments of some recordings, recording by recording as the table has them."""
    columns = "recording_id start_s end_s language avg_logprob text speaker num_words"
    table = read_columns(generation, "segments", columns)
    # In the same order as their segments, recording by recording.
    words = read_columns(generation, "words", " ".join(WORD_COLUMNS))
    rows = (
        row for batch in table.to_batches(max_chunksize=NUM_ROWS_READ) for row in batch.to_pylist()
    )
    num_passed = 0
    for recording_id, its in groupby(rows, lambda row: row["recording_id"]):
        segments = list(its)
        num_words = sum(row["num_words"] for row in segments)
        if recording_id in wanted:
            usual = wanted[recording_id].language
            its_words = words.slice(num_passed, num_words)
            # Column by column: a dictionary for each word would take longer than all the rest.
            said = zip(*(its_words[name].to_pylist() for name in WORD_COLUMNS), strict=True)
            yield recording_id, [_spoken(row, said, usual) for row in segments]
        num_passed += num_words


def _spoken(row: dict[str, Any], said: Iterator[tuple[str, float]], usual_language: str) -> Spoken:
    words = list(islice(said, row["num_words"]))
    text = row["text"] or ""
    logprob = row["avg_logprob"]
    confidence = 0.0 if logprob is None else round(min(math.exp(logprob), 1.0), 3)
    times = round(row["start_s"], 2), round(row["end_s"], 2)
    # Releases before this column knew the recording's language alone.
    language = row["language"] or usual_language
    at = token_times(text, [one for one, _ in words], [at_s for _, at_s in words], times[0])
    return Spoken(*times, language, confidence, text, row["speaker"] or "", at)
