"""The index of contents says what all partitions say, whoever publishes, dies or damages it."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Set
from pathlib import Path
from typing import Any

import pytest

from opentr_pipeline.postgres import Database
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.transcripts import content_index
from opentr_pipeline.transcripts import store as store_module
from opentr_pipeline.transcripts.content_index import ContentFile, ContentTable, Holding, look_up
from opentr_pipeline.transcripts.elsewhere import Nowhere
from opentr_pipeline.transcripts.published_rows import PublishedRow
from opentr_pipeline.transcripts.shared_contents import SharedContents
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import Content
from opentr_pipeline_tests.making import OTHER_OPTIONS, content, fingerprint, transcript
from opentr_pipeline_tests.transcripts.conftest import BOTH

NAMES = [f"{number}.wav" for number in range(8)]
WANTED = {content(name, options) for name in NAMES for options in (OTHER_OPTIONS,)} | {
    content(name) for name in NAMES
}
PUBLISHER = """
import itertools, sys
from pathlib import Path
from opentr_pipeline.transcripts.elsewhere import Nowhere
from opentr_pipeline.transcripts.shared_contents import SharedContents
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.making import content, transcript
store, key = TranscriptStore(Path(sys.argv[1])), sys.argv[2]
for number in itertools.count():
    name = f"{number}.wav"
    store.publish(key, [Entry(f"r{number}", name, transcript(name, "word"))])
    store.find_contents({content(name)})
    print(number, flush=True)
"""


def by_reading_all(store: TranscriptStore, contents: Set[Content]) -> dict[Content, PublishedRow]:
    """What the index is to say, found the slow way."""
    rows = store.index(sorted(store.partition_keys())).by_recording.values()
    final = [row for row in rows if row.status != "failed" and row.content in contents]
    return {row.content: row for row in final}


def says_the_same(store: TranscriptStore) -> None:
    assert store.find_contents(WANTED) == by_reading_all(store, WANTED)


@BOTH
def test_the_index_says_what_all_partitions_say(tmp_path: Path, database: Database | None) -> None:
    said = random.Random(14)
    store = TranscriptStore(tmp_path / "output", database)
    for number in range(40):
        key, name = said.choice("abc"), said.choice(NAMES)
        status = said.choice(("ok", "ok", "no_speech", "failed"))
        options = said.choice(({}, {"settings_fingerprint": OTHER_OPTIONS.settings_fingerprint}))
        text = "" if status in ("no_speech", "failed") else f"word {number}"
        place = f"at {said.randrange(4)}"
        store.publish(key, [Entry(place, name, transcript(name, text, status=status, **options))])
        if number % 13 == 12:  # a partition that goes, by hand
            shutil.rmtree(store.inner / "partitions" / key)
            for table in ("transcripts", "segments", "words"):
                store.path(table, key).unlink()
        if number % 10 == 5:
            store.inner.joinpath("contents.sqlite").unlink(missing_ok=True)
        if number % 2:
            says_the_same(store)
    says_the_same(store)


def test_only_partitions_that_hold_the_bytes_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TranscriptStore(tmp_path / "output")
    for number in range(5):
        name = NAMES[number]
        store.publish(f"p{number}", [Entry("r", name, transcript(name, "word"))])
    store.find_contents(WANTED)
    opened: list[str] = []
    read = store_module.rows_in
    monkeypatch.setattr(
        store_module, "rows_in", lambda path, *rest: opened.append(path.stem) or read(path, *rest)
    )
    monkeypatch.setattr(content_index, "_holding", pytest.fail)  # nothing has changed
    assert set(store.find_contents({content(NAMES[3]), content("new")})) == {content(NAMES[3])}
    assert opened == ["p3"]


class Copied:
    """A bucket of which the folder is a copy, as far as an index can tell."""

    def __getattr__(self, name: str) -> object:
        return getattr(Nowhere(), name)


def test_each_copy_of_a_bucket_has_an_index_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("psycopg2")
    away = Database("postgresql://opentr@127.0.0.1:1/none")
    copied: Any = Copied()
    store = TranscriptStore(tmp_path / "output", away, copied)
    store.publish("a", [Entry("r", NAMES[0], transcript(NAMES[0], "word"))])
    says_the_same(store)
    assert (store.inner / "contents.sqlite").exists()


@pytest.mark.parametrize("damage", ["not a database", "a folder"])
def test_an_index_that_cannot_be_used_costs_time_alone(tmp_path: Path, damage: str) -> None:
    store = TranscriptStore(tmp_path / "output")
    store.publish("a", [Entry("r", NAMES[0], transcript(NAMES[0], "word"))])
    path = store.inner / "contents.sqlite"
    if damage == "a folder":
        path.mkdir()
    else:
        path.write_text("not a database" * 1000)
    says_the_same(store)
    says_the_same(store)
    assert damage == "a folder" or path.read_bytes().startswith(b"SQLite format 3")


@BOTH
def test_what_was_read_earlier_takes_the_place_of_nothing_newer(
    tmp_path: Path, database: Database | None
) -> None:
    file = ContentFile(tmp_path / "contents.sqlite")
    table: ContentTable = SharedContents(database) if database else file
    table.keep([Holding("a", "", "first", {1, 2}), Holding("b", "", "first", {2})])
    table.keep([Holding("a", "first", "second", {2, 3})])
    table.keep([Holding("a", "first", "late", {1}), Holding("b", "", "late", {1})])
    assert table.generations() == {"a": "second", "b": "first"}
    assert [table.partitions_of([n]) for n in (1, 2, 3)] == [set(), {"a", "b"}, {"a"}]
    table.keep([Holding("a", "second", "", set())])
    assert table.generations() == {"b": "first"}
    assert table.partitions_of([1, 2, 3]) == {"b"}


@pytest.mark.slow
def test_publishers_that_are_killed_leave_an_index_that_says_the_same(tmp_path: Path) -> None:
    store = TranscriptStore(tmp_path / "output")
    for _ in range(3):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", PUBLISHER, str(store.root), key],
                cwd=PROJECT_ROOT,
                stdout=subprocess.PIPE,
            )
            for key in "ab"
        ]
        for writer in writers:
            assert writer.stdout
            for _ in range(5):
                writer.stdout.readline()
            before, found = by_reading_all(store, WANTED), store.find_contents(WANTED)
            after = by_reading_all(store, WANTED)
            assert before.keys() <= found.keys() <= after.keys()
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.communicate()
        says_the_same(store)
        media = {fingerprint(f"{number}.wav") for number in range(50)}
        table = ContentFile(store.inner / "contents.sqlite")
        assert look_up(store, table, media) == {"a", "b"}
