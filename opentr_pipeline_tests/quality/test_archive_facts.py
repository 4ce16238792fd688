"""Facts about all published partitions: what is remembered, and what makes them anew."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.quality import archive_facts as module
from opentr_pipeline.quality.archive_facts import ArchiveFacts, ReferenceFacts, archive_facts
from opentr_pipeline.quality.fact_memory import FactMemory
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.layout import Generation
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline_tests.making import fingerprint, recording, settings_of, transcript


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "archive").mkdir()
    return settings_of(ARCHIVE_DIR=tmp_path / "archive", OUTPUT_DIR=tmp_path / "output")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The functions that read tables, as they are called."""
    calls: list[str] = []

    def watch(name: str) -> None:
        real = getattr(module, name)

        def noted(*arguments: object) -> Any:
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(module, name, noted)

    for name in ("published_facts", "archive_rows_facts", "compare"):
        watch(name)
    return calls


def _publish(settings: Settings, path: str, outcome: Transcript, text: str = "") -> TranscriptStore:
    """A recording beside the archive's media, its transcript, and what is really said."""
    store = TranscriptStore(settings.workspace.output)
    one = recording(path, partition_key=path.split("/", maxsplit=1)[0])
    media = settings.workspace.archive / path
    media.parent.mkdir(exist_ok=True)
    media.write_bytes(b"sound")
    if text:
        media.with_suffix(".reference.txt").write_text(text, encoding="utf-8")
    store.publish(one.partition_key, [Entry(one.recording_id, path, outcome)])
    return store


def facts_of(settings: Settings, partition_keys: Sequence[str] = ()) -> ArchiveFacts:
    return archive_facts(settings.workspace, Setup(settings).partitioning, partition_keys)


def test_facts_are_made_once(settings: Settings, made: list[str]) -> None:
    _publish(settings, "a/1.wav", transcript(text="one two"), "one two")
    _publish(settings, "b/2.wav", transcript(text="three"))
    first = facts_of(settings)
    assert sorted(made) == ["archive_rows_facts"] * 2 + ["compare"] + ["published_facts"] * 2
    made.clear()
    assert facts_of(settings) == first
    assert made == []


def test_a_new_generation_makes_the_facts_of_its_partition_anew(
    settings: Settings, made: list[str]
) -> None:
    for path in ("a/1.wav", "b/2.wav"):
        _publish(settings, path, transcript(text="one two"), "one two")
    facts_of(settings)
    made.clear()
    _publish(settings, "b/3.wav", transcript("other", text="three"))
    facts = facts_of(settings)
    assert sorted(made) == ["archive_rows_facts", "compare", "published_facts"]
    assert [one.published.num_transcripts for one in facts.partitions] == [1, 2]


def test_new_rows_of_recordings_are_counted_without_reading_segments(
    settings: Settings, made: list[str]
) -> None:
    store = _publish(settings, "a/1.wav", transcript(text="one"))
    facts_of(settings)
    made.clear()
    store.write_recordings("a", [recording("a/1.wav", partition_key="a"), recording("a/2.wav")])
    (facts,) = facts_of(settings).partitions
    assert made == ["archive_rows_facts"]
    assert facts.archive_rows.missing.names == [["a/2.wav", "no transcript yet"]]


@pytest.mark.parametrize("change", ["text", "time", "removed", "added"])
def test_a_reference_that_changes_is_compared_anew(
    settings: Settings, made: list[str], change: str
) -> None:
    _publish(settings, "a/1.wav", transcript(text="one two"), "one two")
    _publish(settings, "a/2.wav", transcript("other", text="three"))
    facts_of(settings)
    made.clear()
    reference = settings.workspace.archive / "a/1.reference.txt"
    if change == "text":
        reference.write_text("one more")
    elif change == "time":
        os.utime(reference, (1, 1))
    elif change == "removed":
        reference.unlink()
    else:
        reference.with_name("2.reference.txt").write_text("free")
    (facts,) = facts_of(settings).partitions
    assert made == ([] if change == "removed" else ["compare"])
    found = {one.path: one.num_errors for one in facts.references}
    assert (
        found
        == {
            "text": {"a/1.wav": 1},
            "time": {"a/1.wav": 0},
            "removed": {},
            "added": {"a/1.wav": 0, "a/2.wav": 1},
        }[change]
    )


