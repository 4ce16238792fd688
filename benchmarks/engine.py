"""The product's engine beside its peers: same model, files, threads and beam, in one run.

    python -m benchmarks.engine --set short --rounds 3 --json engine.json
    python -m benchmarks.engine --set clips --rounds 1 --language told --peers

Candidates take turns (A B C A B C), each time in a fresh process; figures are medians. Speed leaves
out start and model load, which have their own column. Word errors stand beside the baseline's, with
the interval that chance leaves.
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

from benchmarks import machine, scores, speech_sets
from benchmarks.candidates.protocol import Answer, Request
from benchmarks.measured import CANDIDATES, CandidateError, run
from benchmarks.speech_sets import BenchmarkRecording
from opentr_pipeline.recognition import fetching
from opentr_pipeline.settings.environment import load_settings

BASELINE = "faster_whisper_batched"
Row = dict[str, Any]  # the figures of one candidate, or why it failed
SETS = {
    "short": (speech_sets.short, speech_sets.SHORT_S),
    "clips": (speech_sets.clips, speech_sets.CLIP_S),
    "long": (speech_sets.long, speech_sets.LONG_S),
}


def request_for(
    recordings: Sequence[BenchmarkRecording], threads: int, *, is_told: bool = False
) -> Request:
    """A request to transcribe recordings with ``base``, which is fetched where it is missing."""
    model = fetching.fetch("base", load_settings({}, None).workspace.models)
    return Request(
        model=str(model.folder),
        files=[str(one.path) for one in recordings],
        languages=[one.language for one in recordings],
        threads=threads,
        is_told=is_told,
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


def figures(recordings: Sequence[BenchmarkRecording], answers: Sequence[Answer]) -> Row:
    """The medians of a candidate's rounds; texts are those of the last round."""
    audio_s = sum(one.duration_s for one in recordings)
    groups = scores.groups(recordings)
    texts, found = answers[-1].texts, answers[-1].found
    return {
        "speed_x": audio_s / statistics.median(one.wall_s for one in answers),
        "wall_s": [one.wall_s for one in answers],
        "cpu_s": statistics.median(one.cpu_s for one in answers),
        "load_s": statistics.median(one.load_s for one in answers),
        "max_rss_bytes": max(one.max_rss_bytes for one in answers),
        "wer": scores.error_rates(scores.counts(recordings, texts), groups),
        "languages_right": scores.languages_right(recordings, found, groups),
        "versions": answers[-1].versions,
        "texts": texts,
        "found": found,
    }


def compare(recordings: Sequence[BenchmarkRecording], rows: dict[str, Row]) -> None:
    """Add to each candidate's figures how its word errors differ from the baseline's."""
    counted = {
        name: scores.pieces(recordings, row["texts"])
        for name, row in rows.items()
        if "texts" in row
    }
    for name in counted.keys() - {BASELINE}:
        if BASELINE in counted:
            (ours, owners), (theirs, _) = counted[name], counted[BASELINE]
            groups = scores.groups(owners)
            rows[name]["to_baseline"] = scores.differences(ours, theirs, groups)


def print_table(rows: dict[str, Row]) -> None:
    """One line a candidate; ratios are against the baseline in the same run."""
    baseline = rows.get(BASELINE, {}).get("speed_x")
    head = f"{'candidate':<32} {'speed':>7} {'ratio':>6} {'CPU':>7} {'load':>6} {'peak':>8}"
    print(f"\n{head}  word error rate")
    for name, row in rows.items():
        if "failed" in row:
            print(f"{name:<32} {row['failed']}")
            continue
        ratio = f"{row['speed_x'] / baseline:.2f}" if baseline else "-"
        rates = " ".join(f"{group} {100 * rate:.1f}" for group, rate in row["wer"].items())
        print(
            f"{name:<32} {row['speed_x']:>6.1f}x {ratio:>6} {row['cpu_s']:>5.0f} s "
            f"{row['load_s']:>4.1f} s "
            f"{row['max_rss_bytes'] / 1e6:>5.0f} MB  {rates}"
        )
        if CANDIDATES[name].note:
            print(f"{'':<32} ({CANDIDATES[name].note})")
    for name, row in rows.items():
        print_differences(name, row.get("to_baseline", {}))
    for name, row in rows.items():
        if right := row.get("languages_right"):
            shares = " ".join(f"{group} {100 * share:.1f}" for group, share in right.items())
            print(f"languages found right, {name}: {shares} %")


def print_differences(name: str, differences: dict[str, Any]) -> None:
    """One line a group: errors of both, and what is chance."""
    for group, one in differences.items():
        ours, theirs = one["errors"]
        low, high = (100 * bound for bound in one["interval"])
        print(
            f"word errors, {name} to {BASELINE}, {group}: {ours} / {theirs} of {one['words']}, "
            f"{100 * one['rate']:+.2f} points ({low:+.2f} to {high:+.2f})"
        )


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", choices=SETS, default="short")
    parser.add_argument("--seconds", type=float, help="of a language (short) or recording (long)")
    parser.add_argument("--peers", nargs="*", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument(
        "--language", choices=("found", "told"), default="found", help="told leaves out who cannot"
    )
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
    is_told = asked.language == "told"
    facts = machine.facts() | {
        "set": asked.set,
        "threads": asked.threads,
        "language": asked.language,
    }
    print("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    speech_sets.describe(asked.set, recordings)

    request = request_for(recordings, asked.threads, is_told=is_told)
    asked_for = dict.fromkeys(["ours", BASELINE, *asked.peers])
    names = [name for name in asked_for if CANDIDATES[name].can_be_told or not is_told]
    answers, failures = measure(names, request, asked.rounds, asked.cache, asked.timeout)
    rows: dict[str, Row] = {
        name: {"failed": failures[name]} if name in failures else figures(recordings, answers[name])
        for name in names
    }
    compare(recordings, rows)
    print_table(rows)
    if asked.json:
        shown = {"machine": facts, "request": dataclasses.asdict(request), "candidates": rows}
        asked.json.write_text(json.dumps(shown, indent=1, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
