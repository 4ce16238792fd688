"""Verdicts over facts: when a check holds, and what it says when it does not."""

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.quality.archive_facts import ArchiveFacts, PartitionFacts, ReferenceFacts
from opentr_pipeline.quality.checks import CHECKS, judge_all
from opentr_pipeline.quality.partition_facts import (
    ArchiveRowsFacts,
    PublishedFacts,
    SpeedFacts,
    Trouble,
)
from opentr_pipeline.quality.verdicts import ENOUGH_S, MAX_ROWS, RECENT_S, Verdict
from opentr_pipeline_tests.making import PROPERTY

NONE = Trouble(0, [])
LOST = Trouble(1, [["x.wav", "0 rows in segments, not 2"]])
HOUR_S = 3600.0


def _partition(
    key: str = "a",
    archive_rows: ArchiveRowsFacts | None = None,
    references: list[ReferenceFacts] | None = None,
    **published: Any,
) -> PartitionFacts:
    usual = PublishedFacts(2, 9, NONE, NONE, HOUR_S, 0.0, 1e9, [])
    return PartitionFacts(
        key,
        dataclasses.replace(usual, **published),
        archive_rows or ArchiveRowsFacts(2, NONE, []),
        references or [],
    )


def _verdict(name: str, *partitions: PartitionFacts, **facts: Any) -> Verdict:
    return judge_all(ArchiveFacts(list(partitions), **facts))[name]


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_holds_for_a_good_archive_and_for_none(name: str) -> None:
    assert _verdict(name, _partition("a"), _partition("b")).passed
    assert _verdict(name).passed


@pytest.mark.parametrize("name", CHECKS)
def test_numbers_keep_their_names_and_types(name: str) -> None:
    bad = _partition(
        "b",
        ArchiveRowsFacts(3, Trouble(1, [["y.wav", "no transcript yet"]]), []),
        [ReferenceFacts("x.wav", 10, 9), ReferenceFacts("y.wav", problem="No words.")],
        lost=LOST,
        misplaced=LOST,
        doubtful_s=HOUR_S,
    )
    found = [_verdict(name, *partitions).numbers for partitions in ((), (_partition(), bad))]
    kinds = [{key: type(value) for key, value in numbers.items()} for numbers in found]
    assert kinds[0] == kinds[1]


def test_lost_rows_and_unreadable_partitions_are_errors() -> None:
    name = "every_recording_is_accounted_for"
    verdict = _verdict(name, _partition(), _partition("b", lost=LOST))
    assert (verdict.passed, verdict.severity) == (False, "ERROR")
    assert verdict.rows == [
        {"partition": "b", "recording": "x.wav", "what": "0 rows in segments, not 2"}
    ]
    verdict = _verdict(name, _partition(), unreadable={"c": "It is damaged."})
    assert (verdict.passed, verdict.severity) == (False, "ERROR")
    assert verdict.rows[0]["what"] == "It is damaged."


def test_recordings_that_wait_are_counted_and_named() -> None:
    rows = ArchiveRowsFacts(9, Trouble(3, [["new.wav", "no transcript yet"]]), [["x.wav", "f1"]])
    verdict = _verdict("every_recording_is_accounted_for", _partition("b", rows))
    assert verdict.passed
    assert verdict.sentence == "5 of 9 recordings have an outcome. 4 wait for a run."
    assert [row["recording"] for row in verdict.rows] == ["new.wav", "x.wav"]
    assert (verdict.numbers["num_missing"], verdict.numbers["num_changed"]) == (3, 1)


def test_a_failure_of_new_bytes_is_an_outcome() -> None:
    rows = ArchiveRowsFacts(1, NONE, [["x.wav", "f1"]])
    name = "every_recording_is_accounted_for"
    for failure, num_changed in (("f1", 0), ("f2", 1)):
        verdict = _verdict(name, _partition("b", rows), failures=frozenset({failure}))
        assert verdict.numbers["num_changed"] == num_changed


def test_partitions_without_transcripts_are_counted_and_not_judged() -> None:
    verdict = _verdict("every_recording_is_accounted_for", _partition(), num_unpublished=7)
    assert verdict.passed
    assert "7 partitions have no transcripts yet" in verdict.sentence
    assert verdict.numbers["num_partitions_not_published"] == 7


def test_misplaced_segments_are_an_error_in_whatever_partition() -> None:
    verdict = _verdict(
        "segments_are_ordered_and_inside_the_media",
        _partition(),
        _partition("b", misplaced=Trouble(40, [["x.wav", "a word lies outside the media"]] * 30)),
    )
    assert (verdict.passed, verdict.severity) == (False, "ERROR")
    assert verdict.numbers["num_recordings_misplaced"] == 40
    assert len(verdict.rows) == MAX_ROWS