@pytest.mark.parametrize(
    ("outcome", "text", "problem"),
    [
        (transcript(status="failed", text=""), "one", "The recording is failed."),
        (transcript(status="truncated"), "one", "The recording is truncated."),
        (transcript(task="translate"), "one", "The transcript is a translation."),
        (transcript(), "...", "The reference holds no words."),
    ],
)
def test_a_reference_that_cannot_be_compared_says_why(
    settings: Settings, outcome: Transcript, text: str, problem: str
) -> None:
    _publish(settings, "a/1.wav", outcome, text)
    (facts,) = facts_of(settings).partitions
    assert facts.references == [ReferenceFacts("a/1.wav", problem=problem)]


def test_a_recording_in_which_nobody_is_heard_has_all_words_wrong(settings: Settings) -> None:
    _publish(settings, "a/1.wav", transcript(status="no_speech"), "one two")
    (facts,) = facts_of(settings).partitions
    assert facts.references == [ReferenceFacts("a/1.wav", 2, 2)]


def test_references_without_a_transcript_are_counted(settings: Settings) -> None:
    _publish(settings, "a/1.wav", transcript())
    for name in ("a/2.wav", "a/2.reference.txt", "b/3.wav", "b/3.reference.txt"):
        (settings.workspace.archive / name).parent.mkdir(exist_ok=True)
        (settings.workspace.archive / name).write_text("one")
    facts = facts_of(settings)
    assert facts.num_lone_references == 1
    (one,) = facts.partitions[0].references
    assert one == ReferenceFacts(
        "a/2.reference.txt", problem="The recording has no transcript yet."
    )


def test_partitions_without_transcripts_are_counted(settings: Settings) -> None:
    store = _publish(settings, "a/1.wav", transcript())
    store.write_recordings("b", [recording("b/2.wav")])
    facts = facts_of(settings, ["a", "b", "c"])
    assert [one.partition_key for one in facts.partitions] == ["a"]
    assert facts.num_unpublished == 2


def test_a_partition_whose_generations_were_removed_by_hand_is_not_published(
    settings: Settings,
) -> None:
    store = _publish(settings, "a/1.wav", transcript())
    shutil.rmtree(store.inner / "partitions" / "a")
    facts = facts_of(settings, ["a"])
    assert (facts.partitions, facts.unreadable, facts.num_unpublished) == ([], {}, 1)


def test_a_failure_that_is_kept_beside_an_older_transcript_is_known(settings: Settings) -> None:
    store = _publish(settings, "a/1.wav", transcript("old"))
    Checkpoints(store.inner).save(transcript("new", status="failed"))
    assert facts_of(settings).failures == {fingerprint("new")}


def test_a_partition_that_cannot_be_read_is_a_sentence_and_others_are_judged(
    settings: Settings,
) -> None:
    store = _publish(settings, "a/1.wav", transcript())
    for path in ("b/2.wav", "c/3.wav"):
        _publish(settings, path, transcript())
    store.generation("b").files["segments"].write_bytes(b"no parquet")
    store.generation("c").files["words"].unlink()
    facts = facts_of(settings)
    assert [one.partition_key for one in facts.partitions] == ["a"]
    assert "is damaged" in facts.unreadable["b"]
    assert "Files of the partition c are gone" in facts.unreadable["c"]


def test_facts_of_a_partition_that_is_published_meanwhile_are_of_one_generation(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(settings, "a/1.wav", transcript("old", text="one"))
    real = module.published_facts

    def overtaken(generation: Generation) -> Any:
        monkeypatch.setattr(module, "published_facts", real)
        _publish(settings, "a/2.wav", transcript("new", text="two. three"))
        return real(generation)

    monkeypatch.setattr(module, "published_facts", overtaken)
    (facts,) = facts_of(settings).partitions
    assert (facts.published.num_transcripts, facts.published.num_segments) == (2, 3)


def test_a_memory_that_cannot_be_read_or_written_costs_only_time(tmp_path: Path) -> None:
    path = tmp_path / "file" / "key.json"
    path.parent.write_text("in the way of the folder")
    memory = FactMemory(path)
    assert memory.recall("part", ["state"], lambda: 1) == 1
    memory.keep()

    path = tmp_path / "key.json"
    path.write_text('{"part": {"sta')
    memory = FactMemory(path)
    assert memory.recall("part", ["state"], lambda: 2) == 2
    memory.keep()
    assert FactMemory(path).recall("part", ["state"], lambda: 3) == 2
    assert FactMemory(path).recall("part", ["other"], lambda: 3) == 3
    assert json.loads(path.read_text())["part"]["facts"] == 2
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "key.json"]
