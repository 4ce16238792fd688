"""The whole ``opentr run`` beside the engine alone on the same files.

    python -m benchmarks.run --hours 2

The archive holds the sets ``short`` and ``long``, again and again under another title each time:
other bytes, because the product transcribes equal bytes once. State and output are fresh each time.
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import machine, sound, speech_sets
from benchmarks.engine import request_for
from benchmarks.measured import CANDIDATES, run
from benchmarks.spans import parts, steps_of
from benchmarks.speech_sets import BenchmarkRecording
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline_tests.conftest import Project

POLL_S = 0.05


@dataclass(frozen=True)
class WholeRun:
    """What one ``opentr run`` took.

    Attributes:
        wall_s: from the command to its end.
        first_s: from the command until the first transcript is kept, as a checkpoint; in an archive
            of one short recording its only window was decoded just before.
        num_transcribed: rows with status ``ok`` or ``suspect``.
        parts: of ``wall_s``, by what was done.
    """

    wall_s: float
    first_s: float
    num_transcribed: int
    parts: dict[str, float]


def build_archive(
    folder: Path, recordings: Sequence[BenchmarkRecording], hours: float
) -> list[BenchmarkRecording]:
    """Copy recordings until their sound is long enough, a folder for each time through the list."""
    copies: list[BenchmarkRecording] = []
    total_s = 0.0
    for number, one in _repeated(recordings):
        if total_s >= hours * 3600:
            break
        target = folder / f"copy-{number}" / one.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        sound.retitled(one.path, target, f"copy {number}")
        copies.append(BenchmarkRecording(target, one.language, one.text, one.duration_s))
        total_s += one.duration_s
    return copies


def _repeated(
    recordings: Sequence[BenchmarkRecording],
) -> Iterator[tuple[int, BenchmarkRecording]]:
    for number in itertools.count(1):
        yield from ((number, one) for one in recordings)


def whole_run(archive: Path) -> WholeRun:
    """Run the command on a project of its own.

    Raises:
        CalledProcessError: the command failed; its output is in the error.
    """
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        project = Project(Path(folder), archive)
        command = [sys.executable, "-m", "opentr_pipeline.cli.app", "run"]
        project.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as for whoever uses it
        began_at, begun = time.time(), time.monotonic()
        with subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=project.environ, stdout=log, stderr=log
        ) as process:
            first_s = _first_transcript_s(process, project.store.inner, begun)
            process.wait()
        wall_s = time.monotonic() - begun
        if process.returncode:
            log.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command, log.read()[-2000:])
        statuses = [row["status"] for row in project.transcripts().values()]
        num_transcribed = sum(status in ("ok", "suspect") for status in statuses)
        steps = steps_of(project.settings.workspace.dagster_home)
        return WholeRun(wall_s, first_s, num_transcribed, parts(began_at, began_at + wall_s, steps))


def _first_transcript_s(
    process: "subprocess.Popen[bytes]", store_folder: Path, begun: float
) -> float:
    while process.poll() is None:
        if any(store_folder.glob("checkpoints/*/*.json")):
            break
        time.sleep(POLL_S)
    return time.monotonic() - begun


def main() -> None:
    """Build the archive, let the two take turns, print both speeds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=2.0, help="of sound in the archive")
    parser.add_argument("--seconds", type=float, help="smaller sets, as in benchmarks.engine")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the engine alone")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--cache", type=Path, default=speech_sets.CACHE_DIR)
    asked = parser.parse_args()
    facts = machine.facts()
    print("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    recordings = [
        *speech_sets.short(asked.cache, asked.seconds or speech_sets.SHORT_S),
        *speech_sets.long(asked.cache, asked.seconds or speech_sets.LONG_S),
    ]
    with tempfile.TemporaryDirectory(prefix="archive-", dir=asked.cache) as folder:
        shortest = min(recordings, key=lambda one: one.duration_s)
        first = build_archive(Path(folder, "one"), [shortest], 1e-9)
        first_s = [whole_run(first[0].path.parent).first_s for _ in range(asked.rounds)]
        shutil.rmtree(Path(folder, "one"))
        copies = build_archive(Path(folder), recordings, asked.hours)
        speech_sets.describe("archive", copies)
        request = request_for(copies, asked.threads)
        rounds = [
            (whole_run(Path(folder)), run(CANDIDATES["ours"], request, asked.cache, 36_000.0))
            for _ in range(asked.rounds)
        ]
    audio_s = sum(one.duration_s for one in copies)
    whole_s = statistics.median(whole.wall_s for whole, _ in rounds)
    alone_s = statistics.median(alone.wall_s for _, alone in rounds)
    figures = {
        "whole_speed_x": audio_s / whole_s,
        "engine_speed_x": audio_s / alone_s,
        "whole_to_engine": alone_s / whole_s,
        "first_window_s": statistics.median(first_s),
    }
    for name, figure in figures.items():
        print(f"{name}: {figure:.2f}")
    for name in rounds[0][0].parts:
        print(f"  {name}: {statistics.median(whole.parts[name] for whole, _ in rounds):.2f} s")
    if asked.json:
        shown = {"machine": facts, **figures, "runs": [asdict(whole) for whole, _ in rounds]}
        asked.json.write_text(json.dumps(shown, indent=1))


if __name__ == "__main__":
    main()
