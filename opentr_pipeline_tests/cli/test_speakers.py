"""Names given, suggested, confirmed, changed and forgotten, in whatever shows them."""

import dataclasses
import json
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from opentr_pipeline.cli.app import main
from opentr_pipeline.corrections.edit_files import EditFiles
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.exports.tree import Export
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.speakers.confirming import Speakers
from opentr_pipeline.speakers.naming import put_names
from opentr_pipeline.speakers.people_store import PeopleStore
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.elsewhere import Nowhere
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline_tests.making import recording, settings_of
from opentr_pipeline_tests.speakers.voices import conversation, publish, vector

NAME = "Anna Rossi"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Anna speaks in two partitions and less like herself; with others, and once too briefly."""
    made = settings_of(ARCHIVE_DIR=tmp_path / "archive", OUTPUT_DIR=tmp_path / "output")
    store, archive = TranscriptStore(made.workspace.output), made.workspace.archive
    anna, ben = vector("anna"), vector("ben")
    radio = {
        "radio/a.wav": conversation("a", "0101", {0: anna, 1: ben}),
        "radio/b.wav": conversation("b", "10100", {0: vector("anna", 0.8, "b"), 1: vector("eve")}),
    }
    film = {"film/c.wav": conversation("c", "000", {0: vector("anna", 0.7, "c")})}
    calls = {"calls/d.wav": conversation("d", "01", {0: vector("anna", 0.65, "d"), 1: ()})}
    publish(store, archive, "radio", radio, 44_100)
    publish(store, archive, "film", film, 16_000)
    publish(store, archive, "calls", calls, 8_000)
    return made


def opentr(settings: Settings, *arguments: str, code: int = 0) -> str:
    workspace = settings.workspace
    environ = {
        "OUTPUT_DIR": str(workspace.output),
        "ARCHIVE_DIR": str(workspace.archive),
        "OPENTR_HOME": str(workspace.output / "home"),
    }
    said = CliRunner().invoke(main, list(arguments), env=environ)
    assert said.exit_code == code, said.output
    return said.output


def rows(settings: Settings, table: str) -> list[dict[str, Any]]:
    paths = sorted((settings.workspace.output / table).glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def named(settings: Settings) -> dict[tuple[str, str], str | None]:
    paths = {row["recording_id"]: row["path"] for row in rows(settings, "transcripts")}
    found = rows(settings, "speakers")
    return {(paths[row["recording_id"]], row["speaker"][-1]): row["name"] for row in found}


def text_of(settings: Settings, name: str) -> str:
    return (settings.workspace.output / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_voice_is_named_suggested_confirmed_renamed_and_forgotten(settings: Settings) -> None:
    opentr(settings, "export", "--format", "srt,vtt,json,csv")
    opentr(settings, "pages")
    said = opentr(settings, "speakers", "name", "radio/a.wav", "speaker_00", f" {NAME} ")
    assert said == f"SPEAKER_00 of radio/a.wav is {NAME}.\n"
    assert named(settings)["radio/a.wav", "0"] == NAME
    # What shows names was made anew by the command, and only what was there.
    assert f"\n{NAME}: a says number 0\n" in text_of(settings, "exports/radio/a.wav.srt")
    assert f"<v {NAME}>a says number 2" in text_of(settings, "exports/radio/a.wav.vtt")
    assert f",{NAME},a says number 2\n" in text_of(settings, "exports/radio/a.wav.csv")
    assert not (settings.workspace.output / "exports/radio/a.wav.txt").exists()
    assert NAME in text_of(settings, "pages/recordings/radio/a.wav.html")

    listed = json.loads(opentr(settings, "speakers", "--json"))
    (anna,) = listed["people"]
    assert (anna["name"], anna["num_recordings"], anna["speech_s"]) == (NAME, 1, 8.0)
    assert anna["examples"] == [["radio/a.wav", 0.0, 4.0], ["radio/a.wav", 8.0, 12.0]]
    like = {one["path"]: one["suggested"] for one in listed["voices"] if one["suggested"]}
    assert like == dict.fromkeys(("radio/b.wav", "film/c.wav", "calls/d.wav"), NAME)
    assert set(named(settings).values()) == {NAME, None}, "suggested, and not assigned"
    text = opentr(settings, "speakers")
    assert "film/c.wav SPEAKER_00  12 s\n  hear film/c.wav 0:00, 0:04, 0:08\n" in text
    assert f"like {NAME}, similarity 0.70 (bar 0.58), hear radio/a.wav 0:00" in text

    said = opentr(settings, "speakers", "confirm", "--above", "0.75")
    assert said == f"SPEAKER_00 of radio/b.wav is {NAME}.\n1 voice confirmed.\n"
    opentr(settings, "speakers", "confirm", "film/c.wav", "SPEAKER_00")
    assert [key for key, name in sorted(named(settings).items()) if name == NAME] == [
        ("film/c.wav", "0"), ("radio/a.wav", "0"), ("radio/b.wav", "0"),
    ]  # fmt: skip
    by = {(row["named_by"], row["similarity"] is None) for row in rows(settings, "speakers")}
    assert by == {("hand", True), ("suggestion", False), (None, True)}

    said = opentr(settings, "search", "says", "--speaker", NAME.upper())
    assert f"radio/a.wav  0:01  {NAME}  (en, " in said
    assert "Ben" not in said
    hits = json.loads(opentr(settings, "search", "says", "--speaker", NAME, "--json"))["hits"]
    assert {one["path"] for one in hits} == {"radio/a.wav", "radio/b.wav", "film/c.wav"}
    assert {one["speaker_name"] for one in hits} == {NAME}
    (eve,) = json.loads(
        opentr(
            settings, "search", "number 2", "--speaker", "speaker_01", "--json", "--folder", "radio"
        )
    )["hits"]
    assert (eve["path"], eve["speaker"], eve["speaker_name"]) == ("radio/b.wav", "SPEAKER_01", "")
    refused = opentr(settings, "search", "says", "--speaker", "Carla", code=2)
    assert "the name of a person or a label such as SPEAKER_00, got 'Carla'" in refused
    assert "is Dr. A. Rossi now" in opentr(settings, "speakers", "merge", NAME, "Dr. A. Rossi")
    assert "Dr. A. Rossi" in text_of(settings, "exports/film/c.wav.srt")
    assert NAME not in text_of(settings, "pages/recordings/film/c.wav.html")
    (person,) = rows(settings, "people")
    assert (person["name"], person["num_voices"]) == ("Dr. A. Rossi", 3)


@pytest.mark.slow
def test_nothing_is_left_of_who_is_forgotten(settings: Settings) -> None:
    store = TranscriptStore(settings.workspace.output)
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_00", NAME, "--note", "of Turin")
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_01", "Ben")
    opentr(settings, "speakers", "confirm", "film/c.wav", "SPEAKER_00")
    opentr(settings, "export", "--format", "srt,vtt,txt,json,tsv,csv")
    opentr(settings, "pages")
    opentr(settings, "report")
    opentr(settings, "search", "says", "--speaker", NAME)
    # What waits to be published somewhere has her as well.
    kept = transcript_of(store.read_together("film"), recording("film/c.wav").recording_id)
    Checkpoints(store.inner).save(kept)
    # Somebody has said so of words as well: one line of hers, and one where no voice is hers.
    for path in ("radio/a.wav", "radio/b.wav"):
        corrected(settings, path)
    before = leftovers(store.root)
    assert {path.parts[0] for path in map(Path, before)} >= {"edits", "corrections", "segments"}
    assert {"exports/film/c.wav.csv", "people/people.parquet", "speakers/film.parquet"} <= before
    assert {".store/people/people.json", "pages/report.html", "speakers/calls.parquet"} <= before
    said = opentr(settings, "speakers", "forget", NAME.lower())
    assert f"{NAME} is forgotten, with 2 confirmed voices. Not reached: copies and" in said
    assert "copies made by pages --with-media" in said
    assert leftovers(store.root) == set()
    (row,) = rows(settings, "corrections")
    assert (row["speaker"], row["state"]) == ("SPEAKER_00", "applied")
    # Ben has his name and vector, Eve hers; the others sounded like who is forgotten.
    assert set(named(settings).values()) == {"Ben", None}
    assert sum(bool(row["embedding"]) for row in rows(settings, "speakers")) == 2
    assert "a says number 1" in text_of(settings, "exports/radio/a.wav.txt")
    # Heard again, the voice is not remembered again.
    again = conversation("c", "000", {0: vector("anna", 0.7, "c")})
    again = dataclasses.replace(again, transcribed_at="2025-05-17T10:20:30.123+00:00")
    publish(store, settings.workspace.archive, "film", {"film/c.wav": again}, 16_000)
    put_names(store, ["film"])
    assert leftovers(store.root) == set()
    refused = opentr(settings, "speakers", "forget", NAME, code=2)
    assert refused == f"opentr: Nobody is called '{NAME}' here; opentr speakers lists them.\n"


def corrected(settings: Settings, path: str, name: str = NAME) -> None:
    """Somebody has said that words are Anna's, and it is kept by her name."""
    maker, media = maker_of(settings, path)
    maker.speaker(None, 4, 8, "SPEAKER_00")
    said = [dataclasses.replace(one, speaker=name, voice=()) for one in maker.edits]
    EditFiles(TranscriptStore(settings.workspace.output)).add(media, path, said)
    opentr(settings, "corrections", "apply")