@pytest.mark.parametrize(
    ("doubtful", "passed"),
    [
        ({"a": (10 * HOUR_S, 0.05 * 10 * HOUR_S)}, True),
        ({"a": (10 * HOUR_S, 0.051 * 10 * HOUR_S)}, False),
        # A good partition hides no bad one, a short one says nothing.
        ({"a": (100 * HOUR_S, 0.0), "b": (ENOUGH_S, 60.0)}, False),
        ({"a": (100 * HOUR_S, 0.0), "b": (ENOUGH_S - 1, 60.0)}, True),
        # Many short ones do.
        ({str(number): (500.0, 50.0) for number in range(9)}, False),
    ],
)
def test_doubtful_speech_is_judged_in_all_and_in_each_partition(
    doubtful: dict[str, tuple[float, float]], passed: bool
) -> None:
    partitions = [
        _partition(key, segments_s=segments_s, doubtful_s=doubtful_s)
        for key, (segments_s, doubtful_s) in doubtful.items()
    ]
    verdict = _verdict("loops_and_low_confidence_are_rare", *partitions)
    assert verdict.passed == passed
    assert verdict.severity == "WARN"
    if "b" in doubtful and not passed:
        assert [row["partition"] for row in verdict.rows] == ["b"]


def _speed(latest_x: float, audio_s: float = HOUR_S, **facts: Any) -> SpeedFacts:
    kind = str(round(math.log(latest_x, 1.05)))
    usual = SpeedFacts("base", "int8", audio_s, audio_s / latest_x, {kind: audio_s}, {})
    return dataclasses.replace(usual, **facts)


def _speed_verdict(*partitions: PartitionFacts) -> Verdict:
    return _verdict("speed_is_not_below_half_of_usual", *partitions)


def test_a_partition_at_less_than_half_of_the_usual_speed_is_named() -> None:
    usual = [_partition(str(number), speeds=[_speed(20.0)]) for number in range(5)]
    verdict = _speed_verdict(*usual, _partition("slow", speeds=[_speed(9.0)]))
    assert not verdict.passed
    assert [row["partition"] for row in verdict.rows] == ["slow"]
    assert verdict.rows[0]["usual_x"] == pytest.approx(20.0, rel=0.03)
    assert verdict.numbers["lowest_ratio"] == pytest.approx(0.45, rel=0.03)
    assert _speed_verdict(*usual, _partition("slower", speeds=[_speed(12.0)])).passed


@pytest.mark.parametrize(
    ("slow", "latest_at"),
    [
        (_speed(5.0, audio_s=ENOUGH_S - 1), 1e9),
        (_speed(5.0, compute_type="float32"), 1e9),
        (_speed(5.0, model="large-v3"), 1e9),
        (_speed(5.0), 1e9 - RECENT_S - 1),
    ],
)
def test_too_little_another_engine_or_long_ago_is_not_compared(
    slow: SpeedFacts, latest_at: float
) -> None:
    usual = _partition("usual", speeds=[_speed(20.0)])
    assert _speed_verdict(usual, _partition("x", speeds=[slow], latest_at=latest_at)).passed


def test_the_latest_work_is_compared_with_what_the_same_partition_got_before() -> None:
    older = {str(round(3 / 0.0488)): HOUR_S}  # 1.05 ** 61 is about 20
    verdict = _speed_verdict(_partition("only", speeds=[_speed(5.0, older=older)]))
    assert not verdict.passed
    verdict = _speed_verdict(_partition("only", speeds=[_speed(5.0)]))
    assert verdict.passed
    assert "too little audio" in verdict.sentence


@pytest.mark.parametrize(("errors", "passed"), [(0, True), (30, True), (31, False), (150, False)])
def test_the_word_error_rate_is_of_all_references(errors: int, passed: bool) -> None:
    verdict = _verdict(
        "word_error_rate_is_low",
        _partition("a", references=[ReferenceFacts("x.wav", 50, errors)]),
        _partition("b", references=[ReferenceFacts("y.wav", 50, 0)]),
    )
    assert verdict.passed == passed
    assert verdict.severity == "WARN"
    assert verdict.numbers["word_error_rate"] == errors / 100
    assert [row["word_error_rate"] for row in verdict.rows] == [errors / 50, 0.0]


def test_references_that_were_not_compared_are_counted_and_say_why() -> None:
    verdict = _verdict(
        "word_error_rate_is_low",
        _partition(
            "a",
            references=[
                ReferenceFacts("x.wav", problem="The reference holds no words."),
                *(ReferenceFacts(f"{number}.wav", 10, 1) for number in range(30)),
            ],
        ),
        num_lone_references=2,
    )
    assert verdict.passed
    assert verdict.numbers["num_references_not_compared"] == 3
    assert len(verdict.rows) == MAX_ROWS
    assert verdict.rows[-1]["problem"] == "The reference holds no words."


@given(st.lists(st.tuples(st.integers(1, 99), st.integers(0, 99)), max_size=40))
@PROPERTY
def test_the_worst_references_come_first(counts: list[tuple[int, int]]) -> None:
    references = [ReferenceFacts(str(number), *count) for number, count in enumerate(counts)]
    verdict = _verdict("word_error_rate_is_low", _partition("a", references=references))
    rates = [row["word_error_rate"] for row in verdict.rows]
    worst = sorted((round(errors / words, 4) for words, errors in counts), reverse=True)
    assert rates == worst[:MAX_ROWS]
