"""What was heard in windows, in any order, and the transcript that it makes."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.recognition.whisper.decoded import Decoded
from opentr_pipeline.transcripts.transcript import Segment, Word, from_dict
from opentr_pipeline.transcripts.window_results import Heard, compose, heard_from_dict
from opentr_pipeline_tests.making import PROPERTY
from opentr_pipeline_tests.transcripts.test_transcript import SEGMENTS, segment, spans

HEARD = st.builds(
    Heard,
    start=st.integers(0, 70 * 16_000),
    channel=st.none() | st.integers(0, 1),
    speech_s=st.floats(0, 30),
    language=st.sampled_from(["en", "es", "it"]),
    language_probability=st.floats(0, 1),
    wall_s=st.floats(0, 30),
    segments=st.lists(SEGMENTS, max_size=3).map(tuple),
    spans=st.lists(st.tuples(st.integers(0, 9), st.integers(10, 20))).map(tuple),
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
        parts = tuple(dataclasses.replace(part, channel=channel) for part in one.segments)
        heard = dataclasses.replace(one, channel=channel, segments=parts)
        windows[heard.place] = heard
    return list(windows.values())


RECORDINGS = st.builds(of_one_recording, st.lists(HEARD, max_size=8), st.booleans())


def test_a_window_that_failed_costs_the_recording_a_flag() -> None:
    good = Heard(0, None, 5.0, "en", 0.9, 1.0, (segment(),))
    lost = Heard(480_000, None, 5.0, "en", 0.9, 1.0, (), "RuntimeError: too long")
    whole = compose([good, lost], 60.0)
    assert (whole.status, whole.flags) == ("suspect", ("window_failed",))
    assert whole.text == "text"
    assert "failed" in whole.reason
    assert from_dict(json.loads(json.dumps(dataclasses.asdict(whole)))) == whole
    assert compose([lost], 60.0).status == "failed"


def spoken(start_s: float, speech_s: float, *words_s: float, **facts: Any) -> Heard:
    """A window of one span of speech, with words of half a second at these times."""
    words = tuple(Word(" word", at_s, at_s + 0.5, 0.9) for at_s in words_s)
    said = dataclasses.replace(segment(), words=words, start_s=start_s, end_s=start_s + speech_s)
    span = int(start_s * 16_000), int((start_s + speech_s) * 16_000)
    values = {"language": "en", "language_probability": 0.9, **facts}
    segments = (said,) if words else ()
    return Heard(span[0], None, speech_s, wall_s=1.0, segments=segments, spans=(span,), **values)


TALK = spoken(0.0, 20.0, *range(20))
LONG_TALK = spoken(0.0, 60.0, *range(60))


@pytest.mark.parametrize(
    ("windows", "is_flagged"),
    [
        ([TALK], False),
        ([TALK, spoken(30.0, 4.0)], False),  # a cough
        ([TALK, spoken(30.0, 15.0)], True),
        ([TALK, spoken(30.0, 20.0, *range(30, 42))], True),  # ends too early
        ([TALK, spoken(30.0, 20.0, *range(30, 36), *range(45, 50))], True),
        ([TALK, spoken(30.0, 20.0, *range(30, 36), *range(39, 50))], False),
        ([TALK, *(spoken(30.0 + 10 * n, 4.0) for n in range(3))], True),  # many short ones
        # A stretch from one window to the next, in a recording of which it is no large share.
        ([LONG_TALK, spoken(60.0, 10.0, *range(60, 65)), spoken(70.5, 9.0, *range(75, 79))], True),
        ([LONG_TALK, spoken(60.0, 10.0, *range(60, 69)), spoken(70.5, 9.0, *range(75, 79))], False),
        # A third of a short recording.
        ([spoken(0.0, 18.0, *range(12))], True),
        ([spoken(0.0, 18.0, *range(6), *range(12, 18))], True),
        ([spoken(0.0, 12.0, *range(12)), spoken(14.0, 6.0)], True),
        ([spoken(0.0, 12.0, *range(9))], False),
        ([spoken(0.0, 15.0)], False),  # nobody speaks: a status of its own
    ],
)
def test_speech_without_words_is_flagged(windows: list[Heard], is_flagged: bool) -> None:
    whole = compose(windows, 90.0)
    assert ("speech_without_words" in whole.flags) == is_flagged
    assert (whole.status == "suspect") == is_flagged
    assert bool(whole.reason) == (whole.status != "ok")


def test_a_word_that_was_stretched_hides_no_speech() -> None:
    words = Word(" a", 0.0, 0.5, 0.9), Word(" b", 0.5, 19.0, 0.9)
    said = dataclasses.replace(segment(), words=words, start_s=0.0, end_s=19.0)
    whole = compose([dataclasses.replace(TALK, segments=(said,))], 20.0)
    assert whole.flags == ("speech_without_words",)


@pytest.mark.parametrize(("speech_s", "is_flagged"), [(4.0, False), (15.0, True)])
def test_a_stretch_in_a_language_that_is_a_guess_is_flagged(
    speech_s: float, is_flagged: bool
) -> None:
    guess = spoken(30.0, speech_s, *range(30, 30 + int(speech_s)), language_probability=0.15)
    whole = compose([TALK, dataclasses.replace(guess, language="cy")], 60.0)
    assert ("uncertain_language" in whole.flags) == is_flagged


@pytest.mark.parametrize(("probability", "status"), [(0.22, "suspect"), (0.6, "ok"), (1.0, "ok")])
def test_a_language_that_is_a_guess_is_flagged(probability: float, status: str) -> None:
    whole = compose([dataclasses.replace(TALK, language_probability=probability)], 20.0)
    assert whole.status == status
    assert whole.flags == ("uncertain_language",) * (status == "suspect")


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
            part.text
            for one in sorted(windows, key=lambda one: one.start)
            if one.channel == channel
            for part in one.segments
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
    return Heard(start=int(start_s * 16_000), segments=(said,) if text else (), **values)


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


def test_what_sounds_like_speech_and_has_no_word_is_said() -> None:
    whole = compose([spoken(0.0, 15.0)], 20.0)
    assert whole.status == "no_speech"
    assert whole.reason == (
        "15 s sound like speech, as some music does, and the model wrote no word."
    )


@pytest.mark.parametrize("windows", [[], [heard(text="")]])
def test_where_nothing_was_written_nobody_speaks(windows: list[Heard]) -> None:
    whole = compose(windows, 9.0)
    assert (whole.status, whole.text, whole.segments) == ("no_speech", "", ())
    assert whole.duration_s == 9.0


def test_the_parts_of_a_window_stay_together_in_their_order() -> None:
    """Even where the window before reaches into it."""
    parts = tuple(
        dataclasses.replace(segment(), text=text, start_s=start_s, end_s=start_s + 1)
        for start_s, text in [(3.0, "b"), (6.0, "c")]
    )
    whole = compose([dataclasses.replace(heard(3.0), segments=parts), heard(0.0, "a")], 9.0)
    assert [(one.start_s, one.text) for one in whole.segments] == [
        (0.0, "a"),
        (3.0, "b"),
        (6.0, "c"),
    ]
    assert whole.text == "a b c"


@pytest.mark.parametrize(
    ("facts", "is_doubtful"),
    [
        ({}, False),
        ({"avg_logprob": -1.5}, True),
        ({"compression_ratio": 3.0}, True),
        ({"is_endless": True}, True),
        # Silence makes no sense at any temperature; a loop is a loop even there.
        ({"avg_logprob": -1.5, "no_speech_probability": 0.9}, False),
        ({"compression_ratio": 3.0, "no_speech_probability": 0.9}, True),
    ],
)
def test_what_is_due_for_another_try(facts: dict[str, Any], is_doubtful: bool) -> None:
    usual = Decoded((7, 8), "good words", -0.1, 0.05, 1.2, False)
    assert dataclasses.replace(usual, **facts).is_doubtful == is_doubtful
