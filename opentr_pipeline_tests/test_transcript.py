"""Transcripts: times that run forward, words that stay, flags that mean something."""

import dataclasses
import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.transcript import (
    MAX_COMPRESSION_RATIO,
    MAX_NO_SPEECH_PROBABILITY,
    MIN_AVG_LOGPROB,
    STATUSES,
    Heard,
    Segment,
    Transcript,
    Word,
    compose,
    from_dict,
    heard_from_dict,
    now,
    settle_times,
)
from opentr_pipeline.whisper import FULL_CONTEXT_S, MIN_CONTEXT_S, context_s, trimmed
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


HEARD = st.builds(
    Heard,
    start=st.integers(0, 70 * 16_000),
    channel=st.none() | st.integers(0, 1),
    speech_s=st.floats(0, 30),
    language=st.sampled_from(["en", "es", "it"]),
    language_probability=st.floats(0, 1),
    wall_s=st.floats(0, 30),
    segment=st.none() | SEGMENTS,
)


@PROPERTY
@given(HEARD)
def test_what_was_heard_survives_json(heard: Heard) -> None:
    assert heard_from_dict(json.loads(json.dumps(dataclasses.asdict(heard)))) == heard


def of_one_recording(drawn: list[Heard], split: bool) -> list[Heard]:
    """Windows as a recording has them: channels or none, each place once."""
    windows = {}
    for one in drawn:
        channel = (one.channel or 0) if split else None
        segment = one.segment and dataclasses.replace(one.segment, channel=channel)
        heard = dataclasses.replace(one, channel=channel, segment=segment)
        windows[heard.place] = heard
    return list(windows.values())


RECORDINGS = st.builds(of_one_recording, st.lists(HEARD, max_size=8), st.booleans())


@PROPERTY
@given(RECORDINGS, st.floats(0, 60))
def test_a_composed_transcript_runs_forward_in_each_channel_inside_the_media(
    windows: list[Heard], duration_s: float
) -> None:
    whole = compose(windows, duration_s)
    assert whole.duration_s == duration_s
    starts = [segment.start_s for segment in whole.segments]
    assert starts == sorted(starts)
    for channel in (None, 0, 1):
        own = tuple(segment for segment in whole.segments if segment.channel == channel)
        times = [time_s for span in spans(own) for time_s in span]
        assert times == sorted(times)
        assert all(0 <= time_s <= duration_s for time_s in times)


@PROPERTY
@given(RECORDINGS, st.randoms(use_true_random=False))
def test_a_composed_transcript_has_every_text_in_order_whatever_came_first(
    windows: list[Heard], chance: Any
) -> None:
    whole = compose(windows, 60.0)
    for channel in (None, 0, 1):
        expected = [
            one.segment.text
            for one in sorted(windows, key=lambda one: one.start)
            if one.segment and one.channel == channel
        ]
        said = [segment.text for segment in whole.segments if segment.channel == channel]
        assert said == expected
    assert whole.speech_s == pytest.approx(sum(one.speech_s for one in windows))
    assert whole.wall_s == pytest.approx(sum(one.wall_s for one in windows))
    chance.shuffle(windows)
    again = compose(windows, 60.0)
    assert (again.segments, again.status) == (whole.segments, whole.status)


def heard(start_s: float = 0.0, text: str = "text", **facts: Any) -> Heard:
    scores = {name: facts.pop(name) for name in set(facts) & {f.name for f in FIELDS}}
    said = dataclasses.replace(segment(**scores), text=text, start_s=start_s, end_s=start_s + 1)
    usual = {"channel": said.channel, "speech_s": 1.0, "language": "en"}
    values: dict[str, Any] = {**usual, "language_probability": 0.5, "wall_s": 0.1, **facts}
    return Heard(start=int(start_s * 16_000), segment=said if text else None, **values)


FIELDS = [field for field in dataclasses.fields(Segment) if field.name != "language"]


def test_channels_that_talk_at_once_keep_their_times() -> None:
    talk = [
        heard(0.0, "hello", channel=0),
        heard(0.2, "hi", channel=1),
        heard(5.0, "so", channel=0),
    ]
    whole = compose(talk, 9.0)
    assert [(one.start_s, one.text, one.channel) for one in whole.segments] == [
        (0.0, "hello", 0),
        (0.2, "hi", 1),
        (5.0, "so", 0),
    ]


