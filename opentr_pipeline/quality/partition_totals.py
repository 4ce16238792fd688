"""Sums over one partition, that the report adds up; computed column by column.

Only recordings that are in the archive count. A word weighs as much as it lasts.
"""

import dataclasses
from collections.abc import Callable, Mapping, Set
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from opentr_pipeline.pages.paragraphs import DOUBTFUL_PROBABILITY
from opentr_pipeline.quality.fact_memory import FactMemory
from opentr_pipeline.quality.totals import (
    MISSING,
    NOBODY,
    NUM_CONFIDENCE_BINS,
    DoubtfulRecording,
    Sums,
    Tally,
    folder_of,
    sums_from_dict,
    worst,
)
from opentr_pipeline.transcripts.schemas import TROUBLE_COLUMNS
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.table_files import GenerationRows, read_table
from opentr_pipeline.transcripts.transcript import HEARD, HEARD_WHOLE, REMEDIES

SUMS_VERSION = "3"  # another one forgets what earlier releases remembered
# As if each recording began with half a minute that is in order, so that of one of three seconds a
# single word does not come before minutes of another.
PRIOR_SPEECH_S = 30.0


def partition_sums(
    store: TranscriptStore,
    partition_key: str,
    rows: GenerationRows | None,
    left: Set[str] = frozenset(),
) -> Sums:
    """The sums of one partition.

    Args:
        store: holds it.
        partition_key: its key.
        rows: what is published; None where only ``recordings`` is.
        left: ids of recordings that count in another partition.
    """
    media = _media_rows(store, partition_key)
    gone = {one for one, row in media.items() if row["in_archive"] is False} | left
    heard = _transcript_rows(rows) if rows else {}
    sums = Sums()
    for recording_id in sorted((media.keys() | heard.keys()) - gone):
        here, said = media.get(recording_id), heard.get(recording_id)
        _count(sums, here, said)
        times = (_at(said, "transcribed_at"), _at(here, "modified_at"))
        sums.places.append((recording_id, *times, partition_key))
    sums.outcomes = [_outcome(row) for row in heard.values()]
    sums.troubled = [
        {name: row[name] for name in TROUBLE_COLUMNS}
        for recording_id, row in heard.items()
        if row["status"] in REMEDIES and recording_id not in gone
    ]
    if rows:
        spoken = {one: row for one, row in heard.items() if one not in gone and _is_spoken(row)}
        _weigh(sums, rows, spoken, partition_key)
        _count_speakers(sums, rows, spoken.keys())
    return sums


def recall_sums(
    memory: FactMemory, state: str, make: Callable[[], Sums], left: Set[str] = frozenset()
) -> Sums:
    """The sums of one partition as they are remembered, else made.

    Args:
        memory: the partition's.
        state: see ``StoreLayout.state``.
        make: gives them.
        left: see ``partition_sums``.
    """
    # Both are remembered, since each report asks for the first to find out what has left.
    part = "sums_of_rest" if left else "sums"
    facts = memory.recall(
        part, [SUMS_VERSION, state, *sorted(left)], lambda: dataclasses.asdict(make())
    )
    return sums_from_dict(facts)


def _media_rows(store: TranscriptStore, partition_key: str) -> dict[str, dict[str, Any]]:
    path = store.path("recordings", partition_key)
    if not path.exists():
        return {}
    names = "recording_id path in_archive media_fingerprint size_bytes modified_at duration_s"
    rows = read_table(path, "recordings", names.split())
    return {row["recording_id"]: row for row in rows.to_pylist()}


def _transcript_rows(published: GenerationRows) -> dict[str, dict[str, Any]]:
    names = "media_fingerprint language model duration_s speech_s wall_s transcribed_at"
    rows = published.columns("transcripts", " ".join([names, *TROUBLE_COLUMNS]))
    return {row["recording_id"]: row for row in rows.to_pylist()}


def _at(row: Mapping[str, Any] | None, column: str) -> float:
    return row[column].timestamp() if row and row[column] else 0.0


def _outcome(heard: Mapping[str, Any]) -> tuple[str, float, float, float]:
    at = _at(heard, "transcribed_at")
    return heard["media_fingerprint"], at, heard["duration_s"] or 0.0, heard["wall_s"] or 0.0


def _is_spoken(heard: Mapping[str, Any]) -> bool:
    return heard["status"] in HEARD and heard["status"] != "no_speech"


def _count(sums: Sums, media: dict[str, Any] | None, heard: dict[str, Any] | None) -> None:
    """Count one recording in each of the sums that it belongs to."""
    path = (media or heard or {})["path"]
    status = heard["status"] if heard else MISSING
    tally = _tally(media, heard)
    groups = [(sums.by_folder, folder_of(path)), (sums.by_status, status)]
    if heard and heard["language"] and _is_spoken(heard):
        groups.append((sums.by_language, heard["language"]))
    if heard and heard["model"]:
        groups.append((sums.by_model, heard["model"]))
    for group, kind in groups:
        group.setdefault(kind, Tally()).add(tally)
    if media:
        sums.files.append((media["media_fingerprint"], media["size_bytes"], path))


