"""What the services of an archive hold over time, and whether that grows without end."""

import contextlib
import os
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentr_pipeline_tests.runs import parent, processes_of

# Words of a command line, by what the process is; all of them live as long as nobody kills them.
ROLES = {
    "supervisor": "opentr_pipeline.services.supervisor",
    "dagster dev": "launching.guarded_dev",
    "page": "launching.guarded_page",
    "daemon": "dagster._daemon",
    "code server": "dagster api grpc",
    "its keeper": "dagster code-server start",
    "its tracker": "multiprocessing.resource_tracker",
}
FORKS, FORKED_BY = "multiprocessing.forkserver", ROLES["code server"]
# A process that has just started loads what it needs; only what it takes later is growth.
LOOK_EVERY_S = 3.0
WARM_UP_S = 60.0
MIN_SAMPLES = 12
# More than this, from the second third of the samples to the last, and it is called a leak: in the
# first, heaps and threads still warm up. What grows more slowly shows in hours, not in a soak.
MAX_GROWTH = {"MB": 10.0, "files": 5.0, "threads": 5.0}


@dataclass(frozen=True)
class Held:
    """What one process holds at a time."""

    at_s: float
    megabytes: float
    num_files: int
    num_threads: int

    @property
    def figures(self) -> dict[str, float]:
        """By their unit."""
        return {"MB": self.megabytes, "files": self.num_files, "threads": self.num_threads}


class Watch:
    """Samples of every long-lived process of a state folder."""

    def __init__(self, home: Path) -> None:
        """Begin without any."""
        self._home = home
        self._samples: dict[tuple[str, int], list[Held]] = defaultdict(list)
        self.peak_bytes = 0

    def look(self) -> None:
        """Take a sample of each of them, and of the memory of all, runs included."""
        processes = processes_of(self._home)
        self.peak_bytes = max(self.peak_bytes, sum(map(proportional_bytes, processes)))
        for process in processes:
            with contextlib.suppress(OSError, ValueError):  # it ended meanwhile
                if role := _role(process):
                    self._samples[role, process].append(held_by(process))

    def grown(self, since_s: float) -> tuple[list[str], list[str]]:
        """A line for each process that lived long enough since a time, and those that leak."""
        lines, leaks = [], []
        for (role, process), samples in sorted(self._samples.items()):
            later = [one for one in samples if one.at_s > max(since_s, samples[0].at_s + WARM_UP_S)]
            if len(later) < MIN_SAMPLES:
                continue
            minutes = (later[-1].at_s - later[0].at_s) / 60
            said = f"{role} ({process}, {minutes:.0f} min): {_said(later)}"
            lines.append(said)
            if is_leak(later):
                leaks.append(said)
        return lines, leaks


@contextlib.contextmanager
def watching(home: Path) -> Iterator[Watch]:
    """Look every few seconds, meanwhile, from a thread."""
    watch, over = Watch(home), threading.Event()

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            watch.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def _said(samples: Sequence[Held]) -> str:
    return ", ".join(
        f"{first:.0f}, {middle:.0f}, {last:.0f} {unit}"
        for unit, (first, middle, last) in thirds(samples).items()
    )


def is_leak(samples: Sequence[Held]) -> bool:
    """Whether a process holds clearly more of something in the end."""
    return any(
        last - middle > MAX_GROWTH[unit] for unit, (_, middle, last) in thirds(samples).items()
    )


def thirds(samples: Sequence[Held]) -> dict[str, tuple[float, float, float]]:
    """Medians of each third of the samples, by unit; of three samples or more."""
    size = len(samples) // 3
    parts = samples[:size], samples[size:-size], samples[-size:]

    def of(unit: str) -> tuple[float, float, float]:
        first, middle, last = (
            statistics.median(one.figures[unit] for one in part) for part in parts
        )
        return first, middle, last

    return {unit: of(unit) for unit in MAX_GROWTH}


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:  # it ended meanwhile
        return ""


def _role(process: int) -> str:
    """What a process is; empty for one that comes and goes."""
    command = _command(process)
    if FORKS in command:  # runs and their steps have the words of what they are forked from
        with contextlib.suppress(OSError):
            return "its server of forks" if FORKED_BY in _command(parent(process)) else ""
    return next((role for role, words in ROLES.items() if words in command), "")


def held_by(process: int) -> Held:
    """What a process holds now."""
    folder = Path(f"/proc/{process}")
    num_pages = int((folder / "statm").read_text().split()[1])
    return Held(
        time.monotonic(),
        num_pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        len(os.listdir(folder / "fd")),
        len(os.listdir(folder / "task")),
    )


def proportional_bytes(process: int) -> int:
    """Proportional set size: a page that several share counts once in all of them together."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        return 1024 * int(rollup.split("Pss:")[1].split()[0])
    except (OSError, IndexError, ValueError):
        return 0


def passing(home: Path) -> list[str]:
    """The command lines of processes that should be gone when nothing is to do."""
    strays = [process for process in processes_of(home) if not _role(process)]
    return [said for process in strays if (said := _command(process))]


def settled(left: Callable[[], Sequence[Any]], timeout_s: float) -> Sequence[Any]:
    """What is left, as soon as that is nothing, or in the end."""
    deadline = time.monotonic() + timeout_s
    while (found := left()) and time.monotonic() < deadline:
        time.sleep(1.0)
    return found
