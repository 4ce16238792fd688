"""A stream of recordings -> what was heard in each, whichever is done first.

Threads that listen decode media and find speech ahead of the model, as far as a bound allows.
Threads that work, one for each batch that the device does at a time, find out languages and decode
batches, filled with windows of any recordings.
"""

import functools
import itertools
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from opentr_pipeline.audio.windows import Window
from opentr_pipeline.errors import DeviceError
from opentr_pipeline.recognition.batches import Batches
from opentr_pipeline.recognition.recognizer import Part, Recognizer, share_of_batch
from opentr_pipeline.recognition.sources import Source, UnderWay
from opentr_pipeline.recognition.worker_times import WorkerTimes
from opentr_pipeline.settings.values import DETECTED_LANGUAGES
from opentr_pipeline.transcripts.window_results import Heard

# Neighbouring windows whose language is found out together: some seven minutes of speech.
STRETCH = 24


class _OverError(Exception):
    """Ends a thread."""


def transcribe(
    recognizer: Recognizer,
    batch_size: int,
    sources: Iterator[Source],
    times: WorkerTimes | None = None,
) -> Iterator[Source]:
    """Hear recordings; each comes back as soon as its last window is done.

    Args:
        recognizer: a loaded model.
        batch_size: most windows of 30 s decoded at the same time, by all workers together.
        sources: taken one by one, as the engine has room for them, from its threads.
        times: what the workers do with their time is added to it.

    Yields:
        The same objects, in the order in which they are done, with ``heard`` or ``error``.

    Raises:
        DeviceError: the card failed, or its memory; this process cannot use it any more.
        Exception: whatever ``sources`` raises.
    """
    engine = _Engine(recognizer, batch_size, sources, times or WorkerTimes())
    with engine.running():
        yield from engine.finished()


