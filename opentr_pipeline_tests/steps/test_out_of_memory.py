"""A step that runs out of memory: smaller batches, then other slots; the messages are real."""

import dataclasses
import json
import os
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline.devices.leases import lease, slots_in_use
from opentr_pipeline.devices.memory_limits import (
    batch_limits,
    batch_size_in,
    closed_slots,
    forget,
    learning,
)
from opentr_pipeline.errors import NoSlotError, OutOfMemoryError
from opentr_pipeline.planning.plan import Plan
from opentr_pipeline.recognition.whisper.decoded import Decoded
from opentr_pipeline.recognition.whisper.transcriber import Transcriber
from opentr_pipeline.services.log_files import slot_logs
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.steps.shard_run import ShardRun
from opentr_pipeline.transcripts.transcript import Word
from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.devices.test_memory_limits import MESSAGES, SLOTS
from opentr_pipeline_tests.making import wav
from opentr_pipeline_tests.planning.test_backlog import World
from opentr_pipeline_tests.runs import SPEECH, leases, make_archive
from opentr_pipeline_tests.steps.test_shard_run import items_of, notes, world

__all__ = ["world"]  # the fixture


class Whisper:
    """A model on a card whose memory may be too small; it says then what CTranslate2 says.

    Attributes:
        decoded_s: the length of each window that was decoded.
    """

    num_workers = 1
    num_listeners = 1
    is_multilingual = False

    def __init__(self, is_too_much: Callable[[], bool]) -> None:
        self.decoded_s: list[float] = []
        self.messages: list[str] = []
        self.num_loaded = 0
        self.is_too_much = is_too_much

    def unload(self) -> None:
        self.num_loaded -= 1

    def windows(self, sound: Any) -> Any:
        return sound.windows()

    def features(self, samples: Any, context_s: float) -> Any:
        return np.full((1, 1, 1), len(samples) / SAMPLE_RATE_HZ)

    def encode(self, features: Sequence[Any]) -> list[Any]:
        return list(features)

    def decode(self, encoded: Sequence[Any], *facts: object) -> list[Decoded]:
        if self.is_too_much():
            self.messages.append(MESSAGES[len(self.messages) % 2])
            raise RuntimeError(self.messages[-1])
        self.decoded_s += [round(float(one[0, 0, 0]), 1) for one in encoded]
        return [Decoded((7, 8), "good words", -0.1, 0.05, 1.2, False) for _ in encoded]

    def align(self, encoded: Sequence[Any], *facts: object) -> list[list[Word]]:
        return [[] for _ in encoded]


@dataclasses.dataclass
class Step:
    """A transcription step as Dagster runs it: the same again, until it ends.

    Attributes:
        holds: the batch size that memory holds, by slot; nothing bounds the others.
        tried: slot and batch size of each try.
        said: what the tries that failed say.
    """

    world: World
    plan: Plan
    folder: Path
    holds: dict[str, int] = dataclasses.field(default_factory=dict)
    tried: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    said: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.slot = SLOTS[0]
        self.model = Whisper(self._is_too_much)

    def _is_too_much(self) -> bool:
        slot, batch_size = self.tried[-1]
        return batch_size > self.holds.get(slot, 99)

    def load(self) -> Transcriber:
        self.model.num_loaded += 1
        assert self.model.num_loaded == 1, "the memory of the model before is not given back"
        return Transcriber(self.model)  # type: ignore[arg-type]

    def run(self, batch_size: int = 6) -> None:
        while not self._try(batch_size):
            pass
        assert self.model.num_loaded == 0

    def _try(self, wanted: int) -> bool:
        with lease(SLOTS, self.folder) as self.slot:
            batch_size = batch_size_in(self.slot, wanted, self.folder)
            assert (self.slot.name, batch_size) not in self.tried, "the same attempt twice"
            self.tried.append((self.slot.name, batch_size))
            made = ShardRun(self.world.archive, self.world.store, self.plan, self.load, batch_size)
            try:
                with closing(made), learning(self.slot, SLOTS, self.folder, batch_size):
                    made.run(items_of(self.plan))
            except OutOfMemoryError as error:
                self.said.append(str(error))
                return False
        return True


def names(*numbers: int) -> list[str]:
    return [SLOTS[number].name for number in numbers]


