"""How often a voice is taken for somebody else's, and how often it is not known again.

    python -m benchmarks.voices ../voices/1688 ../voices/2033 ... --seconds 6

Each folder is a reader. Of the second half of its files (thresholds may have been chosen on the
first) stretches are cut, as they are and as a telephone leaves them, and their vectors compared,
those of one embedding model with each other: one stretch with another, and with the mean of three
others, as with somebody who was confirmed in three recordings. Readers are recorded in one session
each, which flatters the figures.
"""

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import sound
from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.speakers import models
from opentr_pipeline.speakers.embeddings import Band, Voices
from opentr_pipeline.speakers.likeness import MIN_SIMILARITY, mean_voice
from opentr_pipeline.speakers.models import EMBEDDING_MODEL, TELEPHONE_MODEL

MAX_STRETCHES = 12
NUM_CONFIRMED = 3

Vector = Sequence[float]


class Stretch(NamedTuple):
    """Some seconds of a reader."""

    reader: str
    model: str
    vector: Vector


class Errors(NamedTuple):
    """What a comparison gets wrong.

    Attributes:
        misses: share of pairs of one voice below the bar.
        mistakes: share of pairs of two voices at or above it.
    """

    model: str
    against: str
    num_same: int
    num_different: int
    equal_error_rate: float
    equal_at: float
    bar: float
    misses: float
    mistakes: float


def stretches_of(folder: Path, voices: Voices, seconds: float) -> Iterator[Stretch]:
    """The vectors of a reader, in the band that the recordings have, and in a telephone's."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".flac"))
    pieces: list[Any] = []
    num_samples, wanted = 0, int(MAX_STRETCHES * seconds * sound.RATE_HZ)
    for path in paths[len(paths) // 2 :]:
        if num_samples >= wanted:
            break
        pieces.append(sound.read(path).astype(np.float32) / 32768)
        num_samples += len(pieces[-1])
    whole, length, band = np.concatenate(pieces), int(seconds * sound.RATE_HZ), Band()
    for begin in range(0, min(len(whole), wanted) - length + 1, length):
        part = whole[begin : begin + length]
        features = voices.features(part)
        band.hear(features)
        if not band.is_narrow:
            yield Stretch(folder.name, EMBEDDING_MODEL, voices.vector(features).tolist())
        features = voices.features(sound.telephone(part))
        vector = voices.vector(features, is_narrow=True)
        yield Stretch(folder.name, TELEPHONE_MODEL, vector.tolist())


def one_to_one(stretches: Sequence[Stretch]) -> Iterator[tuple[bool, float]]:
    """Whether two stretches are of one reader, and how like they are."""
    for one, two in itertools.combinations(stretches, 2):
        yield one.reader == two.reader, float(np.dot(one.vector, two.vector))


def one_to_three(stretches: Sequence[Stretch]) -> Iterator[tuple[bool, float]]:
    """The same against the mean of the first stretches of a reader, which are not asked about."""
    by_reader: dict[str, list[Stretch]] = {}
    for one in stretches:
        by_reader.setdefault(one.reader, []).append(one)
    for reader, mine in by_reader.items():
        mean = mean_voice(one.vector for one in mine[:NUM_CONFIRMED])
        for other, theirs in by_reader.items():
            for one in theirs[NUM_CONFIRMED:]:
                yield reader == other, float(np.dot(one.vector, mean))


def errors_of(pairs: Sequence[tuple[bool, float]], model: str, against: str) -> Errors:
    """The errors at the bar, and where both kinds are as many."""
    same = np.sort([value for is_same, value in pairs if is_same])
    different = np.sort([value for is_same, value in pairs if not is_same])
    bars = np.unique(np.concatenate([same, different]))
    misses = np.searchsorted(same, bars) / len(same)
    mistakes = 1 - np.searchsorted(different, bars) / len(different)
    place = int(np.argmin(np.abs(misses - mistakes)))
    bar = MIN_SIMILARITY[model]
    return Errors(
        model,
        against,
        len(same),
        len(different),
        float((misses[place] + mistakes[place]) / 2),
        float(bars[place]),
        bar,
        float((same < bar).mean()),
        float((different >= bar).mean()),
    )


def main() -> None:
    """Measure, and print a row for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="+", type=Path, help="folders, each of one reader")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a stretch")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    networks = models.find(load_settings().workspace.models)
    voices = Voices(networks.voices, 1)
    stretches = [
        one for folder in asked.readers for one in stretches_of(folder, voices, asked.seconds)
    ]
    rows = []
    for model in MIN_SIMILARITY:
        mine = [one for one in stretches if one.model == model]
        for against, compare in (("one", one_to_one), ("mean of three", one_to_three)):
            rows.append(errors_of(list(compare(mine)), model, against))
    print(f"{len(asked.readers)} readers, {len(stretches)} stretches of {asked.seconds:g} s")
    for row in rows:
        print(
            f"{row.model:33} {row.against:14} same {row.num_same:5} different "
            f"{row.num_different:6}  equal error {row.equal_error_rate:6.2%} at "
            f"{row.equal_at:.2f}  bar {row.bar:.2f}: "
            f"misses {row.misses:6.2%}, mistakes {row.mistakes:6.2%}"
        )
    if asked.json:
        asked.json.write_text(json.dumps([row._asdict() for row in rows], indent=1))


if __name__ == "__main__":
    main()
