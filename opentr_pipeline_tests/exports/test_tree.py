"""Transcripts as files: the tree, what is written again and what goes, the command, the asset."""

import dataclasses
import json
import os
from pathlib import Path, PurePosixPath

import pytest
from click.testing import CliRunner, Result
from dagster import DagsterInstance, materialize
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.cli.app import main
from opentr_pipeline.definitions import defs
from opentr_pipeline.defs.derived_assets import derived_assets
from opentr_pipeline.defs.handed_on import HANDED_ON, handed_on
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import register_partitions
from opentr_pipeline.errors import StoreError
from opentr_pipeline.exports.formats import FORMATS
from opentr_pipeline.exports.tree import Export, Exported
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.derived_files import ENDINGS, WrittenTree, file_name
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.making import PROPERTY, recording, settings_of, transcript

LATER = "2024-06-17T10:20:30.123+00:00"


@pytest.fixture
def store(tmp_path: Path) -> TranscriptStore:
    """Two partitions: one with two recordings of one stem, one with silence."""
    store = TranscriptStore(tmp_path / "output")
    publish(store, "film", **{"film/a.mp3": "one", "film/a.wav": "two"})
    publish(store, "radio", **{"radio/deep/b.ogg": "three", "radio/c.ogg": ""})
    return store


def publish(store: TranscriptStore, key: str, **texts: str) -> None:
    entries = []
    for path, text in texts.items():
        one = transcript(path + text, f"{text} {text}" if text else "", transcribed_at=LATER)
        if not text:
            one = dataclasses.replace(one, status="no_speech")
        entries.append(Entry(recording(path).recording_id, path, one))
    store.publish(key, entries)


def export_of(store: TranscriptStore, *formats: str, paths: tuple[str, ...] = ()) -> Export:
    return Export(store, store.root / "exports", formats or ("srt",), SubtitleSettings(), paths)


def write(store: TranscriptStore, *formats: str, paths: tuple[str, ...] = ()) -> Exported:
    export, done = export_of(store, *formats, paths=paths), Exported()
    for key in export.partition_keys():
        done.add(export.write(key))
    return done


def files(store: TranscriptStore) -> dict[str, str]:
    root = store.root / "exports"
    found = (path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for path in sorted(found)
        if ".written" not in path.parts
    }


def test_the_tree_mirrors_the_archive_and_a_second_run_writes_nothing(
    store: TranscriptStore,
) -> None:
    assert write(store, "srt", "txt") == Exported(3, 1, 6, 0, 0)
    found = files(store)
    paths = ("film/a.mp3", "film/a.wav", "radio/deep/b.ogg")
    assert set(found) == {f"{path}.{ending}" for path in paths for ending in ("srt", "txt")}
    assert found["film/a.mp3.srt"] == "1\n00:00:00,000 --> 00:00:02,000\none one\n"
    assert found["film/a.wav.txt"] == "two two\n"
    before = {path: (store.root / "exports" / path).stat().st_ino for path in found}
    assert write(store, "srt", "txt") == Exported(3, 1, 0, 6, 0)
    assert before == {path: (store.root / "exports" / path).stat().st_ino for path in found}


def test_a_format_that_is_no_text_is_written_as_it_is(
    store: TranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, "docx", lambda document: b"PK\xff" + document.path.encode())
    assert write(store, "docx").num_written == 3
    assert (store.root / "exports/film/a.mp3.docx").read_bytes() == b"PK\xfffilm/a.mp3"
    assert write(store, "docx").num_unchanged == 3


def test_a_partition_of_which_nothing_has_changed_is_not_read(
    store: TranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store)
    monkeypatch.setattr(TranscriptStore, "read_together", None)
    assert write(store) == Exported(3, 1, 0, 3, 0)
    with pytest.raises(TypeError):
        write(store, "txt")


def test_another_layout_makes_other_files(store: TranscriptStore) -> None:
    publish(store, "film", **{"film/a.mp3": "eleven twelve"})
    write(store)
    narrow = SubtitleSettings(subtitle_line_length=20)
    export = dataclasses.replace(export_of(store), layout=narrow)
    assert export.write("film") == Exported(2, 0, 1, 1, 0)
    assert "eleven twelve\neleven twelve\n" in files(store)["film/a.mp3.srt"]


def test_what_has_changed_is_replaced_and_what_was_removed_comes_back(
    store: TranscriptStore,
) -> None:
    write(store, "txt")
    publish(store, "film", **{"film/a.mp3": "four"})
    (store.root / "exports" / "film" / "a.wav.txt").unlink()
    assert write(store, "txt") == Exported(3, 1, 2, 1, 0)
    assert files(store)["film/a.mp3.txt"] == "four four\n"


