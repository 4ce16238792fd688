"""Edits over what is heard, and over what is heard anew; speech, models and people are made up."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.corrections.applying import SEVERAL, Kept, corrected
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.word_places import said_by_model
from opentr_pipeline.transcripts.edits import Correction
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline_tests.corrections.hearings import (
    Made,
    edit_at_random,
    hearing,
    speech,
    words_of,
)
from opentr_pipeline_tests.making import PROPERTY, transcript

SEEDS = st.integers(0, 2**32)
# A place that is so far from where the person was is another one: words are a second apart.
ELSEWHERE_S = 0.95


def kept(maker: EditMaker) -> list[Kept]:
    return [Kept(edit) for edit in maker.edits]


def texts(found: Transcript) -> list[str]:
    return [word.text.strip() for word in words_of(found)]


def by_model(found: Transcript) -> str:
    return "".join(map(said_by_model, words_of(found)))


def is_sound(found: Transcript) -> bool:
    edges = [time_s for word in words_of(found) for time_s in (word.start_s, word.end_s)]
    return edges == sorted(edges) and all(one.words_say_the_text for one in found.segments)


@PROPERTY
@given(SEEDS, st.integers(2, 60), st.integers(0, 12))
def test_edits_are_put_again_as_they_were_made_and_the_model_keeps_its_words(
    seed: int, num_words: int, count: int
) -> None:
    heard = hearing(speech(num_words, seed), seed + 1, 0.2)
    if not words_of(heard):
        return
    maker, _ = edit_at_random(heard, seed + 2, count)
    found = corrected(heard, kept(maker))
    assert found.segments == maker.correcting.transcript().segments
    assert {one.state for one in found.corrections} <= {"applied", "agrees"}
    assert is_sound(found)
    if words_of(found):
        assert by_model(found) == by_model(heard)
    undone = corrected(heard, [Kept(edit, "Undone by anna.") for edit in maker.edits])
    assert undone.segments == heard.segments
    assert [one.state for one in undone.corrections] == ["undone"] * len(maker.edits)


@PROPERTY
@given(SEEDS, SEEDS, st.integers(5, 60), st.integers(1, 10), st.sampled_from([0.0, 0.1, 0.4]))
def test_no_edit_is_lost_and_none_is_put_elsewhere(
    seed: int, other: int, num_words: int, count: int, errors: float
) -> None:
    said = speech(num_words, seed)
    heard, anew = hearing(said, seed + 1, errors), hearing(said, other, errors)
    if not words_of(heard):
        return
    maker, made = edit_at_random(heard, seed + 2, count)
    found = corrected(anew, kept(maker))
    assert [one.edit_id for one in found.corrections] == [edit.edit_id for edit in maker.edits]
    assert is_sound(found)
    check_places(anew, found, made)


def check_places(anew: Transcript, found: Transcript, made: list[Made]) -> None:
    """Marks are where they were put, or nowhere and in the list; the rest is as it was."""
    states = {one.edit_id: one for one in found.corrections}
    put = [one for one in made if states[one.edit_id].state in ("applied", "reapplied")]
    for one in made:
        times = [word.start_s for word in words_of(found) if word.text.strip() == one.mark]
        if one not in put:
            assert states[one.edit_id].reason or states[one.edit_id].state == "agrees"
            assert not times
        assert len(times) <= 1  # another edit may have taken the word away again
        is_there = all(one.start_s - ELSEWHERE_S < at_s < one.end_s + ELSEWHERE_S for at_s in times)
        # Of a word that is said twice the new model may have heard the other one alone.
        are_the_words = states[one.edit_id].found.strip() == states[one.edit_id].old.strip() != ""
        assert is_there or are_the_words, (
            times,
            states[one.edit_id],
            [
                (w.text, round(w.start_s, 2), round(w.end_s, 2))
                for w in words_of(anew)
                if abs(w.start_s - one.start_s) < 7
            ],
        )
    left = {(word.text, word.start_s) for word in words_of(found)}
    for word in words_of(anew):
        middle_s = (word.start_s + word.end_s) / 2
        is_near = any(one.start_s - ELSEWHERE_S < middle_s < one.end_s + ELSEWHERE_S for one in put)
        assert is_near or (word.text, word.start_s) in left


def test_most_edits_outlast_a_model_that_hears_a_tenth_otherwise() -> None:
    said = speech(3000, 1)
    heard, anew = hearing(said, 2, 0.1), hearing(said, 3, 0.1)
    maker, made = edit_at_random(heard, 4, 300)
    found = corrected(anew, kept(maker))
    counts = dict.fromkeys(("applied", "reapplied", "agrees", "conflict"), 0)
    for one in found.corrections:
        counts[one.state] += 1
    assert counts["conflict"] < 0.2 * len(made), counts
    check_places(anew, found, made)


def quick(text: str, later_s: float = 0.0) -> Transcript:
    """As fast as people speak: four words a second."""
    segments = tuple(
        dataclasses.replace(
            segment,
            start_s=segment.start_s / 4 + later_s,
            end_s=segment.end_s / 4 + later_s,
            words=tuple(
                dataclasses.replace(
                    word, start_s=word.start_s / 4 + later_s, end_s=word.end_s / 4 + later_s
                )
                for word in segment.words
            ),
        )
        for segment in transcript(text=text).segments
    )
    return transcript(text="", segments=segments, duration_s=10.0)


def one(found: Transcript) -> Correction:
    (correction,) = found.corrections
    return correction


@pytest.mark.parametrize(
    ("anew", "state", "text"),
    [
        ("we went to ferara by train", "applied", "we went to Ferrara by train"),
        ("so we went to ferara by train", "applied", "so we went to Ferrara by train"),
        ("we went to Ferrara by train", "agrees", "we went to Ferrara by train"),
        ("we went to far era by train", "reapplied", "we went to Ferrara by train"),
        ("they ran off from ferara in rain", "conflict", "they ran off from ferara in rain"),
        ("", "conflict", ""),
    ],
)
def test_what_becomes_of_an_edit(anew: str, state: str, text: str) -> None:
    maker = EditMaker(quick("we went to ferara by train"), who="anna", why="the town")
    maker.words(None, 3, 4, "Ferrara")
    found = corrected(quick(anew), kept(maker))
    assert found.text == text
    assert (one(found).state, one(found).who, one(found).why) == (state, "anna", "the town")
    assert bool(one(found).reason) == (state == "conflict")


def test_words_of_scripts_without_spaces_and_signs_alone_can_be_corrected() -> None:
    said = dataclasses.replace(transcript(text="良い 天気 です ね"))
    words = tuple(
        dataclasses.replace(word, text=word.text.strip()) for word in said.segments[0].words
    )
    segment = dataclasses.replace(said.segments[0], words=words, text="良い天気ですね")
    said = dataclasses.replace(said, segments=(segment,))
    maker = EditMaker(said)
    maker.words(None, 1, 2, "天候")
    maker.words(None, 5, 5, "。")
    found = corrected(said, kept(maker))
    assert found.text == "良い天候ですね。"
    assert by_model(found) == "良い天気ですね"


def test_a_place_that_could_be_several_is_a_conflict() -> None:
    said = "no yes no yes no yes no yes no yes no yes"
    maker = EditMaker(quick(said))
    maker.words(None, 6, 6, "perhaps")
    found = corrected(quick(said, 0.25), kept(maker))
    assert (one(found).state, one(found).reason) == ("conflict", SEVERAL)
    assert texts(found) == said.split()
