"""Transcripts: times that run forward, words that stay, flags that mean something."""

import dataclasses
import itertools
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.transcripts.settled_times import settle_times
from opentr_pipeline.transcripts.transcript import (
    MAX_COMPRESSION_RATIO,
    MAX_NO_SPEECH_PROBABILITY,
    MIN_AVG_LOGPROB,
    STATUSES,
    Segment,
    Transcript,
    Word,
    from_dict,
)
from opentr_pipeline.wording import now
from opentr_pipeline_tests.making import PROPERTY, transcript

TIMES = st.floats(-5, 70)
SCORES = st.floats(-3, 3)
TEXTS = st.text(max_size=8)
WORDS = st.builds(Word, TEXTS, TIMES, TIMES, st.floats(0, 1))
SEGMENTS = st.builds(
    Segment,
    TIMES,
    TIMES,
    TEXTS,
    SCORES,
    SCORES,
    SCORES,
    st.lists(WORDS, max_size=4).map(tuple),
    st.none() | st.integers(0, 1),
    TEXTS,
)
SOUNDS = st.tuples(st.lists(SEGMENTS, max_size=6), st.floats(0, 60))


def spans(segments: tuple[Segment, ...]) -> list[tuple[float, float]]:
    """The finest spans there are: words, or the segment where it has none."""
    return [
        (span.start_s, span.end_s) for segment in segments for span in segment.words or (segment,)
    ]


def without_times(segments: list[Segment] | tuple[Segment, ...]) -> list[object]:
    def still(span: Segment | Word) -> object:
        return dataclasses.replace(span, start_s=0.0, end_s=0.0)

    return [
        (dataclasses.replace(segment, start_s=0.0, end_s=0.0, words=()), *map(still, segment.words))
        for segment in segments
    ]


@PROPERTY
@given(SOUNDS)
def test_settled_times_run_forward_inside_the_media(sound: tuple[list[Segment], float]) -> None:
    segments, duration_s = sound
    times = [time_s for span in spans(settle_times(segments, duration_s)) for time_s in span]
    assert times == sorted(times)
    assert all(0 <= time_s <= duration_s for time_s in times)


@PROPERTY
@given(SOUNDS)
def test_settled_segments_hold_their_words_and_do_not_overlap(
    sound: tuple[list[Segment], float],
) -> None:
    settled = settle_times(*sound)
    for segment in settled:
        assert segment.start_s <= segment.end_s
        assert all(
            segment.start_s <= word.start_s <= word.end_s <= segment.end_s for word in segment.words
        )
    assert all(one.end_s <= two.start_s for one, two in itertools.pairwise(settled))


@PROPERTY
@given(SOUNDS)
def test_text_and_scores_are_not_touched(sound: tuple[list[Segment], float]) -> None:
    assert without_times(settle_times(*sound)) == without_times(sound[0])


@PROPERTY
@given(SOUNDS)
def test_settling_twice_changes_nothing(sound: tuple[list[Segment], float]) -> None:
    once = settle_times(*sound)
    assert settle_times(once, sound[1]) == once


def test_times_that_are_in_order_stay() -> None:
    segments = transcript(text="one two. three four. five").segments
    assert settle_times(segments, 5.0) == segments


def test_an_overlap_moves_the_later_word_by_as_little_as_it_takes() -> None:
    words = (Word(" a", 0.0, 2.0, 1.0), Word(" b", 1.5, 3.0, 1.0), Word(" c", 2.9, 9.0, 1.0))
    (settled,) = settle_times([Segment(0.0, 9.0, "a b c", 0, 0, 1, words)], 5.0)
    assert spans((settled,)) == [(0.0, 2.0), (2.0, 3.0), (3.0, 5.0)]
    assert (settled.start_s, settled.end_s) == (0.0, 5.0)


TRANSCRIPTS = st.builds(
    Transcript,
    media_fingerprint=TEXTS,
    settings_fingerprint=TEXTS,
    status=st.sampled_from(sorted(STATUSES)),
    reason=TEXTS,
    language=TEXTS,
    language_probability=st.floats(0, 1),
    model=TEXTS,
    duration_s=st.floats(0, 1e6),
    transcribed_at=TEXTS,
    num_attempts=st.integers(1, 9),
    segments=st.lists(SEGMENTS, max_size=3).map(tuple),
    peaks=st.lists(st.integers(0, 255), max_size=3).map(tuple),
)


