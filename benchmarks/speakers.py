"""How well speakers are told apart, on conversations made of readings and on recordings with RTTM.

    python -m benchmarks.speakers --voices VOICES --meetings MEETINGS --seeds 11 12

``--voices`` holds a folder of FLAC files for each reader, ``--meetings`` sound files with the RTTM
file of the same name beside each. Every seed makes other conversations. ``--beside-sherpa``
measures sherpa-onnx on the same, with the same networks (``pip install sherpa-onnx``, in any
environment that has this package with its extra ``speakers``).
"""

import argparse
import json
import resource
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from benchmarks import conversations, machine, sound
from benchmarks.candidates.sherpa import Sherpa
from benchmarks.conversations import Conversation
from benchmarks.diarization_error import Errors, errors
from benchmarks.speech_sets import CACHE_DIR
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.speakers import diarization, fetching, models
from opentr_pipeline.transcripts.turns import Turn, Voice

COLLARS_S = (0.25, 0.0)
SILENCE_S = 60.0


class Row(NamedTuple):
    """What was measured of one recording."""

    found: tuple[Errors, ...]
    num_speakers: int
    num_found: int
    duration_s: float
    cpu_s: float


def with_references(folder: Path) -> Iterator[Conversation]:
    """Recordings beside which an RTTM file says who speaks when."""
    for rttm in sorted(folder.glob("*.rttm")):
        lines = [line.split() for line in rttm.read_text(encoding="utf-8").splitlines()]
        said = [(line[7], float(line[3]), float(line[3]) + float(line[4])) for line in lines]
        path = next(one for one in sorted(folder.glob(f"{rttm.stem}.*")) if one != rttm)
        yield Conversation(path, tuple(said), sound.duration_s(path))


def made(
    voices: Path, counts: Sequence[int], seeds: Sequence[int], cache: Path
) -> Iterator[tuple[str, Conversation]]:
    """Conversations of the readers, with the name of the set that each is in."""
    sources = conversations.readers(voices)
    cache.mkdir(parents=True, exist_ok=True)
    for telephone in (False, True):
        for num in counts or range(1, len(sources) + 1):
            name = f"{num} at a telephone" if telephone else f"{num} made"
            for seed in seeds:
                said = f"{voices.resolve().name} {num} {seed}"
                path = cache / f"{said.replace(' ', '-')}-{int(telephone)}.wav"
                made = conversations.make(path, sources, num, said, telephone=telephone)
                yield name, made


class Hearer(Protocol):
    """What tells speakers apart."""

    def hear(self, sound: Sound) -> tuple[tuple[Turn, ...], tuple[Voice, ...]]:
        """Turns by start, voices."""


def measure(diarizer: Hearer, one: Conversation) -> Row:
    """Hear one recording."""
    begun = _cpu_s()
    turns, voices = diarizer.hear(Sound(one.path))
    cpu_s = _cpu_s() - begun
    found = [(str(turn.speaker), turn.start_s, turn.end_s) for turn in turns]
    rates = tuple(errors(one.said, found, collar_s) for collar_s in COLLARS_S)
    return Row(rates, len({who for who, *_ in one.said}), len(voices), one.duration_s, cpu_s)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def figures(rows: list[Row]) -> dict[str, float]:
    """Of a set, all its speech together."""
    rates = []
    for at in range(len(COLLARS_S)):
        wrong_s = sum(sum(row.found[at][1:]) for row in rows)
        rates.append(100 * wrong_s / max(sum(row.found[at].total_s for row in rows), 1e-9))
    seconds = sum(row.duration_s for row in rows)
    return {
        "der_0.25": rates[0],
        "der_0": rates[1],
        "count_right": sum(row.num_speakers == row.num_found for row in rows),
        "recordings": len(rows),
        "speed_x": seconds / max(sum(row.cpu_s for row in rows), 1e-9),
    }


def asked_for(asked: argparse.Namespace) -> Iterator[tuple[str, Conversation]]:
    """The recordings to measure, with the name of the set that each is in."""
    silence = asked.cache / "silence.wav"
    asked.cache.mkdir(parents=True, exist_ok=True)
    sound.write(silence, [sound.silence(SILENCE_S)])
    yield "silence", Conversation(silence, (), SILENCE_S)
    for folder in asked.meetings:
        for one in with_references(folder):
            yield folder.name, one
    if asked.voices:
        yield from made(asked.voices, asked.counts, asked.seeds, asked.cache / "conversations")


def main() -> None:
    """Make the sets, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--voices", type=Path, help="a folder for each reader")
    parser.add_argument(
        "--meetings", type=Path, nargs="*", default=[], help="folders of recordings with RTTM files"
    )
    parser.add_argument("--counts", type=int, nargs="*", default=[], help="of people; else all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
    parser.add_argument("--beside-sherpa", action="store_true", help="measure sherpa-onnx as well")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--cache", type=Path, default=CACHE_DIR)
    asked = parser.parse_args()
    facts = machine.facts() | {"recipe": models.RECIPE}
    print("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    root = load_settings({}, None).workspace.models
    fetching.fetch(root)
    hearers: dict[str, Hearer] = {"": diarization.load(root, 1)}
    if asked.beside_sherpa:
        hearers["sherpa: "] = Sherpa(models.find(root), asked.cache / "sherpa")
    rows: dict[str, list[Row]] = defaultdict(list)
    for name, one in asked_for(asked):
        for hearer, hears in hearers.items():
            rows[hearer + name].append(measure(hears, one))
            found = figures(rows[hearer + name][-1:])
            print(f"{hearer}{one.path.name}: {found['der_0.25']:.1f} %", flush=True)
    print(f"\n{'set':<28} {'DER 0.25':>8} {'DER 0':>7} {'count':>7} {'speed':>7}")
    for name, of_set in rows.items():
        all_of = figures(of_set)
        print(
            f"{name:<28} {all_of['der_0.25']:>6.1f} % {all_of['der_0']:>5.1f} % "
            f"{all_of['count_right']:>2}/{all_of['recordings']:<3} {all_of['speed_x']:>5.1f}x"
        )
    if asked.json:
        shown = {"machine": facts, "sets": {name: figures(row) for name, row in rows.items()}}
        asked.json.write_text(json.dumps(shown, indent=1, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
