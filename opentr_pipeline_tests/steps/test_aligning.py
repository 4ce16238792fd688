"""Given texts in the published tables, and the model's words back; recognition is made up."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from opentr_pipeline.steps.aligning import Aligned, Aligning
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline.transcripts.turns import Spoken, Turn, Voice
from opentr_pipeline_tests.making import wav
from opentr_pipeline_tests.planning.test_backlog import OTHER, World

# What the model of the World hears in radio/2.wav is "said in radio/2.wav".
TEXT = "ANNA: Said, in Radio/2: wav!"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for number, path in enumerate(("film/1.wav", "radio/2.wav", "radio/3.wav"), 1):
        wav(made.archive / path, seconds=float(number))
    made.run()
    return made


def published(world: World) -> dict[str, Transcript]:
    found = {}
    for key in world.store.partition_keys():
        tables = world.store.read_together(key)
        for row in tables["transcripts"].to_pylist():
            found[row["path"]] = transcript_of(tables, row["recording_id"])
    return found


def counts(done: Aligned) -> tuple[int, ...]:
    return tuple(value for value in vars(done).values() if isinstance(value, int))


def align(world: World) -> tuple[int, ...]:
    done = Aligning(world.setup).run()
    assert done.sentences == []
    return counts(done)


def test_a_given_text_comes_and_stays_and_goes(world: World) -> None:
    before = published(world)
    text = world.archive / "radio/2.txt"
    text.write_text(TEXT)
    (world.archive / "radio/3.txt").write_text("Quite another recording than this.")
    (world.archive / "film/1.reference.txt").write_text("said in film")
    assert align(world) == (1, 0, 1, 0, 0)
    given = published(world)["radio/2.wav"]
    assert given.provided
    assert given.text == "Said, in Radio/2: wav!"
    assert {word.speaker for one in given.segments for word in one.words} == {"ANNA"}
    heard = before["radio/2.wav"]
    assert given.segments[0].words[0].start_s == heard.segments[0].words[0].start_s
    other = published(world)["radio/3.wav"]
    assert not other.provided
    assert other.recording_flags == ("text_does_not_fit",)
    assert other.segments == before["radio/3.wav"].segments
    state = world.store.state("radio")
    assert align(world) == (0, 2, 0, 0, 0)
    world.run()
    assert world.store.state("radio") == state
    text.write_text("Said in radio 2 wave")
    assert align(world) == (1, 1, 0, 0, 0)
    assert published(world)["radio/2.wav"].text == "Said in radio 2 wave"
    for path in (text, world.archive / "radio/3.txt"):
        path.unlink()
    assert align(world) == (0, 0, 0, 2, 0)
    assert published(world) == before


def test_other_options_hear_anew_and_the_text_keeps_its_place(world: World) -> None:
    (world.archive / "radio/2.txt").write_text(TEXT)
    align(world)
    first = published(world)["radio/2.wav"]
    assert world.run(options=OTHER)
    again = published(world)["radio/2.wav"]
    assert again.provided
    assert again.text == first.text
    assert again.settings_fingerprint != first.settings_fingerprint
    assert align(world) == (0, 1, 0, 0, 0)
    (world.archive / "radio/2.txt").unlink()
    assert align(world) == (0, 0, 0, 1, 0)
    assert published(world)["radio/2.wav"].text == "said in radio/2.wav"


def test_names_in_a_text_outlast_those_of_voices(world: World) -> None:
    (world.archive / "radio/2.txt").write_text(TEXT)
    (world.archive / "radio/2b.wav").write_bytes((world.archive / "radio/2.wav").read_bytes())
    world.run()

    def told(before: Transcript) -> Transcript:
        from opentr_pipeline.speakers.attribution import attributed

        turns, voices = (Turn(0, 0.0, 9.0),), (Voice(0, 9.0),)
        return attributed(before, Spoken(before.media_fingerprint, "s" * 64, turns, voices))

    def speakers(path: str) -> set[str]:
        found: Any = published(world)[path].segments
        return {one.speaker for one in found} | {w.speaker for one in found for w in one.words}

    ids = world.store.read_partition("transcripts", "radio")["recording_id"].to_pylist()
    assert align(world) == (2, 0, 0, 0, 0)  # the same bytes have the same words
    world.store.change("radio", dict.fromkeys(ids, told))
    assert speakers("radio/2.wav") == speakers("radio/2b.wav") == {"ANNA"}
    assert speakers("radio/3.wav") == {"SPEAKER_00"}
    (world.archive / "radio/2.txt").unlink()
    assert align(world) == (0, 0, 0, 2, 0)
    assert speakers("radio/2.wav") == {"SPEAKER_00"}
    assert published(world)["radio/2.wav"].turns == (Turn(0, 0.0, 9.0),)


def test_what_cannot_be_read_or_is_not_heard_yet_is_said(world: World) -> None:
    (world.archive / "radio/2.docx").write_bytes(b"no document")
    wav(world.archive / "new/4.wav", seconds=4.0)
    (world.archive / "new/4.txt").write_text("not heard yet")
    done = Aligning(world.setup).run()
    assert counts(done) == (0, 0, 0, 0, 1)
    assert [one.split(":")[0] for one in done.sentences] == ["radio/2.docx"]
    assert dataclasses.asdict(done)["changed"] == []
