"""One shard, with an engine that says what a test wants at its boundary; all else is real."""

import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opentr_pipeline.audio import Audio
from opentr_pipeline.checkpoints import Checkpoints
from opentr_pipeline.errors import DeviceError, ModelError
from opentr_pipeline.shard_run import MAX_DEATHS, ShardOutcome, ShardRun
from opentr_pipeline_tests.making import transcript, wav
from opentr_pipeline_tests.test_audio import encoded
from opentr_pipeline_tests.test_work import World

Hear = Callable[[Audio], None]


class Engine:
    """Hears every recording the same, or does what the test says."""

    def __init__(self, hear: Hear = lambda audio: None) -> None:
        self.num_loads = 0
        self.heard_s: list[float] = []
        self._hear = hear

    def load(self) -> Any:
        self.num_loads += 1
        return self

    def transcribe(self, audio: Audio, batch_size: int) -> Any:
        assert batch_size == 4
        self.heard_s.append(round(audio.duration_s, 1))
        self._hear(audio)
        return dataclasses.replace(transcript(), duration_s=audio.duration_s)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three recordings of 1, 2 and 3 s in two partitions."""
    made = World(tmp_path)
    for number, path in enumerate(("film/1.wav", "radio/2.wav", "radio/3.wav"), 1):
        wav(made.archive / path, seconds=float(number))
    return made


def run(world: World, engine: Engine) -> ShardOutcome:
    plan = world.plan()
    made = ShardRun(world.archive, world.store, plan, engine.load, 4)
    return made.run([item for shard in plan.shards for item in shard])


def statuses(world: World) -> dict[str, Any]:
    return {path: row["status"] for path, row in world.rows().items()}


def test_a_shard_is_transcribed_with_one_load_and_published(world: World) -> None:
    engine = Engine()
    outcome = run(world, engine)
    assert engine.num_loads == 1
    assert sorted(engine.heard_s) == [1.0, 2.0, 3.0]
    assert outcome.num_by_status == {"ok": 3}
    assert outcome.audio_s == pytest.approx(6.0)
    assert statuses(world) == dict.fromkeys(("film/1.wav", "radio/2.wav", "radio/3.wav"), "ok")


def test_what_is_done_loads_no_model(world: World) -> None:
    plan = world.plan()
    world.transcribe(plan)
    engine = Engine()
    made = ShardRun(world.archive, world.store, plan, engine.load, 4)
    outcome = made.run([item for shard in plan.shards for item in shard])
    assert (engine.num_loads, outcome.num_found_done) == (0, 3)
    assert len(statuses(world)) == 3


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA failed with error out of memory"), ValueError(""), MemoryError()]
)
def test_an_engine_that_fails_on_one_recording_goes_on_with_the_others(
    world: World, error: Exception
) -> None:
    def hear(audio: Audio) -> None:
        if round(audio.duration_s) == 2:
            raise error

    outcome = run(world, Engine(hear))
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
            ShardRun(world.archive, world.store, plan, load, 4).run(plan.shards[0])
    assert world.checkpoints() == []
    run(world, Engine())
    assert set(statuses(world).values()) == {"ok"}
    assert {row["num_attempts"] for row in world.rows().values()} == {1}


def test_a_recording_that_breaks_the_device_is_given_up(world: World) -> None:
    def hear(audio: Audio) -> None:
        if round(audio.duration_s) == 1:
            raise DeviceError("CUDA failed with error an illegal memory access was encountered")

    for _ in range(MAX_DEATHS):
        with pytest.raises(DeviceError):
            run(world, Engine(hear))
    run(world, Engine(hear))
    assert statuses(world) == {"film/1.wav": "failed", "radio/2.wav": "ok", "radio/3.wav": "ok"}


def test_what_another_run_did_meanwhile_is_not_done_again(world: World) -> None:
    plan = world.plan()
    engine = Engine()
    made = ShardRun(world.archive, world.store, plan, engine.load, 4)
    assert len(world.run()) == 3  # published, and its checkpoints are gone
    outcome = made.run([item for shard in plan.shards for item in shard])
    assert (engine.num_loads, outcome.num_found_done) == (0, 3)


def test_damaged_packets_are_said(world: World) -> None:
    path = encoded(world.archive / "film", "mkv", "aac")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 150] = bytes(150)
    path.write_bytes(content)
    run(world, Engine())
    row = world.rows()["film/a.mkv"]
    assert row["status"] == "suspect"
    assert "cannot be decoded; times after them may be early." in str(row["reason"])


def test_a_cut_recording_is_truncated_and_says_where(world: World) -> None:
    path = wav(world.archive / "film/1.wav", seconds=10.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    run(world, Engine())
    row = world.rows()["film/1.wav"]
    assert (row["status"], row["text"]) == ("truncated", "good morning")
    assert row["reason"] == "Only 5.0 s of 10.0 s can be decoded."


def test_a_file_that_changes_meanwhile_is_failed(world: World) -> None:
    def hear(audio: Audio) -> None:
        if round(audio.duration_s) == 1:
            os.utime(world.archive / "film/1.wav", ns=(0, 10**18))

    run(world, Engine(hear))
    assert statuses(world)["film/1.wav"] == "failed"
    assert statuses(world)["radio/2.wav"] == "ok"


def test_a_file_that_is_gone_is_failed(world: World) -> None:
    plan = world.plan()
    (world.archive / "film/1.wav").unlink()
    ShardRun(world.archive, world.store, plan, Engine().load, 4).run(
        [item for shard in plan.shards for item in shard]
    )
    assert statuses(world)["film/1.wav"] == "failed"


def test_a_recording_that_kills_the_process_is_given_up(world: World) -> None:
    plan = world.plan()
    (item,) = (i for shard in plan.shards for i in shard if i.media_file.path == "film/1.wav")
    kept = Checkpoints(world.store.inner)
    for _ in range(MAX_DEATHS):  # attempts of processes that died
        kept.begin_attempt(item.content)
    engine = Engine()
    run(world, engine)
    assert 1.0 not in engine.heard_s
    row = world.rows()["film/1.wav"]
    assert row["status"] == "failed"
    assert "died 2 times" in str(row["reason"])
    assert statuses(world)["radio/3.wav"] == "ok"


def test_a_recording_that_another_run_holds_is_waited_for(world: World) -> None:
    plan = world.plan()
    items = [item for shard in plan.shards for item in shard]
    kept = Checkpoints(world.store.inner)
    claim = kept.lock(items[0].content)
    assert claim is not None
    engine = Engine()
    made = ShardRun(world.archive, world.store, plan, engine.load, 4)
    runner = threading.Thread(target=made.run, args=(items,))
    runner.start()
    while len(engine.heard_s) < 2:
        assert runner.is_alive()
    kept.save(transcript(media_fingerprint=items[0].media_fingerprint))
    os.close(claim)
    runner.join(timeout=30)
    assert not runner.is_alive()
    assert len(engine.heard_s) == 2
    assert made.outcome.num_found_done == 1
    assert len(statuses(world)) == 3