class _Engine:
    """The threads and what they share; every field below ``_changed`` belongs to its lock."""

    def __init__(
        self,
        recognizer: Recognizer,
        batch_size: int,
        sources: Iterator[Source],
        times: WorkerTimes,
    ) -> None:
        num_workers = recognizer.num_workers
        self._recognizer = recognizer
        self._times = times
        self._sources = sources
        self._sources_lock = threading.Lock()
        # Memory depends on this alone: some batches, and a stretch of each recording that is heard.
        self._max_open = max(2 * STRETCH, 4 * batch_size, STRETCH * recognizer.num_listeners)
        self._changed = threading.Condition()
        self._num_listening = recognizer.num_listeners
        self._num_open = self._num_sources = 0
        self._undetected: deque[UnderWay] = deque()
        self._batches: Batches[tuple[UnderWay, Part]] = Batches(
            math.ceil(batch_size / num_workers), num_workers, share_of_batch
        )
        self._done: deque[Source] = deque()
        self._error: BaseException | None = None
        self._is_over = False
        targets = [self._listen] * self._num_listening + [self._work] * num_workers
        self._threads = [
            threading.Thread(target=self._guarded, args=(target,), daemon=True)
            for target in targets
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the threads; at the end none is left at work."""
        with self._times.running(self._recognizer.num_workers):
            try:
                for thread in self._threads:
                    thread.start()
                yield
            finally:
                with self._changed:
                    self._is_over = True
                    self._changed.notify_all()
                for thread in self._threads:
                    if thread.ident is not None:  # else interrupted before it was started
                        thread.join()

    def finished(self) -> Iterator[Source]:
        """Sources as they are done."""
        while True:
            with self._changed:
                while not self._done and (self._num_listening or self._num_open):
                    if self._error:
                        raise self._error
                    self._changed.wait()
                if not self._done:
                    break
                source = self._done.popleft()
                self._num_sources -= 1
                self._changed.notify_all()
            yield source
        if self._error:
            raise self._error

    def _guarded(self, target: Callable[[], None]) -> None:
        try:
            target()
        except _OverError:
            pass
        except BaseException as error:  # raised again in the caller's thread
            with self._changed:
                self._error = self._error or error
        finally:
            with self._changed:
                # Only now, or the caller might take an error for the end.
                self._num_listening -= target == self._listen
                self._changed.notify_all()

    def _check(self) -> None:
        if self._is_over or self._error:
            raise _OverError

    def _wait(self) -> None:
        self._check()
        self._changed.wait()
        self._check()

    def _listen(self) -> None:
        while (source := self._next_source()) is not None:
            self._hear(UnderWay(source))

    def _next_source(self) -> Source | None:
        with self._changed:
            while self._num_sources >= self._max_open:  # short ones, or a caller slower than we are
                self._wait()
            self._num_sources += 1
        with self._sources_lock:
            self._check()
            return next(self._sources, None)

    def _hear(self, under_way: UnderWay) -> None:
        """Let the windows of one recording in, as there is room for them."""
        source = under_way.source
        try:
            windows = self._recognizer.windows(source.sound)
            while not source.error and (stretch := list(itertools.islice(windows, STRETCH))):
                self._offer(under_way, stretch)
        except _OverError:
            raise
        except Exception as error:  # this recording's alone
            source.error = error
        with self._changed:
            under_way.is_at_end = True
            self._close(under_way, 0, None)

    def _offer(self, under_way: UnderWay, stretch: Sequence[Window]) -> None:
        source = under_way.source
        known = [source.known[window.place] for window in stretch if window.place in source.known]
        is_asked_for = source.options.language not in DETECTED_LANGUAGES
        parts = [
            Part(window, source.options, source.options.language if is_asked_for else "")
            for window in stretch
            if window.place not in source.known
        ]
        with self._changed:
            self._check()
            while self._num_open and self._num_open + len(parts) > self._max_open:
                self._wait()
            source.heard += known
            under_way.num_open += len(parts)
            self._num_open += len(parts)
            if source.options.language == "auto":
                under_way.stretches.append((parts, known))
                if len(under_way.stretches) == 1:
                    self._undetected.append(under_way)
            else:
                self._admit(under_way, parts)
            self._changed.notify_all()

    def _admit(self, under_way: UnderWay, parts: Sequence[Part]) -> None:
        for part in parts:
            self._batches.add(part.kind, (under_way, part))

    # Workers: windows -> text.

    def _work(self) -> None:
        while task := self._next_task():
            task()

    def _next_task(self) -> Callable[[], None] | None:
        with self._changed:
            while self._num_listening or self._num_open:
                self._check()
                if self._undetected and not self._batches.has_full_batch:
                    return functools.partial(self._detect, self._undetected.popleft())
                if batch := self._batches.take(more_to_come=self._num_listening > 0):
                    self._times.count_batch(len(batch))
                    return functools.partial(self._transcribe, batch)
                with self._times.waiting(for_front_end=self._is_front_end_busy()):
                    self._wait()
        return None

    def _is_front_end_busy(self) -> bool:
        """Whether media are being heard, and no listener waits for us or for the caller."""
        has_room = self._num_open + STRETCH <= self._max_open and self._num_sources < self._max_open
        return self._num_listening > 0 and has_room

    def _detect(self, under_way: UnderWay) -> None:
        """Find out the language of a recording's next stretch; one stretch after the other."""
        parts, known = under_way.stretches[0]
        error = None
        try:
            before = under_way.language
            under_way.language = self._recognizer.settle_language(parts, before, known)
        except DeviceError:
            raise
        except Exception as caught:  # this recording's alone
            error = caught
        with self._changed:
            under_way.stretches.popleft()
            if under_way.stretches:
                self._undetected.append(under_way)
            if error:
                self._close(under_way, len(parts), error)
            else:
                self._admit(under_way, parts)
            self._changed.notify_all()

    def _transcribe(self, batch: Sequence[tuple[UnderWay, Part]]) -> None:
        """Decode a batch; where that goes wrong, one by one, to find whose fault it is."""
        error = None
        heard: list[Heard] = []
        try:
            heard = self._recognizer.hear([part for _, part in batch])
        except DeviceError:
            raise
        except Exception as caught:
            if len(batch) > 1:
                for one in batch:
                    self._check()
                    self._transcribe([one])
                return
            error = caught
        with self._changed:
            for (under_way, _), result in zip(batch, heard, strict=False):
                under_way.source.heard.append(result)
                under_way.source.on_heard(result)
            for under_way, _ in batch:
                self._close(under_way, 1, error)

    def _close(self, under_way: UnderWay, num_windows: int, error: Exception | None) -> None:
        """Count windows as done; the caller holds the lock."""
        under_way.source.error = under_way.source.error or error
        under_way.num_open -= num_windows
        self._num_open -= num_windows
        if under_way.is_at_end and not under_way.num_open:
            self._done.append(under_way.source)
        self._changed.notify_all()
