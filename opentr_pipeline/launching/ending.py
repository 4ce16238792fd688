"""To answer at once whoever tells a run to end."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TOLD_TO_END = {signal.SIGINT, signal.SIGTERM}
_OVER = b"\0"  # no signal's number


@contextmanager
def when_told_to_end(act: Callable[[], object]) -> Iterator[None]:
    """Meanwhile, do something the first time that the process is told to end; from a thread.

    Dagster takes the signals for itself, and waits for its steps before it says anything. So this
    leaves the handlers alone, and reads the numbers that Python writes whenever it gets a signal.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    thread = threading.Thread(target=_wait, args=(reading, act), daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.write(writing, _OVER)
        thread.join()
        os.close(reading)
        os.close(writing)


def _wait(reading: int, act: Callable[[], object]) -> None:
    numbers, was_told = b"", False
    while _OVER not in numbers:
        numbers = os.read(reading, 64)
        if not was_told and TOLD_TO_END.intersection(numbers):
            was_told = True
            act()