def maker_of(settings: Settings, path: str) -> tuple[EditMaker, str]:
    store = TranscriptStore(settings.workspace.output)
    (row,) = (row for row in rows(settings, "transcripts") if row["path"] == path)
    made = transcript_of(store.read_together("radio"), row["recording_id"])
    return EditMaker(made), row["media_fingerprint"]


@pytest.mark.slow
def test_who_is_called_otherwise_is_so_in_corrections_and_forgotten_there(
    settings: Settings,
) -> None:
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_00", NAME)
    opentr(settings, "export", "--format", "txt")
    for path in ("radio/a.wav", "radio/b.wav"):
        corrected(settings, path, "anna  rossi" if path == "radio/b.wav" else NAME)
    opentr(settings, "speakers", "merge", NAME, "Dr. Rossini")
    root = settings.workspace.output
    assert {json.loads(line)["speaker"] for line in lines(root)} == {"Dr. Rossini"}
    speakers = {row["speaker"] for row in rows(settings, "segments")}
    assert "Dr. Rossini" in speakers
    assert NAME not in text_of(settings, "exports/radio/a.wav.txt")
    # What is corrected from now on means the voice, and so follows by itself.
    maker, _ = maker_of(settings, "radio/a.wav")
    maker.speaker(None, 4, 8, "Dr. Rossini")
    assert (maker.edits[0].speaker, len(maker.edits[0].voice)) == ("SPEAKER_00", 2)
    # Where no voice has the name, corrections alone are gone through; the same again finds nobody.
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_00", "")
    said = opentr(settings, "speakers", "forget", "dr. rossini")
    assert "dr. rossini is forgotten, with 0 confirmed voices." in said
    assert leftovers(root, vectors=()) == set()
    opentr(settings, "speakers", "forget", "Dr. Rossini", code=2)


