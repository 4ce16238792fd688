"""What people have corrected, through whatever is published anew; recognition is made up."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from opentr_pipeline.corrections.edit_files import EditFiles
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.overlay import Overlay, put_corrections
from opentr_pipeline.errors import StoreError
from opentr_pipeline.speakers.attribution import attributed
from opentr_pipeline.steps.aligning import Aligning
from opentr_pipeline.transcripts.parts import without_speakers
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline.transcripts.turns import Spoken, Turn, Voice
from opentr_pipeline_tests.making import wav
from opentr_pipeline_tests.planning.test_backlog import OTHER, World
from opentr_pipeline_tests.steps.test_aligning import published

PATH = "radio/2.wav"  # of which the World hears "said in radio/2.wav"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for number, path in enumerate(("film/1.wav", PATH, "radio/3.wav"), 1):
        wav(made.archive / path, seconds=float(number))
    (made.archive / "zoo").mkdir()
    (made.archive / "zoo/same.wav").write_bytes((made.archive / PATH).read_bytes())
    made.run()
    return made


def files(world: World) -> EditFiles:
    return EditFiles(world.store)


def correct(world: World, edit: Callable[[EditMaker], object], path: str = PATH) -> list[str]:
    """Keep what a person does, and publish it; the partitions that changed."""
    before = published(world)[path]
    maker = EditMaker(before, who="anna", why="heard it")
    edit(maker)
    files(world).add(before.media_fingerprint, path, maker.edits)
    return put_corrections(world.store, world.store.partition_keys())


def states(world: World) -> list[str]:
    return [one.state for one in published(world)[PATH].corrections]


def test_corrections_are_in_the_tables_and_the_model_keeps_its_words(world: World) -> None:
    before = published(world)
    assert correct(world, lambda maker: maker.words(None, 0, 1, "Spoken")) == ["radio", "zoo"]
    found = published(world)[PATH]
    assert found.text == published(world)["zoo/same.wav"].text == f"Spoken in {PATH}"
    words = world.store.read_partition("words", "radio").to_pylist()
    corrected = [row for row in words if row["model_text"] is not None]
    assert [(row["text"], row["model_text"]) for row in corrected] == [(" Spoken", " said")]
    (row,) = world.store.read_partition("corrections", "radio").to_pylist()
    facts = {name: row[name] for name in ("kind", "old", "new", "found", "state", "who", "why")}
    assert facts == {
        "kind": "words", "old": " said", "new": "Spoken", "found": " said", "state": "applied",
        "who": "anna", "why": "heard it",
    }  # fmt: skip
    state = world.store.state("radio")
    assert put_corrections(world.store, ["radio", "zoo"]) == []
    assert world.run() == []
    assert world.store.state("radio") == state
    edit_id = found.corrections[0].edit_id
    files(world).undo(found.media_fingerprint, [edit_id], "berta", "")
    assert put_corrections(world.store, ["radio", "zoo"]) == ["radio", "zoo"]
    again = published(world)[PATH]
    assert again.segments == before[PATH].segments
    assert again.corrections[0].state == "undone"
    assert again.corrections[0].reason.startswith("Undone by berta at 20")
    files(world).path(found.media_fingerprint).unlink()
    put_corrections(world.store, ["radio", "zoo"])
    assert published(world) == before


def test_another_option_loses_none_and_lists_what_conflicts(world: World) -> None:
    def edit(maker: EditMaker) -> None:
        maker.words(None, 0, 1, "Spoken")
        maker.words(None, 3, 3, "by Anna")

    correct(world, edit)
    first = published(world)[PATH]
    assert first.text == f"Spoken in {PATH} by Anna"
    assert PATH in world.run(options=OTHER)
    again = published(world)[PATH]
    assert again.settings_fingerprint != first.settings_fingerprint
    assert (again.text, states(world)) == (first.text, ["applied", "applied"])
    # The bytes move: what is heard anew says something else altogether.
    (world.archive / PATH).rename(world.archive / "radio/moved.wav")
    (world.archive / "zoo/same.wav").unlink()
    world.run()
    moved = published(world)["radio/moved.wav"]
    assert [one.edit_id for one in moved.corrections] == [one.edit_id for one in first.corrections]
    assert {one.state for one in moved.corrections} <= {"applied", "reapplied", "conflict"}


def test_a_given_text_and_speakers_come_and_go_under_corrections(world: World) -> None:
    correct(world, lambda maker: maker.words(None, 1, 1, "quite often"))
    assert published(world)[PATH].text == f"said quite often in {PATH}"
    text = world.archive / "radio/2.txt"
    text.write_text(f"ANNA: Said, in {PATH}!")
    assert Aligning(world.setup).run().num_aligned == 2
    given = published(world)[PATH]
    assert given.provided
    assert given.text == f"Said, quite often in {PATH}!"

    def told(before: Transcript) -> Transcript:
        turns, voices = (Turn(0, 0.0, 9.0),), (Voice(0, 9.0),)
        return attributed(before, Spoken(before.media_fingerprint, "s" * 64, turns, voices))

    overlay = Overlay(world.store)
    ids = world.store.read_partition("transcripts", "radio")["recording_id"].to_pylist()
    world.store.change("radio", overlay.under_all(dict.fromkeys(ids, told)))
    spoken = published(world)[PATH]
    assert (spoken.text, spoken.num_speakers) == (given.text, 1)
    world.run(options=OTHER)
    assert published(world)[PATH].text == given.text
    text.unlink()
    assert Aligning(world.setup).run().num_restored == 2
    world.store.change("radio", overlay.under_all(dict.fromkeys(ids, without_speakers)))
    assert published(world)[PATH].text == f"said quite often in {PATH}"
    plain = Overlay(world.store).without(published(world)[PATH])
    assert plain is not None
    assert plain.text == f"said in {PATH}"


def test_copies_with_texts_of_their_own_keep_these_under_corrections(world: World) -> None:
    copy = "zoo/same.wav"
    given = {PATH: f"Said, in {PATH}!", copy: f"So it is said in {PATH}"}
    corrected = {
        PATH: f"Said, quite often in {PATH}!",
        copy: f"So it is said quite often in {PATH}",
    }
    correct(world, lambda maker: maker.words(None, 1, 1, "quite often"))
    edit_id = published(world)[PATH].corrections[0].edit_id
    media = published(world)[PATH].media_fingerprint

    def texts() -> dict[str, str]:
        return {path: published(world)[path].text for path in given}

    for path, text in given.items():
        (world.archive / path).with_suffix(".txt").write_text(text)
    assert Aligning(world.setup).run().num_aligned == 2
    assert texts() == corrected
    world.run(options=OTHER)
    assert texts() == corrected
    files(world).undo(media, [edit_id], "berta", "")
    put_corrections(world.store, ["radio", "zoo"])
    assert texts() == given
    (world.archive / PATH).with_suffix(".txt").unlink()
    (world.archive / copy).with_suffix(".txt").unlink()
    assert Aligning(world.setup).run().num_restored == 2
    assert texts() == dict.fromkeys(given, f"said in {PATH}")


def test_a_damaged_line_costs_no_transcript_and_is_said(world: World) -> None:
    correct(world, lambda maker: maker.words(None, 0, 1, "Spoken"))
    media = published(world)[PATH].media_fingerprint
    path = files(world).path(media)
    path.write_text(path.read_text() + "<<<<<<< HEAD\n")
    with pytest.raises(StoreError, match=r"Line 2 of .* is no correction"):
        put_corrections(world.store, ["radio"])
    assert world.run(options=OTHER)
    assert published(world)[PATH].text == f"said in {PATH}"
    path.write_text(path.read_text().replace("<<<<<<< HEAD\n", ""))
    world.run(options=OTHER)
    put_corrections(world.store, ["radio"])
    assert published(world)[PATH].text == f"Spoken in {PATH}"


def test_files_of_two_people_go_together_and_take_back_what_was_taken_back(world: World) -> None:
    correct(world, lambda maker: maker.words(None, 0, 1, "Spoken"))
    media = published(world)[PATH].media_fingerprint
    path = files(world).path(media)
    mine = path.read_text()
    edit = files(world).load(media)[0][0].edit
    theirs = dataclasses.replace(edit, edit_id="theirs", old=" in", new="at", start_s=1.0)
    files(world).add(media, PATH, [dataclasses.replace(theirs, end_s=2.0, before="said")])
    path.write_text(path.read_text() + mine)  # as git puts lines together: one is there twice
    put_corrections(world.store, ["radio"])
    assert published(world)[PATH].text == f"Spoken at {PATH}"
    files(world).undo(media, ["theirs"], "anna", "")
    put_corrections(world.store, ["radio"])
    assert published(world)[PATH].text == f"Spoken in {PATH}"
    undo = path.read_text().splitlines()[-1].split('"')[3]
    files(world).undo(media, [undo], "anna", "")
    put_corrections(world.store, ["radio"])
    assert published(world)[PATH].text == f"Spoken at {PATH}"
    assert (path.parent / ".gitattributes").read_text() == "*.jsonl text merge=union\n"