@pytest.fixture
def step(world: World, tmp_path: Path) -> Step:
    """Of ten recordings, each of another length."""
    for number in range(4, 11):
        wav(world.archive / f"radio/{number}.wav", seconds=float(number))
    return Step(world, world.plan(), tmp_path / "slots")


def assert_each_is_done_once(step: Step, num_windows: int = 10) -> None:
    rows = step.world.rows()
    assert len(rows) == len(items_of(step.plan))
    assert {(row["status"], row["num_attempts"]) for row in rows.values()} == {("ok", 1)}
    assert set(notes(step.world, step.plan).values()) == {0}
    assert len(step.model.decoded_s) == num_windows
    assert slots_in_use(SLOTS, step.folder) == []


def test_batches_are_halved_then_the_slot_is_closed_and_another_taken(step: Step) -> None:
    first, second, _ = names(0, 1, 2)
    step.holds = {first: 0}
    step.run()
    assert step.tried == [(first, 6), (first, 3), (first, 1), (second, 1)]
    assert_each_is_done_once(step)
    assert step.model.messages == [*MESSAGES, MESSAGES[0]]
    (limit,) = batch_limits(SLOTS, step.folder)
    assert (limit.name, limit.batch_size) == ("GPU-1234", 1)
    assert limit.remedy == "set WHISPER_BATCH_SIZE=1 or fewer GPU_SCALE_WORKERS"
    (closed,) = closed_slots(SLOTS, step.folder)
    assert (closed.name, closed.reason) == (
        first,
        f"a single window ran out of memory ({MESSAGES[0]})",
    )
    assert closed.remedy.startswith("set GPU_SCALE_WORKERS=2, a smaller WHISPER_MODEL")
    assert step.said[-1] == closed.sentence
    assert MESSAGES[1] in step.said[1]
    # The next step begins with what this one has learnt.
    assert batch_size_in(SLOTS[1], 6, step.folder) == 1
    with lease(SLOTS, step.folder) as slot:
        assert slot == SLOTS[1]


def test_a_card_that_holds_smaller_batches_keeps_its_slots(step: Step) -> None:
    step.holds = dict.fromkeys(names(0, 1, 2), 2)
    step.run(batch_size=8)
    assert step.tried == [(SLOTS[0].name, 8), (SLOTS[0].name, 4), (SLOTS[0].name, 2)]
    assert_each_is_done_once(step)
    assert closed_slots(SLOTS, step.folder) == []


def test_what_was_heard_before_is_not_heard_again(step: Step) -> None:
    """Neither recordings that are done, nor windows of a long one, which is far from its end."""
    wav(step.world.archive / "film/long.wav", seconds=95.0, rate_hz=1000, pitch_hz=100.0)
    step.plan = step.world.plan()
    num_done: list[int] = []

    def is_too_much() -> bool:
        if len(step.model.decoded_s) < 3 or num_done:
            return False
        num_done.append(len(step.model.decoded_s))
        return True

    step.model.is_too_much = is_too_much
    step.run(batch_size=2)
    assert [batch_size for _, batch_size in step.tried] == [2, 1]
    assert 30.0 in step.model.decoded_s[: num_done[0]]
    assert_each_is_done_once(step, num_windows=14)
    assert step.world.rows()["film/long.wav"]["text"] == " ".join(["good words"] * 4)


def test_a_model_that_does_not_fit_closes_its_slot_at_once(step: Step) -> None:
    """A smaller batch does not make the model smaller."""
    usual = step.load

    def load() -> Transcriber:
        if step.slot == SLOTS[0]:
            raise OutOfMemoryError(MESSAGES[0], is_loading=True)
        return usual()

    step.load = load  # type: ignore[method-assign]
    step.run()
    assert step.tried == [(SLOTS[0].name, 6), (SLOTS[1].name, 6)]
    assert_each_is_done_once(step)
    (closed,) = closed_slots(SLOTS, step.folder)
    assert closed.reason == f"loading the model ran out of memory ({MESSAGES[0]})"
    assert batch_limits(SLOTS, step.folder) == []