def lines(root: Path) -> list[str]:
    return [line for path in (root / "edits").glob("*.jsonl") for line in path.open()]


HERS = [vector("anna", *how) for how in ((1.0,), (0.8, "b"), (0.7, "c"), (0.65, "d"))]


def leftovers(root: Path, vectors: Sequence[tuple[float, ...]] = HERS) -> set[str]:
    """Files that hold the name, the note or a vector of hers, packed or not."""
    told = [b"Rossi", b"of Turin", *(form for one in vectors for form in forms(one[:3]))]
    found = set()
    for path in root.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content = json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
        if any(one in content for one in told):
            found.add(str(path.relative_to(root)))
    return found


def forms(values: Sequence[float]) -> set[bytes]:
    """How numbers are written: in bytes, and in digits as far as rounding leaves them."""
    packed = {array(kind, values).tobytes() for kind in "fd"}
    digits = {f"{abs(value):.9f}"[:8] for value in values}
    rounded = {f"{abs(value):.6f}" for value in values}
    return packed | {text.encode() for text in digits | rounded}


@pytest.mark.slow
def test_what_is_made_anew_is_sent_where_the_tables_are(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, bool]] = []
    page = settings.workspace.output / "pages/recordings/radio/a.wav.html"

    def send(self: Nowhere, folder: str) -> None:
        sent.append((folder, page.exists() and NAME in page.read_text()))

    monkeypatch.setattr(Nowhere, "send", send)
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_00", NAME)
    assert {folder for folder, _ in sent} == {"people"}, "only what is there"
    opentr(settings, "export", "--format", "txt")
    opentr(settings, "pages")
    opentr(settings, "report")
    opentr(settings, "search", "says")
    sent.clear()
    opentr(settings, "speakers", "merge", NAME, "Carla")
    assert {folder for folder, _ in sent} == {"people", "exports", "pages"}
    opentr(settings, "speakers", "merge", "Carla", NAME)
    sent.clear()
    opentr(settings, "speakers", "forget", NAME)
    folders = [folder for folder, _ in sent]
    assert set(folders) == {"people", "exports", "pages", ".store/search"}
    assert folders.count("pages") == 2, "the report is written after the others"
    assert ("pages", True) not in sent


def test_names_outlast_other_numbers_and_other_models(settings: Settings) -> None:
    store = TranscriptStore(settings.workspace.output)
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_00", NAME)
    # Another model hears who is who the other way round, and in numbers that nobody compares.
    other = conversation("a", "1010", {0: vector("x"), 1: vector("y")}, model="other")
    other = dataclasses.replace(other, transcribed_at="2025-05-17T10:20:30.123+00:00")
    publish(store, settings.workspace.archive, "radio", {"radio/a.wav": other}, 44_100)
    assert put_names(store, store.partition_keys("speakers")) == ["radio"]
    assert put_names(store, store.partition_keys("speakers")) == []
    assert named(settings)["radio/a.wav", "1"] == NAME
    assert named(settings)["radio/a.wav", "0"] is None
    listed = json.loads(opentr(settings, "speakers", "--json"))
    assert [one["suggested"] for one in listed["voices"]] == [None] * len(listed["voices"])
    (_, voice), *_ = PeopleStore(store).load().voices()
    assert (voice.speaker, voice.embedding_model) == ("SPEAKER_01", "other")


