"""Uploads over time with faults thrown in at random: is everything there in the end, once?

    python -m benchmarks.soak --recordings 2000 --minutes 15

The services run as ``start dev`` brings them up. Small recordings are copied into the archive, some
slowly, some with an old modified time, some written over later; while the first half comes, steps,
runs, the daemon, the code server or all of them are killed. The second half comes in peace, and
what the services hold is watched. Ends with an error where a file has no final outcome for the
bytes that it has in the end, where a process holds more and more memory, files or threads, and
where a process or a lock of a worker slot is left.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import wave
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks import growth, machine
from opentr_pipeline.locks import is_locked
from opentr_pipeline.services.dev import DevServices
from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.page_api import free_port
from opentr_pipeline_tests.runs import (
    SAMPLES,
    SPEECH,
    holder_of,
    leases,
    most_at_once,
    process_of,
    processes_of,
    run_process,
)

NUM_PARTITIONS = 20
RECORDING_S = 2.0
SHARE_SLOW, SHARE_OLD, SHARE_REWRITTEN = 0.1, 0.1, 0.05
SHARE_SPEAKING = 0.1  # the others are silent, so that the model is not what takes the time
FAULT_EVERY_S = 60.0
PATIENCE_S = 1800.0
IDLE_S = 120.0  # until the last run and what it started are gone
TICKS = SAMPLES.parent.parent / "opentr_pipeline_tests" / "ticks"


class Uploader:
    """Copies recordings into an archive, no two with the same bytes."""

    def __init__(self, archive: Path, chance: random.Random) -> None:
        """Read the speech that recordings are cut from."""
        self.archive, self.chance = archive, chance
        self.num_written = 0
        self.slow: list[threading.Thread] = []
        with wave.open(str(SAMPLES / SPEECH[0])) as said:
            self.parameters, self.sound = said.getparams(), said.readframes(said.getnframes())

    def upload(self, number: int) -> None:
        """Write one file, in one of the ways that people have."""
        path = self.archive / f"p{number % NUM_PARTITIONS:02d}" / f"{number:05d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.chance.random() < SHARE_SLOW:
            self.slow = [thread for thread in self.slow if thread.is_alive()]
            self.slow.append(threading.Thread(target=self._write, args=(path, self._body(), True)))
            self.slow[-1].start()
            return
        self._write(path, self._body(), is_slow=False)
        if self.chance.random() < SHARE_OLD:
            os.utime(path, (1_500_000_000 + number,) * 2)

    def rewrite(self, num_there: int) -> None:
        """Write other sound over a file that was uploaded before; no directory changes."""
        number = self.chance.randrange(num_there)
        path = self.archive / f"p{number % NUM_PARTITIONS:02d}" / f"{number:05d}.wav"
        self._write(path, self._body(), is_slow=False)

    def _body(self) -> bytes:
        self.num_written += 1
        rate = self.parameters.framerate * self.parameters.sampwidth
        size = int(rate * RECORDING_S)
        start = self.chance.randrange(0, len(self.sound) - size, 2)
        speaks = self.chance.random() < SHARE_SPEAKING
        said = self.sound[start : start + size] if speaks else bytes(size)
        return bytes(2 * self.num_written) + said

    def _write(self, path: Path, body: bytes, is_slow: bool) -> None:
        with path.open("wb") as stream, wave.open(stream, "wb") as written:
            written.setparams(self.parameters)
            for part in (body[: len(body) // 2], body[len(body) // 2 :]):
                written.writeframes(part)
                if is_slow:
                    time.sleep(3.0)


class Faults(threading.Thread):
    """Kills something now and then, until told to stop."""

    def __init__(self, project: Project, chance: random.Random) -> None:
        """Prepare."""
        super().__init__(daemon=True)
        self.project, self.chance = project, chance
        self.over = threading.Event()
        self.done: Counter[str] = Counter()

    def run(self) -> None:
        """Wait, then kill, again and again."""
        ways: list[Callable[[], str]] = [self.step, self.run_process, self.daemon_, self.server]
        ways.append(self.everything)
        due = time.monotonic() + FAULT_EVERY_S
        while not self.over.wait(1.0):
            if time.monotonic() < due:
                continue
            with contextlib.suppress(OSError):  # it ended by itself
                self.done[self.chance.choice(ways)()] += 1
            due = time.monotonic() + self.chance.uniform(0.5, 1.5) * FAULT_EVERY_S

    @property
    def home(self) -> Path:
        """The state folder, which all processes of the project name in their environment."""
        return self.project.settings.workspace.dagster_home

    def _kill(self, process: int | None, name: str) -> str:
        if process is None:
            return f"no {name} to kill"
        os.kill(process, signal.SIGKILL)
        return f"{name} killed"

    def _step(self) -> int | None:
        return holder_of(self.project.folder / "slots" / f"cpu.slot-{self.chance.randrange(2)}")

    def step(self) -> str:
        """A transcription step."""
        return self._kill(self._step(), "step")

    def run_process(self) -> str:
        """The process of a run."""
        return self._kill(run_process(self.home), "run")

    def daemon_(self) -> str:
        """The daemon."""
        return self._kill(process_of("dagster._daemon", str(self.home)), "daemon")

    def server(self) -> str:
        """The code server."""
        return self._kill(process_of("api\0grpc", str(self.home)), "code server")

    def everything(self) -> str:
        """All of the services and runs, as by a power cut; then a new start."""
        for process in processes_of(self.home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        bring_up(self.project)
        return "everything killed"


def bring_up(project: Project) -> None:
    """Start the services; beside much else that may take a second try."""
    try:
        project.opentr("start", "dev")
    except AssertionError:
        project.opentr("start", "dev")


def unfinished(project: Project) -> list[str]:
    """Files without a final outcome for the bytes that they have."""
    rows = {path: row for path, row in project.transcripts().items() if row["status"] != "failed"}
    left = []
    for path in sorted(project.archive.rglob("*.wav")):
        name = str(path.relative_to(project.archive))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if rows.get(name, {}).get("media_fingerprint") != digest:
            left.append(name)
    return left


def soak(project: Project, num_recordings: int, minutes: float, chance: random.Random) -> bool:
    """Upload, kill, wait, and print what is there; whether all is there and nothing leaks."""
    home = project.settings.workspace.dagster_home
    bring_up(project)
    began = time.monotonic()
    with growth.watching(home) as watch:
        uploader = Uploader(project.archive, chance)
        calm_since = _upload(project, uploader, num_recordings, minutes * 60.0)
        print(
            f"uploaded {uploader.num_written} files in {time.monotonic() - began:.0f} s", flush=True
        )
        left = _wait_until_done(project, PATIENCE_S)
        passing = growth.settled(lambda: growth.passing(home), IDLE_S)
    grown, leaks = watch.grown(calm_since)
    DevServices.of(project.settings).stop()
    remaining = growth.settled(lambda: processes_of(home), IDLE_S)
    locked = [slot.name for slot in (project.folder / "slots").iterdir() if is_locked(slot)]
    held = leases(home)
    statuses = Counter(str(row["status"]) for row in project.transcripts().values())
    transcribed = sum(lease.num_transcribed for lease in held)
    print(f"recordings: {num_recordings}, written over: {uploader.num_written - num_recordings}")
    print(f"unfinished: {len(left)} {left[:5]}")
    print(f"statuses: {dict(statuses)}")
    print(f"steps that ended well: {len(held)}, at once: {most_at_once(held)}, limit 2")
    print(f"transcribed in them: {transcribed} of {uploader.num_written} files written")
    print(f"peak memory of all processes: {watch.peak_bytes / 1e6:.0f} MB")
    print("\n".join(["in peace:", *grown]))
    print(f"left of runs when all was done: {passing}; when stopped: {remaining}")
    print(f"slots locked: {locked}; leaks: {leaks}")
    print(f"wall: {time.monotonic() - began:.0f} s", flush=True)
    return not (left or leaks or passing or remaining or locked) and most_at_once(held) <= 2


def _upload(project: Project, uploader: Uploader, num_recordings: int, seconds: float) -> float:
    """Upload evenly over a time, the first half under faults; when these ended."""
    faults = Faults(project, uploader.chance)
    faults.start()
    calm_since = began = time.monotonic()
    for number in range(num_recordings):
        if number == num_recordings // 2:
            faults.over.set()
            faults.join()
            calm_since = time.monotonic()
        uploader.upload(number)
        if uploader.chance.random() < SHARE_REWRITTEN:
            uploader.rewrite(number + 1)
        due = began + (number + 1) * seconds / num_recordings
        time.sleep(max(0.0, due - time.monotonic()))
    for thread in uploader.slow:
        thread.join()
    print(f"faults: {dict(faults.done)}", flush=True)
    return calm_since


def _wait_until_done(project: Project, patience_s: float) -> list[str]:
    """What is unfinished in the end."""
    began = time.monotonic()
    while (left := unfinished(project)) and time.monotonic() < began + patience_s:
        print(f"{time.monotonic() - began:.0f} s later: {len(left)} unfinished", flush=True)
        time.sleep(10.0)
    return left


def main() -> None:
    """Run the soak in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recordings", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=15.0, help="that the uploads take")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(json.dumps(machine.facts()))
    with tempfile.TemporaryDirectory(prefix="opentr-soak-") as folder:
        archive = Path(folder, "archive")
        archive.mkdir()
        project = Project(
            Path(folder),
            archive,
            DAGSTER_PORT=free_port(),
            PYTHONPATH=str(TICKS),
            GPU_SCALE_ENABLED="true",
            GPU_SCALE_DEVICE_ID="cpu",
            GPU_SCALE_WORKERS="2",
            UPLOAD_SETTLE_S="2",
            SHARD_AUDIO_S="120",
        )
        is_whole = soak(project, asked.recordings, asked.minutes, random.Random(asked.seed))
    sys.exit(0 if is_whole else 1)


if __name__ == "__main__":
    main()
