"""Workers of a measurement: processes that hear recordings together, as transcription steps do."""

import heapq
import multiprocessing
import queue
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import BrokenBarrierError
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Window
from opentr_pipeline.devices.cards import Device, WorkerSlot, cpu_threads
from opentr_pipeline.devices.usage import peak_memory_bytes
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.recognition.options import TranscriptionOptions

if TYPE_CHECKING:
    from opentr_pipeline.recognition.recognizer import Recognizer

NOT_ITS_FAULT = "another worker failed"
WARM_UP_S = 30.0


@dataclass(frozen=True)
class Take:
    """A recording, or its beginning, that is heard.

    Attributes:
        path: absolute.
        duration_s: so much of it.
    """

    path: Path
    duration_s: float


class _Beginning(Sound):
    """The first part of a recording."""

    def __init__(self, take: Take) -> None:
        super().__init__(take.path)
        self._end_sample = int(take.duration_s * SAMPLE_RATE_HZ)

    def windows(self) -> Iterator[Window]:
        """Those that begin in it."""
        for window in super().windows():
            if window.place[0] >= self._end_sample:
                return
            yield window


@dataclass(frozen=True)
class Bench:
    """What all turns have in common."""

    model: Model
    device: Device
    options: TranscriptionOptions
    batch_size: int


@dataclass(frozen=True)
class Done:
    """What a worker says of itself; the clock is that of all processes of the machine."""

    began: float
    ended: float
    peak_bytes: int


def shared_out(takes: Sequence[Take], num_workers: int) -> list[list[Take]]:
    """The same amount of audio for each worker, as nearly as whole recordings allow; pure."""
    shares: list[tuple[float, int, list[Take]]] = [(0.0, n, []) for n in range(num_workers)]
    for take in sorted(takes, key=lambda take: -take.duration_s):
        audio_s, number, share = shares[0]
        share.append(take)
        heapq.heapreplace(shares, (audio_s + take.duration_s, number, share))
    return [share for _, _, share in shares]


def answers(bench: Bench, takes: Sequence[Take], num_workers: int) -> list[Done | str]:
    """What each worker says in the end; a sentence where it failed."""
    context = multiprocessing.get_context("spawn")
    threads = cpu_threads([WorkerSlot(bench.device, number) for number in range(num_workers)])
    ready = context.Barrier(num_workers)
    mailbox: Any = context.Queue()
    workers = [
        context.Process(target=_work, args=(bench, share, threads, ready, mailbox), daemon=True)
        for share in shared_out(takes, num_workers)
    ]
    for worker in workers:
        worker.start()
    said = [answer(mailbox, workers) for _ in workers]
    for worker in workers:
        worker.join()
    return said


def answer(mailbox: Any, workers: Sequence[Any]) -> Any:
    """What a worker says next; where one dies without a word, a sentence."""
    while True:
        try:
            return mailbox.get(timeout=1.0)
        except queue.Empty:
            if codes := [worker.exitcode for worker in workers if worker.exitcode]:
                for worker in workers:
                    worker.kill()
                return f"a worker ended with exit code {codes[0]}"


def hear(bench: Bench, recognizer: "Recognizer", takes: Iterable[Take]) -> float:
    """Have the engine hear recordings.

    Returns:
        How much they are, in seconds.

    Raises:
        Exception: whatever was wrong with one of them.
    """
    from opentr_pipeline.recognition.engine import transcribe
    from opentr_pipeline.recognition.sources import Source

    sources = (Source(_Beginning(take), bench.options) for take in takes)
    heard_s = 0.0
    for source in transcribe(recognizer, bench.batch_size, sources):
        if source.error:
            raise source.error
        heard_s += source.sound.duration_s
    return heard_s


def _work(bench: Bench, share: Sequence[Take], threads: int, ready: Barrier, mailbox: Any) -> None:
    """A worker: hears its share once all are ready, or says why it cannot."""
    from opentr_pipeline.recognition.loading import load

    try:
        recognizer = load(bench.model, bench.device, bench.options, threads)
        # The first batch on a card costs more than any other.
        hear(bench, recognizer, [Take(share[0].path, WARM_UP_S)])
        ready.wait()
        began = time.monotonic()
        hear(bench, recognizer, share)
        ended = time.monotonic()
    except BrokenBarrierError:
        mailbox.put(NOT_ITS_FAULT)
    except Exception as error:
        ready.abort()
        mailbox.put(str(error) or type(error).__name__)
    else:
        mailbox.put(Done(began, ended, peak_memory_bytes()))
