"""Word errors over the processor's time, by how much of a window the encoder hears.

    python -m benchmarks.contexts --set clips

Every window is heard once in each context, its language told, by one thread; what a rule gives and
costs is put together from that. What was heard is kept beside the set, so that a run can go on.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import engine, scores, speech_sets
from benchmarks.speech_sets import BenchmarkRecording
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.devices.cards import CPU
from opentr_pipeline.recognition import fetching
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.recognition.recognizer import FULL_CONTEXT_S, MIN_CONTEXT_S, context_s
from opentr_pipeline.recognition.whisper.decoded import Decoded
from opentr_pipeline.recognition.whisper.model import Whisper
from opentr_pipeline.recognition.whisper.transcriber import MIN_CUT_LOGPROB
from opentr_pipeline.settings.environment import load_settings

THRESHOLDS = (-0.2, -0.3, -0.4, -0.5, MIN_CUT_LOGPROB)
BEAM_SIZE = 5


@dataclasses.dataclass(frozen=True)
class Once:
    """A window heard in one context.

    Attributes:
        cpu_s: to make its features, encode it and decode it.
    """

    context_s: float
    cpu_s: float
    decoded: Decoded


# Of each window, in the context that the engine begins with, and in the full one.
Pair = tuple[Once, Once]


@dataclasses.dataclass(frozen=True)
class Rule:
    """When a window is heard again with the full context.

    Attributes:
        min_logprob: below which it is.
        keeps_likelier: of both texts, not the second one always.
    """

    min_logprob: float
    keeps_likelier: bool

    def of(self, pair: Pair) -> tuple[str, float]:
        """The text of a window and the seconds that it took."""
        cut, full = pair
        first = cut.decoded
        is_strange = first.is_doubtful or first.ends_twice or not first.text
        is_enough = not is_strange and first.avg_logprob >= self.min_logprob
        if is_enough or cut.context_s == full.context_s:
            return first.text, cut.cpu_s
        keeps_cut = self.keeps_likelier and first.is_likelier_than(full.decoded)
        return (first if keeps_cut else full.decoded).text, cut.cpu_s + full.cpu_s


RULES = {
    "cut only": Rule(float("-inf"), keeps_likelier=False),
    **{
        f"again below {threshold}, the {'likelier' if likelier else 'second'}": Rule(
            threshold, keeps_likelier=likelier
        )
        for likelier in (False, True)
        for threshold in THRESHOLDS
    },
}


def hear(recordings: Sequence[BenchmarkRecording], kept: Path) -> dict[str, list[Pair]]:
    """The windows of each recording by its file's name; what is kept already is not heard again."""
    heard = dict(_kept(kept))
    missing = [one for one in recordings if one.path.name not in heard]
    if not missing:
        return heard
    model = fetching.fetch("base", load_settings({}, None).workspace.models)
    options = TranscriptionOptions(
        model.name, model.digest, "int8", "auto", "transcribe", BEAM_SIZE
    )
    whisper = Whisper(model, CPU, options, cpu_threads=1)
    with kept.open("a", encoding="utf-8") as out:
        for one in missing:
            pairs = [
                (
                    _once(whisper, window.samples, context_s(window.duration_s), one, options),
                    _once(whisper, window.samples, FULL_CONTEXT_S, one, options),
                )
                for window in Sound(one.path).windows()
            ]
            heard[one.path.name] = pairs
            row = [[dataclasses.asdict(once) for once in pair] for pair in pairs]
            out.write(json.dumps({"file": one.path.name, "windows": row}) + "\n")
            out.flush()
    return heard


def _once(
    whisper: Whisper,
    samples: Any,
    context_s: float,
    one: BenchmarkRecording,
    options: TranscriptionOptions,
) -> Once:
    begun = time.process_time()
    encoded = whisper.encode([whisper.features(samples, context_s)])
    (decoded,) = whisper.decode(encoded, [one.language], options)
    return Once(context_s, time.process_time() - begun, decoded)


def _kept(path: Path) -> Iterator[tuple[str, list[Pair]]]:
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        row = json.loads(line)
        yield row["file"], [(_read(cut), _read(full)) for cut, full in row["windows"]]


def _read(facts: dict[str, Any]) -> Once:
    decoded = {**facts["decoded"], "tokens": tuple(facts["decoded"]["tokens"])}
    return Once(facts["context_s"], facts["cpu_s"], Decoded(**decoded))


def points(
    recordings: Sequence[BenchmarkRecording], heard: dict[str, list[Pair]]
) -> Iterator[dict[str, Any]]:
    """What each rule costs and gives, beside hearing everything with the full context."""
    full = {name: [(after, after) for _, after in pairs] for name, pairs in heard.items()}
    always = RULES["cut only"]
    groups = scores.groups(recordings)
    base, base_s = _counted(recordings, full, always)
    for name, rule, pairs in [
        ("always full", always, full),
        *((name, rule, heard) for name, rule in RULES.items()),
    ]:
        counted, cpu_s = _counted(recordings, pairs, rule)
        found = scores.differences(counted, base, groups)
        yield {"rule": name, "cpu_s": cpu_s, "full_cpu_s": base_s, "to_full": found}


def _counted(
    recordings: Sequence[BenchmarkRecording], heard: dict[str, list[Pair]], rule: Rule
) -> tuple[scores.Counts, float]:
    texts, total_s = {}, 0.0
    for one in recordings:
        said = [rule.of(pair) for pair in heard[one.path.name]]
        texts[str(one.path)] = " ".join(text for text, _ in said)
        total_s += sum(cpu_s for _, cpu_s in said)
    return scores.counts(recordings, texts), total_s


def print_points(rows: Iterable[dict[str, Any]]) -> None:
    """One line a rule."""
    for row in rows:
        found = row["to_full"]["all"]
        low, high = (100 * bound for bound in found["interval"])
        rates = " ".join(f"{group} {one['errors'][0]}" for group, one in row["to_full"].items())
        print(
            f"{row['rule']:<32} {row['cpu_s']:>6.0f} s of CPU {100 * found['rate']:+.2f} points "
            f"({low:+.2f} to {high:+.2f}); errors: {rates}"
        )


def main() -> None:
    """Hear the set in both contexts, print a line for each rule."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", choices=("short", "clips"), default="clips")
    parser.add_argument("--every", type=int, default=1, help="leave out all but each so many")
    parser.add_argument("--cache", type=Path, default=speech_sets.CACHE_DIR)
    asked = parser.parse_args()
    build, usual_s = engine.SETS[asked.set]
    recordings = build(asked.cache, usual_s)[:: asked.every]
    kept = recordings[0].path.parent / "contexts.jsonl"
    print(f"contexts of {MIN_CONTEXT_S:.0f} to {FULL_CONTEXT_S:.0f} s", flush=True)
    print_points(points(recordings, hear(recordings, kept)))


if __name__ == "__main__":
    main()
