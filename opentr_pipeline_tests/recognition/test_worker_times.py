"""Whether the model waited for the front end: engines whose clock only moves where a test says."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from opentr_pipeline.recognition.engine import STRETCH, transcribe
from opentr_pipeline.recognition.recognizer import Part
from opentr_pipeline.recognition.worker_times import WorkerTimes
from opentr_pipeline_tests.conftest import wait_for
from opentr_pipeline_tests.making import OPTIONS
from opentr_pipeline_tests.recognition.test_engine import (
    ENGLISH,
    PATIENCE_S,
    Sound,
    Transcriber,
    in_time,
    settled,
    source,
    window,
)

WAIT_S = 10.0


class Times(WorkerTimes):
    """Each wait takes ten seconds, and is remembered.

    Attributes:
        waits: of each, whether it was for the front end.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waits: list[bool] = []
        super().__init__(clock=lambda: self.now_s)

    @contextmanager
    def waiting(self, *, for_front_end: bool) -> Iterator[None]:
        with super().waiting(for_front_end=for_front_end):
            self.waits.append(for_front_end)
            try:
                yield
            finally:
                self.now_s += WAIT_S


def hearing(times: Times, hear_s: float) -> Transcriber:
    """One worker, whose model takes so long for each batch."""

    def hear(parts: Sequence[Part]) -> None:
        times.now_s += hear_s

    return Transcriber(1, hear)


def test_a_slow_front_end_is_seen() -> None:
    times = Times()

    def windows(number: int) -> Iterator[object]:
        num_before = len(times.waits)
        wait_for(lambda: len(times.waits) > num_before, PATIENCE_S)  # the model has nothing to do
        yield window(number, 0)

    sources = [source(n, 0, sound=Sound(windows(n)), options=ENGLISH) for n in range(5)]  # type: ignore[arg-type]
    in_time(lambda: list(transcribe(hearing(times, 1.0), 4, iter(sources), times)))
    assert times.waited_s >= 5 * WAIT_S
    assert times.waited_share > 0.9
    assert times.num_windows == 5
    assert times.windows_per_batch == 1.0


def test_a_slow_model_never_waits_but_for_its_first_window() -> None:
    times, all_there = Times(), threading.Event()

    def hear(parts: Sequence[Part]) -> None:
        all_there.wait(PATIENCE_S)
        times.now_s += 1000.0

    last = source(9, 0, sound=Sound([window(9, 0)], all_there.set), options=ENGLISH)
    sources = [*(source(n, 1, options=ENGLISH) for n in range(29)), last]
    in_time(lambda: list(transcribe(Transcriber(1, hear), 2, iter(sources), times)))
    assert times.num_batches >= 5
    assert times.total_s >= 5000.0
    assert times.waited_share < 0.1


def test_a_wait_while_the_engine_is_full_is_not_for_the_front_end() -> None:
    times, gate = Times(), threading.Event()
    made = Transcriber(2, settle=lambda parts: gate.wait(PATIENCE_S))
    long = source(0, 10 * STRETCH, options=OPTIONS)
    runner = threading.Thread(
        target=lambda: list(transcribe(made, 1, iter([long]), times)), daemon=True
    )
    runner.start()
    # One worker finds out the language of the first stretch, the other has nothing to do; there is
    # room for two stretches, and the third waits.
    assert settled(lambda: long.sound.num_taken) == 3 * STRETCH
    wait_for(lambda: times.waits and not times.waits[-1], PATIENCE_S)
    gate.set()
    runner.join(PATIENCE_S)
    assert not runner.is_alive()
    assert len(long.heard) == 10 * STRETCH


def test_the_time_of_an_engine_counts_for_each_worker() -> None:
    seconds = itertools.count()
    times = WorkerTimes(clock=lambda: float(next(seconds)))
    assert (times.waited_share, times.windows_per_batch) == (0.0, 0.0)
    with times.running(3), times.waiting(for_front_end=True):
        pass
    with pytest.raises(ValueError, match="stopped"), times.running(1):
        raise ValueError("stopped")
    assert (times.waited_s, times.total_s) == (1.0, 3 * 3.0 + 1.0)
