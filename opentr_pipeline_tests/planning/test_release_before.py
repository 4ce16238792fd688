"""Output and state of the release before the modules moved into rooms, used as they are."""

import dataclasses
import itertools
import json
import os
import shutil
from pathlib import Path

import pytest

from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.errors import StoreError
from opentr_pipeline.exports.tree import SUBTITLE_FORMATS, Export
from opentr_pipeline.planning import backlog
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.plan import Plan, Taking, load_plan, plans_of
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.quality.archive_facts import archive_facts
from opentr_pipeline.quality.checks import CHECKS
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.report.facts import report_facts
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.steps import publishing
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline_tests.making import OPTIONS, settings_of, wav

BEFORE = Path(__file__).parents[1] / "release_before"
# Its engine gave other words than today's, which would make stale what it transcribed.
ITS_OPTIONS = dataclasses.replace(OPTIONS, engine_version=2)
FACTS = json.loads((BEFORE / "facts.json").read_text())
# What ``make.py`` made of each media file.
STATES = {
    "film/3.wav": "done",
    "film/bad.wav": "failed",
    "radio/1.wav": "done",
    "radio/2.wav": "done",
    "radio/4.wav": "missing",
    "radio/5.wav": "missing",
    "radio/6.wav": "missing",
}


@dataclasses.dataclass(frozen=True)
class Before:
    """An archive that the release before has transcribed, as a run of today finds it."""

    settings: Settings

    @property
    def store(self) -> TranscriptStore:
        return TranscriptStore(self.settings.workspace.output)

    def judged(self, options: TranscriptionOptions = ITS_OPTIONS) -> list[backlog.RecordingWork]:
        found = self._recordings()
        known = list(itertools.chain(*found.values()))
        return backlog.judge(known, self.store.index(found), ArchiveOptions(options))

    def plan(self) -> Plan:
        found, options = self._recordings(), ArchiveOptions(ITS_OPTIONS)
        return backlog.make_plan(Setup(self.settings), found, options, 2, Taking())

    def _recordings(self) -> dict[str, list[Recording]]:
        setup = Setup(self.settings)
        keys = setup.partitioning.groups(scan(setup.workspace.archive).media_files)
        return backlog.recordings_of(setup, keys)


@pytest.fixture
def before(tmp_path: Path) -> Before:
    archive, output = tmp_path / "archive", tmp_path / "output"
    for number, name in enumerate(["radio/1.wav", "radio/2.wav", "film/3.wav", "film/bad.wav"]):
        wav(archive / name, pitch_hz=300.0 + 50 * number)
    for number, name in enumerate(["radio/4.wav", "radio/5.wav", "radio/6.wav"]):
        wav(archive / name, pitch_hz=500.0 + 50 * number)
    shutil.copytree(BEFORE / "output", output, symlinks=True)
    return Before(settings_of(ARCHIVE_DIR=archive, OUTPUT_DIR=output, STATE_DIR=tmp_path / "state"))


def test_what_it_transcribed_is_done(before: Before) -> None:
    assert ITS_OPTIONS.settings_fingerprint == FACTS["settings_fingerprint"]
    states = {one.recording.media_file.path: one.state for one in before.judged()}
    assert states == STATES


def test_what_its_engine_heard_is_heard_again(before: Before) -> None:
    states = {one.recording.media_file.path: one.state for one in before.judged(OPTIONS)}
    assert states == {path: "stale" if state == "done" else state for path, state in STATES.items()}


def test_a_run_transcribes_what_it_had_left(before: Before) -> None:
    plan = before.plan()
    items = {item.media_file.path: item for shard in plan.shards for item in shard}
    assert items.keys() == {"film/bad.wav", "radio/5.wav", "radio/6.wav"}
    assert items["film/bad.wav"].num_attempts == 1
    kept = Checkpoints(before.store.inner)
    assert kept.num_attempts(items["radio/6.wav"].content) == 1
    (window,) = kept.heard_so_far(items["radio/5.wav"].content)
    assert "".join(word.text for word in window.segments[0].words) == " said in radio/5.wav"


def test_a_run_publishes_what_it_had_kept(before: Before) -> None:
    publishing.publish_all(before.plan(), before.store)
    rows = before.store.read("transcripts", ["path", "text"]).to_pylist()
    texts = {row["path"]: row["text"] for row in rows}
    said = {path: f"said in {path}" for path in STATES if path[-5] in "1234"}
    assert texts == {**said, "film/bad.wav": ""}
    assert {one.state for one in before.judged()} == {"done", "failed", "missing"}


def test_its_plan_is_of_no_use_and_in_nobody_s_way(before: Before) -> None:
    old = before.store.inner / "plans" / "run-before.pickle"
    with pytest.raises(StoreError, match="is gone; start a new run"):
        load_plan(plans_of(before.store), "run-before")
    os.utime(old)  # as a fresh one, so that it is not swept
    plan = before.plan()
    plan.save(plans_of(before.store), "run-now")
    assert load_plan(plans_of(before.store), "run-now") == plan
    assert old.exists()


def test_its_files_are_not_written_again(before: Before) -> None:
    output = before.settings.workspace.output
    for key, num_files in (("film", 3), ("radio", 6)):
        export = Export(before.store, output / "exports", SUBTITLE_FORMATS, before.settings)
        done = export.write(key)
        assert (done.num_written, done.num_unchanged, done.num_removed) == (0, num_files, 0)


def test_its_facts_and_tables_pass_the_checks(before: Before) -> None:
    workspace, partitioning = before.settings.workspace, Setup(before.settings).partitioning
    found = archive_facts(workspace, partitioning, ["film", "radio"])
    assert found.unreadable == {}
    assert all(check.judge(found).passed for check in CHECKS.values())
    assert report_facts(workspace, partitioning).total.num_recordings == 4


def test_its_state_is_where_it_was() -> None:
    workspace = settings_of(
        ARCHIVE_DIR="/srv/media/radio", STATE_DIR="/srv/state", OUTPUT_DIR="/srv/output"
    ).workspace
    for name, place in FACTS["places"].items():
        assert str(getattr(workspace, name)) == place