def test_where_no_slot_is_left_nothing_is_lost_or_blamed(step: Step) -> None:
    step.holds = dict.fromkeys(names(0, 1, 2), 0)
    with pytest.raises(NoSlotError) as caught:
        step.run(batch_size=2)
    first, second, third = names(0, 1, 2)
    assert step.tried == [(first, 2), (first, 1), (second, 1), (third, 1)]
    assert f"No worker slot is open any more: {third}: closed until the next start" in str(
        caught.value
    )
    assert "set a smaller WHISPER_MODEL or a WHISPER_COMPUTE_TYPE" in str(caught.value)
    assert "GPU_SCALE_WORKERS" not in str(caught.value)
    assert step.world.rows() == {}
    assert step.world.checkpoints() == []
    assert set(notes(step.world, step.plan).values()) == {0}
    # After the next start with other settings everything is done.
    forget(SLOTS, step.folder)
    after = Step(step.world, step.plan, step.folder)
    after.run()
    assert after.tried == [(first, 6)]
    assert_each_is_done_once(after)


def test_neighbours_on_the_device_are_left_alone(step: Step) -> None:
    step.holds = {SLOTS[0].name: 0}
    with lease([SLOTS[1]], step.folder):
        step.run()
        assert slots_in_use(SLOTS, step.folder) == [SLOTS[1]]
    assert step.tried[-1] == (SLOTS[2].name, 1)
    assert [limit.name for limit in closed_slots(SLOTS, step.folder)] == names(0)
    assert_each_is_done_once(step)


def test_steps_at_once_hear_every_recording_once(step: Step) -> None:
    """Each runs out of memory in its own time; the limits of both hold for both."""
    steps = [Step(step.world, step.plan, step.folder, {SLOTS[0].name: 0}) for _ in range(2)]
    errors: list[BaseException] = []

    def run(one: Step) -> None:
        try:
            one.run()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(one,), daemon=True) for one in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    step.model.decoded_s = [length_s for one in steps for length_s in one.model.decoded_s]
    assert_each_is_done_once(step)
    # None, where one step did everything between two tries of the other.
    assert [limit.name for limit in closed_slots(SLOTS, step.folder)] in (names(0), [])


# Read by every Python that is started with it: the first slot has no memory, whatever the batch.
NO_MEMORY = f"""
import contextlib, os
from opentr_pipeline.recognition.whisper import model as whisper
usual = whisper.Whisper.decode
def decode(self, *facts, **more):
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            folder, _, name = os.readlink("/proc/self/fd/" + name).rpartition("/")
            if name == "cpu.slot-0":
                is_again = any(one.startswith("cpu.memory-limit") for one in os.listdir(folder))
                raise RuntimeError({MESSAGES!r}[is_again])
    return usual(self, *facts, **more)
whisper.Whisper.decode = decode
"""


@pytest.mark.slow
def test_a_run_goes_on_with_the_slots_that_have_memory(
    project: Callable[..., Project], tmp_path: Path
) -> None:
    files = {f"tapes/{Path(name).name}": name for name in SPEECH[:3]}
    one = project(
        make_archive(tmp_path / "archive", files),
        GPU_SCALE_ENABLED="true",
        GPU_SCALE_DEVICE_ID="cpu",
        GPU_SCALE_WORKERS="2",
        SHARD_AUDIO_S="10",
        WHISPER_BATCH_SIZE="6",
    )
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "sitecustomize.py").write_text(NO_MEMORY)
    path = f"{tmp_path / 'memory'}{os.pathsep}{PROJECT_ROOT}"
    said = one.opentr("run", PYTHONPATH=path)
    closed = "cpu.slot-0: closed until the next start, a single window ran out of memory"
    assert closed in said
    rows = one.transcripts().values()
    assert [(row["status"], row["num_attempts"]) for row in rows] == [("ok", 1)] * len(files)
    held = leases(one.settings.workspace.dagster_home)
    assert {lease.slot for lease in held} == {"cpu.slot-1"}
    assert sum(lease.num_transcribed for lease in held) == len(files)
    logs = slot_logs(one.settings.workspace.dagster_home)
    log = (logs / "cpu.slot-0.log").read_text()
    assert re.findall(r"given up: .*?, (a .*?) ran out of memory \((.*?)\)", log) == [
        ("a batch of 6", MESSAGES[0]),
        ("a batch of 3", MESSAGES[1]),
        ("a single window", MESSAGES[1]),
    ]
    assert "given up" not in (logs / "cpu.slot-1.log").read_text()

    status = json.loads(one.opentr("status", "--json"))
    assert [limit["name"] for limit in status["closed_slots"]] == ["cpu.slot-0"]
    assert [limit["batch_size"] for limit in status["batch_limits"]] == [1]
    assert "out of memory" not in one.opentr("run")
    assert list((tmp_path / "slots").glob("*.memory-limit*")) == []
