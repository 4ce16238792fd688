"""What the engine's workers did with their time: whether the model waited for the front end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class WorkerTimes:
    """Seconds of the threads that use the model, added up over them and over several engines.

    The front end is what the listening threads do: read, decode, find speech. It is the limit where
    a worker has nothing to do although media are still being heard and the engine has room for
    their windows. Other waits are not counted: for the language of a stretch that another
    worker finds out while the engine is full, and at the end for another worker's last batch.

    Attributes:
        waited_s: of workers that waited for the front end.
        total_s: from the first to the last moment of the engine, once for each of its workers; the
            model is loaded before.
        num_windows: that were taken to be decoded.
        num_batches: that they came in.
        clock: seconds since anything.
    """

    waited_s: float = 0.0
    total_s: float = 0.0
    num_windows: int = 0
    num_batches: int = 0
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    @property
    def waited_share(self) -> float:
        """Of the workers' time, 0 to 1; 0 where there was none."""
        return self.waited_s / self.total_s if self.total_s else 0.0

    @property
    def windows_per_batch(self) -> float:
        """On average; 0 where nothing was decoded."""
        return self.num_windows / self.num_batches if self.num_batches else 0.0

    def count_batch(self, num_windows: int) -> None:
        """A worker takes a batch; one call at a time."""
        self.num_batches += 1
        self.num_windows += num_windows

    @contextmanager
    def running(self, num_workers: int) -> Iterator[None]:
        """The time of an engine."""
        started = self.clock()
        try:
            yield
        finally:
            self.total_s += num_workers * (self.clock() - started)

    @contextmanager
    def waiting(self, *, for_front_end: bool) -> Iterator[None]:
        """The time that a worker waits; entered and left by one thread at a time."""
        started = self.clock()
        try:
            yield
        finally:
            if for_front_end:
                self.waited_s += self.clock() - started
