"""Facts about a published partition: whatever is wrong with it is found."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.quality.partition_facts import (
    MAX_NAMES,
    SPEED_STEP,
    archive_rows_facts,
    mean_confidence,
    published_facts,
)
from opentr_pipeline.transcripts.layout import TRANSCRIPT_TABLES, Generation
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.table_files import GenerationRows, write_table
from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word
from opentr_pipeline_tests.making import PROPERTY_ON_DISK, TRANSCRIBED_AT, recording, transcript

LOOP = {"compression_ratio": 3.0}
UNSURE = {"avg_logprob": -1.5}


def _published(
    root: Path, *outcomes: Transcript, key: str = "key"
) -> tuple[TranscriptStore, Generation]:
    store = TranscriptStore(root)
    entries = []
    for number, outcome in enumerate(outcomes):
        path = f"{number:03d}.wav"
        entries.append(Entry(recording(path).recording_id, path, outcome))
    store.publish(key, entries)
    return store, store.generation(key)


def _rewritten(generation: Generation, table: str, change: Any) -> None:
    """Change the rows of a table as no publish would."""
    path = generation.files[table]
    rows = pa.parquet.read_table(path)
    write_table(path, pa.Table.from_pylist(change(rows.to_pylist()), rows.schema))


def _with_segments(*segments: Segment, **facts: Any) -> Transcript:
    return dataclasses.replace(
        transcript(content=str(segments), duration_s=100.0), segments=segments, **facts
    )


def _segment(start_s: float, end_s: float, *words: Word, **facts: Any) -> Segment:
    scores = {"avg_logprob": -0.25, "no_speech_probability": 0.1, "compression_ratio": 1.5}
    return Segment(start_s, end_s, "x", words=words, **{**scores, **facts})


def test_a_published_partition_has_nothing_wrong_with_it(tmp_path: Path) -> None:
    _, generation = _published(
        tmp_path, transcript("a", "one two. three four five"), transcript("b", "six")
    )
    facts = published_facts(GenerationRows(generation))
    assert (facts.num_transcripts, facts.num_segments) == (2, 3)
    assert (facts.lost.num, facts.misplaced.num) == (0, 0)
    assert facts.segments_s == 6.0
    assert facts.doubtful_s == 0.0
    assert facts.latest_at == datetime.fromisoformat(TRANSCRIBED_AT).timestamp()


def test_an_empty_partition_has_facts(tmp_path: Path) -> None:
    _, generation = _published(tmp_path)
    facts = published_facts(GenerationRows(generation))
    assert (facts.num_transcripts, facts.segments_s, facts.latest_at, facts.speeds) == (0, 0, 0, [])


@given(
    st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), max_size=4),
    st.sampled_from(["mix", "split"]),
)
@PROPERTY_ON_DISK
def test_segments_are_misplaced_just_where_one_begins_early_or_lies_outside(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[float, float]], channels: str
) -> None:
    channel = [None if channels == "mix" else number % 2 for number in range(len(spans))]
    segments = [_segment(*span, channel=one) for span, one in zip(spans, channel, strict=True)]
    _, generation = _published(
        tmp_path_factory.mktemp("output"), _with_segments(*segments, duration_s=8.0)
    )
    starts: dict[int | None, list[float]] = {}
    for one in segments:
        starts.setdefault(one.channel, []).append(one.start_s)
    is_fine = all(0 <= start_s <= end_s <= 8.0 for start_s, end_s in spans)
    is_fine &= all(times == sorted(times) for times in starts.values())
    assert published_facts(GenerationRows(generation)).misplaced.num == (0 if is_fine else 1)


@pytest.mark.parametrize(
    ("segment", "what"),
    [
        (_segment(-0.5, 1.0), "segment lies outside"),
        (_segment(99.0, 100.5), "segment lies outside"),
        (_segment(5.0, 4.0), "segment lies outside"),
        (_segment(float("nan"), 4.0), "segment lies outside"),
        (_segment(1.0, 2.0, Word(" x", 1.0, 100.5, 0.5)), "word lies outside"),
        (_segment(1.0, 2.0, Word(" x", 1.5, 1.0, 0.5)), "word lies outside"),
    ],
)
def test_what_is_misplaced_is_named(tmp_path: Path, segment: Segment, what: str) -> None:
    _, generation = _published(tmp_path, transcript("fine"), _with_segments(segment))
    ((path, said),) = published_facts(GenerationRows(generation)).misplaced.names
    assert path == "001.wav"
    assert what in said


def test_the_first_segment_of_a_recording_may_begin_before_the_last_of_another(
    tmp_path: Path,
) -> None:
    one, other = (_with_segments(_segment(start_s, 60.0)) for start_s in (50.0, 1.0))
    for outcomes in ((one, other), (other, one)):
        _, generation = _published(tmp_path / str(outcomes[0].content), *outcomes)
        assert published_facts(GenerationRows(generation)).misplaced.num == 0


def test_lost_rows_are_found_in_each_table(tmp_path: Path) -> None:
    for table, change, said in (
        ("segments", lambda rows: rows[1:], "1 rows in segments, not 2"),
        ("words", lambda rows: [], "0 rows in words, not 3"),
        ("transcripts", lambda rows: rows * 2, "2 rows in transcripts, not 1"),
    ):
        _, generation = _published(tmp_path / table, transcript("a", "one two. three"))
        _rewritten(generation, table, change)
        assert published_facts(GenerationRows(generation)).lost.names == [["000.wav", said]]


def test_names_are_bounded_and_numbers_are_not(tmp_path: Path) -> None:
    outcomes = [_with_segments(_segment(-1.0, number)) for number in range(MAX_NAMES + 5)]
    _, generation = _published(tmp_path, *outcomes)
    misplaced = published_facts(GenerationRows(generation)).misplaced
    assert (misplaced.num, len(misplaced.names)) == (MAX_NAMES + 5, MAX_NAMES)


def test_doubtful_seconds_are_those_of_loops_and_low_confidence(tmp_path: Path) -> None:
    _, generation = _published(
        tmp_path,
        _with_segments(_segment(0, 1, **LOOP), _segment(2, 4, **UNSURE), _segment(5, 9)),
        _with_segments(_segment(0, 10, **LOOP, **UNSURE), status="suspect"),
        # Words that the model wrote where nobody speaks are no one's text.
        _with_segments(_segment(0, 30, **LOOP), status="no_speech"),
        _with_segments(_segment(0, 20, no_speech_probability=0.9)),
    )
    facts = published_facts(GenerationRows(generation))
    assert facts.segments_s == 1 + 2 + 4 + 10 + 20
    assert facts.doubtful_s == 1 + 2 + 10


def test_speeds_are_kept_by_engine_and_the_latest_day_apart(tmp_path: Path) -> None:
    newest = datetime(2024, 5, 17, tzinfo=UTC)

    def heard(content: str, speed_x: float, days: float, **facts: Any) -> Transcript:
        at = (newest - timedelta(days=days)).isoformat()
        return transcript(
            content, duration_s=60.0, wall_s=60.0 / speed_x, transcribed_at=at, **facts
        )

    _, generation = _published(
        tmp_path,
        heard("a", 10.0, 0),
        heard("b", 30.0, 0.9),
        heard("c", 20.0, 2),
        heard("d", 5.0, 0, compute_type="float16"),
        transcript("e", "", duration_s=0.0, wall_s=0.0, status="corrupt"),
    )
    other, one = published_facts(GenerationRows(generation)).speeds
    assert (one.model, one.compute_type) == ("base", "int8")
    assert (other.compute_type, other.latest_audio_s) == ("float16", 60.0)
    assert one.latest_audio_s == 120.0
    assert one.latest_wall_s == pytest.approx(60 / 10 + 60 / 30)
    ((kind, audio_s),) = one.older.items()
    assert audio_s == 60.0
    assert SPEED_STEP ** int(kind) == pytest.approx(20.0, rel=0.03)
    assert len(one.latest) == 2


def _in_archive(store: TranscriptStore, recordings: Sequence[Any]) -> None:
    store.write_recordings("key", recordings)


def test_recordings_without_a_transcript_of_their_bytes_are_told_apart(tmp_path: Path) -> None:
    store, generation = _published(tmp_path, transcript("a"), transcript("b"))
    _in_archive(store, [recording("gone.wav", "x")])
    there = [recording("000.wav", "a"), recording("001.wav", "new"), recording("new.wav", "c")]
    _in_archive(store, there)
    facts = archive_rows_facts(store, "key", generation)
    assert facts.num_in_archive == 3
    assert facts.missing.names == [["new.wav", "no transcript yet"]]
    assert facts.changed == [["001.wav", there[1].media_fingerprint]]


def test_recordings_that_nobody_listed_are_none(tmp_path: Path) -> None:
    store, generation = _published(tmp_path, transcript("a"))
    facts = archive_rows_facts(store, "key", generation)
    assert (facts.num_in_archive, facts.missing.num, facts.changed) == (0, 0, [])


def test_mean_confidence_weighs_words_by_how_long_they_last(tmp_path: Path) -> None:
    words = [Word(" a", 0.0, 3.0, 0.9), Word(" b", 3.0, 4.0, 0.5), Word(" c", 4.0, 4.0, 0.0)]
    _, generation = _published(
        tmp_path,
        _with_segments(_segment(0.0, 4.0, *words)),
        _with_segments(_segment(0.0, 9.0, Word(" no", 0.0, 9.0, 0.1)), status="no_speech"),
    )
    tables = {table: pa.parquet.read_table(generation.files[table]) for table in TRANSCRIPT_TABLES}
    confidence = mean_confidence(tables["words"], tables["transcripts"])
    assert confidence == pytest.approx((0.9 * 3 + 0.5) / 4)
    assert mean_confidence(tables["words"].slice(0, 0), tables["transcripts"]) is None


def test_a_generation_is_named_by_its_link_or_by_the_state_of_a_copy(tmp_path: Path) -> None:
    store, generation = _published(tmp_path / "there", transcript("a"))
    assert store.generation("key") == generation
    store.publish("key", [Entry("id", "x.wav", transcript("b"))])
    assert store.generation("key").name != generation.name

    copy = TranscriptStore(tmp_path / "copy")
    for table in TRANSCRIPT_TABLES:
        target = copy.path(table, "key")
        target.parent.mkdir(parents=True)
        target.write_bytes(store.path(table, "key").read_bytes())
    copied = copy.generation("key")
    assert published_facts(GenerationRows(copied)) == published_facts(
        GenerationRows(store.generation("key"))
    )
    with pytest.raises(FileNotFoundError):
        store.generation("other")
