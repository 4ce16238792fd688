"""The tables: what readers see at any moment, whoever writes, dies or runs out of disk."""

import contextlib
import dataclasses
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.errors import StoreError
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.transcripts import generations, table_files
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.layout import TRANSCRIPT_TABLES
from opentr_pipeline.transcripts.parts import parted, without_speakers
from opentr_pipeline.transcripts.published_rows import PublishedRow
from opentr_pipeline.transcripts.schemas import SCHEMAS, transcript_of
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.table_files import SCHEMA_VERSION
from opentr_pipeline.transcripts.transcript import STATUSES, Transcript
from opentr_pipeline.transcripts.turns import Turn, Voice, label
from opentr_pipeline_tests.making import (
    OPTIONS,
    OTHER_OPTIONS,
    PROPERTY_ON_DISK,
    content,
    fingerprint,
    recording,
    transcript,
)

Rows = list[dict[str, Any]]
Write = Callable[[TranscriptStore], None]
SORTED_BY = ("recording_id", "segment_index", "word_index")


def entry(path: str, text: str = "good morning. dear listeners", **facts: object) -> Entry:
    return Entry(f"id of {path}", path, transcript(path, text, **facts))


def by_pandas(folder: Path) -> pa.Table:
    return pa.Table.from_pandas(pd.read_parquet(folder, dtype_backend="pyarrow"))


def by_duckdb(folder: Path) -> pa.Table:
    with duckdb.connect() as connection:
        return connection.sql(f"FROM read_parquet('{folder}/*.parquet')").to_arrow_table()


def by_polars(folder: Path) -> pa.Table:
    return pl.read_parquet(folder).to_arrow()


READERS = {"pandas": by_pandas, "duckdb": by_duckdb, "polars": by_polars}


def in_order(table: pa.Table) -> Rows:
    keys = [(name, "ascending") for name in SORTED_BY if name in table.column_names]
    rows: Rows = table.sort_by(keys).to_pylist()
    return rows


def texts(store: TranscriptStore, table: str = "transcripts") -> dict[str, str]:
    """Text by recording, the words' put together again."""
    found: dict[str, str] = {}
    for row in in_order(store.read(table)):
        recording_id = row["recording_id"]
        space = "" if table == "words" else " "
        found[recording_id] = (found.get(recording_id, "") + space + row["text"]).strip()
    return found


@pytest.fixture
def store(tmp_path: Path) -> TranscriptStore:
    return TranscriptStore(tmp_path / "output")


@pytest.mark.parametrize("reader", READERS)
def test_any_reader_reads_a_folder_as_it_is(store: TranscriptStore, reader: str) -> None:
    store.publish("radio", [entry("a.wav"), entry("b.wav", "", status="no_speech")])
    store.publish("2024-05", [entry("日本 'c'.wav", "何 ですか")])
    for table in TRANSCRIPT_TABLES:
        read = READERS[reader](store.root / table)
        assert read.column_names == SCHEMAS[table].names
        assert in_order(read) == in_order(store.read(table)) != []


def test_a_transcript_can_be_read_back_as_it_was(store: TranscriptStore) -> None:
    said = transcript("a.wav", "one. two three. four", status="suspect", reason="Check it.")
    first, second, third = said.segments
    segments = (
        dataclasses.replace(first, channel=0, language="it"),
        dataclasses.replace(second, channel=1, language="en", compression_ratio=3.0),
        dataclasses.replace(third, channel=1, language="en", is_endless=True),
    )
    said = dataclasses.replace(said, segments=segments, peaks=(0, 7, 255))
    store.publish("radio", [Entry("r1", "a.wav", said), entry("b.wav")])
    tables = {table: store.read_partition(table, "radio") for table in TRANSCRIPT_TABLES}
    assert transcript_of(tables, "r1") == said


def test_segments_and_words_say_channel_and_language(store: TranscriptStore) -> None:
    mixed = transcript("a.wav", "one. two")
    call = tuple(
        dataclasses.replace(segment, channel=number, language=language)
        for number, (segment, language) in enumerate(zip(mixed.segments, ("it", ""), strict=True))
    )
    store.publish("radio", [Entry("r1", "a.wav", mixed)])
    store.publish("calls", [Entry("r2", "b.wav", dataclasses.replace(mixed, segments=call))])
    rows = in_order(store.read("segments", ["recording_id", "channel", "language"]))
    assert [(row["channel"], row["language"]) for row in rows if row["recording_id"] == "r1"] == [
        (None, "en"),
        (None, "en"),
    ]
    assert [(row["channel"], row["language"]) for row in rows if row["recording_id"] == "r2"] == [
        (0, "it"),
        (1, "en"),
    ]
    channels = {(row["recording_id"], row["channel"]) for row in in_order(store.read("words"))}
    assert channels == {("r1", None), ("r2", 0), ("r2", 1)}


