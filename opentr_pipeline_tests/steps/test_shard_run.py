"""One shard, with a model that says what a test wants at its boundary; all else is real."""

import contextlib
import dataclasses
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opentr_pipeline.audio import windows
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, WINDOW_SAMPLES
from opentr_pipeline.errors import DeviceError, ModelError, StoreError
from opentr_pipeline.locks import is_locked
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.plan import Plan, Taking
from opentr_pipeline.planning.shards import ShardItem
from opentr_pipeline.recognition.recognizer import Part
from opentr_pipeline.steps import attempts, shard_run
from opentr_pipeline.steps.shard_run import MAX_DEATHS, ShardOutcome, ShardRun
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.elsewhere import Nowhere
from opentr_pipeline.transcripts.transcript import Content, Segment
from opentr_pipeline.transcripts.window_results import Heard
from opentr_pipeline_tests.audio.test_decoding import encoded
from opentr_pipeline_tests.conftest import wait_for
from opentr_pipeline_tests.making import OPTIONS, transcript, wav
from opentr_pipeline_tests.planning.test_backlog import World

BATCH_SIZE = 4


class Model:
    """Hears every window the same, or does what the test says.

    Attributes:
        heard_s: the length of each window that was heard; recordings differ in theirs.
    """

    num_workers = 2
    num_listeners = 2

    def __init__(self, hear: Callable[[Part], object] = lambda part: None) -> None:
        self.num_loads = 0
        self.heard_s: list[float] = []
        self._hear = hear

    def load(self) -> Any:
        self.num_loads += 1
        return self

    def windows(self, sound: Any) -> Any:
        return sound.windows()

    def unload(self) -> None:
        self.num_loads -= 1

    def settle_language(
        self, parts: Sequence[Part], before: str = "", known: Sequence[Heard] = ()
    ) -> str:
        for part in parts:
            part.language, part.language_probability = "en", 0.75
        return "en"

    def hear(self, parts: Sequence[Part]) -> list[Heard]:
        assert len(parts) <= BATCH_SIZE
        for part in parts:
            self._hear(part)
            self.heard_s.append(seconds(part))
        return [self._heard(part) for part in parts]

    def _heard(self, part: Part) -> Heard:
        window = part.window
        start, channel = window.place
        start_s = start / SAMPLE_RATE_HZ
        end_s = start_s + window.duration_s
        said = Segment(start_s, end_s, "good morning", -0.25, 0.1, 1.5, channel=channel)
        return Heard(start, channel, window.duration_s, "en", 0.75, 0.1, (said,))


def seconds(part: Part) -> float:
    return round(part.window.duration_s, 1)