def test_files_of_recordings_that_are_gone_go_and_nobody_elses(store: TranscriptStore) -> None:
    for path in ("radio/deep/b.ogg", "radio/c.ogg"):
        store.write_recordings("radio", [recording(path, partition_key="radio")])
    write(store, "srt", "txt")
    assert set(files(store)) == {f"film/a.{x}.{y}" for x in ("mp3", "wav") for y in ("srt", "txt")}
    store.write_recordings("radio", [recording("radio/deep/b.ogg", partition_key="radio")])
    write(store, "srt", "txt")
    own = store.root / "exports" / "radio" / "mine.txt"
    own.write_text("mine")
    store.write_recordings("radio", [])
    assert write(store, "srt", "txt").num_removed == 2
    assert [path for path in files(store) if path.startswith("radio")] == ["radio/mine.txt"]
    assert not (store.root / "exports" / "radio" / "deep").exists()


def test_files_of_a_partition_that_is_gone_go(store: TranscriptStore) -> None:
    write(store)
    for table in ("transcripts", "segments", "words"):
        store.path(table, "film").unlink()
    (store.inner / "partitions" / "film" / "current").unlink()
    assert write(store).num_removed == 2
    assert set(files(store)) == {"radio/deep/b.ogg.srt"}


def test_a_recording_that_changed_its_partition_keeps_its_files(store: TranscriptStore) -> None:
    write(store)
    publish(store, "2024", **{"film/a.mp3": "one"})
    store.write_recordings("film", [recording("film/a.mp3", partition_key="film")])
    store.write_recordings("film", [])
    done = write(store)
    assert (done.num_removed, "film/a.mp3.srt" in files(store)) == (0, True)


def test_other_formats_and_other_paths_are_left_alone(store: TranscriptStore) -> None:
    write(store, "srt", "txt")
    publish(store, "film", **{"film/a.mp3": "", "film/a.wav": "new"})
    assert write(store, "txt", paths=("film/a.wav", "radio/deep")) == Exported(2, 0, 1, 1, 0)
    assert files(store)["film/a.wav.txt"] == "new new\n"
    assert {"film/a.mp3.txt", "film/a.mp3.srt"} <= set(files(store))
    assert write(store, "txt").num_removed == 1
    assert "film/a.mp3.srt" in files(store)


LONG = "é" * 127
CUT = file_name(f"{LONG}a", "srt").removesuffix(".srt")
# Names that could meet: files of ours, folders that are called so, what is cut, what looks cut.
NAMES = ["a.wav", "a.wav.srt", "a.wav.srt~", "a.wav.SRT~~", "a", LONG, f"{LONG}a", f"{LONG}b", CUT]
PATHS = st.lists(st.sampled_from(NAMES) | st.text("aé.~w\\", min_size=1, max_size=4), min_size=1)


@PROPERTY
@given(PATHS, PATHS)
def test_files_of_two_recordings_never_meet_nor_does_a_file_a_folder(
    one: list[str], other: list[str]
) -> None:
    """Whatever they are called: no two files are one, and none is a folder of another."""
    files = ["/".join(one), "/".join(other)]
    placed = [file_name(path, ending) for path in dict.fromkeys(files) for ending in ENDINGS]
    assert len(set(placed)) == len(placed)
    folders = {str(folder) for path in placed for folder in PurePosixPath(path).parents}
    assert not folders & set(placed)
    assert all(len(part.encode()) <= 255 for path in placed for part in path.split("/"))


def test_ordinary_names_stay_as_they_are() -> None:
    assert file_name("film 2.5/v1.mp3", "srt") == "film 2.5/v1.mp3.srt"
    assert file_name("a.wav.srt/b.wav", "vtt") == "a.wav.srt~/b.wav.vtt"
    assert file_name(f"f/{LONG}.wav", "html").startswith("f/éé")
    assert FORMATS.keys() <= set(ENDINGS)


def test_names_that_could_meet_have_a_file_each(tmp_path: Path) -> None:
    store = TranscriptStore(tmp_path / "output")
    names = [b"a.wav", b"a.wav.srt/b.wav", b"caf\xe9.wav", b"caf\\xe9.wav", b"caf\\x5cxe9.wav"]
    publish(store, "film", **{os.fsdecode(name): f"{number}" for number, name in enumerate(names)})
    assert write(store).num_written == 5
    assert {text.split()[-1] for text in files(store).values()} == set("01234")


def test_what_somebody_put_in_the_place_of_a_file_costs_that_file_alone(
    store: TranscriptStore,
) -> None:
    write(store)
    publish(store, "film", **{"film/a.mp3": "new", "film/a.wav": "new"})
    taken = store.root / "exports" / "film" / "a.mp3.srt"
    taken.unlink()
    (taken / "mine").mkdir(parents=True)
    said = opentr(store, "--format", "srt")
    assert said.exit_code == 1
    assert "1 file in " in said.output
    assert "film/a.mp3.srt (Is a directory); move away" in said.output
    assert files(store)["film/a.wav.srt"].endswith("new new\n")
    assert "radio/deep/b.ogg.srt" in files(store)
    (taken / "mine").rmdir()
    taken.rmdir()
    assert opentr(store, "--format", "srt").exit_code == 0
    assert "film/a.mp3.srt" in files(store)


