"""Given texts at the times of what was heard; the words are made, their errors as well."""

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.archive.provided import Passage, ProvidedText
from opentr_pipeline.archive.references import comparable_words
from opentr_pipeline.transcripts.matching import matched
from opentr_pipeline.transcripts.provided import aligned, provided_text
from opentr_pipeline.transcripts.transcript import Transcript, Word
from opentr_pipeline_tests.making import PROPERTY, transcript

RANDOM_SEED = 15
# Small words come often, as in any language; the rest are many.
SMALL = "the of and to a in that it is was for on with he they we".split()
LARGE = [f"{a}{b}{c}" for a in ("bar", "col", "dim") for b in "aeiou" for c in ("ned", "rik", "st")]


def speech(num_words: int, seed: int) -> list[str]:
    drawn = random.Random(seed)
    return [drawn.choice(SMALL if drawn.random() < 0.5 else LARGE) for _ in range(num_words)]


def heard(words: list[str]) -> Transcript:
    """A word a second, a sentence of ten."""
    text = ". ".join(
        " ".join(part) for part in (words[at : at + 10] for at in range(0, len(words), 10))
    )
    return transcript(text=text)


def given_text(*lines: str, speaker: str = "") -> ProvidedText:
    return ProvidedText("a.txt", "f" * 64, tuple(Passage(line, speaker) for line in lines))


def words_of(found: Transcript) -> list[Word]:
    return [word for segment in found.segments for word in segment.words]


def share_at_their_time(found: Transcript, true_s: list[float | None]) -> float:
    """Of the words that are said, how many begin within a second of the truth."""
    words = words_of(found)
    assert len(words) == len(true_s)
    said = [(word, at_s) for word, at_s in zip(words, true_s, strict=True) if at_s is not None]
    return sum(abs(word.start_s - at_s) <= 1.0 for word, at_s in said) / len(said)


@pytest.mark.parametrize("change", ["same", "removed", "changed", "added"])
def test_a_tenth_of_other_words_leaves_the_rest_at_their_time(change: str) -> None:
    said, drawn = speech(2000, 1), random.Random(RANDOM_SEED)
    written: list[str] = []
    true_s: list[float | None] = []
    for second, word in enumerate(said):
        hit = drawn.random() < 0.1
        if not (hit and change == "removed"):
            written.append("quite" if hit and change == "changed" else word)
            true_s.append(float(second))
        if hit and change == "added":
            written.append("really")
            true_s.append(None)
    found = aligned(heard(said), given_text(" ".join(written)))
    assert found.provided
    assert found.status == "ok"
    assert "".join(word.text for word in words_of(found)).split() == written
    assert share_at_their_time(found, true_s) > 0.98
    missed = [word for word, at_s in zip(words_of(found), true_s, strict=True) if at_s is None]
    assert {word.probability for word in missed} <= {0.0}


def test_a_page_out_of_order_and_one_that_is_missing_are_said_and_not_forced() -> None:
    said = speech(2000, 2)
    pages = [said[start : start + 250] for start in range(0, 2000, 250)]
    order = [0, 1, 5, 2, 3, 4, 7]  # page 5 too early, page 6 missing
    written = [word for page in order for word in pages[page]]
    true_s: list[float | None] = [
        float(page * 250 + place) if page != 5 else None for page in order for place in range(250)
    ]
    found = aligned(heard(said), given_text(*(" ".join(pages[page]) for page in order)))
    assert [word.text.strip() for word in words_of(found)] == written
    assert share_at_their_time(found, true_s) > 0.98
    flagged = [one for one in found.segments if "unmatched_text" in one.flags]
    assert 240 <= sum(len(one.words) for one in flagged) <= 260
    assert found.status == "suspect"
    assert found.recording_flags == ("speech_without_text",)
    assert "says nothing for 0:20:50 to 0:29:" in found.provided_reason


def test_the_text_of_another_recording_stays_away() -> None:
    before = heard(speech(1000, 3))
    found = aligned(before, given_text(" ".join(speech(1000, 4))))
    assert not found.provided
    assert found.segments == before.segments
    assert found.status == "suspect"
    assert found.recording_flags == ("text_does_not_fit",)
    assert found.provided_reason in found.reason
    assert "does not fit" in found.provided_reason
    small = matched(speech(1000, 3), speech(1000, 4))
    assert len(small) < 100


