"""How long ``opentr run`` takes where nothing, or next to nothing, is to be done.

An archive of short recordings is transcribed; then a run finds nothing to do, and then one that has
a new recording of ten seconds to do, a few times each. CPU seconds are those of all processes of a
command, and hold on a machine that does other things as well; wall seconds do not.

    .venv/bin/python -m benchmarks.idle WORK --recordings 1000 --turns 5
"""

import argparse
import contextlib
import ctypes
import os
import random
import resource
import statistics
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import NamedTuple

from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.settings.installation import PROJECT_ROOT

SPEECH = PROJECT_ROOT / "samples" / "archive" / "opening_of_the_library.wav"
NEW_S = 10.0
NUM_FOLDERS = 10
PR_SET_CHILD_SUBREAPER = 36  # Source: linux/prctl.h


class Cost(NamedTuple):
    """What a command took.

    Attributes:
        published_s: until words were in the tables; negative where nothing was published.
    """

    published_s: float
    wall_s: float
    cpu_s: float


def main() -> None:
    """Print both, with the load of the machine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="A folder for the archive and all else.")
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=5)
    said = parser.parse_args()
    # Processes whose parents have ended are then ours to wait for, and so to count.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    archive = said.work / "archive"
    for number in range(said.recordings):
        _noise(archive / str(number % NUM_FOLDERS) / f"{number:06}.wav", number)
    _cost(said.work, archive)
    done = [_cost(said.work, archive) for _ in range(said.turns)]
    new = []
    for _ in range(said.turns):
        speech(archive / "0" / f"new{time.time_ns()}.wav")
        new.append(_cost(said.work, archive))
    print(f"{said.recordings} recordings, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    for name, costs in (("nothing to do", done), (f"{NEW_S:.0f} s are new", new)):
        cost = Cost(*map(statistics.median, zip(*costs, strict=True)))
        published = f", published after {cost.published_s:.2f} s" if cost.published_s > 0 else ""
        least_s = min(cost.wall_s for cost in costs)
        print(
            f"{name:16} {cost.wall_s:5.2f} s (least {least_s:.2f}), {cost.cpu_s:.2f} s of CPU"
            + published
        )


def _noise(path: Path, seed: int) -> None:
    """A fifth of a second in which nobody speaks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(8000)
        stream.writeframes(random.Random(seed).randbytes(3200))


def speech(path: Path) -> None:
    """Ten seconds, in bytes that no other time has."""
    with wave.open(str(SPEECH)) as said:
        parameters = said.getparams()
        sound = said.readframes(int(NEW_S * parameters.framerate))
    with wave.open(str(path), "wb") as stream:
        stream.setparams(parameters)
        stream.writeframes(time.time_ns().to_bytes(8, "big") + sound)


def _cost(work: Path, archive: Path) -> Cost:
    """Of one run, the processes that outlive the command by a moment included."""
    own = {
        "OPENTR_HOME": str(work / "state"),
        "OUTPUT_DIR": str(work / "output"),
        "WORKER_SLOTS_DIR": str(work / "slots"),
        "MODELS_DIR": str(load_settings().workspace.models),
        "WHISPER_MODEL": "base",
    }
    command = [sys.executable, "-m", "opentr_pipeline.cli.app", "run", str(archive)]
    # Else each process compiles all of ours anew, as it does for nobody who uses it.
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before, started, started_at = _cpu_s(), time.monotonic(), time.time()
    subprocess.run(command, env={**environ, **own}, check=True, capture_output=True)
    wall_s = time.monotonic() - started
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    pointer = work / "output" / ".store" / "partitions" / "0" / "current"
    return Cost(pointer.lstat().st_mtime - started_at, wall_s, _cpu_s() - before)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
