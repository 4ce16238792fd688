"""Facts about one published partition, that the checks judge; computed column by column."""

import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from opentr_pipeline.transcripts.layout import Generation
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.table_files import GenerationRows, read_columns

# Names that the facts keep of each kind of trouble; the numbers are of all.
MAX_NAMES = 20
DOUBTFUL = ("loop", "low_confidence")
# Speeds are counted in classes, each 5 % above the one before.
SPEED_STEP = 1.05
# What a partition got within a day counts as its latest work.
LATEST_S = 86_400


@dataclass(frozen=True)
class Trouble:
    """How many recordings have a trouble, and the first of them.

    Attributes:
        names: path and what is wrong, at most ``MAX_NAMES``.
    """

    num: int
    names: list[list[str]]


@dataclass(frozen=True)
class SpeedFacts:
    """How fast the recordings of one model and compute type were transcribed.

    Attributes:
        latest: seconds of audio by class of speed, of the partition's latest work.
        older: the same for what was done before that.
    """

    model: str
    compute_type: str
    latest_audio_s: float
    latest_wall_s: float
    latest: dict[str, float]
    older: dict[str, float]


@dataclass(frozen=True)
class PublishedFacts:
    """Facts about the tables of one generation.

    Attributes:
        lost: recordings whose rows are not all there, or there twice.
        misplaced: recordings with segments or words out of order or outside the media.
        segments_s: of all segments where somebody speaks.
        doubtful_s: of those flagged as loop or low confidence.
        latest_at: when the newest transcript was finished, seconds since 1970.
    """

    num_transcripts: int
    num_segments: int
    lost: Trouble
    misplaced: Trouble
    segments_s: float
    doubtful_s: float
    latest_at: float
    speeds: list[SpeedFacts]


@dataclass(frozen=True)
class ArchiveRowsFacts:
    """Recordings in the archive beside their transcripts.

    Attributes:
        missing: without a transcript.
        changed: path and media fingerprint of those whose transcript is of other bytes.
    """

    num_in_archive: int
    missing: Trouble
    changed: list[list[str]]


def published_facts(rows: GenerationRows) -> PublishedFacts:
    """Facts about transcripts, segments and words."""
    transcripts = rows.columns(
        "transcripts",
        "recording_id path status model compute_type duration_s wall_s transcribed_at "
        "num_segments num_words",
    )
    times = "recording_id channel segment_index start_s end_s"
    segments = rows.columns("segments", f"{times} flags")
    words = rows.columns("words", "recording_id start_s end_s")
    spoken = where_spoken(segments, transcripts)
    finished_at = pc.max(transcripts["transcribed_at"]).as_py()
    return PublishedFacts(
        num_transcripts=transcripts.num_rows,
        num_segments=segments.num_rows,
        lost=_lost(transcripts, segments, words),
        misplaced=_misplaced(transcripts, segments, words),
        segments_s=_seconds(spoken),
        doubtful_s=_seconds(_doubtful(spoken)),
        latest_at=finished_at.timestamp() if finished_at else 0.0,
        speeds=_speeds(transcripts),
    )


def archive_rows_facts(
    store: TranscriptStore, key: str, generation: Generation
) -> ArchiveRowsFacts:
    """Facts about the rows of ``recordings`` beside those of ``transcripts``."""
    rows = store.read_partition("recordings", key)
    rows = rows.filter(pc.fill_null(rows["in_archive"], False))
    transcripts = read_columns(generation, "transcripts", "recording_id media_fingerprint")
    place = pc.index_in(rows["recording_id"], value_set=_ids(transcripts))
    heard = transcripts["media_fingerprint"].take(place)
    is_missing = pc.is_null(place)
    is_other = pc.fill_null(pc.not_equal(rows["media_fingerprint"], heard), False)
    missing = rows.filter(is_missing)["path"]
    changed = rows.filter(is_other)
    names = [[path, "no transcript yet"] for path in missing.slice(0, MAX_NAMES).to_pylist()]
    pairs = zip(*(changed[name].to_pylist() for name in ("path", "media_fingerprint")), strict=True)
    return ArchiveRowsFacts(rows.num_rows, Trouble(len(missing), names), list(map(list, pairs)))


def where_spoken(rows: pa.Table, transcripts: pa.Table) -> pa.Table:
    """Segments or words without those of recordings in which nobody speaks."""
    silent = _ids(transcripts.filter(pc.equal(transcripts["status"], "no_speech")))
    return rows.filter(pc.invert(pc.is_in(rows["recording_id"], value_set=silent)))


def mean_confidence(words: pa.Table, transcripts: pa.Table) -> float | None:
    """The model's probability of its words, weighted by how long each lasts; None without any."""
    spoken = where_spoken(words, transcripts)
    duration_s = pc.subtract(spoken["end_s"], spoken["start_s"])
    all_s = pc.sum(duration_s).as_py()
    weighted = pc.sum(pc.multiply(spoken["probability"], duration_s)).as_py()
    return weighted / all_s if all_s else None


def _ids(rows: pa.Table) -> pa.Array:
    return rows["recording_id"].combine_chunks()