def test_the_main_language_is_the_one_that_is_spoken_longest() -> None:
    windows = [
        heard(0.0, speech_s=2.0, language="en", language_probability=0.9),
        heard(3.0, speech_s=2.0, language="en", language_probability=0.9),
        heard(6.0, speech_s=5.0, language="es", language_probability=0.5),
        heard(12.0, speech_s=5.0, language="es", language_probability=0.7),
    ]
    whole = compose(windows, 20.0)
    assert (whole.language, whole.language_probability) == ("es", pytest.approx(0.6))


SILENT = {"no_speech_probability": 0.9, "avg_logprob": -1.5}


def test_where_all_is_silence_nothing_is_said_but_what_was_written_is_kept() -> None:
    whole = compose([heard(0.0, "you", **SILENT), heard(5.0, "the", **SILENT)], 9.0)
    assert (whole.status, whole.text) == ("no_speech", "")
    assert [one.text for one in whole.segments] == ["you", "the"]
    assert whole.reason.endswith(".")


def test_speech_beside_silence_is_kept_and_suspect() -> None:
    whole = compose([heard(0.0, "good morning"), heard(5.0, "you", **SILENT)], 9.0)
    assert (whole.status, whole.text) == ("suspect", "good morning you")
    assert "1 of 2 segments" in whole.reason


@pytest.mark.parametrize("windows", [[], [heard(text="")]])
def test_where_nothing_was_written_nobody_speaks(windows: list[Heard]) -> None:
    whole = compose(windows, 9.0)
    assert (whole.status, whole.text, whole.segments) == ("no_speech", "", ())
    assert whole.duration_s == 9.0


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


LENGTHS = st.tuples(st.floats(0, 2), st.floats(0, 9), st.sampled_from([" so", " so.", " ¿so?"]))


def in_a_row(lengths: list[tuple[float, float, str]]) -> list[Word]:
    """Words one after another: a pause, a length and a text of each."""
    words, at_s = [], 0.0
    for pause_s, length_s, text in lengths:
        words.append(Word(text, at_s + pause_s, at_s + pause_s + length_s, 0.5))
        at_s = words[-1].end_s
    return words


@PROPERTY
@given(st.lists(LENGTHS, max_size=12))
def test_trimmed_words_stay_inside_of_what_they_were(
    lengths: list[tuple[float, float, str]],
) -> None:
    words = in_a_row(lengths)
    kept = trimmed(words)
    assert [(one.text, one.probability) for one in kept] == [(w.text, w.probability) for w in words]
    for one, word in zip(kept, words, strict=True):
        assert word.start_s - 1e-9 <= one.start_s <= one.end_s <= word.end_s + 1e-9


@PROPERTY
@given(st.lists(LENGTHS, min_size=1, max_size=12))
def test_no_word_beside_a_pause_is_longer_than_a_word(
    lengths: list[tuple[float, float, str]],
) -> None:
    words = in_a_row(lengths)
    for place, (one, word) in enumerate(zip(trimmed(words), words, strict=True)):
        is_end = place == len(words) - 1 or word.text.endswith((".", "?"))
        is_start = place == 0 or words[place - 1].text.endswith((".", "?"))
        if is_end or is_start:
            assert one.end_s - one.start_s <= 1.4 + 1e-9
        else:
            assert one == word


def test_words_of_usual_length_stay() -> None:
    words = in_a_row([(0.0, 0.3, " one"), (0.1, 0.5, " two."), (2.0, 0.4, " three")])
    assert trimmed(words) == words


@PROPERTY
@given(st.floats(0.01, 30.0), st.floats(0.01, 30.0))
def test_a_context_holds_its_window_and_grows_with_it(one_s: float, other_s: float) -> None:
    assert min(one_s + 1.0, FULL_CONTEXT_S) <= context_s(one_s) <= FULL_CONTEXT_S
    assert context_s(one_s) >= MIN_CONTEXT_S
    assert (context_s(one_s) <= context_s(other_s)) or one_s > other_s


def test_there_are_few_contexts() -> None:
    """Each is a kind of batch of its own."""
    assert len({context_s(number / 10) for number in range(1, 301)}) <= 5
