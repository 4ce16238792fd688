"""The peak memory of an engine over one recording of 1, 10 and 24 hours.

    python -m benchmarks.memory --hours 1 10 24

What grows with a recording's length shows as a ratio above 1. The recording is English speech for
20 s in every 5 minutes; it is built when it is asked for, and kept as FLAC.
"""

import argparse
import json
import os
from pathlib import Path

from benchmarks import machine, speech_sets
from benchmarks.engine import request_for
from benchmarks.measured import CANDIDATES, CandidateError, run


def main() -> None:
    """Measure each candidate at each length, shortest first."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0, 10.0, 24.0])
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=["ours"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=float, default=7200.0, help="s, per recording")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--cache", type=Path, default=speech_sets.CACHE_DIR)
    asked = parser.parse_args()
    facts = machine.facts()
    print("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    rows = [
        {"candidate": name} | row
        for name in asked.candidates
        for row in peaks(name, sorted(asked.hours), asked)
    ]
    if asked.json:
        asked.json.write_text(json.dumps({"machine": facts, "peaks": rows}, indent=1))


def peaks(name: str, hours: list[float], asked: argparse.Namespace) -> list[dict[str, object]]:
    """Measure one candidate, print as it goes; ratios are against the shortest recording."""
    rows: list[dict[str, object]] = []
    first_bytes = 0
    for length_h in hours:
        recordings = speech_sets.sparse(asked.cache, length_h)
        request = request_for(recordings, asked.threads)
        try:
            answer = run(CANDIDATES[name], request, asked.cache, asked.timeout)
        except CandidateError as error:
            print(f"{name:<32} {length_h:>5g} h  {error}", flush=True)
            rows.append({"hours": length_h, "failed": str(error)})
            continue
        first_bytes = first_bytes or answer.max_rss_bytes
        ratio = answer.max_rss_bytes / first_bytes
        speed_x = recordings[0].duration_s / answer.wall_s
        print(
            f"{name:<32} {length_h:>5g} h  {answer.max_rss_bytes / 1e6:>7.0f} MB  "
            f"{ratio:>5.2f}  {answer.wall_s:>7.1f} s  {speed_x:>6.1f}x  "
            f"{answer.cpu_s:>7.1f} s of CPU",
            flush=True,
        )
        measured = {
            "max_rss_bytes": answer.max_rss_bytes,
            "wall_s": answer.wall_s,
            "cpu_s": answer.cpu_s,
        }
        rows.append({"hours": length_h, **measured, "ratio": ratio, "speed_x": speed_x})
    return rows


if __name__ == "__main__":
    main()