def in_one_of(lengths_s: Sequence[float], error: BaseException) -> Callable[[Part], None]:
    """Raises in recordings of these lengths."""

    def hear(part: Part) -> None:
        if seconds(part) in lengths_s:
            raise error

    return hear


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three recordings of 1, 2 and 3 s in two partitions; their tones count as speech."""

    def speech(sound: Any) -> list[tuple[int, int]]:
        starts = range(0, len(sound), WINDOW_SAMPLES)
        return [(start, min(start + WINDOW_SAMPLES, len(sound))) for start in starts]

    monkeypatch.setattr(windows, "_speech", speech)
    made = World(tmp_path)
    for number, path in enumerate(("film/1.wav", "radio/2.wav", "radio/3.wav"), 1):
        wav(made.archive / path, seconds=float(number))
    return made


def items_of(plan: Plan) -> list[ShardItem]:
    """The whole plan as one shard, by path."""
    items = [item for shard in plan.shards for item in shard]
    return sorted(items, key=lambda item: item.media_file.path)


def run(world: World, model: Model, plan: Plan | None = None) -> ShardOutcome:
    plan = plan or world.plan()
    return ShardRun(world.archive, world.store, plan, model.load, BATCH_SIZE).run(items_of(plan))


def statuses(world: World) -> dict[str, Any]:
    return {path: row["status"] for path, row in world.rows().items()}


def notes(world: World, plan: Plan) -> dict[str, int]:
    """Attempts without an outcome, by path; no claim is held any more."""
    assert [path for path in world.store.inner.rglob("*.lock") if is_locked(path)] == []
    kept = Checkpoints(world.store.inner)
    return {item.media_file.path: kept.num_attempts(item.content) for item in items_of(plan)}


def test_a_shard_is_transcribed_with_one_load_and_published(world: World) -> None:
    model = Model()
    outcome = run(world, model)
    assert model.num_loads == 1
    assert sorted(model.heard_s) == [1.0, 2.0, 3.0]
    assert outcome.num_by_status == {"ok": 3}
    assert outcome.audio_s == pytest.approx(6.0)
    assert outcome.wall_s > 0
    assert statuses(world) == dict.fromkeys(("film/1.wav", "radio/2.wav", "radio/3.wav"), "ok")
    row = world.rows()["radio/2.wav"]
    assert (row["text"], row["language"], row["num_attempts"]) == ("good morning", "en", 1)
    assert row["duration_s"] == pytest.approx(2.0)


def test_each_partition_is_announced_when_it_is_published(world: World) -> None:
    plan, model = world.plan(), Model()
    found: list[tuple[str, set[str]]] = []

    def announce(key: str) -> None:
        found.append((key, set(world.rows())))

    for _ in range(2):  # who was killed before it could say so says it in its next attempt
        made = ShardRun(world.archive, world.store, plan, model.load, BATCH_SIZE)
        made.announce = announce
        made.run(items_of(plan))
    assert {key for key, _ in found[:2]} == {key for key, _ in found[2:]} == {"film", "radio"}
    paths = {"film": {"film/1.wav"}, "radio": {"radio/2.wav", "radio/3.wav"}}
    assert all(paths[key] <= rows for key, rows in found)


def test_what_is_done_loads_no_model(world: World) -> None:
    plan = world.plan()
    world.transcribe(plan)
    model = Model()
    outcome = run(world, model, plan)
    assert (model.num_loads, outcome.num_found_done) == (0, 3)
    assert len(statuses(world)) == 3


def test_nothing_to_do_loads_no_model(world: World) -> None:
    model = Model()
    plan = world.plan()
    ShardRun(world.archive, world.store, plan, model.load, BATCH_SIZE).run([])
    assert model.num_loads == 0


def test_a_partition_is_published_as_soon_as_it_is_complete(world: World) -> None:
    seen: list[dict[str, Any]] = []

    def hear(part: Part) -> None:
        if seconds(part) == 3.0:
            wait_for(lambda: "film/1.wav" in statuses(world), 10.0)
            seen.append(statuses(world))

    run(world, Model(hear))
    assert seen == [{"film/1.wav": "ok"}]


def test_each_recording_is_heard_with_its_own_options(world: World) -> None:
    split = dataclasses.replace(OPTIONS, language="es", audio_channels="split")
    asked: dict[float, Any] = {}
    model = Model(lambda part: asked.update({seconds(part): part.options}))
    run(world, model, world.plan(options=ArchiveOptions(OPTIONS, {"film": split})))
    assert asked == {1.0: split, 2.0: OPTIONS, 3.0: OPTIONS}
    settings = {path: row["settings_fingerprint"] for path, row in world.rows().items()}
    assert settings["film/1.wav"] == split.settings_fingerprint


@pytest.mark.parametrize("error", [RuntimeError("a shape is wrong"), ValueError(""), KeyError("a")])
def test_a_model_that_fails_on_one_recording_goes_on_with_the_others(
    world: World, error: Exception
) -> None:
    outcome = run(world, Model(in_one_of([2.0], error)))
    assert outcome.num_by_status == {"ok": 2, "failed": 1}
    assert statuses(world)["radio/2.wav"] == "failed"
    assert type(error).__name__ in str(world.rows()["radio/2.wav"]["reason"])
    assert [sentence.split(":")[0] for sentence in outcome.failures] == ["radio/2.wav"]


@pytest.mark.parametrize("error", [ModelError("It is not there."), KeyboardInterrupt()])
def test_what_is_no_fault_of_a_recording_is_not_held_against_it(
    world: World, error: BaseException
) -> None:
    def load() -> Any:
        raise error

    plan = world.plan()
    for _ in range(MAX_DEATHS + 2):
        with pytest.raises(type(error)):
            ShardRun(world.archive, world.store, plan, load, BATCH_SIZE).run(items_of(plan))
    assert world.checkpoints() == []
    assert set(notes(world, plan).values()) == {0}
    run(world, Model())
    assert set(statuses(world).values()) == {"ok"}
    assert {row["num_attempts"] for row in world.rows().values()} == {1}


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as a fresh process has it, whatever other tests have left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_person_who_interrupts_takes_everything_under_way_back(world: World) -> None:
    plan = world.plan()
    for _ in range(MAX_DEATHS + 1):
        with pytest.raises(KeyboardInterrupt):
            run(world, interrupted_once(delay_s=0.02), plan)
        assert set(notes(world, plan).values()) == {0}
    run(world, Model())
    assert set(statuses(world).values()) == {"ok"}


def interrupted_once(delay_s: float) -> Model:
    """A model under which somebody presses Ctrl-C."""
    presses = [signal.SIGINT]

    def hear(part: Part) -> None:
        time.sleep(delay_s)
        if presses:  # to the main thread itself, which wakes from its wait at once
            signal.pthread_kill(threading.main_thread().ident or 0, presses.pop())
        time.sleep(delay_s)

    return Model(hear)


def test_a_disk_that_is_full_takes_everything_under_way_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(self: Checkpoints, transcript: object) -> None:
        raise StoreError("The disk is full.")

    plan = world.plan()
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", save)
        with pytest.raises(StoreError):
            run(world, Model(), plan)
    assert set(notes(world, plan).values()) == {0}
    assert "_listen" not in str(threading.enumerate())
    run(world, Model())
    assert {row["num_attempts"] for row in world.rows().values()} == {1}


def test_a_process_that_is_told_to_end_takes_its_attempts_back(world: World) -> None:
    plan = world.plan()
    kept = Checkpoints(world.store.inner)
    is_withdrawn = threading.Event()
    begun: list[int] = []

    def numbers() -> list[int]:
        return [kept.num_attempts(item.content) for item in items_of(plan)]

    def hear(part: Part) -> None:
        if not begun:
            begun.append(1)
            wait_for(lambda: numbers() == [1, 1, 1], 10.0)
            runs[0].withdraw()
            is_withdrawn.set()
        assert is_withdrawn.wait(10.0)
        raise DeviceError("as if it ended here")

    runs = [ShardRun(world.archive, world.store, plan, Model(hear).load, BATCH_SIZE)]
    with pytest.raises(DeviceError):
        runs[0].run(items_of(plan))
    assert is_withdrawn.is_set()
    assert set(notes(world, plan).values()) == {0}


def test_withdrawing_waits_for_an_outcome_that_is_being_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is told to end may be at the end of a recording: it is not heard again."""
    plan = world.plan()
    save = saving(monkeypatch, 0.3)
    made = ShardRun(world.archive, world.store, plan, Model().load, BATCH_SIZE)
    runner = threading.Thread(target=made.run, args=(items_of(plan),), daemon=True)
    runner.start()
    assert save.wait(10.0)
    made.withdraw()
    assert len([*world.store.inner.rglob("*.json")]) >= 1
    runner.join(20.0)
    assert not runner.is_alive()
    assert set(notes(world, plan).values()) == {0}