def _tally(media: dict[str, Any] | None, heard: dict[str, Any] | None) -> Tally:
    claimed_s = (media["duration_s"] if media else None) or 0.0
    if heard is None or heard["status"] not in HEARD:
        return Tally(1, claimed_s)
    heard_s = heard["duration_s"] or 0.0
    is_whole = heard["status"] in HEARD_WHOLE
    # Both speakers of a call may talk at once, each on a channel of their own.
    speech_s = min(heard["speech_s"] or 0.0, heard_s) if _is_spoken(heard) else 0.0
    return Tally(1, heard_s if is_whole else max(heard_s, claimed_s), heard_s, speech_s)


def _count_speakers(sums: Sums, rows: GenerationRows, spoken: Set[str]) -> None:
    """Add who speaks in which recordings, and for how long."""
    columns = rows.columns("speakers", "recording_id person_id speech_s")
    seen: set[tuple[str, str]] = set()
    for row in columns.to_pylist():
        if row["recording_id"] not in spoken:
            continue
        person = row["person_id"] or NOBODY
        place = row["recording_id"], person
        tally = Tally(num_recordings=place not in seen, speech_s=row["speech_s"] or 0.0)
        sums.by_person.setdefault(person, Tally()).add(tally)
        seen.add(place)


def _weigh(
    sums: Sums, rows: GenerationRows, spoken: Mapping[str, dict[str, Any]], partition_key: str
) -> None:
    """Add confidence and doubt of the recordings in which somebody speaks."""
    ids = pa.array(sorted(spoken), pa.string())
    words = _of(rows.columns("words", f"{_PLACE} probability"), ids)
    words = words.filter(pc.is_valid(words["probability"]))
    probability = pc.cast(words["probability"], pa.float64())
    weighted_s = pc.multiply(words["lasts_s"], probability)
    words = words.append_column("weighted_s", weighted_s)
    sums.weighted_s = pc.sum(weighted_s).as_py() or 0.0
    number = pc.cast(pc.floor(pc.multiply(probability, float(NUM_CONFIDENCE_BINS))), pa.int64())
    bins = pa.table({"bin": number, "lasts_s": words["lasts_s"]}).group_by("bin")
    for row in bins.aggregate([("lasts_s", "sum")]).to_pylist():
        place = min(max(row["bin"], 0), NUM_CONFIDENCE_BINS - 1)
        sums.by_confidence_s[place] += row["lasts_s_sum"]
    flagged = _of(rows.columns("segments", f"{_PLACE} flags"), ids)
    flagged = flagged.filter(pc.greater(pc.list_value_length(flagged["flags"]), 0))
    confidence = _confidence(words)
    sums.doubtful = worst(
        [
            _doubtful(spoken[one], partition_key, first_s, doubtful_s, confidence.get(one))
            for one, (doubtful_s, first_s) in _doubts(flagged, words).items()
        ]
    )


_PLACE = "recording_id segment_index start_s end_s"


def _of(rows: pa.Table, ids: pa.Array) -> pa.Table:
    """Segments or words of some recordings, with how long each lasts."""
    rows = rows.filter(pc.is_in(rows["recording_id"], value_set=ids))
    return rows.append_column("lasts_s", pc.subtract(rows["end_s"], rows["start_s"]))


def _confidence(words: pa.Table) -> dict[str, float | None]:
    sums = words.group_by("recording_id").aggregate([("weighted_s", "sum"), ("lasts_s", "sum")])
    return {
        row["recording_id"]: row["weighted_s_sum"] / row["lasts_s_sum"]
        for row in sums.to_pylist()
        if row["lasts_s_sum"]
    }


def _doubts(flagged: pa.Table, words: pa.Table) -> dict[str, tuple[float, float]]:
    """Seconds in doubt and where they begin, by recording; what is flagged counts once."""
    segment = ["recording_id", "segment_index"]
    unsure = words.filter(pc.less(words["probability"], DOUBTFUL_PROBABILITY))
    outside = unsure.join(flagged.select(segment), segment, join_type="left anti")
    columns = ["recording_id", "start_s", "lasts_s"]
    spans = pa.concat_tables([flagged.select(columns), outside.select(columns)])
    sums = spans.group_by("recording_id").aggregate([("lasts_s", "sum"), ("start_s", "min")])
    return {
        row["recording_id"]: (row["lasts_s_sum"], row["start_s_min"]) for row in sums.to_pylist()
    }


def _doubtful(
    heard: Mapping[str, Any],
    partition_key: str,
    first_s: float,
    doubtful_s: float,
    confidence: float | None,
) -> DoubtfulRecording:
    return DoubtfulRecording(
        path=heard["path"],
        recording_id=heard["recording_id"],
        partition_key=partition_key,
        duration_s=heard["duration_s"] or 0.0,
        doubtful_s=doubtful_s,
        first_doubtful_s=first_s,
        doubt=doubtful_s / ((heard["speech_s"] or 0.0) + PRIOR_SPEECH_S),
        mean_confidence=confidence,
        flags=list(heard["flags"] or ()),
    )
