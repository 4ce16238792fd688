"""Keeps one program alive: a head that died is back at once, a host joins again.

    python -m opentr_pipeline.services.keeping COMMAND ...

Ray restarts neither, and a host leaves by itself where its head is gone for a minute.
"""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

PAUSE_S = 2.0
END_TIMEOUT_S = 10.0


class _ToldToEnd(Exception):  # noqa: N818 - no error
    pass


def keep(command: Sequence[str]) -> None:
    """Run a program again whenever it ends, until SIGTERM."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _ToldToEnd

    signal.signal(signal.SIGTERM, end)
    child: subprocess.Popen[bytes] | None = None
    try:
        while True:
            child = subprocess.Popen(command)
            child.wait()
            time.sleep(PAUSE_S)
    except _ToldToEnd:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if child:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):  # who asked ends it in the end
                child.wait(END_TIMEOUT_S)


if __name__ == "__main__":
    keep(sys.argv[1:])