def test_withdrawing_is_done_even_where_a_disk_hangs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the run that it is taken from comes to its end, whichever that is, without an error."""
    monkeypatch.setattr(shard_run, "WITHDRAW_S", 0.1)
    plan = world.plan()
    save = saving(monkeypatch, 0.5)
    made = ShardRun(world.archive, world.store, plan, Model().load, BATCH_SIZE)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            made.run(items_of(plan))
        except BaseException as error:
            errors.append(error)

    runner = threading.Thread(target=run, daemon=True)
    runner.start()
    assert save.wait(10.0)
    started = time.monotonic()
    made.withdraw()
    assert time.monotonic() - started < 0.4
    runner.join(20.0)
    assert not runner.is_alive()
    assert errors == []
    assert set(notes(world, plan).values()) == {0}


def saving(monkeypatch: pytest.MonkeyPatch, delay_s: float) -> threading.Event:
    """Says when an outcome is being kept, which takes so long."""
    begun = threading.Event()
    usual = Checkpoints.save

    def save(self: Checkpoints, transcript: Any) -> None:
        begun.set()
        time.sleep(delay_s)
        usual(self, transcript)

    monkeypatch.setattr(Checkpoints, "save", save)
    return begun


def test_a_device_that_fails_leaves_notes_and_no_claim(world: World) -> None:
    plan = world.plan()
    with pytest.raises(DeviceError):
        run(world, Model(in_one_of([1.0], DeviceError("CUDA failed"))), plan)
    assert notes(world, plan)["film/1.wav"] == 1
    assert "film/1.wav" not in statuses(world)


def test_a_recording_that_breaks_the_device_is_given_up(world: World) -> None:
    broken = in_one_of([1.0], DeviceError("CUDA failed with error an illegal memory access"))
    for _ in range(MAX_DEATHS):
        with pytest.raises(DeviceError):
            run(world, Model(broken))
    run(world, Model(broken))
    assert statuses(world) == {"film/1.wav": "failed", "radio/2.wav": "ok", "radio/3.wav": "ok"}


def test_two_recordings_that_break_the_device_are_both_found(world: World) -> None:
    broken = in_one_of([1.0, 3.0], DeviceError("CUDA failed with error an illegal memory access"))
    for _ in range(2 * MAX_DEATHS + 1):
        with contextlib.suppress(DeviceError):
            run(world, Model(broken))
    assert statuses(world) == {"film/1.wav": "failed", "radio/2.wav": "ok", "radio/3.wav": "failed"}


def test_recordings_under_which_a_process_died_go_last_and_alone(world: World) -> None:
    wav(world.archive / "radio/4.wav", seconds=4.0)
    plan = world.plan()
    by_length_s = dict(enumerate(items_of(plan), 1))
    kept = Checkpoints(world.store.inner)
    for suspect in (1, 3):
        kept.begin_attempt(by_length_s[suspect].content)
    done_before: dict[float, set[int]] = {}

    def hear(part: Part) -> None:
        done = {length for length, item in by_length_s.items() if kept.has(item.content)}
        done_before[seconds(part)] = done

    run(world, Model(hear), plan)
    assert done_before[1.0] >= {2, 4}
    assert done_before[3.0] >= {2, 4}
    assert 1 in done_before[3.0] or 3 in done_before[1.0]
    assert set(statuses(world).values()) == {"ok"}
    attempts = {path: row["num_attempts"] for path, row in world.rows().items()}
    assert attempts == {"film/1.wav": 2, "radio/2.wav": 1, "radio/3.wav": 2, "radio/4.wav": 1}


def test_a_recording_that_kills_the_process_is_given_up(world: World) -> None:
    plan = world.plan()
    kept = Checkpoints(world.store.inner)
    for _ in range(MAX_DEATHS):  # attempts of processes that died
        kept.begin_attempt(items_of(plan)[0].content)
    model = Model()
    run(world, model)
    assert 1.0 not in model.heard_s
    row = world.rows()["film/1.wav"]
    assert row["status"] == "failed"
    assert "died 2 times" in str(row["reason"])
    assert statuses(world)["radio/3.wav"] == "ok"


@pytest.fixture
def long(world: World) -> World:
    """The same and a recording of 95 s, four windows, of which every one is kept at once."""
    wav(world.archive / "film/long.wav", seconds=95.0, rate_hz=1000, pitch_hz=100.0)
    return world


def test_a_long_recording_goes_on_where_the_process_died(
    long: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "KEEP_HEARD_S", 0.0)
    monkeypatch.setattr(Model, "num_workers", 1)

    def die_at_the_end(part: Part) -> None:
        if part.window.place[0] == 3 * WINDOW_SAMPLES:
            raise DeviceError("CUDA failed")

    with pytest.raises(DeviceError):
        run(long, Model(die_at_the_end))
    again = Model()
    run(long, again)
    assert 30.0 not in again.heard_s  # the three windows before it are kept
    assert 5.0 in again.heard_s
    row = long.rows()["film/long.wav"]
    assert (row["status"], row["text"]) == ("ok", " ".join(["good morning"] * 4))
    assert row["duration_s"] == pytest.approx(95.0, abs=0.01)
    peaks = np.array(row["peaks"])  # of all of it, though most of it was heard before
    assert (len(peaks), peaks.min(), peaks.max()) == pytest.approx((1000, 70, 70), abs=2)
    assert list(long.store.inner.rglob("*.heard")) == []


def test_a_window_that_always_kills_ends_nevertheless(
    long: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "KEEP_HEARD_S", 0.0)

    def die_at_the_end(part: Part) -> None:
        if part.window.place[0] == 3 * WINDOW_SAMPLES:
            raise DeviceError("CUDA failed")

    num_deaths = 0
    while num_deaths < 2 * MAX_DEATHS + 1:
        try:
            run(long, Model(die_at_the_end))
            break
        except DeviceError:
            num_deaths += 1
    assert MAX_DEATHS <= num_deaths <= 2 * MAX_DEATHS
    assert Counter(statuses(long).values()) == {"ok": 3, "failed": 1}


def test_no_recording_is_begun_after_the_deadline(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = world.plan(Taking(deadline=time.time() + 3600))
    begin = Checkpoints.begin_attempt

    def last_second(kept: Checkpoints, content: Content) -> int:
        monkeypatch.setattr(time, "time", lambda: (plan.taking.deadline or 0.0) + 1)
        return begin(kept, content)

    monkeypatch.setattr(Checkpoints, "begin_attempt", last_second)
    outcome = run(world, Model(), plan)
    assert outcome.num_by_status == {"ok": 1}
    assert statuses(world) == {"film/1.wav": "ok"}
    assert set(notes(world, plan).values()) == {0}


def test_after_the_deadline_no_model_is_loaded(world: World) -> None:
    model = Model()
    outcome = run(world, model, world.plan(Taking(deadline=time.time() - 1)))
    assert (model.num_loads, outcome.num_by_status, world.rows()) == (0, {}, {})


def test_what_another_run_did_meanwhile_is_not_done_again(world: World) -> None:
    plan = world.plan()
    model = Model()
    assert len(world.run()) == 3  # published, and its checkpoints are gone
    outcome = run(world, model, plan)
    assert (model.num_loads, outcome.num_found_done) == (0, 3)


def test_damaged_packets_are_said(world: World) -> None:
    path = encoded(world.archive / "film", "mkv", "aac")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 150] = bytes(150)
    path.write_bytes(content)
    run(world, Model())
    row = world.rows()["film/a.mkv"]
    assert row["status"] == "suspect"
    assert row["reason"] == "1 packet of the file cannot be decoded."


def test_a_cut_recording_is_truncated_and_says_where(world: World) -> None:
    path = wav(world.archive / "film/1.wav", seconds=10.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    run(world, Model())
    row = world.rows()["film/1.wav"]
    assert (row["status"], row["text"]) == ("truncated", "good morning")
    assert row["reason"] == "Only 5.0 s of 10.0 s can be decoded."


def test_a_file_that_makes_no_sense_is_corrupt_and_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its headers looked well."""
    monkeypatch.setattr("opentr_pipeline.archive.recordings.probe_file", lambda path: Probe())
    path = world.archive / "film/1.wav"
    path.write_bytes(bytes(path.stat().st_size))
    run(world, Model())
    assert statuses(world) == {"film/1.wav": "corrupt", "radio/2.wav": "ok", "radio/3.wav": "ok"}


