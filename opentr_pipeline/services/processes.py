"""The processes of an archive's services, found even where the one that led them was killed."""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.1


@dataclass(frozen=True)
class Process:
    """A process that is alive."""

    pid: int
    parent: int
    command: str


def members(session: int, home: Path) -> list[Process]:
    """The processes of a session that belong to a state folder, this one left out.

    Session numbers are given again after a reboot; the environment says whose a process is.

    Args:
        session: the process id of its first process.
        home: their ``DAGSTER_HOME``.
    """
    mine = f"DAGSTER_HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
            is_ours = os.getsid(pid) == session and pid != os.getpid()
            if is_ours and mine in (folder / "environ").read_bytes().split(b"\0"):
                # After the name, which may hold anything: state, parent, ...
                parent = int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1])
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found.append(Process(pid, parent, command.decode(errors="replace").strip()))
    return found


def end(find: Callable[[], Sequence[Process]], signals: Sequence[int], timeout_s: float) -> None:
    """Send each signal to what is still there, and wait for it.

    Args:
        find: lists the processes to end.
        signals: the mildest first.
        timeout_s: for each signal.
    """
    for number in signals:
        for process in find():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
        wait_until(lambda: not find(), timeout_s)


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Wait until something holds; whether it does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
