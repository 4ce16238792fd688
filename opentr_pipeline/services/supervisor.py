"""Keeps the page and the daemon alive.

    python -m opentr_pipeline.services.supervisor HOME [BESIDE ...] -- COMMAND ...

``dagster dev`` ends altogether as soon as its daemon or its webserver does, and does not notice
when its code server does. Overnight that would mean no uploads and no backfill until somebody
looks, so this process starts it again. It leads the session of all of them and holds their lock.
Runs that were under way go on meanwhile: a code server waits for its runs before it ends, and
runs do not need it any more.

BESIDE is a command that is kept alive as well and matters less: the figures for Prometheus, which
must go on while the sensor is off and while Dagster is being started again.
"""

import contextlib
import functools
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from opentr_pipeline.services.log_files import LINE_FORMAT
from opentr_pipeline.services.processes import Process, end, members
from opentr_pipeline.terminal import LineFormatter

# Who lives shorter than this does so every time.
SHORT_LIFE_S = 10.0
BESIDE_RESTART_S = 60.0
END_TIMEOUT_S = 12.0
KILL_TIMEOUT_S = 3.0
MILD_FIRST = (signal.SIGTERM, signal.SIGKILL)
# What would be in the way of the next one, where dagster dev was killed and could not end it.
IN_THE_WAY = ("launching.guarded_dev", "launching.guarded_page", "dagster._daemon")
# The second is the first one's child.
CODE_SERVER = ("dagster code-server", "dagster api grpc")
CHECK_S = 5.0
# Far longer than it takes to be whole for the first time.
STARTING_S = 60.0
MAX_MISSED = 2
_log = logging.getLogger("opentr_pipeline.services.supervisor")


class _Beside:
    """A command that is started again some time after it ended."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0

    def keep(self) -> None:
        """Start it where it does not run."""
        is_running = self._process is not None and self._process.poll() is None
        if self._command and not is_running and time.monotonic() >= self._not_before:
            self._process = subprocess.Popen(self._command)
            self._not_before = time.monotonic() + BESIDE_RESTART_S

    def end(self) -> None:
        """End it; there is nothing in it to lose."""
        if self._process:
            self._process.kill()
            self._process.wait()


def supervise(
    home: Path, command: Sequence[str], beside: Sequence[str] = (), passed: Sequence[int] = ()
) -> int:
    """Run a command again whenever it ends by itself, until SIGINT; else its exit code.

    Args:
        home: the state folder of the services.
        command: ``dagster dev`` with its arguments.
        beside: a command to keep alive meanwhile; empty for none.
        passed: open files that the command gets: what the page listens on.
    """
    other = _Beside(beside)
    try:
        return _supervise(home, command, other, passed)
    finally:
        other.end()


def _supervise(home: Path, command: Sequence[str], other: _Beside, passed: Sequence[int]) -> int:
    while True:
        started = time.monotonic()
        child = subprocess.Popen(command, pass_fds=passed)
        try:
            code = _wait(child, home, other)
            if time.monotonic() - started < SHORT_LIFE_S:
                return code or 1
            _log.warning("dagster dev ended with code %s; starting it again.", code)
            end(functools.partial(in_the_way, home), MILD_FIRST, KILL_TIMEOUT_S)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            child.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):  # who asked ends it in the end
                child.wait(END_TIMEOUT_S)
            return 0


def _wait(child: "subprocess.Popen[bytes]", home: Path, other: _Beside) -> int:
    """Wait for its end, and bring that about where its code server is gone."""
    whole_by, num_missed = time.monotonic() + STARTING_S, 0
    while True:
        other.keep()
        try:
            return child.wait(CHECK_S)
        except subprocess.TimeoutExpired:
            is_whole = has_code_server(child.pid, members(os.getsid(0), home))
        if is_whole:
            whole_by = time.monotonic()
        num_missed = num_missed + 1 if not is_whole and time.monotonic() > whole_by else 0
        if num_missed == MAX_MISSED:  # once may be a reload from the page
            _log.warning("The code server is gone.")
            child.send_signal(signal.SIGINT)


def has_code_server(pid: int, processes: Sequence[Process]) -> bool:
    """Whether both processes of a ``dagster dev``'s code server are there."""
    outer = [one.pid for one in processes if one.parent == pid and CODE_SERVER[0] in one.command]
    return any(one.parent in outer and CODE_SERVER[1] in one.command for one in processes)


def in_the_way(home: Path) -> list[Process]:
    """What is left of a ``dagster dev`` that was killed, its code server and runs left out."""
    ours = members(os.getsid(0), home)
    return [process for process in ours if any(name in process.command for name in IN_THE_WAY)]


if __name__ == "__main__":
    log = logging.StreamHandler()
    log.setFormatter(LineFormatter(LINE_FORMAT))
    logging.basicConfig(handlers=[log])
    split = sys.argv.index("--")
    _, where, *beside_it = sys.argv[:split]
    listening = [int(b) for a, b in pairwise(sys.argv[split:]) if a == "--listening"]
    sys.exit(supervise(Path(where), sys.argv[split + 1 :], beside_it, listening))