def test_a_file_that_changes_meanwhile_is_failed(world: World) -> None:
    def hear(part: Part) -> None:
        if seconds(part) == 1.0:
            os.utime(world.archive / "film/1.wav", ns=(0, 10**18))
            (world.archive / "radio/2.wav").chmod(0o640)  # which changes no byte

    run(world, Model(hear))
    assert statuses(world) == {"film/1.wav": "failed", "radio/2.wav": "ok", "radio/3.wav": "ok"}


def test_a_file_that_is_gone_is_failed(world: World) -> None:
    plan = world.plan()
    (world.archive / "film/1.wav").unlink()
    run(world, Model(), plan)
    assert statuses(world) == {"film/1.wav": "failed", "radio/2.wav": "ok", "radio/3.wav": "ok"}


def test_a_recording_that_another_run_holds_is_waited_for(world: World) -> None:
    plan = world.plan()
    items = items_of(plan)
    kept = Checkpoints(world.store.inner)
    claim = kept.lock(items[0].content)
    assert claim is not None
    model = Model()
    made = ShardRun(world.archive, world.store, plan, model.load, BATCH_SIZE)
    runner = threading.Thread(target=made.run, args=(items,), daemon=True)
    runner.start()
    wait_for(lambda: len(model.heard_s) == 2, 20.0)
    wait_for(lambda: len(statuses(world)) == 2, 20.0)  # the others need not wait
    kept.save(transcript(media_fingerprint=items[0].media_fingerprint))
    claim.release()
    runner.join(timeout=30)
    assert not runner.is_alive()
    assert len(model.heard_s) == 2
    assert made.outcome.num_found_done == 1
    assert len(statuses(world)) == 3