@PROPERTY
@given(TRANSCRIPTS)
def test_a_transcript_survives_json(whole: Transcript) -> None:
    text = json.dumps(dataclasses.asdict(whole))
    assert from_dict(json.loads(text)) == whole


def test_a_transcript_kept_before_segments_had_channels_is_read() -> None:
    facts = dataclasses.asdict(transcript())
    for one in facts["segments"]:
        del one["channel"], one["language"]
    assert from_dict(json.loads(json.dumps(facts))) == transcript()


def segment(**scores: float) -> Segment:
    good = {"avg_logprob": -0.2, "no_speech_probability": 0.1, "compression_ratio": 1.5}
    return Segment(0.0, 1.0, "text", **{**good, **scores})


@pytest.mark.parametrize(
    ("scores", "flags"),
    [
        ({}, ()),
        ({"compression_ratio": MAX_COMPRESSION_RATIO}, ()),
        ({"compression_ratio": MAX_COMPRESSION_RATIO + 0.1}, ("loop",)),
        ({"avg_logprob": MIN_AVG_LOGPROB}, ()),
        ({"avg_logprob": MIN_AVG_LOGPROB - 0.1}, ("low_confidence",)),
        ({"no_speech_probability": MAX_NO_SPEECH_PROBABILITY}, ()),
        ({"no_speech_probability": MAX_NO_SPEECH_PROBABILITY + 0.1}, ("likely_silence",)),
        ({"avg_logprob": -2.0, "compression_ratio": 9.0}, ("loop", "low_confidence")),
    ],
)
def test_flags_say_what_is_doubtful(scores: dict[str, float], flags: tuple[str, ...]) -> None:
    assert segment(**scores).flags == flags


@pytest.mark.parametrize(
    ("text", "is_loop"),
    [
        ("La la, la la, la la.", True),
        ("1 2 3 4 " * 5, True),
        ("Ha! " * 12, True),
        ("是的" * 6, True),
        ("No, no, no, no, no.", False),  # people say so
        ("It was very, very, very good.", False),
        ("The sum is 100 000 000 000.", False),
        ("Call 555 0123, 555 0124 or 555 0125.", False),
    ],
)
def test_digits_and_syllables_over_and_over_are_a_loop(text: str, is_loop: bool) -> None:
    assert ("loop" in dataclasses.replace(segment(), text=text).flags) == is_loop


def test_a_transcript_has_the_flags_of_its_segments_once() -> None:
    doubtful = (segment(compression_ratio=3.0), segment(), segment(compression_ratio=3.0))
    flags = transcript(segments=(*doubtful, segment(avg_logprob=-2.0))).flags
    assert flags == ("loop", "low_confidence")


def test_the_text_is_that_of_the_segments() -> None:
    assert transcript(text="one two. three").text == "one two three"
    assert transcript(text="").text == ""


def test_only_failed_is_tried_again() -> None:
    tried_again = [status for status in STATUSES if not transcript(status=status).is_final]
    assert tried_again == ["failed"]


def test_the_time_is_utc_to_the_millisecond() -> None:
    moment = datetime.fromisoformat(now())
    assert moment.tzinfo == UTC
    assert moment.microsecond % 1000 == 0


@pytest.mark.parametrize(
    ("text", "is_boilerplate"),
    [
        ("Thank you for watching!", True),
        (" THANKS FOR WATCHING. ", True),
        ("Subtítulos realizados por la comunidad de Amara.org", True),
        ("字幕由 Amara.org 社区提供", True),
        ("Thank you for watching the children.", False),
        ("Please subscribe", True),
        ("", False),
        ("...", False),
    ],
)
def test_what_whisper_writes_where_nobody_speaks_is_flagged(
    text: str, is_boilerplate: bool
) -> None:
    said = dataclasses.replace(segment(), text=text)
    assert ("boilerplate" in said.flags) == is_boilerplate
    assert not said.is_silence
    doubted = dataclasses.replace(said, no_speech_probability=0.9)
    assert doubted.is_silence == is_boilerplate


def test_text_that_only_ended_at_the_limit_is_a_loop() -> None:
    assert dataclasses.replace(segment(), is_endless=True).flags == ("loop",)