def test_a_partition_without_the_newer_columns_is_added_to(
    store: TranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = {
        "transcripts": ("num_speakers", "speakers_reason", "speakers_fingerprint"),
        "segments": ("channel", "language", "speaker", "has_overlap", "part_of"),
        "words": ("channel", "speaker", "speaker_share"),
    }
    with monkeypatch.context() as patch:
        real = generations.write_table
        patch.setattr(
            generations,
            "write_table",
            lambda path, rows: real(path, rows.drop_columns(list(newer.get(path.stem, ())))),
        )
        store.publish("radio", [entry("a.wav", "old")])
    assert "channel" not in pq.read_schema(store.path("words", "radio")).names
    for name, default in (("language", ""), ("speaker", ""), ("has_overlap", False)):
        assert store.read("segments", [name]).to_pylist() == [{name: default}]
    assert store.index(["radio"]).by_content[content("a.wav")].speakers_fingerprint == ""
    store.publish("radio", [entry("b.wav", "new")])
    assert texts(store, "words") == {"id of a.wav": "old", "id of b.wav": "new"}
    assert {row["language"] for row in store.read("segments").to_pylist()} == {"", "en"}


@pytest.mark.parametrize("reader", READERS)
def test_any_reader_reads_the_recordings(store: TranscriptStore, reader: str) -> None:
    store.write_recordings("radio", [recording("a.wav"), recording("b.wav")])
    store.write_recordings("film", [recording("c.wav", partition_key="film")])
    read = READERS[reader](store.root / "recordings")
    columns = [name for name in SCHEMAS["recordings"].names if name != "tags"]
    assert in_order(read.select(columns)) == in_order(store.read("recordings", columns))
    assert read.num_rows == 3


def test_a_transcript_is_a_row_and_its_parts_are_rows(store: TranscriptStore) -> None:
    loop = transcript("a.wav", "one two. three")
    segments = (dataclasses.replace(loop.segments[0], compression_ratio=9.0), loop.segments[1])
    whole = dataclasses.replace(loop, status="suspect", segments=segments)
    store.publish("radio", [Entry("r1", "a.wav", whole)])
    (row,) = store.read("transcripts").to_pylist()
    counts = (row["num_segments"], row["num_words"], row["flags"], row["text"])
    assert counts == (2, 3, ["loop"], "one two three")
    assert (row["language"], row["duration_s"]) == ("en", 3.0)
    assert row["settings_fingerprint"] == OPTIONS.settings_fingerprint
    assert row["transcribed_at"].isoformat() == "2024-05-17T10:20:30.123000+00:00"
    columns = ["segment_index", "start_s", "end_s", "text", "flags", "num_words"]
    assert [list(row.values()) for row in store.read("segments", columns).to_pylist()] == [
        [0, 0.0, 2.0, "one two", ["loop"], 2],
        [1, 2.0, 3.0, "three", [], 1],
    ]
    columns = ["segment_index", "word_index", "text", "start_s", "end_s", "probability"]
    assert [list(row.values()) for row in store.read("words", columns).to_pylist()] == [
        [0, 0, " one", 0.0, 1.0, 0.5],
        [0, 1, " two", 1.0, 2.0, 0.5],
        [1, 0, " three", 2.0, 3.0, 0.5],
    ]


@PROPERTY_ON_DISK
@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=3),
        st.lists(st.text("xyz", min_size=1, max_size=2), max_size=4).map(". ".join),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_published_is_what_is_read(said: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = TranscriptStore(Path(folder))
        store.publish("key", [entry(path, text) for path, text in said.items()])
        plain = {f"id of {path}": text.replace(".", "") for path, text in said.items()}
        assert texts(store) == plain
        spoken = {recording_id: text for recording_id, text in plain.items() if text}
        assert texts(store, "segments") == texts(store, "words") == spoken


def files_of(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and modified time of all files and links."""
    return {
        str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if (path.is_symlink() or not path.is_dir()) and path.parent.name != "locks"
    }


def test_publishing_the_same_again_changes_no_file(store: TranscriptStore) -> None:
    entries = [entry("a.wav"), entry("b.wav", status="failed", num_attempts=2)]
    store.publish("radio", entries)
    before = files_of(store.root)
    store.publish("radio", entries)
    store.publish("radio", entries[:1])
    store.publish("radio", [])
    assert files_of(store.root) == before


def test_rows_of_other_recordings_stay(store: TranscriptStore) -> None:
    store.publish("radio", [entry("a.wav", "first"), entry("b.wav", "second")])
    store.publish(
        "radio",
        [entry("b.wav", "better. still", settings_fingerprint=OTHER_OPTIONS.settings_fingerprint)],
    )
    store.publish("radio", [entry("c.wav", "third")])
    expected = {"id of a.wav": "first", "id of b.wav": "better still", "id of c.wav": "third"}
    for table in TRANSCRIPT_TABLES:
        assert texts(store, table) == expected


def test_silence_takes_the_place_of_older_rows_in_all_tables(store: TranscriptStore) -> None:
    store.publish("radio", [entry("a.wav"), entry("b.wav")])
    silent = entry(
        "a.wav", "", status="no_speech", settings_fingerprint=OTHER_OPTIONS.settings_fingerprint
    )
    store.publish("radio", [silent])
    assert set(texts(store)) == {"id of a.wav", "id of b.wav"}
    assert set(texts(store, "segments")) == set(texts(store, "words")) == {"id of b.wav"}


def test_only_the_latest_generation_is_kept(store: TranscriptStore) -> None:
    for number in range(4):
        store.publish("radio", [entry(f"{number}.wav")])
    home = store.inner / "partitions" / "radio"
    assert len([path for path in home.iterdir() if not path.is_symlink()]) == 1


def test_a_moved_output_folder_still_works(store: TranscriptStore, tmp_path: Path) -> None:
    store.publish("radio", [entry("a.wav", "hello")])
    store.root.rename(tmp_path / "elsewhere")
    assert texts(TranscriptStore(tmp_path / "elsewhere"), "words") == {"id of a.wav": "hello"}


def published(store: TranscriptStore, name: str) -> PublishedRow:
    return store.find_contents({content(name)})[content(name)]


def test_a_copy_of_the_same_bytes_gets_the_same_rows(store: TranscriptStore) -> None:
    store.publish("radio", [entry("a.wav", "one two. three"), entry("b.wav", "other")])
    row = published(store, "a.wav")
    store.publish("film", [Entry("copy", "film/copy.wav", row), entry("c.wav", "new")])
    for table in TRANSCRIPT_TABLES:
        assert texts(store, table)["copy"] == "one two three"
    by_id = {row["recording_id"]: row for row in store.read("transcripts").to_pylist()}
    copied = by_id["copy"]
    assert copied["media_fingerprint"] == fingerprint("a.wav")
    assert (copied["path"], copied["partition_key"]) == ("film/copy.wav", "film")
    before = files_of(store.root)
    store.publish("film", [Entry("copy", "film/copy.wav", row)])
    assert files_of(store.root) == before


def test_an_output_folder_behind_a_link_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    store = TranscriptStore(tmp_path / "link" / "output")
    store.publish("radio", [entry("a.wav", "one")])
    store.publish("radio", [entry("b.wav", "two")])
    store.publish("radio", [entry("b.wav", "two")])
    for table in TRANSCRIPT_TABLES:
        assert texts(store, table) == {"id of a.wav": "one", "id of b.wav": "two"}


def test_a_copy_in_the_same_partition(store: TranscriptStore) -> None:
    store.publish("radio", [entry("a.wav", "one. two")])
    store.publish("radio", [Entry("copy", "copy.wav", published(store, "a.wav"))])
    for table in TRANSCRIPT_TABLES:
        assert texts(store, table) == {"id of a.wav": "one two", "copy": "one two"}


def test_a_copy_never_gets_what_has_become_of_other_bytes(store: TranscriptStore) -> None:
    store.publish("radio", [entry("a.wav", "old")])
    row = published(store, "a.wav")
    other = transcript("other bytes", "new", transcribed_at="2025-01-01T00:00:00.000+00:00")
    store.publish("radio", [Entry("id of a.wav", "a.wav", other)])
    store.publish("film", [Entry("copy", "copy.wav", row)])
    assert texts(store).get("copy") != "new"
    assert "copy" not in texts(store, "words")


def test_a_copy_is_of_one_generation(
    store: TranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish("radio", [entry("a.wav", "old")])
    row = published(store, "a.wav")
    real = table_files.read_table

    def read(path: Path, table: str, *columns: Sequence[str], **known_as: Path) -> pa.Table:
        rows = real(path, table, *columns, **known_as)
        if "/radio" in str(path) and "num_segments" in rows.column_names:  # the first of them
            monkeypatch.setattr(table_files, "read_table", real)
            later = {"transcribed_at": "2025-01-01T00:00:00.000+00:00"}
            store.publish("radio", [entry("a.wav", "new new", **later)])
        return rows

    monkeypatch.setattr(table_files, "read_table", read)
    store.publish("film", [Entry("copy", "copy.wav", row)])
    said = {table: texts(store, table).get("copy") for table in TRANSCRIPT_TABLES}
    assert texts(store)["id of a.wav"] == "new new"
    assert len(set(said.values())) == 1


def test_contents_are_found_by_bytes_and_options(store: TranscriptStore) -> None:
    store.publish("radio", [entry("a.wav"), entry("b.wav", status="failed")])
    store.publish("film", [entry("c.wav", settings_fingerprint=OTHER_OPTIONS.settings_fingerprint)])
    names = ("a.wav", "b.wav", "c.wav", "d.wav")
    usual = {content(name) for name in names}
    other = {content(name, OTHER_OPTIONS) for name in names}
    assert set(store.find_contents(usual)) == {content("a.wav")}
    assert set(store.find_contents(other)) == {content("c.wav", OTHER_OPTIONS)}
    assert set(store.find_contents(usual | other)) == {
        content("a.wav"),
        content("c.wav", OTHER_OPTIONS),
    }
    assert store.find_contents(set()) == {}


def test_the_index_knows_recordings_and_final_contents(store: TranscriptStore) -> None:
    store.publish("radio", [entry("a.wav"), entry("b.wav", status="failed", num_attempts=2)])
    store.publish("film", [entry("c.wav")])
    index = store.index(["radio", "never published"])
    assert set(index.by_recording) == {("radio", "id of a.wav"), ("radio", "id of b.wav")}
    assert set(index.by_content) == {content("a.wav")}
    assert index.by_recording["radio", "id of b.wav"].num_attempts == 2


def with_speakers(before: Transcript) -> Transcript:
    """As if the first half of the words were one person's, the second another's."""
    (segment,) = before.segments
    named = [
        dataclasses.replace(word, speaker=label(2 * number // len(segment.words)))
        for number, word in enumerate(segment.words)
    ]
    return dataclasses.replace(
        before,
        segments=tuple(parted(dataclasses.replace(segment, words=tuple(named)), 0)),
        speakers_fingerprint="by some model",
        turns=(Turn(0, 0.0, 0.5), Turn(1, 0.25, 1.0, channel=1)),
        voices=(
            Voice(0, 0.5, (0.5, -0.5), embedding_model="some", person_id="p", name="Anna Rossi"),
            Voice(1, 0.75, channel=1, similarity=0.5, named_by="suggested"),
        ),
    )


def test_speakers_are_published_with_the_words_and_taken_back(store: TranscriptStore) -> None:
    store.publish("radio", [entry("a.wav", "good morning dear listeners"), entry("b.wav")])
    plain = store.read_together("radio")
    assert not store.path("turns", "radio").is_symlink()  # what nobody asks for costs nothing
    assert plain["speakers"].num_rows == 0
    store.change("radio", {"id of a.wav": with_speakers, "gone": with_speakers})
    tables = store.read_together("radio")
    expected = with_speakers(transcript_of(plain, "id of a.wav"))
    assert transcript_of(tables, "id of a.wav") == expected
    assert transcript_of(tables, "id of b.wav") == transcript_of(plain, "id of b.wav")
    rows = in_order(by_duckdb(store.root / "segments"))
    assert [(row["text"], row["speaker"], row["part_of"]) for row in rows][:2] == [
        ("good morning", "SPEAKER_00", 0),
        ("dear listeners", "SPEAKER_01", 0),
    ]
    for table, column in (("turns", "end_s"), ("speakers", "speech_s")):
        found = by_duckdb(store.root / table).to_pylist()
        assert [(row["speaker"], row["channel"]) for row in found] == [
            ("SPEAKER_00", None),
            ("SPEAKER_01", 1),
        ]
        assert sum(row[column] for row in found) in (1.25, 1.5)
    assert store.index(["radio"]).by_content[content("a.wav")].speakers_fingerprint
    # The same bytes elsewhere have the same speakers.
    store.publish("film", [Entry("copy", "copy.wav", published(store, "a.wav"))])
    copy = transcript_of(store.read_together("film"), "copy")
    assert copy == expected
    changed = layout(store.root)
    store.change("radio", {"id of a.wav": lambda said: said})
    assert layout(store.root) == changed
    store.change("radio", {"id of a.wav": without_speakers})
    assert store.read_together("radio") == plain
    assert by_duckdb(store.root / "turns").num_rows == 2  # those of the copy
    assert layout(store.root) == changed


def test_an_empty_store_reads_as_empty_tables(store: TranscriptStore) -> None:
    for table, schema in SCHEMAS.items():
        assert store.read(table).num_rows == 0
        assert store.read(table).schema.names == schema.names
    assert store.find_contents({content("a.wav")}) == {}
    assert not store.root.exists()


def test_media_files_that_left_the_archive_keep_their_row(store: TranscriptStore) -> None:
    store.write_recordings("radio", [recording("a.wav"), recording("b.wav")])
    store.write_recordings("radio", [recording("b.wav"), recording("c.wav")])
    rows = store.read("recordings").to_pylist()
    assert {row["path"]: row["in_archive"] for row in rows} == {
        "a.wav": False,
        "b.wav": True,
        "c.wav": True,
    }


def test_a_name_that_is_not_utf8_is_a_row_like_any_other(store: TranscriptStore) -> None:
    odd = os.fsdecode(b"latin \xe9.wav")
    store.write_recordings("radio", [recording(odd)])
    store.publish("radio", [Entry("odd", odd, transcript())])
    for table in ("recordings", "transcripts"):
        assert [row["path"] for row in store.read(table).to_pylist()] == ["latin \\xe9.wav"]


def rewrite(path: Path, table: pa.Table, version: int) -> None:
    metadata = {b"schema_version": str(version).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path.resolve())


def test_a_file_of_a_newer_release_is_refused(store: TranscriptStore) -> None:
    store.publish("radio", [entry("a.wav")])
    path = store.path("transcripts", "radio")
    rewrite(path, pq.read_table(path), SCHEMA_VERSION + 1)
    calls: list[Callable[[], object]] = [
        lambda: store.read("transcripts"),
        lambda: store.index(["radio"]),
        lambda: store.publish("radio", [entry("b.wav")]),
    ]
    for call in calls:
        with pytest.raises(StoreError) as caught:
            call()
        assert str(caught.value) == (
            f"{path} has schema version {SCHEMA_VERSION + 1}, this release reads up to "
            f"{SCHEMA_VERSION}; update opentr_pipeline."
        )
    assert pq.read_table(path).num_rows == 1


def without(store: TranscriptStore, table: str, columns: Sequence[str]) -> None:
    """Make a file of the partition ``radio`` one of a release that did not have some columns."""
    path = store.path(table, "radio")
    rewrite(path, pq.read_table(path).drop_columns(columns), SCHEMA_VERSION - 1)


def test_a_file_of_an_older_release_is_read_with_the_defaults_of_what_it_lacks(
    store: TranscriptStore,
) -> None:
    store.publish("radio", [entry("a.wav", "hello")])
    without(store, "transcripts", ["wall_s", "reason", "num_attempts", "flags"])
    (row,) = store.read("transcripts").to_pylist()
    assert (row["text"], row["wall_s"], row["reason"]) == ("hello", 0.0, "")
    assert (row["num_attempts"], row["flags"]) == (1, None)  # no field, so no default
    store.publish("radio", [entry("b.wav", "world")])
    assert texts(store) == {"id of a.wav": "hello", "id of b.wav": "world"}
    metadata = pq.read_schema(store.path("transcripts", "radio")).metadata
    assert metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()


def test_a_transcript_of_an_older_release_has_the_defaults_of_what_it_lacks(
    store: TranscriptStore,
) -> None:
    said = transcript("a.wav", "one. two three", compute_type="", wall_s=0.0, num_attempts=1)
    store.publish("radio", [Entry("r1", "a.wav", said)])
    without(store, "transcripts", ["compute_type", "wall_s", "num_attempts", "peaks"])
    without(store, "segments", ["channel", "language", "flags"])
    tables = store.read_together("radio")
    assert transcript_of(tables, "r1") == said
    assert tables["segments"]["language"].to_pylist() == ["", ""]


def test_what_an_older_release_published_again_as_null_has_the_default(
    store: TranscriptStore,
) -> None:
    store.publish("radio", [entry("a.wav")])
    path = store.path("transcripts", "radio")
    rows = pq.read_table(path)
    nulls = pa.nulls(rows.num_rows, pa.float64())
    place = rows.column_names.index("speech_s")
    rewrite(path, rows.set_column(place, "speech_s", nulls), SCHEMA_VERSION)
    assert store.read("transcripts")["speech_s"].to_pylist() == [0.0]


def test_recordings_of_an_older_release_have_the_defaults_of_what_they_lack(
    store: TranscriptStore,
) -> None:
    store.write_recordings("radio", [recording("a.wav")])
    without(store, "recordings", ["has_video", "codec", "duration_s", "tags"])
    (row,) = store.read_partition("recordings", "radio").to_pylist()
    assert (row["has_video"], row["codec"]) == (False, "")
    assert (row["duration_s"], row["tags"]) == (None, None)  # nobody said how long it is


class KilledError(BaseException):
    """Ends a writer as a kill would: nothing of ours catches it."""


class Reaper:
    """Ends the writer just before its n-th change to the disk; what comes after never happens."""

    CHANGES = ("fsync", "mkdir", "rename", "replace", "rmdir", "symlink", "unlink")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, survives: int) -> None:
        self.left = survives
        for name in self.CHANGES:
            monkeypatch.setattr(os, name, self._mortal(getattr(os, name)))

    def _mortal(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def change(*args: Any, **options: Any) -> Any:
            if self.left == 0:
                raise KilledError
            self.left -= 1
            return real(*args, **options)

        return change


def deaths(
    monkeypatch: pytest.MonkeyPatch, folder: Path, prepare: Write, write: Write
) -> Iterator[TranscriptStore]:
    """Stores with a writer that died at each of its changes to the disk; a fresh one for each."""
    whole = TranscriptStore(folder / "before")
    prepare(whole)
    for survives in range(100):
        store = TranscriptStore(folder / f"death {survives}")
        shutil.copytree(whole.root, store.root, symlinks=True)
        with monkeypatch.context() as patch:
            Reaper(patch, survives)
            try:
                write(store)
            except KilledError:
                pass
            else:
                return
        yield store
    raise AssertionError("the writer never survived")


def seen(store: TranscriptStore) -> dict[str, list[Rows]]:
    """All tables by all readers; a folder that is not there has no rows."""
    return {
        table: [
            in_order(read(folder)) if any(folder.glob("*.parquet")) else []
            for read in READERS.values()
        ]
        for table in TRANSCRIPT_TABLES
        for folder in [store.root / table]
    }


def publish_old(store: TranscriptStore) -> None:
    store.publish("film", [entry("c.wav", "there before")])
    store.publish("radio", [entry("a.wav", "old")])


def publish_new(store: TranscriptStore) -> None:
    later = {"transcribed_at": "2025-01-01T00:00:00.000+00:00"}
    store.publish("radio", [entry("a.wav", "new. and longer", **later), entry("b.wav", "more")])


def publish_newest(store: TranscriptStore) -> None:
    store.publish("radio", [entry("d.wav", "newest")])


@pytest.mark.slow
@pytest.mark.parametrize("before", ["republished", "born"])
def test_a_writer_that_dies_anywhere_leaves_the_old_rows_or_the_new(
    store: TranscriptStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    def prepare(store: TranscriptStore) -> None:
        publish_old(store) if before == "republished" else store.publish("film", [entry("c.wav")])

    prepare(store)
    old = seen(store)
    publish_new(store)
    new = seen(store)
    publish_newest(store)
    num_deaths = 0
    for victim in deaths(monkeypatch, tmp_path, prepare, publish_new):
        num_deaths += 1
        assert seen(victim) in (old, new)
        publish_new(victim)
        assert {table: in_order(victim.read(table)) for table in new} == {
            table: rows[0] for table, rows in new.items()
        }
        publish_newest(victim)
        assert layout(victim.root) == layout(store.root)
    assert num_deaths >= 5


def layout(root: Path) -> list[str]:
    """All names, those of generations made alike."""
    names = (re.sub("[0-9a-f]{32}", "ID", str(path.relative_to(root))) for path in root.rglob("*"))
    return sorted(names)


def test_a_writer_of_recordings_that_dies_leaves_the_old_rows_and_no_litter(
    store: TranscriptStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(store: TranscriptStore) -> None:
        store.write_recordings("radio", [recording("b.wav")])

    def prepare(store: TranscriptStore) -> None:
        store.write_recordings("radio", [recording("a.wav")])

    prepare(store)
    write(store)
    num_deaths = 0
    for victim in deaths(monkeypatch, tmp_path, prepare, write):
        num_deaths += 1
        here = {row["path"]: row["in_archive"] for row in victim.read("recordings").to_pylist()}
        assert here in ({"a.wav": True}, {"a.wav": False, "b.wav": True})
        write(victim)
        assert victim.read("recordings").num_rows == 2
        assert layout(victim.root) == layout(store.root)
    assert num_deaths >= 2


WRITER = """
import sys, time
from pathlib import Path
from opentr_pipeline.transcripts import generations
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline_tests.transcripts.test_store import entry

def wait(*arguments):
    print("in the middle", flush=True)
    time.sleep(600)

setattr(generations, sys.argv[2], wait)
store = TranscriptStore(Path(sys.argv[1]))
store.publish("radio", [entry("a.wav", "new. and longer", transcribed_at="2025-01-01T00:00:00Z")])
"""


@pytest.mark.parametrize("place", ["write_table", "_point"])
def test_a_killed_writer_leaves_the_old_rows_and_no_lock(
    store: TranscriptStore, place: str
) -> None:
    store.publish("radio", [entry("a.wav", "old"), entry("b.wav", "other")])
    old = seen(store)
    command = [sys.executable, "-c", WRITER, str(store.root), place]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "in the middle\n"
        assert seen(store) == old
        writer.send_signal(signal.SIGKILL)
    assert writer.returncode == -signal.SIGKILL
    assert seen(store) == old
    store.publish("radio", [entry("a.wav", "newest", transcribed_at="2026-01-01T00:00:00Z")])
    for table in TRANSCRIPT_TABLES:
        assert texts(store, table) == {"id of a.wav": "newest", "id of b.wav": "other"}
    assert len(list((store.inner / "partitions" / "radio").iterdir())) == 2


BUSY_WRITER = """
import itertools, sys
from pathlib import Path
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline_tests.transcripts.test_store import generation

store = TranscriptStore(Path(sys.argv[1]))
for number in itertools.count():
    store.publish("busy", generation(number))
    store.publish(f"born {number % 30}", generation(number))
"""


def generation(number: int) -> list[Entry]:
    """What says of every row how many of them there must be."""
    count = number % 9 + 1
    moment = f"2025-01-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z"
    text = ". ".join([f"one of {count}"] * count)
    return [entry(f"{name}.wav", text, transcribed_at=moment) for name in ("a", "b")]


def assert_whole(rows: Rows) -> None:
    """Each partition holds one generation, all of it, or none."""
    keys = {row["partition_key"] for row in rows}
    for key in keys:
        mine = [row for row in rows if row["partition_key"] == key]
        assert {row["text"] for row in mine} == {f"one of {len(mine) // 2}"}, key


@pytest.fixture
def busy(store: TranscriptStore) -> Iterator[TranscriptStore]:
    """A store that another process writes all the time."""
    store.publish("busy", generation(0))
    command = [sys.executable, "-c", BUSY_WRITER, str(store.root)]
    with subprocess.Popen(command, cwd=PROJECT_ROOT) as writer:
        try:
            while not store.path("words", "born 3").exists():
                assert writer.poll() is None
            yield store
            assert writer.poll() is None
        finally:
            writer.kill()


@pytest.mark.slow
def test_whoever_opens_a_file_once_sees_one_generation(busy: TranscriptStore) -> None:
    seen_counts = set()
    for _ in range(150):
        rows = busy.read("segments", ["partition_key", "text"]).to_pylist()
        assert_whole(rows)
        seen_counts.add(sum(row["partition_key"] == "busy" for row in rows))
    assert len(seen_counts) > 1


POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


def read_again(read: Callable[[Path], pa.Table], folder: Path) -> Rows:
    """What a reader gets in the end.

    Each of these readers opens a file twice, for the footer and for the rows. Where a publish
    falls between the two they notice that the parts do not fit, and say so.
    """
    for _ in range(100):
        with contextlib.suppress(OSError, pa.ArrowInvalid, duckdb.Error, *POLARS_ERRORS):
            rows: Rows = read(folder).to_pylist()
            return rows
    raise AssertionError("no reading succeeded")


@pytest.mark.slow
def test_what_a_reader_gets_is_whole(busy: TranscriptStore) -> None:
    for _ in range(30):
        for read in READERS.values():
            assert_whole(read_again(read, busy.root / "segments"))


def full_disk(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def litter(root: Path) -> list[Path]:
    """Files that nothing leads to."""
    reached = {path.resolve() for path in root.glob("*/*.parquet")}
    return [path for path in root.rglob("*.parquet") if path.resolve() not in reached]


def test_a_full_disk_leaves_the_old_rows_and_takes_no_more_room(
    store: TranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish("radio", [entry("a.wav", "old")])
    store.write_recordings("radio", [recording("a.wav")])
    writes: list[Callable[[], None]] = [
        lambda: store.publish("radio", [entry("b.wav", "new")]),
        lambda: store.publish("born", [entry("c.wav", "new")]),
        lambda: store.write_recordings("radio", [recording("b.wav")]),
    ]
    for write in writes:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full_disk)
            with pytest.raises(StoreError) as caught:
                write()
        assert str(caught.value) == (
            f"The disk of OUTPUT_DIR={store.root} is full; what was published before is whole. "
            "Make room and run again: nothing finished is done twice."
        )
        assert texts(store) == texts(store, "words") == {"id of a.wav": "old"}
        assert litter(store.root) == []
    for write in writes:
        write()
    expected = {"id of a.wav": "old", "id of b.wav": "new", "id of c.wav": "new"}
    assert texts(store) == texts(store, "words") == expected


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file")
    store = TranscriptStore(tmp_path / "output")
    with pytest.raises(StoreError) as caught:
        store.publish("radio", [entry("a.wav")])
    assert str(caught.value).startswith(f"OUTPUT_DIR={store.root} cannot be written: ")
    assert str(caught.value).endswith(".")


def test_a_damaged_table_is_one_sentence_with_its_name(store: TranscriptStore) -> None:
    store.publish("radio", [entry("a.wav")])
    path = store.path("transcripts", "radio")
    path.resolve().write_bytes(b"PAR1 and then nothing of use PAR1")
    for call in (
        lambda: store.publish("radio", [entry("b.wav")]),
        lambda: store.read("transcripts"),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert str(path) in str(caught.value)
        assert "None" not in str(caught.value)
        assert str(caught.value).count("\n") == 0


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path)


def test_a_checkpoint_gives_the_transcript_back(kept: Checkpoints) -> None:
    whole = transcript("a", "where is the 図書館. 'here'\nand \"there\"", reason="\\ é")
    assert not kept.has(whole.content)
    assert kept.load(whole.content) is None
    kept.save(whole)
    assert kept.has(whole.content)
    assert kept.load(whole.content) == whole


@PROPERTY_ON_DISK
@given(
    st.text(max_size=30),
    st.sampled_from(sorted(STATUSES)),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_text_survives_a_checkpoint(text: str, status: str, wall_s: float) -> None:
    whole: Transcript = transcript("a", text, status=status, wall_s=wall_s)
    with tempfile.TemporaryDirectory() as folder:
        Checkpoints(Path(folder)).save(whole)
        assert Checkpoints(Path(folder)).load(whole.content) == whole


def test_checkpoints_of_other_options_are_apart(kept: Checkpoints) -> None:
    kept.save(transcript("a"))
    assert kept.has(content("a"))
    assert not kept.has(content("a", OTHER_OPTIONS))


def test_looking_for_checkpoints_makes_no_folder(kept: Checkpoints, tmp_path: Path) -> None:
    assert kept.load(content("a")) is None
    assert content("a") not in kept.listed("json")
    assert list(tmp_path.iterdir()) == []


def test_a_dropped_checkpoint_is_gone(kept: Checkpoints) -> None:
    kept.save(transcript("a"))
    kept.drop(content("a"))
    kept.drop(content("a"))
    assert kept.load(content("a")) is None


def test_nothing_stays_of_a_dropped_checkpoint(kept: Checkpoints, tmp_path: Path) -> None:
    claim = kept.lock(content("a"))
    kept.begin_attempt(content("a"))
    kept.save(transcript("a", status="failed"))
    assert claim is not None
    claim.release()
    kept.drop(content("a"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_dropping_a_checkpoint_takes_nobodys_claim(kept: Checkpoints, tmp_path: Path) -> None:
    claim = kept.lock(content("a"))  # of a run that tries again what failed before
    assert claim is not None
    Checkpoints(tmp_path).drop(content("a"))
    assert Checkpoints(tmp_path).lock(content("a")) is None
    claim.release()


def test_a_save_that_dies_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = transcript("a", "old"), transcript("a", "new")

    def save(whole: Transcript) -> Write:
        return lambda store: Checkpoints(store.inner).save(whole)

    num_deaths = 0
    for victim in deaths(monkeypatch, tmp_path, save(old), save(new)):
        num_deaths += 1
        assert Checkpoints(victim.inner).load(content("a")) in (old, new)
        save(new)(victim)
        assert Checkpoints(victim.inner).load(content("a")) == new
    assert num_deaths >= 2


def test_a_full_disk_is_a_sentence_and_leaves_the_old_checkpoint(
    kept: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.save(transcript("a", "old"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        with pytest.raises(StoreError, match=r"disk of .* is full"):
            kept.save(transcript("a", "new"))
    assert kept.load(content("a")) == transcript("a", "old")


def test_attempts_are_counted_until_there_is_an_outcome(kept: Checkpoints, tmp_path: Path) -> None:
    assert kept.begin_attempt(content("a")) == 1
    assert Checkpoints(tmp_path).begin_attempt(content("a")) == 2
    assert kept.begin_attempt(content("b")) == 1
    kept.save(transcript("a"))
    assert kept.begin_attempt(content("a")) == 1


def test_a_recording_has_one_claim(kept: Checkpoints, tmp_path: Path) -> None:
    claim = kept.lock(content("a"))
    assert claim is not None
    assert Checkpoints(tmp_path).lock(content("a")) is None
    claim.release()
    again = kept.lock(content("a"))
    assert again is not None
    again.release()
