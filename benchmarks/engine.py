"""The product's engine beside its peers: same model, files, threads and beam, in one run.

    python -m benchmarks.engine --set short --rounds 3 --json engine.json

Candidates take turns (A B C A B C), each time in a fresh process; figures are medians. Speed leaves
out start and model load, which have their own column.
"""

import argparse
import dataclasses
import json
import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, speech_sets
from benchmarks.candidates.protocol import Answer, Request
from benchmarks.measured import CANDIDATES, CandidateError, run
from benchmarks.speech_sets import BenchmarkRecording
from opentr_pipeline.recognition import fetching
from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline_tests.speech import word_error_rate

BASELINE = "faster_whisper_batched"
Row = dict[str, Any]  # the figures of one candidate, or why it failed
SETS = {
    "short": (speech_sets.short, speech_sets.SHORT_S),
    "long": (speech_sets.long, speech_sets.LONG_S),
}


def request_for(recordings: Sequence[BenchmarkRecording], threads: int) -> Request:
    """A request to transcribe recordings with ``base``, which is fetched where it is missing."""
    model = fetching.fetch("base", load_settings({}, None).workspace.models)
    return Request(
        model=str(model.folder),
        files=[str(one.path) for one in recordings],
        languages=[one.language for one in recordings],
        threads=threads,
    )


def measure(
    names: Iterable[str], request: Request, rounds: int, cache_dir: Path, timeout_s: float
) -> tuple[dict[str, list[Answer]], dict[str, str]]:
    """Let the candidates take turns.

    Returns:
        The answers of each candidate, and the reasons of those that failed, once each.
    """
    answers: dict[str, list[Answer]] = defaultdict(list)
    failures: dict[str, str] = {}
    for number in range(1, rounds + 1):
        for name in names:
            if name in failures:
                continue
            try:
                answers[name].append(run(CANDIDATES[name], request, cache_dir, timeout_s))
                print(f"round {number}: {name} {answers[name][-1].wall_s:.1f} s", flush=True)
            except CandidateError as error:
                failures[name] = str(error)
                print(f"round {number}: {name}: {error}", flush=True)
    return answers, failures


def error_rates(
    recordings: Sequence[BenchmarkRecording], texts: dict[str, str]
) -> dict[str, float]:
    """Word error rates as fractions, by language and over ``all``."""
    pairs: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for one in recordings:
        for group in ("all", one.language):
            pairs[group].append((one.language, one.text, texts[str(one.path)]))
    return {group: word_error_rate(pairs[group]) for group in pairs}


def figures(recordings: Sequence[BenchmarkRecording], answers: Sequence[Answer]) -> Row:
    """The medians of a candidate's rounds; texts are those of the last round."""
    audio_s = sum(one.duration_s for one in recordings)
    return {
        "speed_x": audio_s / statistics.median(one.wall_s for one in answers),
        "wall_s": [one.wall_s for one in answers],
        "load_s": statistics.median(one.load_s for one in answers),
        "max_rss_bytes": max(one.max_rss_bytes for one in answers),
        "wer": error_rates(recordings, answers[-1].texts),
        "versions": answers[-1].versions,
    }


def print_table(rows: dict[str, Row]) -> None:
    """One line a candidate; ratios are against the baseline in the same run."""
    baseline = rows.get(BASELINE, {}).get("speed_x")
    print(f"\n{'candidate':<32} {'speed':>7} {'ratio':>6} {'load':>6} {'peak':>8}  word error rate")
    for name, row in rows.items():
        if "failed" in row:
            print(f"{name:<32} {row['failed']}")
            continue
        ratio = f"{row['speed_x'] / baseline:.2f}" if baseline else "-"
        rates = " ".join(f"{group} {100 * rate:.1f}" for group, rate in row["wer"].items())
        print(
            f"{name:<32} {row['speed_x']:>6.1f}x {ratio:>6} {row['load_s']:>4.1f} s "
            f"{row['max_rss_bytes'] / 1e6:>5.0f} MB  {rates}"
        )
        if CANDIDATES[name].note:
            print(f"{'':<32} ({CANDIDATES[name].note})")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", choices=SETS, default="short")
    parser.add_argument("--seconds", type=float, help="of a language (short) or recording (long)")
    parser.add_argument("--peers", nargs="*", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=float, default=3600.0, help="s, per candidate and round")
    parser.add_argument("--json", type=Path, help="where the figures go, with every wall time")
    parser.add_argument("--cache", type=Path, default=speech_sets.CACHE_DIR)
    return parser.parse_args()


def main() -> None:
    """Build the set, measure, print, and keep the figures."""
    asked = _asked()
    build, usual_s = SETS[asked.set]
    recordings = build(asked.cache, asked.seconds or usual_s)
    facts = machine.facts() | {"set": asked.set, "threads": asked.threads}
    print("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    speech_sets.describe(asked.set, recordings)

    request = request_for(recordings, asked.threads)
    names = dict.fromkeys(["ours", BASELINE, *asked.peers])
    answers, failures = measure(names, request, asked.rounds, asked.cache, asked.timeout)
    rows: dict[str, Row] = {
        name: {"failed": failures[name]} if name in failures else figures(recordings, answers[name])
        for name in names
    }
    print_table(rows)
    if asked.json:
        shown = {"machine": facts, "request": dataclasses.asdict(request), "candidates": rows}
        asked.json.write_text(json.dumps(shown, indent=1, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
