"""Words with their speakers, and the model's own transcript again."""

import dataclasses
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.speakers.attribution import attributed
from opentr_pipeline.transcripts.parts import without_speakers
from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word
from opentr_pipeline.transcripts.turns import Spoken, Turn, Voice

TWO = (Turn(0, 0.0, 2.0), Turn(1, 2.0, 5.0))


def segment(texts: list[str], start_s: float = 0.0, **facts: object) -> Segment:
    """Words of one second each."""
    words = tuple(
        Word(text, start_s + number, start_s + number + 1, 0.9) for number, text in enumerate(texts)
    )
    said = Segment(
        start_s, start_s + len(texts), "".join(texts).strip(), -0.2, 0.1, 1.0, words, language="en"
    )
    return dataclasses.replace(said, **facts)


def transcript(*segments: Segment) -> Transcript:
    return Transcript("media", "settings", "ok", segments=segments)


def spoken(*turns: Turn) -> Spoken:
    voices = tuple(Voice(speaker, 1.0, (1.0,)) for speaker in sorted({t.speaker for t in turns}))
    return Spoken("media", "speakers", turns, voices)


def test_a_segment_is_parted_where_the_speaker_changes() -> None:
    said = transcript(segment([" good", " morning.", " hello", " you"]), segment([" bye"], 4.0))
    found = attributed(said, spoken(*TWO))
    assert [(s.text, s.speaker, s.start_s, s.end_s, s.part_of) for s in found.segments] == [
        ("good morning.", "SPEAKER_00", 0.0, 2.0, 0),
        ("hello you", "SPEAKER_01", 2.0, 4.0, 0),
        ("bye", "SPEAKER_01", 4.0, 5.0, None),
    ]
    words = [word for one in found.segments for word in one.words]
    assert [(word.speaker, word.speaker_share) for word in words] == [
        *[("SPEAKER_00", 1.0)] * 2,
        *[("SPEAKER_01", 1.0)] * 3,
    ]
    assert found.text == said.text
    assert found.num_speakers == 2
    assert (found.turns, [voice.speaker for voice in found.voices]) == (TWO, [0, 1])
    assert without_speakers(found) == said


def test_who_speaks_beside_another_is_marked() -> None:
    turns = (Turn(0, 0.0, 2.5), Turn(1, 2.0, 3.0), Turn(1, 6.0, 7.0), Turn(1, 6.5, 7.0))
    said = transcript(segment([" one"]), segment([" two"], 2.0), segment([" three"], 6.0))
    found = attributed(said, spoken(*turns))
    assert [one.has_overlap for one in found.segments] == [False, True, False]


def test_a_channel_has_its_own_speakers() -> None:
    turns = (Turn(0, 0.0, 3.0, channel=0), Turn(1, 0.0, 3.0, channel=1))
    said = transcript(segment([" yes", " no"], channel=0), segment([" so"], channel=1))
    found = attributed(said, spoken(*turns))
    assert [(s.speaker, s.has_overlap) for s in found.segments] == [
        ("SPEAKER_00", True),
        ("SPEAKER_01", True),
    ]


@pytest.mark.parametrize(
    ("doubtful", "why"),
    [
        (segment([" ab", " cd", " ef"], text="something else"), "its words are not its text"),
        (segment([" Thank", " you for", " watching!"]), "the sentence as a whole is in doubt"),
    ],
)
def test_what_cannot_be_parted_has_the_speaker_of_most_of_it(doubtful: Segment, why: str) -> None:
    found = attributed(transcript(doubtful), spoken(Turn(0, 0.0, 1.0), Turn(1, 1.0, 3.0)))
    assert [(s.text, s.speaker) for s in found.segments] == [(doubtful.text, "SPEAKER_01")], why
    assert without_speakers(found).segments == (doubtful,)


def test_a_segment_without_words_has_the_speaker_of_its_time() -> None:
    found = attributed(transcript(segment([], text="noise", end_s=5.0)), spoken(*TWO))
    assert [one.speaker for one in found.segments] == ["SPEAKER_01"]


def test_where_nobody_can_be_told_apart_the_words_stay_as_they_are() -> None:
    said = transcript(segment([" one", " two"]))
    failed = Spoken("media", "speakers", reason="The file cannot be read.")
    found = attributed(said, failed)
    assert (found.segments, found.speakers_reason) == (said.segments, failed.reason)
    assert found.spoken == failed
    assert found.num_speakers == 0
    assert without_speakers(found) == said


texts_of_segments = st.lists(
    st.lists(
        st.text("ab .何す\u0e01", min_size=1, max_size=4).map(lambda text: text or "a"),
        min_size=0,
        max_size=6,
    ),
    max_size=4,
)
any_turns = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0, 20), st.floats(0.01, 9)).map(
        lambda one: Turn(one[0], one[1], one[1] + one[2])
    ),
    max_size=8,
)


@given(texts_of_segments, any_turns, any_turns, st.data())
def test_any_segments_come_back_as_the_model_made_them(
    texts: list[list[str]], turns: list[Turn], others: list[Turn], data: st.DataObject
) -> None:
    segments = []
    for number, words in enumerate(texts):
        said = segment(words, number * 5.0)
        is_loop = bool(data.draw(st.booleans())) and "loop" not in said.flags
        segments.append(dataclasses.replace(said, is_endless=is_loop))
    said = transcript(*segments)
    once = attributed(said, spoken(*turns))
    assert once.text == said.text
    assert without_speakers(once) == said
    assert {flag for s in said.segments for flag in s.flags} == set(once.flags)
    # Heard again, by another model: nothing is left of the first.
    assert attributed(once, spoken(*others)) == attributed(said, spoken(*others))


def test_three_hours_of_many_turns_take_no_time() -> None:
    num = 27_000
    turns = [Turn(number % 5, number * 3.6, number * 3.6 + 4.0) for number in range(3000)]
    said = transcript(*(segment([" so"] * 10, number * 4.0) for number in range(num // 10)))
    began = time.process_time()
    attributed(said, spoken(*turns))
    assert time.process_time() - began < 5
