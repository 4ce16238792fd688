"""Work: what is to be done, what a run takes on, and what it publishes; the engine left out."""

import dataclasses
import errno
import itertools
import os
import pickle
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from opentr_pipeline.archive import storage
from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.archive.storage import FolderStorage
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.errors import ArchiveError, StoreError
from opentr_pipeline.launching.progress import Progress
from opentr_pipeline.planning import backlog, overview
from opentr_pipeline.planning.backlog import MAX_ATTEMPTS
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.plan import Plan, Taking, load_plan
from opentr_pipeline.planning.run_ranges import RunRange
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.shards import ShardItem
from opentr_pipeline.steps import publishing
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.kept_files import KEPT_DAYS, FolderFiles
from opentr_pipeline.transcripts.layout import TRANSCRIPT_TABLES
from opentr_pipeline.transcripts.published_rows import StoreIndex
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.wording import hours
from opentr_pipeline_tests.making import (
    OPTIONS,
    OTHER_OPTIONS,
    recording,
    settings_of,
    transcript,
    wav,
)

USUAL, OTHER = ArchiveOptions(OPTIONS), ArchiveOptions(OTHER_OPTIONS)
EVERYTHING = Taking()
FAILED = Taking("failed")


class World:
    """An archive and all that belongs to it; sound becomes text by looking at the path."""

    def __init__(self, folder: Path) -> None:
        self.archive = folder / "archive"
        self.setup = Setup(
            settings_of(
                ARCHIVE_DIR=self.archive, OUTPUT_DIR=folder / "output", OPENTR_HOME=folder / "state"
            )
        )
        self.store = self.setup.store
        self.num_runs = 0

    def recordings(self) -> dict[str, list[Recording]]:
        keys = self.setup.partitioning.groups(scan(self.archive).media_files)
        return backlog.recordings_of(self.setup, keys)

    def states(self, options: ArchiveOptions = USUAL) -> dict[str, str]:
        return {one.recording.media_file.path: one.state for one in self.judged(options)}

    def judged(self, options: ArchiveOptions = USUAL) -> list[backlog.RecordingWork]:
        found = self.recordings()
        known = [recording for group in found.values() for recording in group]
        return backlog.judge(known, self.store.index(found), options)

    def plan(self, taking: Taking = EVERYTHING, options: ArchiveOptions = USUAL) -> Plan:
        return backlog.make_plan(self.setup, self.recordings(), options, 2, taking)

    def run(
        self,
        taking: Taking = EVERYTHING,
        options: ArchiveOptions = USUAL,
        failing: Sequence[str] = (),
    ) -> list[str]:
        """A whole run; the paths that were transcribed."""
        plan = self.plan(taking, options)
        self.transcribe(plan, failing)
        self.publish(plan)
        return paths(plan)

    def transcribe(self, plan: Plan, failing: Sequence[str] = ()) -> None:
        self.num_runs += 1
        kept = Checkpoints(self.store.inner)
        for item in (item for shard in plan.shards for item in shard):
            path = item.media_file.path
            whole = transcript(
                text=f"said in {path}",
                transcribed_at=f"2025-01-01T00:00:{self.num_runs:02d}.000+00:00",
                num_attempts=item.num_attempts + 1,
            )
            if path in failing:
                whole = dataclasses.replace(
                    whole, status="failed", reason="It failed.", segments=()
                )
            kept.save(
                dataclasses.replace(
                    whole,
                    media_fingerprint=item.media_fingerprint,
                    settings_fingerprint=item.options.settings_fingerprint,
                )
            )

    def publish(self, plan: Plan) -> None:
        index = self.store.index(plan.partitions)
        for key in plan.partitions:
            publishing.publish_partition(key, plan, self.store, index)
        publishing.forget_published(plan, self.store)

    def texts(self, table: str = "transcripts") -> dict[str, str]:
        rows = self.store.read("transcripts", ["recording_id", "path"]).to_pylist()
        names = {row["recording_id"]: row["path"] for row in rows}
        found: dict[str, str] = {}
        for row in self.store.read(table, ["recording_id", "text"]).to_pylist():
            path = names[row["recording_id"]]
            found[path] = (found.get(path, "") + row["text"]).strip()
        return found

    def ids(self, *wanted: str) -> frozenset[str]:
        files = scan(self.archive).media_files
        return frozenset(file.recording_id for file in files if file.path in wanted)

    def rows(self) -> dict[str, dict[str, object]]:
        return {row["path"]: row for row in self.store.read("transcripts").to_pylist()}

    def checkpoints(self) -> list[str]:
        return [path.name for path in self.store.inner.rglob("*.json")]


