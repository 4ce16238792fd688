"""How long an upload waits for its first words, with the services as ``start dev`` brings them up.

    .venv/bin/python -m benchmarks.first_words --turns 4

A recording of ten seconds is copied into an archive in which all is done. The clock begins when
it has settled, ``UPLOAD_SETTLE_S`` after its last byte. The sensor looks as often, and every 30 s
where that is longer; here it is short, so that what follows a look is measured.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dagster import DagsterInstance

from benchmarks.idle import speech
from benchmarks.spans import SHARD, steps_of
from opentr_pipeline.services.dev import DevServices
from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.page_api import free_port

SETTLE_S = 2
PATIENCE_S = 120.0
POLL_S = 0.05


def main() -> None:
    """Bring the services up, upload, and print where the seconds are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=4)
    asked = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as for whoever uses it
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "archive")
        (archive / "desk").mkdir(parents=True)
        variables = {"UPLOAD_SETTLE_S": str(SETTLE_S), "DAGSTER_PORT": free_port()}
        project = Project(Path(folder), archive, **variables)
        speech(archive / "desk" / "first.wav")
        project.opentr("run")
        project.serve()
        try:
            time.sleep(10 * SETTLE_S)  # until it knows what is there
            turns = [_turn(project, archive / "desk" / f"{n}.wav") for n in range(asked.turns)]
        finally:
            DevServices.of(project.settings).stop()
    print(f"{asked.turns} uploads, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    for name in turns[0]:
        seconds = [turn[name] for turn in turns]
        least_s, most_s = min(seconds), max(seconds)
        print(f"{name:20} {statistics.median(seconds):5.2f} s ({least_s:.2f} to {most_s:.2f})")


def _turn(project: Project, path: Path) -> dict[str, float]:
    """Seconds from when an upload has settled."""
    checkpoints = project.store.inner / "checkpoints"
    before = {one.name for one in checkpoints.glob("*/*.json")}
    published = project.store.inner / "partitions" / "desk" / "current"
    was = published.lstat().st_mtime_ns
    speech(path)
    settled_at = time.time() + SETTLE_S
    first_at = _when(
        lambda: (
            {one.name for one in checkpoints.glob("*/*.json")} - before
            or published.lstat().st_mtime_ns != was
        )
    )
    published_at = _when(lambda: published.lstat().st_mtime_ns != was)
    with DagsterInstance.from_config(str(project.settings.workspace.dagster_home)) as instance:
        _when(lambda: instance.get_run_records(limit=1)[0].end_time)
        record = instance.get_run_records(limit=1)[0]
    steps = [
        step
        for step in steps_of(project.settings.workspace.dagster_home)
        if step.began_at > settled_at
    ]
    at = {
        "a run is asked for": record.create_timestamp.timestamp(),
        "the run has begun": record.start_time or 0.0,
        "its first step": steps[0].began_at,
        "transcription": next(one.began_at for one in steps if one.name.startswith(SHARD)),
        "words are kept": first_at,
        "words are published": published_at,
    }
    return {name: when - settled_at for name, when in at.items()}


def _when(is_so: Callable[[], object]) -> float:
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > until:
            raise SystemExit("Nothing came of an upload.")
        time.sleep(POLL_S)
    return time.time()


if __name__ == "__main__":
    main()