def test_what_cannot_be_is_a_sentence(settings: Settings, tmp_path: Path) -> None:
    for arguments, told in (
        (["name", "nowhere.wav", "SPEAKER_00", "A"], "No speakers are told apart in 'nowhere.wav'"),
        (["name", "radio/a.wav", "SPEAKER_07", "A"], "it has SPEAKER_00, SPEAKER_01."),
        (["name", "radio/a.wav", "SPEAKER_00", "SPEAKER_01"], "A name is 1 to 200 letters"),
        (["name", "radio/a.wav", "SPEAKER_00", "\x1b[2J"], "A name is 1 to 200 letters"),
        (["name", "radio/a.wav", "SPEAKER_00"], "takes [ARCHIVE] RECORDING SPEAKER NAME"),
        (["confirm", "radio/a.wav", "SPEAKER_00"], "sounds like nobody who is confirmed"),
        (["forget", "Anna"], "Nobody is called 'Anna' here"),
    ):
        said = opentr(settings, "speakers", *arguments, code=2)
        assert told in said, said
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_00", NAME)
    said = opentr(settings, "speakers", "forget", "Ana Rosi", code=2)
    assert f"is it {NAME}?" in said
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_00", "")
    assert set(named(settings).values()) == {None}
    empty = settings_of(ARCHIVE_DIR=tmp_path / "none", OUTPUT_DIR=tmp_path / "nothing")
    assert "set SPEAKERS=true and run" in opentr(empty, "speakers", code=2)
    people = settings.workspace.output / ".store/people/people.json"
    people.write_text("{")
    assert "is damaged" in opentr(settings, "speakers", code=2)


def test_who_is_forgotten_while_names_are_put_in_stays_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_00", NAME)
    store = TranscriptStore(settings.workspace.output)
    known, change = Speakers(store), TranscriptStore.change
    acts = [lambda: known.forget(known.person(NAME))]

    def late(self: TranscriptStore, key: str, changes: Any) -> None:
        # Another process forgets her after this one has read who she is.
        if acts:
            acts.pop()()
        change(self, key, changes)

    monkeypatch.setattr(TranscriptStore, "change", late)
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_01", "Ben")
    assert set(named(settings).values()) == {"Ben", None}
    opentr(
        settings,
        "speakers",
        "name",
        "radio/a.wav",
        "SPEAKER_01",
        "Ben",
        "--note",
        "\x1b[2J",
        code=2,
    )


@pytest.mark.slow
def test_forgetting_that_was_cut_short_is_done_by_the_same_command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_00", NAME)
    opentr(settings, "export", "--format", "srt")
    opentr(settings, "pages")
    for where, name in ((Checkpoints, "without_voices"), (Export, "write"), (Pages, "write")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, _killed)
            opentr(settings, "speakers", "forget", NAME, code=1)
        assert leftovers(settings.workspace.output)
    said = opentr(settings, "speakers")
    assert f"{NAME} is not forgotten everywhere yet; run opentr speakers forget '{NAME}'" in said
    assert "\n0 people by name" in said
    assert f"{NAME} is forgotten" in opentr(settings, "speakers", "forget", NAME)
    assert leftovers(settings.workspace.output) == set()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_who_is_refused_is_not_suggested_again(settings: Settings) -> None:
    opentr(settings, "speakers", "name", "radio/a.wav", "SPEAKER_00", NAME)
    said = opentr(settings, "speakers", "refuse", "film/c.wav", "speaker_00")
    assert said == f"SPEAKER_00 of film/c.wav is not {NAME}.\n"
    listed = json.loads(opentr(settings, "speakers", "--json"))["voices"]
    like = {one["path"] for one in listed if one["suggested"] == NAME}
    assert like == {"radio/b.wav", "calls/d.wav"}
    opentr(settings, "speakers", "confirm", "--above", "0")
    assert named(settings)["film/c.wav", "0"] is None
    assert "sounds like nobody" in opentr(
        settings, "speakers", "refuse", "film/c.wav", "SPEAKER_00", code=2
    )
    # Who says so by hand knows better, and it holds for whoever the person is later.
    opentr(settings, "speakers", "name", "film/c.wav", "SPEAKER_00", NAME)
    assert PeopleStore(TranscriptStore(settings.workspace.output)).load().persons[0].refused == ()