def _seconds(rows: pa.Table) -> float:
    return pc.sum(pc.subtract(rows["end_s"], rows["start_s"])).as_py() or 0.0


def _doubtful(segments: pa.Table) -> pa.Table:
    flags = segments["flags"].combine_chunks()
    is_doubt = pc.is_in(pc.list_flatten(flags), value_set=pa.array(DOUBTFUL))
    return segments.take(pc.list_parent_indices(flags).filter(is_doubt).unique())


def _lost(transcripts: pa.Table, segments: pa.Table, words: pa.Table) -> Trouble:
    """Recordings with two rows, or with other segments and words than their row says."""
    ids = transcripts["recording_id"]
    found = {"rows in transcripts": (_num_each(ids, ids), pa.repeat(1, len(ids)))}
    for table, rows in (("segments", segments), ("words", words)):
        found[f"rows in {table}"] = (
            _num_each(ids, rows["recording_id"]),
            transcripts[f"num_{table}"],
        )
    told: dict[str, str] = {}
    for what, (counts, wanted) in found.items():
        is_wrong = pc.fill_null(pc.not_equal(counts, wanted), False)
        parts = (transcripts["path"], counts, wanted)
        wrong = zip(*(part.filter(is_wrong).to_pylist() for part in parts), strict=True)
        for path, there, expected in wrong:
            told.setdefault(path, f"{there} {what}, not {expected}")
    return Trouble(len(told), [list(pair) for pair in told.items()][:MAX_NAMES])


def _num_each(ids: Any, values: Any) -> Any:
    """How often each id is among some values."""
    counted = pc.value_counts(values)
    place = pc.index_in(ids, value_set=counted.field("values"))
    return pc.fill_null(counted.field("counts").take(place), 0)


def _misplaced(transcripts: pa.Table, segments: pa.Table, words: pa.Table) -> Trouble:
    """Recordings with a segment before its predecessor, or a span that the media does not have."""
    told: dict[str, str] = {}
    for what, ids in (
        ("a segment lies outside the media", _outside(transcripts, segments)),
        ("a word lies outside the media", _outside(transcripts, words)),
        ("a segment begins before its predecessor", _overtaken(segments)),
    ):
        place = pc.index_in(ids.unique(), value_set=_ids(transcripts))
        for path in transcripts["path"].take(place).to_pylist():
            told.setdefault(path or "of no transcript", what)
    return Trouble(len(told), [list(pair) for pair in told.items()][:MAX_NAMES])


def _outside(transcripts: pa.Table, rows: pa.Table) -> Any:
    """The recording ids of spans that do not lie in order inside the media."""
    place = pc.index_in(rows["recording_id"], value_set=_ids(transcripts))
    duration_s = transcripts["duration_s"].take(place)
    is_inside = pc.and_(
        pc.and_(
            pc.greater_equal(rows["start_s"], 0.0),
            pc.less_equal(rows["start_s"], rows["end_s"]),
        ),
        pc.less_equal(rows["end_s"], duration_s),
    )
    # Not "is outside": what is compared with NaN or null is not inside either.
    return rows["recording_id"].filter(pc.invert(pc.fill_null(is_inside, False)))


def _overtaken(segments: pa.Table) -> Any:
    """The recording ids of segments that begin before the one before them, on their channel."""
    if segments["channel"].null_count < segments.num_rows:
        keys = [(name, "ascending") for name in ("recording_id", "channel", "segment_index")]
        segments = segments.sort_by(keys)
    channel = pc.fill_null(segments["channel"], -1)
    before, after = slice(0, max(0, segments.num_rows - 1)), slice(1, None)
    is_next = pc.and_(
        pc.equal(segments["recording_id"][before], segments["recording_id"][after]),
        pc.equal(channel[before], channel[after]),
    )
    is_early = pc.less(segments["start_s"][after], segments["start_s"][before])
    return segments["recording_id"][after].filter(pc.and_(is_next, is_early))


def _speeds(transcripts: pa.Table) -> list[SpeedFacts]:
    """The speeds of the recordings that were heard, by model and compute type."""
    is_timed = pc.and_(
        pc.greater(transcripts["wall_s"], 0.0), pc.greater(transcripts["duration_s"], 0.0)
    )
    rows = transcripts.filter(is_timed)
    newest = pc.max(rows["transcribed_at"]).as_py()
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    columns = ("model", "compute_type", "duration_s", "wall_s", "transcribed_at")
    for model, arithmetic, audio_s, wall_s, at in zip(
        *(rows[name].to_pylist() for name in columns), strict=True
    ):
        facts = groups.setdefault(
            (model, arithmetic),
            {"latest_audio_s": 0.0, "latest_wall_s": 0.0, "latest": {}, "older": {}},
        )
        is_latest = (newest - at).total_seconds() <= LATEST_S
        if is_latest:
            facts["latest_audio_s"] += audio_s
            facts["latest_wall_s"] += wall_s
        kind = str(round(math.log(audio_s / wall_s, SPEED_STEP)))
        classes = facts["latest" if is_latest else "older"]
        classes[kind] = classes.get(kind, 0.0) + audio_s
    return [SpeedFacts(*group, **facts) for group, facts in sorted(groups.items())]
