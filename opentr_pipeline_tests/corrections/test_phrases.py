"""Phrases that several people correct at once; recognition is made up."""

import threading
from pathlib import Path

import pytest

from opentr_pipeline.corrections.phrases import ChangedMeanwhileError, Phrases, Wanted
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.making import transcript

TEXT = ". ".join(f"this is phrase {name} of ours" for name in "abcdefgh")


@pytest.fixture
def phrases(tmp_path: Path) -> Phrases:
    store = TranscriptStore(tmp_path / "output")
    store.publish("radio", [Entry("r1", "radio/a.mp3", transcript(text=TEXT))])
    return Phrases(store, "radio/a.mp3")


def texts(phrases: Phrases) -> list[str]:
    return ["".join(text for text, _ in one.words).strip() for one in phrases.all()]


def test_who_saw_an_older_phrase_changes_nothing_and_others_do(phrases: Phrases) -> None:
    first, second = phrases.all()[:2]
    was = texts(phrases)
    version = phrases.version()
    anna = Wanted(first.start_s, was[0], "this was phrase A of all of ours", "ANNA")
    assert phrases.correct(anna, "anna") == ["radio"]
    assert phrases.version() != version
    with pytest.raises(ChangedMeanwhileError):
        phrases.correct(Wanted(first.start_s, was[0], "these are phrases"), "berta")
    assert phrases.correct(Wanted(second.start_s, was[1], f"{was[1]}."), "berta") == ["radio"]
    found = phrases.all()
    assert texts(phrases)[:2] == ["this was phrase A of all of ours", f"{was[1]}."]
    assert (found[0].speaker, found[0].is_corrected, found[2].is_corrected) == ("ANNA", True, False)
    assert phrases.correct(Wanted(found[0].start_s, texts(phrases)[0], texts(phrases)[0]), "") == []
    tables = phrases._store.read_together("radio")
    kept = transcript_of(tables, "r1").corrections
    assert {one.who for one in kept} == {"anna", "berta"}
    assert {one.state for one in kept} == {"applied"}


def test_words_before_a_phrase_are_of_that_phrase(phrases: Phrases) -> None:
    third, was = phrases.all()[2], texts(phrases)
    phrases.correct(Wanted(third.start_s, was[2], f"and {was[2]}"), "anna")
    assert texts(phrases) == [*was[:2], f"and {was[2]}", *was[3:]]


def test_many_at_once_lose_nothing(phrases: Phrases) -> None:
    before, was = phrases.all(), texts(phrases)
    wanted = [
        Wanted(one.start_s, text, text.replace("ours", f"number {number}"))
        for number, (one, text) in enumerate(zip(before, was, strict=True))
    ]
    people = [
        threading.Thread(target=phrases.correct, args=(one, f"person {number}"))
        for number, one in enumerate(wanted)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert texts(phrases) == [one.text for one in wanted]
