"""What is promised about what steps keep for each other, in files and in PostgreSQL."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts.checkpoints import Checkpoints, FailedAttempts
from opentr_pipeline.transcripts.kept_files import (
    KEPT_DAYS,
    FolderFiles,
    KeptFiles,
    SharedFiles,
    kept_files,
)
from opentr_pipeline_tests.making import content, transcript
from opentr_pipeline_tests.transcripts.conftest import BOTH

Put = Callable[[str, KeptFiles], None]


def with_files(database: Database | None) -> Database | None:
    return database and Database(database.url, keeps_files=True)


def kept_in(folder: Path, database: Database | None) -> KeptFiles:
    return kept_files(folder / "output" / ".store" / "kind", with_files(database))


@BOTH
def test_contents_are_kept_listed_and_forgotten(tmp_path: Path, database: Database | None) -> None:
    kept, others = kept_in(tmp_path, database), kept_in(tmp_path, database)
    with pytest.raises(FileNotFoundError):
        kept.read("a/1.json")
    assert kept.names(".json") == []
    written = {"a/1.json": b"\x00one", "a/2.failed": b"", "b/1.json": b"three", "4.json": b"4"}
    for name, raw in written.items():
        kept.write(name, b"something else")
        kept.write(name, raw, is_durable=True)
    assert {name: others.read(name) for name in written} == written
    assert sorted(others.names(".json")) == ["4.json", "a/1.json", "b/1.json"]
    assert others.names(".json", "a") == ["a/1.json"]
    assert others.names(".json", "c") == []
    assert others.newest(".json", 2)[0] == "4.json"
    assert len(others.newest(".json", 2)) == 2
    assert others.has_any("none", "a/2.failed")
    assert not others.has_any("none", "a/1")
    others.remove("a/1.json", "none", "4.json")
    assert kept.names(".json") == ["b/1.json"]
    assert kept.has_any("a/2.failed")


@BOTH
def test_what_is_kept_for_long_goes_by_its_ending(
    tmp_path: Path, database: Database | None
) -> None:
    kept = kept_in(tmp_path, database)
    for name in ("a/1.json", "a/1.heard", "a/2.heard"):
        kept.write(name, b"said")
    age(kept, database, tmp_path, {"a/1.json", "a/1.heard"})
    kept.sweep(".heard")
    assert {*kept.names(".json"), *kept.names(".heard")} == {"a/1.json", "a/2.heard"}


def age(kept: KeptFiles, database: Database | None, folder: Path, names: set[str]) -> None:
    """As if it was long ago."""
    if database:
        with database.transaction("SELECT") as cursor:
            query = "UPDATE opentr_files SET kept_at = now() - interval '31 days' WHERE name = ANY"
            cursor.execute(f"{query}(%s)", (sorted(names),))
        return
    long_ago = time.time() - (KEPT_DAYS + 1) * 86_400
    for name in names:
        os.utime(folder / "output" / ".store" / "kind" / name, (long_ago, long_ago))


@BOTH
def test_outcomes_of_one_host_are_there_for_another(
    tmp_path: Path, database: Database | None
) -> None:
    """With a database that keeps files the hosts have no folder together."""
    shared = with_files(database)
    here = Checkpoints(tmp_path / "one" / ".store", shared)
    folder = "other" if shared else "one"
    there = Checkpoints(tmp_path / folder / ".store", shared)
    here.save(transcript("sound"))
    here.save(transcript("noise", status="failed"))
    assert there.has(content("sound"))
    assert there.load(content("sound")) == transcript("sound")
    assert there.listed("json") == {content("sound")}
    assert [one.content for one in there.newest(5)] == [content("sound")]
    assert [one.content for one in there.failed({content("noise")[0]})] == [content("noise")]
    assert list(there.failed({content("sound")[0]})) == []
    assert FailedAttempts(there).of(content("noise")) == transcript("noise").num_attempts
    assert FailedAttempts(there).of(content("sound")) == 0
    there.drop(content("sound"))
    assert not here.has(content("sound"))
    assert not shared or not (tmp_path / "one").exists()


def test_what_the_disk_does_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "kind").write_text("a file in the way")
    with pytest.raises(Exception, match=r"^here cannot be written: "):
        FolderFiles(tmp_path / "kind", "here").write("1.json", b"")


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_what_a_host_kept_before_it_had_a_database_is_taken_in_once(
    tmp_path: Path, database: Database
) -> None:
    store = tmp_path / "output" / ".store"
    before, now = Checkpoints(store), Checkpoints(store, with_files(database))
    before.save(transcript("sound"))
    before.save(transcript("noise", status="failed"))
    now.save(transcript("sound", reason="newer"))
    for _ in range(2):
        SharedFiles(Database(database.url), "checkpoints").take_in(store / "checkpoints")
        assert now.listed("json") == {content("sound")}
        assert now.listed("failed") == {content("noise")}
        assert now.load(content("sound")) == transcript("sound", reason="newer")
        assert before.listed("json") == before.listed("failed") == set()