def test_what_somebody_has_edited_is_left_until_it_was_taken_in(store: TranscriptStore) -> None:
    write(store, "srt", "txt")
    edited = store.root / "exports/film/a.mp3.txt"
    edited.write_text("one won\n")
    gone = store.root / "exports/radio/deep/b.ogg.srt"
    gone.write_text("mine")
    assert opentr(store, "--format", "srt,txt").exit_code == 0  # nothing new is to be written
    publish(store, "film", **{"film/a.mp3": "one two", "film/a.wav": "new"})
    for path in ("radio/deep/b.ogg", "radio/c.ogg"):
        store.write_recordings("radio", [recording(path, partition_key="radio")])
    for _ in range(2):
        said = opentr(store, "--format", "srt,txt")
        assert said.exit_code == 1
        assert "2 files in " in said.output
        assert "film/a.mp3.txt (edited by hand; opentr import takes it in)" in said.output
        assert (edited.read_text(), gone.read_text()) == ("one won\n", "mine")
        assert files(store)["film/a.mp3.srt"].endswith("one two one two\n")
        assert "radio/deep/b.ogg.txt" not in files(store)
    gone.unlink()
    WrittenTree(store, store.root / "exports").take_over("film", "film/a.mp3.txt", b"one won\n")
    assert opentr(store, "--format", "srt,txt").exit_code == 0
    assert edited.read_text() == "one two one two\n"


def test_a_note_removes_nothing_outside_of_the_tree(store: TranscriptStore) -> None:
    write(store)
    note, mine = store.root / "exports/.written/film.json", store.root / "mine.srt"
    mine.write_text("mine")
    names = ["../mine.srt", str(mine), "film/gone.srt"]
    note.write_text(json.dumps({"made_from": "", "names": names}))
    assert write(store).num_removed == 1
    assert mine.read_text() == "mine"


def test_a_tree_that_cannot_be_written_is_a_sentence(store: TranscriptStore) -> None:
    (store.root / "exports").write_text("a file")
    with pytest.raises(StoreError, match="exports cannot be written"):
        write(store)


def opentr(store: TranscriptStore, *arguments: str) -> Result:
    archive = store.root.parent / "archive"
    archive.mkdir(exist_ok=True)
    environ = {"OUTPUT_DIR": str(store.root), "ARCHIVE_DIR": str(archive)}
    return CliRunner().invoke(main, ["export", str(archive), *arguments], env=environ)


def test_the_command_says_where_and_how_many(store: TranscriptStore, tmp_path: Path) -> None:
    said = opentr(store, "--format", "json,vtt", "--output", str(tmp_path / "there"))
    assert said.exit_code == 0, said.output
    assert said.output == (
        f"3 recordings as json, vtt in {tmp_path / 'there'}: 6 files written, 0 unchanged, "
        "0 removed; 1 recordings without words have none.\n"
    )
    assert (tmp_path / "there/radio/deep/b.ogg.json").exists()
    absolute = str(tmp_path / "archive" / "film")
    assert "2 recordings as srt, vtt, txt in" in opentr(store, absolute).output
    assert set(files(store)) == {
        f"film/a.{x}.{y}" for x in ("mp3", "wav") for y in ("srt", "vtt", "txt")
    }


def test_the_command_refuses_what_is_not_there(store: TranscriptStore) -> None:
    for arguments, told in (
        (["--format", "odt"], "srt,vtt,txt,json,tsv,csv,docx,pdf, got 'odt'"),
        (["nowhere"], "Nothing of nowhere in"),
        (["/etc"], "is not in the archive"),
    ):
        said = opentr(store, *arguments)
        assert (said.exit_code, told in said.output) == (2, True), said.output


def test_the_asset_writes_the_partitions_of_its_run(store: TranscriptStore, tmp_path: Path) -> None:
    settings = settings_of(OUTPUT_DIR=store.root, ARCHIVE_DIR=tmp_path / "archive")
    subtitles, *_ = derived_assets(settings, Names())
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        register_partitions(instance, ["film", "radio"], Names())
        result = materialize(
            [subtitles],
            instance=instance,
            resources={HANDED_ON: handed_on(settings)},
            partition_key="film",
        )
    (event,) = result.asset_materializations_for_node("subtitles")
    assert event.metadata["num_written"].value == 6
    assert set(files(store)) == {
        f"film/a.{x}.{y}" for x in ("mp3", "wav") for y in ("srt", "vtt", "txt")
    }


def test_the_asset_follows_transcripts_and_no_job_of_ours_makes_it() -> None:
    graph = defs.resolve_asset_graph()
    (key,) = (one for one in graph.get_all_asset_keys() if one.path == ["subtitles"])
    assert {parent.path[-1] for parent in graph.get(key).parent_keys} == {"transcripts", "speakers"}
    for job in ("transcribe_archive", "check_transcripts"):
        assert key not in defs.resolve_job_def(job).asset_layer.executable_asset_keys
    said = str(graph.get(key).description)
    assert all(part in said for part in ("one file is", "*Refreshed*", "*When it fails*"))