def paths(plan: Plan) -> list[str]:
    return sorted(item.media_file.path for shard in plan.shards for item in shard)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three recordings in two partitions, all different."""
    made = World(tmp_path)
    for number, path in enumerate(("radio/1.wav", "radio/2.wav", "film/3.wav")):
        wav(made.archive / path, pitch_hz=300.0 + 50 * number)
    return made


def test_a_first_run_does_everything_and_a_second_nothing(world: World) -> None:
    assert set(world.states().values()) == {"missing"}
    assert world.run() == ["film/3.wav", "radio/1.wav", "radio/2.wav"]
    assert set(world.states().values()) == {"done"}
    for table in TRANSCRIPT_TABLES:
        assert world.texts(table) == {path: f"said in {path}" for path in world.states()}
    assert world.plan().shards == []


def test_what_is_published_needs_no_checkpoint(world: World) -> None:
    world.run()
    assert world.checkpoints() == []


def test_what_a_killed_run_had_finished_is_not_done_again(world: World) -> None:
    plan = world.plan()
    only = dataclasses.replace(plan, shards=[[plan.shards[0][0]]])
    world.transcribe(only)
    (finished,) = paths(only)
    assert set(paths(world.plan())) == set(world.states()) - {finished}
    world.run()
    assert set(world.states().values()) == {"done"}


def test_a_new_file_is_the_only_one_to_do(world: World) -> None:
    world.run()
    wav(world.archive / "radio" / "new.wav", pitch_hz=900.0)
    assert Counter(world.states().values()) == {"done": 3, "missing": 1}
    assert world.run() == ["radio/new.wav"]


def test_other_bytes_at_a_path_are_stale(world: World) -> None:
    world.run()
    wav(world.archive / "radio/1.wav", pitch_hz=999.0)
    assert world.states()["radio/1.wav"] == "stale"
    assert world.run() == ["radio/1.wav"]
    assert set(world.states().values()) == {"done"}


def test_other_options_make_everything_stale(world: World) -> None:
    world.run()
    assert set(world.states(OTHER).values()) == {"stale"}
    assert len(world.run(options=OTHER)) == 3
    assert set(world.states(OTHER).values()) == {"done"}
    assert set(world.states().values()) == {"stale"}


def test_touching_a_file_costs_no_work(world: World) -> None:
    world.run()
    os.utime(world.archive / "radio/1.wav", ns=(0, 10**18))
    assert world.run() == []
    assert set(world.states().values()) == {"done"}


def test_a_failed_recording_is_tried_a_few_times(world: World) -> None:
    assert len(world.run(failing=["radio/1.wav"])) == 3
    for attempt in range(1, MAX_ATTEMPTS):
        assert world.states()["radio/1.wav"] == "failed"
        assert world.rows()["radio/1.wav"]["num_attempts"] == attempt
        assert world.run(failing=["radio/1.wav"]) == ["radio/1.wav"]
    assert world.rows()["radio/1.wav"]["num_attempts"] == MAX_ATTEMPTS
    assert world.run() == []
    assert world.states()["radio/1.wav"] == "failed"
    assert world.texts()["radio/2.wav"] == "said in radio/2.wav"


def test_retrying_takes_the_failed_and_nothing_else(world: World) -> None:
    for _ in range(MAX_ATTEMPTS):
        world.run(failing=["radio/1.wav"])
    wav(world.archive / "radio" / "new.wav", pitch_hz=900.0)
    assert world.run(FAILED) == ["radio/1.wav"]
    states = world.states()
    assert (states["radio/1.wav"], states["radio/new.wav"]) == ("done", "missing")


def test_other_bytes_begin_to_count_attempts_anew(world: World) -> None:
    for _ in range(MAX_ATTEMPTS):
        world.run(failing=["radio/1.wav"])
    wav(world.archive / "radio/1.wav", pitch_hz=999.0)
    assert world.run(failing=["radio/1.wav"]) == ["radio/1.wav"]
    assert world.rows()["radio/1.wav"]["num_attempts"] == 1


def test_copies_are_transcribed_once_and_published_twice(world: World) -> None:
    copy = world.archive / "copies" / "of_1.wav"
    copy.parent.mkdir()
    copy.write_bytes((world.archive / "radio/1.wav").read_bytes())
    assert len(world.run()) == 3
    assert set(world.states().values()) == {"done"}
    for table in TRANSCRIPT_TABLES:
        said = world.texts(table)
        assert said["copies/of_1.wav"] == said["radio/1.wav"] != ""
    rows = world.rows()
    assert rows["copies/of_1.wav"]["partition_key"] == "copies"
    assert rows["copies/of_1.wav"]["recording_id"] != rows["radio/1.wav"]["recording_id"]


def test_both_partitions_of_a_copy_wait_for_it(world: World) -> None:
    copy = world.archive / "film" / "of_1.wav"
    copy.write_bytes((world.archive / "radio/1.wav").read_bytes())
    plan = world.plan()
    (both,) = plan.contents_to_do("radio") & plan.contents_to_do("film")
    assert both[0] == next(
        known.media_fingerprint
        for known in world.recordings()["radio"]
        if known.media_file.path == "radio/1.wav"
    )


def test_a_later_copy_costs_no_work(world: World) -> None:
    world.run()
    for path in ("film/of_1.wav", "radio/of_1.wav", "new/of_1.wav"):
        (world.archive / path).parent.mkdir(exist_ok=True)
        (world.archive / path).write_bytes((world.archive / "radio/1.wav").read_bytes())
    assert world.run() == []
    assert set(world.states().values()) == {"done"}
    assert world.texts("words")["new/of_1.wav"] == world.texts("words")["radio/1.wav"]


@pytest.mark.parametrize("target", ["radio/renamed.wav", "film/moved.wav", "new/moved.wav"])
def test_a_moved_file_is_transcribed_once(world: World, target: str) -> None:
    world.run()
    (world.archive / target).parent.mkdir(exist_ok=True)
    (world.archive / "radio/1.wav").rename(world.archive / target)
    assert world.run() == []
    assert world.states()[target] == "done"
    assert world.texts("words")[target] == "said in radio/1.wav"


def test_a_file_that_left_the_archive_keeps_its_transcript(world: World) -> None:
    world.run()
    (world.archive / "radio/1.wav").unlink()
    wav(world.archive / "radio" / "new.wav", pitch_hz=900.0)
    world.run()
    assert world.texts("words")["radio/1.wav"] == "said in radio/1.wav"


def test_broken_files_need_no_shard(world: World) -> None:
    (world.archive / "radio" / "empty.mp3").touch()
    (world.archive / "radio" / "text.mp4").write_text("no film\n" * 99)
    assert len(world.run()) == 3
    rows = world.rows()
    assert (rows["radio/empty.mp3"]["status"], rows["radio/text.mp4"]["status"]) == (
        "corrupt",
        "corrupt",
    )
    assert rows["radio/empty.mp3"]["reason"] == "The file is empty (0 bytes)."
    assert set(world.states().values()) == {"done"}
    assert world.run() == []


def unreadable(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    real = storage.hashlib.file_digest

    def digest(stream: object, name: str) -> object:
        path = Path(stream.name)  # type: ignore[attr-defined]
        if path.name in names:
            raise OSError(5, f"Input/output error {names.index(path.name)}")
        return real(stream, name)  # type: ignore[arg-type]

    monkeypatch.setattr(storage.hashlib, "file_digest", digest)


def test_each_unreadable_file_has_its_own_reason_and_attempts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        unreadable(patch, "1.wav", "2.wav")
        for attempt in (1, 2):
            world.run()
            rows = world.rows()
            for number, path in enumerate(("radio/1.wav", "radio/2.wav")):
                assert rows[path]["reason"] == (
                    f"The file cannot be read: Input/output error {number}."
                )
                assert rows[path]["num_attempts"] == attempt
    assert world.run() == ["radio/1.wav", "radio/2.wav"]
    assert set(world.states().values()) == {"done"}


def test_a_file_that_cannot_be_read_for_a_while_keeps_its_transcript(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run()
    os.utime(world.archive / "radio/1.wav", ns=(0, 10**18))
    with monkeypatch.context() as patch:
        unreadable(patch, "1.wav")
        world.run()
        assert world.texts("words")["radio/1.wav"] == "said in radio/1.wav"
    assert world.run() == []
    assert set(world.states().values()) == {"done"}


def test_a_failure_with_other_options_costs_no_transcript(world: World) -> None:
    world.run()
    world.run(options=OTHER, failing=["radio/1.wav"])
    assert world.texts("words")["radio/1.wav"] == "said in radio/1.wav"


def test_a_failure_with_other_options_is_tried_a_few_times(world: World) -> None:
    world.run()
    assert len(world.run(options=OTHER, failing=["radio/1.wav"])) == 3
    for _ in range(1, MAX_ATTEMPTS):
        assert world.run(options=OTHER, failing=["radio/1.wav"]) == ["radio/1.wav"]
    assert world.run(options=OTHER) == []


def test_a_checkpoint_newer_than_what_is_published_is_kept(world: World) -> None:
    world.run(failing=["radio/1.wav"])
    plan = world.plan()
    world.transcribe(plan)  # another run's step, which has not published yet
    publishing.forget_published(plan, world.store)
    assert len(world.checkpoints()) == 1
    assert world.run() == []
    assert set(world.states().values()) == {"done"}


def test_publishing_twice_changes_nothing(world: World) -> None:
    plan = world.plan()
    world.transcribe(plan)
    world.publish(plan)
    before = {path: path.stat().st_ino for path in world.store.root.rglob("*.parquet")}
    world.publish(plan)
    assert {path: path.stat().st_ino for path in world.store.root.rglob("*.parquet")} == before


def test_a_partition_can_be_published_before_the_others(world: World) -> None:
    plan = world.plan()
    world.transcribe(plan)
    publishing.publish_partition("film", plan, world.store, world.store.index(plan.partitions))
    assert world.states() == {
        "film/3.wav": "done",
        "radio/1.wav": "missing",
        "radio/2.wav": "missing",
    }


def test_what_is_left_over_is_named_by_partition(world: World) -> None:
    plan = world.plan()
    world.transcribe(plan, failing=["radio/2.wav"])
    world.publish(plan)
    left = {
        key: [one.recording.media_file.path for one in group]
        for key, group in publishing.left_over(plan, world.store).items()
    }
    assert left == {"radio": ["radio/2.wav"]}


def test_a_run_may_take_some_recordings_alone(world: World) -> None:
    taking = Taking(recordings=world.ids("radio/2.wav"))
    assert world.run(taking) == ["radio/2.wav"]
    plan = world.plan(taking)
    left = publishing.left_over(plan, world.store)
    assert set(left) == {"film", "radio"}
    assert publishing.unanswered(plan, itertools.chain(*left.values())) == []


def test_a_budget_is_spent_on_what_is_missing_first(world: World) -> None:
    world.run()
    for number in range(3):
        wav(world.archive / f"new/{number}.wav", 2.0, 500.0 + number)
    assert world.run(Taking(audio_budget_s=4.0), OTHER) == ["new/0.wav", "new/1.wav"]
    assert world.run(Taking(audio_budget_s=2.3), OTHER) == ["film/3.wav", "new/2.wav"]
    # One that is longer than the budget is taken all the same, alone.
    wav(world.archive / "new/long.wav", 5.0)
    assert world.run(Taking(audio_budget_s=1.0), OTHER) == ["new/long.wav"]
    assert world.run(options=OTHER) == ["radio/1.wav", "radio/2.wav"]


def test_a_copy_costs_no_budget(world: World) -> None:
    shutil.copyfile(world.archive / "film/3.wav", world.archive / "film/copy.wav")
    taking = Taking(audio_budget_s=0.2)
    assert len(backlog.chosen(world.judged(), taking)) == 2


@pytest.mark.parametrize(
    ("taking", "failing", "blamed"),
    [
        (EVERYTHING, ["radio/2.wav"], ["radio/2.wav"]),
        (Taking(audio_budget_s=0.1), [], []),
        (Taking(deadline=1.0), [], []),
        (Taking(deadline=1.0), ["radio/2.wav"], ["radio/2.wav"]),
        (Taking(deadline=1e12), [], ["film/3.wav", "radio/1.wav"]),
    ],
    ids=["a failure", "the budget", "the deadline", "a failure before it", "no reason"],
)
def test_what_a_run_is_blamed_for(
    world: World, taking: Taking, failing: list[str], blamed: list[str]
) -> None:
    plan = world.plan(taking)
    done = {"radio/2.wav"} if taking.deadline else set(paths(plan))
    shards = [[item for item in shard if item.media_file.path in done] for shard in plan.shards]
    world.transcribe(dataclasses.replace(plan, shards=shards), failing)
    world.publish(plan)
    left = itertools.chain(*publishing.left_over(plan, world.store).values())
    found = publishing.unanswered(plan, left)
    assert sorted(one.recording.media_file.path for one in found) == blamed


def test_what_runs_of_long_ago_have_left_is_removed(world: World, tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    plans.mkdir()
    for name in ("old.pickle", "new.pickle"):
        (plans / name).write_text("left")
    long_ago = time.time() - (KEPT_DAYS + 1) * 86_400
    os.utime(plans / "old.pickle", (long_ago, long_ago))
    world.plan().save(FolderFiles(plans, "here"), "1")
    assert sorted(path.name for path in plans.iterdir()) == ["1.json", "new.pickle"]


def test_files_that_change_places_are_not_transcribed_again(world: World) -> None:
    world.run()
    texts = {path: world.texts() for path in ("film/3.wav", "radio/1.wav")}
    film, radio = world.archive / "film/3.wav", world.archive / "radio/1.wav"
    film.rename(world.archive / "aside")
    radio.rename(film)
    (world.archive / "aside").rename(radio)
    assert world.run() == []
    assert set(world.states().values()) == {"done"}
    assert world.texts()["film/3.wav"] == texts["radio/1.wav"]["radio/1.wav"]
    assert world.texts("words") == world.texts()
    assert world.checkpoints() == []


def test_a_file_that_is_copied_and_then_written_over_is_not_transcribed_again(
    world: World,
) -> None:
    world.run()
    shutil.copyfile(world.archive / "film/3.wav", world.archive / "radio/copy.wav")
    wav(world.archive / "film/3.wav", 0.4)
    assert world.run(Taking(recordings=world.ids("film/3.wav"))) == ["film/3.wav"]
    assert world.run() == []
    assert world.texts()["radio/copy.wav"] == "said in film/3.wav"


def test_a_clock_that_jumps_makes_nothing_be_done_again(world: World) -> None:
    world.num_runs = 30  # transcribed half a minute later than what follows
    world.run()
    rows = world.rows()
    world.num_runs = 0
    for path in world.archive.rglob("*.wav"):  # copied back from a backup: other times, same bytes
        os.utime(path, (1_000_000_000, 4_000_000_000))
    assert world.run() == []
    assert world.rows() == rows
    # What is stale is replaced, though its transcript seems to be from the future.
    assert world.run(options=OTHER) == ["film/3.wav", "radio/1.wav", "radio/2.wav"]
    assert set(world.states(OTHER).values()) == {"done"}


def test_a_restored_backup_is_brought_up_to_date(world: World, tmp_path: Path) -> None:
    world.run()
    backup = tmp_path / "backup"
    shutil.copytree(world.store.root, backup, symlinks=True)
    wav(world.archive / "radio/4.wav", 0.4)
    assert world.run() == ["radio/4.wav"]
    whole = world.rows()
    shutil.rmtree(world.store.root)
    backup.rename(world.store.root)
    assert world.states()["radio/4.wav"] == "missing"
    assert world.run() == ["radio/4.wav"]
    assert world.rows().keys() == whole.keys()


def test_several_runs_share_a_budget() -> None:
    audio_s = {"a": 100.2, "b": 50.0, "c": 7.0}
    whole = Taking(audio_budget_s=200.0, deadline=5.0)
    assert whole.share(RunRange(("a", "idle", "b")), audio_s) == Taking(
        audio_budget_s=151.0, deadline=5.0
    )
    assert EVERYTHING.share(RunRange(("a",)), audio_s) == EVERYTHING


def test_a_plan_survives_on_disk(world: World, tmp_path: Path) -> None:
    world.run()
    wav(world.archive / os.fsdecode(b"radio/latin \xe9.wav"), 0.3, pitch_hz=200.0)
    shutil.copyfile(world.archive / "film/3.wav", world.archive / "radio/copy.wav")
    radio = {"radio": world.recordings()["radio"]}
    taking = Taking("pending", frozenset({"b", "a"}), 100.5, time.time() + 1000)
    usual = backlog.make_plan(world.setup, radio, USUAL, 2, EVERYTHING)
    assert usual.shards
    assert usual.elsewhere
    assert usual.answers_for
    for plan in (
        usual,
        world.plan(options=ArchiveOptions(OPTIONS, {"radio": OTHER_OPTIONS})),
        dataclasses.replace(usual, taking=taking),
    ):
        plan.save(FolderFiles(tmp_path, "here"), "1")
        assert load_plan(FolderFiles(tmp_path, "here"), "1") == plan


@pytest.mark.parametrize("kept", [pickle.dumps({"a": "plan"}), b'{"shards": []}', b""])
def test_a_plan_of_another_release_is_refused(tmp_path: Path, kept: bytes) -> None:
    """Who asks for a run that began before an update."""
    (tmp_path / "1.json").write_bytes(kept)
    with pytest.raises(StoreError, match="was made by another release; start a new run"):
        load_plan(FolderFiles(tmp_path, "here"), "1")


def test_a_partition_that_is_no_more_has_no_recordings(world: World) -> None:
    found = backlog.recordings_of(world.setup, ["film", "gone"])
    assert [len(group) for group in found.values()] == [1, 0]


@pytest.mark.parametrize("at", ["film", "film/deep"])
@pytest.mark.parametrize("asked", ["list", "stat"])
def test_what_lies_where_nothing_can_be_read_is_not_gone(
    world: World, monkeypatch: pytest.MonkeyPatch, at: str, asked: str
) -> None:
    """In a folder, or a file: it may be there, and what is published of it stays."""
    for name in ("film/deep/a.wav", "film/deeper.wav"):
        wav(world.archive / name, 0.5)
    failure, ask = OSError(errno.EACCES, "We may not"), getattr(FolderStorage, asked)

    def here() -> set[str]:
        rows = world.store.read("recordings").to_pylist()
        return {row["path"] for row in rows if row["in_archive"]}

    def look() -> None:
        unread: set[str] = set()
        found = backlog.recordings_of(world.setup, ["film"], unread)
        world.store.write_recordings("film", found["film"], unread)

    def failing(storage: FolderStorage, path: str) -> object:
        if path == (f"{at}/a.wav" if (at, asked) == ("film/deep", "stat") else at):
            raise failure
        return ask(storage, path)

    look()
    before = here()
    assert {"film/deep/a.wav", "film/deeper.wav"} <= before
    monkeypatch.setattr(FolderStorage, asked, failing)
    look()
    assert here() == before
    failure = OSError(errno.ETIMEDOUT, "The bucket did not answer: 503 Service Unavailable")
    with pytest.raises(ArchiveError, match="did not answer: 503"):
        look()
    monkeypatch.undo()
    (world.archive / "film" / "deeper.wav").unlink()
    look()
    assert here() == before - {"film/deeper.wav"}


def test_states_are_counted(world: World) -> None:
    world.run(failing=["film/3.wav"])
    found = world.recordings()
    known = [recording for group in found.values() for recording in group]
    counts = backlog.counted(backlog.judge(known, world.store.index(found), USUAL))
    assert counts == {"done": 2, "missing": 0, "stale": 0, "failed": 1}


def test_a_run_for_failures_leaves_what_is_missing(world: World) -> None:
    world.run(failing=["radio/1.wav"])
    wav(world.archive / "radio/4.wav", pitch_hz=700.0)
    assert world.run(FAILED) == ["radio/1.wav"]
    assert world.states()["radio/4.wav"] == "missing"


def test_a_file_of_another_day_is_published_there(world: World) -> None:
    world.setup = Setup(world.setup.settings.model_copy(update={"partition_by": "day"}))
    for name in ("radio/1.wav", "radio/2.wav", "film/3.wav"):
        os.utime(world.archive / name, ns=(0, 1_714_000_000_000_000_000))
    world.run()
    wav(world.archive / "radio/1.wav", pitch_hz=900.0)  # restored from a backup: other and older
    os.utime(world.archive / "radio/1.wav", ns=(0, 1_704_000_000_000_000_000))
    assert world.run() == ["radio/1.wav"]
    assert set(world.states().values()) == {"done"}
    assert world.run() == []


def test_a_copy_that_was_published_elsewhere_meanwhile_is_published_here(world: World) -> None:
    first = world.plan()
    world.transcribe(first)
    (world.archive / "copies").mkdir()
    (world.archive / "copies/1.wav").write_bytes((world.archive / "radio/1.wav").read_bytes())
    found = {"copies": world.recordings()["copies"]}
    second = backlog.make_plan(world.setup, found, USUAL, 2, EVERYTHING)
    assert second.shards == []  # the first run has it, kept but not published
    publishing.publish_all(first, world.store)
    publishing.publish_all(second, world.store)
    assert world.states()["copies/1.wav"] == "done"


def with_folder(folder: str) -> ArchiveOptions:
    return ArchiveOptions(OPTIONS, {folder: OTHER_OPTIONS})


def copied(world: World, *targets: str) -> None:
    for target in targets:
        (world.archive / target).parent.mkdir(exist_ok=True)
        (world.archive / target).write_bytes((world.archive / "radio/1.wav").read_bytes())


def test_options_of_a_folder_make_its_recordings_stale_alone(world: World) -> None:
    world.run()
    states = world.states(with_folder("radio"))
    assert states == {"film/3.wav": "done", "radio/1.wav": "stale", "radio/2.wav": "stale"}
    assert world.run(options=with_folder("radio")) == ["radio/1.wav", "radio/2.wav"]
    assert set(world.states(with_folder("radio")).values()) == {"done"}
    assert world.run(options=with_folder("radio")) == []


def test_an_item_carries_the_options_of_its_folder(world: World) -> None:
    plan = world.plan(options=with_folder("film"))
    wanted = {
        item.media_file.path: item.options.language for shard in plan.shards for item in shard
    }
    assert wanted == {"film/3.wav": "es", "radio/1.wav": "auto", "radio/2.wav": "auto"}


def test_the_same_bytes_under_other_options_are_work_of_their_own(world: World) -> None:
    copied(world, "copies/of_1.wav", "radio/of_1.wav")
    options = with_folder("copies")
    assert world.run(options=options) == [
        "copies/of_1.wav",
        "film/3.wav",
        "radio/1.wav",
        "radio/2.wav",
    ]
    said, rows = world.texts("words"), world.rows()
    assert said["copies/of_1.wav"] == "said in copies/of_1.wav"
    assert said["radio/of_1.wav"] == said["radio/1.wav"] == "said in radio/1.wav"
    for path, row in rows.items():
        assert row["settings_fingerprint"] == options.of(path).settings_fingerprint
    assert set(world.states(options).values()) == {"done"}


def test_both_partitions_of_a_copy_have_their_own_work_under_other_options(world: World) -> None:
    copied(world, "film/of_1.wav")
    plan = world.plan(options=with_folder("film"))
    assert plan.contents_to_do("radio") & plan.contents_to_do("film") == set()
    items = [item for shard in plan.shards for item in shard]
    assert len(items) == len({item.content for item in items}) == 4
    assert {item.partition_keys for item in items} == {("film",), ("radio",)}


def test_a_recording_moved_between_folders_is_stale_where_the_options_differ(world: World) -> None:
    options = with_folder("film")
    world.run(options=options)
    (world.archive / "radio/1.wav").rename(world.archive / "film/1.wav")
    assert world.run(options=options) == ["film/1.wav"]
    (world.archive / "film/1.wav").rename(world.archive / "radio/1.wav")
    assert world.run(options=options) == []
    assert set(world.states(options).values()) == {"done"}


def test_attempts_are_counted_for_each_set_of_options(world: World) -> None:
    copied(world, "film/of_1.wav")
    for _ in range(MAX_ATTEMPTS):
        world.run(options=with_folder("film"), failing=["film/of_1.wav"])
    assert world.run(options=with_folder("film")) == []
    assert world.states(with_folder("film"))["radio/1.wav"] == "done"
    assert world.run(FAILED, with_folder("film")) == ["film/of_1.wav"]


def test_the_version_of_a_partition_is_that_of_its_options(world: World) -> None:
    usual, film = world.plan(), world.plan(options=with_folder("film"))
    nested = world.plan(options=ArchiveOptions(OPTIONS, {"radio/deep": OTHER_OPTIONS}))
    assert usual.data_version("film") == usual.data_version("radio")
    assert film.data_version("radio") == usual.data_version("radio")
    assert film.data_version("film") != usual.data_version("film")
    assert nested.data_version("radio") == usual.data_version("radio")
    copied(world, "radio/deep/1.wav")
    mixed = world.plan(options=ArchiveOptions(OPTIONS, {"radio/deep": OTHER_OPTIONS}))
    versions = {mixed.data_version("radio"), usual.data_version("radio"), film.data_version("film")}
    assert len(versions) == 3
    assert mixed.fingerprints["radio"] == sorted(
        [OPTIONS.settings_fingerprint, OTHER_OPTIONS.settings_fingerprint]
    )


def test_progress_counts_each_set_of_options(world: World) -> None:
    copied(world, "film/of_1.wav")
    options = with_folder("film")
    found = world.recordings()
    known = [recording for group in found.values() for recording in group]
    progress = Progress(world.store, backlog.judge(known, world.store.index(found), options))
    plan = world.plan(options=options)
    items = [item for shard in plan.shards for item in shard]
    film = [item for item in items if item.media_file.path == "film/of_1.wav"]
    world.transcribe(dataclasses.replace(plan, shards=[film]))
    assert progress.sentence().startswith("1 of 4 recordings")
    assert progress.kept() == (
        "Ended: 1 of 4 recordings is finished and kept; the same command goes on from there."
    )
    works = backlog.judge(known, world.store.index(found), options)
    left_s = 3 * known[0].probe.duration_s  # type: ignore[operator]
    assert progress.to_do(9).startswith("4 of 9 recordings to transcribe, ")
    assert Progress(world.store, works).to_do(9) == (
        f"3 of 9 recordings to transcribe (1 kept from before), {hours(left_s)} h of audio"
    )
    world.transcribe(plan)
    world.publish(plan)
    progress.look_at_published()
    assert progress.sentence().startswith("4 of 4 recordings")


def test_an_overview_counts_by_the_options_of_the_folders(world: World) -> None:
    world.run()
    found, options = scan(world.archive), with_folder("radio")
    works = list(backlog.known_work_by_partition(world.setup, found, options))
    facts = sum(map(overview.count, works), overview.Overview())
    assert (facts.num_done, facts.num_stale, facts.num_partitions) == (1, 2, len(works))
    assert [one for group in works for one in group] == backlog.known_work(
        world.setup, found, options
    )


def test_a_plan_holds_what_is_left_of_its_partitions(world: World) -> None:
    world.run()
    tables = world.store.read_together("radio")
    first, *_ = rows = tables["transcripts"].to_pylist()
    before = {row["path"] for row in rows}
    # A run died before it dropped what it had published.
    Checkpoints(world.store.inner).save(transcript_of(tables, first["recording_id"]))
    wav(world.archive / "radio/new.wav", seconds=0.7)
    plan = world.plan()
    held = {key: {one.media_file.path for one in group} for key, group in plan.partitions.items()}
    assert held.pop("radio") == {first["path"], "radio/new.wav"}
    assert not any(held.values())
    world.transcribe(plan)
    world.publish(plan)
    after = set(world.store.read_partition("transcripts", "radio")["path"].to_pylist())
    assert after == {*before, "radio/new.wav"}
    assert publishing.left_over(plan, world.store) == {}
    assert Checkpoints(world.store.inner).listed("json") == set()


@pytest.mark.parametrize("by", ["folder", "hash", "day"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_some_partitions_are_scanned_as_the_whole_archive_is(
    tmp_path: Path, by: str, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "archive"
    folders = (
        "",
        "a",
        "a/b",
        "a/b/c/d",
        ".hidden",
        "ä %é",
        "a/.hidden",
        "x" * 240,
        "x" * 239 + "y",
    )
    for number, folder in enumerate((*folders, os.fsdecode(b"\xff"), "...")):
        (archive / folder).mkdir(parents=True, exist_ok=True)
        for name in ("1.wav", "2.mp3", "3.txt", ".4.wav"):
            (archive / folder / name).write_bytes(b"RIFF")
            os.utime(archive / folder / name, (0, number * 86_400))
    (archive / "link").symlink_to("a")
    (archive / "link.wav").symlink_to("a/1.wav")
    (archive / "a" / "link").symlink_to("b")
    setup = Setup(settings_of(ARCHIVE_DIR=archive, PARTITION_BY=by, PARTITION_DEPTH=depth))
    whole = setup.partitioning.groups(scan(archive).media_files)
    assert sum(map(len, whole.values())) == 17
    absent = ("link", "a%2Flink", "%2Ehidden", "gone", "a%2Fb%2Fc%2Fd%2Fe")
    for key in (*whole, *absent):
        assert backlog._media_of(setup, [key], set()) == {key: whole.get(key, [])}
    assert backlog._media_of(setup, list(whole), set()) == whole
    if by == "folder":  # other folders are not even looked at
        looked: list[str] = []
        listed = FolderStorage.list
        monkeypatch.setattr(
            FolderStorage, "list", lambda self, path: looked.append(path) or listed(self, path)
        )
        key = setup.partitioning.key(whole["a" if depth == 1 else "a%2Fb"][-1])
        backlog._media_of(setup, [key], set())
        assert {path[:1] for path in looked} == {"a"}


def test_what_is_not_heard_of_a_long_recording_is_no_work() -> None:
    long = dataclasses.replace(recording("film/1.wav"), probe=Probe(duration_s=700_000.0))
    options = dataclasses.replace(OPTIONS, max_duration_s=100_000)
    (work,) = backlog.judge([long], StoreIndex([]), ArchiveOptions(options))
    assert work.audio_s == 100_000
    item = ShardItem(long.media_file, "f", options, 700_000.0, False, ("film",))
    assert item.weight_s == 100_000