def test_a_bucket_is_asked_now_and_then_and_need_not_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str]] = []

    class Away(Nowhere):
        def follow_each(self, partition_keys: Iterable[str]) -> None:
            asked.append(set(partition_keys))
            if len(asked) > 1:
                raise StoreError("The bucket is away.")

    monkeypatch.setattr(world.store, "elsewhere", Away())
    plan = world.plan()
    items = items_of(plan)
    claim = Checkpoints(world.store.inner).lock(items[0].content)
    assert claim is not None
    made = ShardRun(world.archive, world.store, plan, Model().load, BATCH_SIZE)
    runner = threading.Thread(target=made.run, args=(items,), daemon=True)
    runner.start()
    wait_for(lambda: len(statuses(world)) == 2, 20.0)
    assert asked == [{"film", "radio"}]
    claim.release()  # by somebody who may have published it just now
    runner.join(timeout=30)
    assert asked == [{"film", "radio"}, {"film"}]
    assert set(statuses(world).values()) == {"ok"}


def test_two_runs_at_once_hear_every_recording_once(world: World) -> None:
    for number in range(4, 12):
        wav(world.archive / f"radio/{number}.wav", pitch_hz=500.0 + number)
    plan = world.plan()
    models = [Model(), Model()]
    runners = [
        threading.Thread(target=run, args=(world, model, plan), daemon=True) for model in models
    ]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join(30)
    assert not any(runner.is_alive() for runner in runners)
    assert sum(len(model.heard_s) for model in models) == 11
    assert len(statuses(world)) == 11
    assert set(notes(world, plan).values()) == {0}


