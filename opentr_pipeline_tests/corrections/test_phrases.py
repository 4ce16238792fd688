"""Phrases that several people correct at once; recognition is made up."""

import dataclasses
import math
import threading
from pathlib import Path

import pytest

from opentr_pipeline.corrections.edit_files import EditFiles
from opentr_pipeline.corrections.importing import Importing
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.phrase_edits import ChangedMeanwhileError, Wanted
from opentr_pipeline.corrections.phrases import Known, Phrases
from opentr_pipeline.errors import SpeakerError, StoreError
from opentr_pipeline.exports.formats import FORMATS, Document
from opentr_pipeline.pages.paragraphs import paragraphs_of
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.making import recording, settings_of, transcript

TEXT = ". ".join(f"this is phrase {name} of ours" for name in "abcdefgh")


@pytest.fixture
def phrases(tmp_path: Path) -> Phrases:
    store = TranscriptStore(tmp_path / "output")
    store.publish("radio", [Entry("r1", "radio/a.mp3", transcript(text=TEXT))])
    return Phrases.of(store, "radio/a.mp3")


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


def test_phrases_are_parted_and_joined(phrases: Phrases) -> None:
    first, second = phrases.all()[:2]
    was = texts(phrases)
    phrases.correct(Wanted(first.start_s, was[0], "this is\n\n the phrase a\nof ours"), "anna")
    parted = ["this is", "the phrase a", "of ours", *was[1:]]
    assert texts(phrases) == parted
    with pytest.raises(StoreError, match="No phrase is before"):
        phrases.correct(Wanted(first.start_s, "this is", "this is", is_joined=True), "anna")
    phrases.correct(Wanted(second.start_s, was[1], was[1], is_joined=True), "anna")
    assert texts(phrases) == [*parted[:2], f"of ours {was[1]}", *was[2:]]
    ids = [one.edit_id for one in phrases.corrections()]
    with pytest.raises(StoreError, match="has no correction"):
        phrases.undo([*ids, "0" * 12], "berta")
    assert phrases.undo(ids, "berta") == ["radio"]
    assert texts(phrases) == was


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


def test_what_cannot_be_said_or_shown_is_refused(phrases: Phrases) -> None:
    first, was = phrases.all()[0], texts(phrases)[0]
    for speaker in (" ", "SPEAKER_07", "A" * 500):
        with pytest.raises(SpeakerError, match="letters that can be shown"):
            phrases.correct(Wanted(first.start_s, was, was, speaker), "anna")
    with pytest.raises(StoreError, match="200 at most"):
        phrases.correct(Wanted(first.start_s, was, "other words"), "a" * 201)
    with pytest.raises(ChangedMeanwhileError):
        phrases.correct(Wanted(math.nan, was, "other words"), "anna")
    assert phrases.correct(Wanted(first.start_s, was, was + "\0"), "anna") == []


def test_a_page_and_its_phrases_are_the_same(tmp_path: Path) -> None:
    whole = transcript(text=TEXT)
    one, other, third = whole.segments[:3]
    odd = dataclasses.replace(other, text="another text than its words say")
    silent = dataclasses.replace(third, text=" ", words=())
    shown = dataclasses.replace(whole, segments=(odd, silent, one))
    store = TranscriptStore(tmp_path / "output")
    store.publish("radio", [Entry("r1", "radio/a.mp3", shown)])
    found = Phrases.of(store, "radio/a.mp3").all()
    paragraphs = paragraphs_of(transcript_of(store.read_together("radio"), "r1"))
    said = ["".join(word.space + word.text for word in one.words).strip() for one in paragraphs]
    assert ["".join(text for text, _ in one.words).strip() for one in found] == said
    assert len(found) == 2


def test_an_open_page_has_no_archive_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, store = "radio/a.mp3", TranscriptStore(tmp_path / "output")
    store.publish("radio", [Entry(recording(path).recording_id, path, transcript(text=TEXT))])
    store.write_recordings("radio", [recording(path, partition_key="radio")])
    known = Known(store)
    first = known.phrases(path)
    monkeypatch.setattr(TranscriptStore, "read", lambda *_: pytest.fail("the archive is read"))
    for _ in range(2):
        assert known.phrases(path).recording == first.recording
    monkeypatch.undo()
    store.write_recordings("radio", [])
    with pytest.raises(StoreError, match="has no transcript"):
        known.phrases(path)


def test_what_was_kept_and_not_published_is_not_kept_twice(phrases: Phrases) -> None:
    store, path = phrases._store, phrases.recording.path
    document = Document(path, phrases._published(), settings_of())
    file = store.root / "a.mp3.txt"
    file.write_bytes(FORMATS["txt"](document).replace(b"phrase a", b"phrase very a"))
    importing = Importing(store, settings_of(), "anna")
    maker = EditMaker(phrases._published(), "anna")
    maker.words(None, 3, 3, " very")
    EditFiles(store).add(phrases.recording.media_fingerprint, path, maker.edits)
    done = importing.run(file)
    assert (done.kinds, done.changed) == ({}, ["radio"])
    assert texts(phrases)[0] == "this is phrase very a of ours"