def test_words_that_were_misheard_lie_where_others_were_heard_in_their_place() -> None:
    """Word by word, and none in the pause of three seconds between them."""
    said = speech(100, 6)
    before = heard(said)
    late = [
        dataclasses.replace(one, start_s=one.start_s + 3 * (at > 3), end_s=one.end_s + 3 * (at > 3))
        for at, one in enumerate(words_of(before))
    ]
    whole = dataclasses.replace(before.segments[0], words=tuple(late), end_s=late[-1].end_s)
    before = dataclasses.replace(before, segments=(whole,), duration_s=200.0)
    written = [*said[:3], "quirk", "quart", *said[5:]]
    found = words_of(aligned(before, given_text(" ".join(written))))
    assert [round(one.start_s) for one in found[2:6]] == [2, 3, 7, 8]
    assert found[3].end_s <= late[3].end_s
    assert [one.probability for one in found[3:5]] == [0.0, 0.0]


@pytest.mark.parametrize(("late_s", "jitter_s", "is_believed"), [(40.0, 0.2, True), (0, 30, False)])
def test_rough_times_say_where_words_are_that_nobody_heard(
    late_s: float, jitter_s: float, is_believed: bool
) -> None:
    """Subtitles that are late by as much everywhere; those whose times agree with nothing."""
    said, drawn = speech(300, 7), random.Random(RANDOM_SEED)
    cues = [said[at : at + 10] for at in range(0, 300, 10)]
    unheard = range(15, 18)
    spoken = [word for number, cue in enumerate(cues) if number not in unheard for word in cue]
    words = iter(words_of(heard(spoken)))
    true = [
        dataclasses.replace(next(words), start_s=at, end_s=at + 0.9)
        for number, cue in enumerate(cues)
        if number not in unheard
        for at in (10.0 * number + place for place in range(len(cue)))
    ]
    plain = heard(spoken)
    whole = dataclasses.replace(plain.segments[0], words=tuple(true), end_s=true[-1].end_s)
    before = dataclasses.replace(plain, segments=(whole,), duration_s=400.0)
    passages = []
    for number, cue in enumerate(cues):
        begin_s = 10.0 * number + late_s + drawn.uniform(-jitter_s, jitter_s)
        passages.append(Passage(" ".join(cue), span_s=(begin_s, begin_s + 9.0)))
    found = aligned(before, ProvidedText("a.srt", "f" * 64, tuple(passages)))
    begins = [one.start_s for one in words_of(found)[150:180:10]]
    near = [
        abs(begin_s - 10.0 * number) < 1.0 for begin_s, number in zip(begins, unheard, strict=True)
    ]
    assert near == ([True] * 3 if is_believed else [True, False, False])
    assert [one.text for one in words_of(found)] == [f" {word}" for word in said]


def test_hours_of_words_cost_seconds_and_little_memory() -> None:
    """A day of speech, of which each part is there twice, as in a service that is repeated."""
    said = speech(60_000, 5)
    pairs = matched(said[:50_000], said[5000:])
    assert len(pairs) == 45_000
    assert all(one + 0 == other + 5000 for one, other in pairs)


def test_who_speaks_and_scripts_without_spaces_are_kept() -> None:
    found = aligned(
        heard(["良い", "天気", "です", "ね"]), given_text("「良い天気」ですね。", speaker="安奈")
    )
    assert found.provided
    assert [segment.text for segment in found.segments] == ["「良い天気」ですね。"]
    assert {segment.speaker for segment in found.segments} == {"安奈"}
    again = aligned(heard(["良い", "天気", "です", "ね"]), provided_text(found))
    assert again == found


LINES = st.lists(
    st.text(st.sampled_from("ab dé,.?!'- \u00a0—良天。7"), min_size=1, max_size=60), max_size=6
)


@PROPERTY
@given(LINES, st.lists(st.sampled_from(["a", "b", "ab", "dé", "良", "7", "other"]), max_size=40))
def test_the_text_is_the_given_one_and_times_run_forward(lines: list[str], also: list[str]) -> None:
    text = given_text(*(line for line in lines if line.strip()))
    near = [word for line in lines for word in comparable_words(line)]
    before = heard(near + also)
    found = aligned(before, text)
    if not found.provided:
        assert found.segments == before.segments
        return
    plain = [" ".join(filter(None, one.text.split(" "))) for one in text.passages]
    assert " ".join("".join(word.text for word in words_of(found)).split(" ")) == "".join(
        f" {line}" for line in plain
    )
    assert all(segment.words_say_the_text for segment in found.segments)
    edges = [time_s for word in words_of(found) for time_s in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert not edges or (edges[0] >= 0.0 and edges[-1] <= found.duration_s)
    named = dataclasses.replace(found, segments=())
    assert (named.media_fingerprint, named.transcribed_at) == (
        before.media_fingerprint,
        before.transcribed_at,
    )