def test_many_recordings_need_few_open_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim is an open file; a process may have some 1,000."""
    for number in range(80):
        wav(world.archive / f"radio/short{number}.wav", 0.05, 200.0 + number)
    most = 0
    usual = Checkpoints.save

    def save(self: Checkpoints, transcript: Any) -> None:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")))
        usual(self, transcript)

    monkeypatch.setattr(Checkpoints, "save", save)
    before = len(os.listdir("/proc/self/fd"))
    run(world, Model())
    assert len(statuses(world)) == 83
    assert most - before < 60
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_the_transcript_has_the_length_of_the_media(world: World) -> None:
    """Not that of the last window, and not that of the header."""
    run(world, Model())
    lengths_s = sorted(float(str(row["duration_s"])) for row in world.rows().values())
    assert lengths_s == pytest.approx([1.0, 2.0, 3.0], abs=1 / SAMPLE_RATE_HZ)


def test_a_recording_that_is_too_long_is_heard_in_part_until_more_is_allowed(world: World) -> None:
    def heard_s(most_s: int) -> float:
        model = Model()
        options = ArchiveOptions(dataclasses.replace(OPTIONS, max_duration_s=most_s))
        run(world, model, world.plan(options=options))
        return sum(model.heard_s)

    wav(world.archive / "radio/3.wav", seconds=6.0)
    assert heard_s(2) == pytest.approx(1 + 2 + 3, abs=0.5)
    row = world.rows()["radio/3.wav"]
    assert (row["status"], row["text"]) == ("too_long", "good morning")
    assert "MAX_DURATION_S=2; set a larger one" in str(row["reason"])
    assert heard_s(7) == pytest.approx(6, abs=0.1)
    assert set(statuses(world).values()) == {"ok"}
