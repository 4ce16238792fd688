"""Word errors beside the baseline's over much speech, which may be heard in several sittings.

    python -m benchmarks.accuracy --set short --seconds 600 --languages it ru --kept told.jsonl

Texts do not depend on how busy a machine is. What was heard is kept, piece by piece, and is not
heard again: use another file for another engine. What only one of both has heard is left out.
"""

import argparse
import dataclasses
import itertools
import json
import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import engine, scores, speech_sets
from benchmarks.engine import BASELINE, SETS, Row
from benchmarks.measured import CANDIDATES, run
from benchmarks.speech_sets import BenchmarkRecording

CANDIDATE_NAMES = ("ours", BASELINE)
PIECE_S = 120.0  # of sound, that one process hears
TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Heard:
    """What a candidate said of a file; ``found`` is the language, where it looked for it."""

    candidate: str
    file: str
    text: str
    found: str


def hear(
    recordings: Sequence[BenchmarkRecording], kept: Path, *, is_told: bool, until_s: float
) -> list[Heard]:
    """Let both hear what they have not heard yet, piece by piece, until a time is over."""
    heard = list(_read(kept))
    done = {(one.candidate, one.file) for one in heard}
    for piece in _pieces(_mixed(recordings)):
        for name in CANDIDATE_NAMES:
            missing = [one for one in piece if (name, one.path.name) not in done]
            if missing and time.monotonic() < until_s:
                heard += _heard(name, missing, is_told=is_told)
                lines = [json.dumps(dataclasses.asdict(one)) + "\n" for one in heard]
                kept.write_text("".join(lines), encoding="utf-8")
    return heard


def _read(kept: Path) -> Iterator[Heard]:
    for line in kept.read_text(encoding="utf-8").splitlines() if kept.is_file() else []:
        yield Heard(**json.loads(line))


def _mixed(recordings: Sequence[BenchmarkRecording]) -> Iterator[BenchmarkRecording]:
    """One of each language in turn, so that a part of the set has all of them."""
    by_language = [
        [one for one in recordings if one.language == language]
        for language in dict.fromkeys(one.language for one in recordings)
    ]
    for row in itertools.zip_longest(*by_language):
        yield from (one for one in row if one)


def _pieces(recordings: Iterator[BenchmarkRecording]) -> Iterator[list[BenchmarkRecording]]:
    piece: list[BenchmarkRecording] = []
    for one in recordings:
        piece.append(one)
        if sum(each.duration_s for each in piece) >= PIECE_S:
            yield piece
            piece = []
    if piece:
        yield piece


def _heard(name: str, ones: Sequence[BenchmarkRecording], *, is_told: bool) -> list[Heard]:
    request = engine.request_for(ones, os.cpu_count() or 1, is_told=is_told)
    answer = run(CANDIDATES[name], request, speech_sets.CACHE_DIR, TIMEOUT_S)
    print(f"{name}: {len(ones)} recordings, {answer.cpu_s:.0f} s of CPU", flush=True)
    return [
        Heard(name, one.path.name, answer.texts[str(one.path)], answer.found.get(str(one.path), ""))
        for one in ones
    ]


def compared(
    recordings: Sequence[BenchmarkRecording], heard: Collection[Heard]
) -> tuple[list[BenchmarkRecording], dict[str, Row]]:
    """The recordings that both have heard, and the figures of both on them."""
    found = {(one.candidate, one.file): one for one in heard}
    both = [
        one for one in recordings if all((name, one.path.name) in found for name in CANDIDATE_NAMES)
    ]
    rows: dict[str, Row] = {
        name: {
            "texts": {str(one.path): found[name, one.path.name].text for one in both},
            "found": {str(one.path): found[name, one.path.name].found for one in both},
        }
        for name in CANDIDATE_NAMES
    }
    engine.compare(both, rows)
    return both, rows


def main() -> None:
    """Hear for some minutes, and print what has been heard until now."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", choices=SETS, default="short")
    parser.add_argument("--seconds", type=float, help="of a language (short) or recording (long)")
    parser.add_argument("--languages", nargs="*", help="all of the set's, unless named")
    parser.add_argument("--language", choices=("found", "told"), default="told")
    parser.add_argument("--minutes", type=float, default=1e6, help="after which no piece begins")
    parser.add_argument("--kept", type=Path, required=True, help="what was heard, a line each")
    asked = parser.parse_args()
    build, usual_s = SETS[asked.set]
    recordings = build(speech_sets.CACHE_DIR, asked.seconds or usual_s)
    recordings = [one for one in recordings if one.language in (asked.languages or one.language)]
    until_s = time.monotonic() + 60 * asked.minutes
    is_told = asked.language == "told"
    heard = hear(recordings, asked.kept, is_told=is_told, until_s=until_s)
    both, rows = compared(recordings, heard)
    speech_sets.describe(asked.set, both)
    engine.print_differences("ours", rows["ours"]["to_baseline"])
    for name, row in rows.items() if not is_told else []:
        right = scores.languages_right(both, row["found"], scores.groups(both))
        print(f"languages found right, {name}: {right}")


if __name__ == "__main__":
    main()
