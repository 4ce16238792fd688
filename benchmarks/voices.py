"""How often a voice is taken for somebody else's, and how often it is not known again.

    python -m benchmarks.voices ../voices/1688 ../voices/2033 ... --seconds 6

Each folder is a reader. Of the second half of its files (thresholds may have been chosen on the
first) stretches are cut, as they are and as a telephone leaves them, and their vectors compared:
one stretch with another, and with the mean of three others, as with somebody who was confirmed in
three recordings. Readers are recorded in one session each, which flatters the figures.
"""

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import sound
from opentr_pipeline.audio.probe import probe_file
from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.speakers import models
from opentr_pipeline.speakers.embeddings import Voices
from opentr_pipeline.speakers.likeness import TELEPHONE, WIDE, band_of, mean_voice, threshold

MAX_STRETCHES = 12
NUM_CONFIRMED = 3
TELEPHONE_HZ = (300.0, 3400.0)
MU = 255.0

Vector = Sequence[float]


class Stretch(NamedTuple):
    """Some seconds of a reader."""

    reader: str
    band: str
    vector: Vector


class Errors(NamedTuple):
    """What a comparison gets wrong.

    Attributes:
        misses: share of pairs of one voice below the bar.
        mistakes: share of pairs of two voices at or above it.
    """

    bands: str
    against: str
    num_same: int
    num_different: int
    equal_error_rate: float
    equal_at: float
    bar: float
    misses: float
    mistakes: float


def stretches_of(folder: Path, voices: Voices, seconds: float) -> Iterator[Stretch]:
    """The vectors of a reader, in each band that the recordings have."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".flac"))
    pieces: list[Any] = []
    bands = set()
    num_samples, wanted = 0, int(MAX_STRETCHES * seconds * sound.RATE_HZ)
    for path in paths[len(paths) // 2 :]:
        if num_samples >= wanted:
            break
        heard = probe_file(path)
        bands.add(band_of(heard.sample_rate_hz, heard.codec))
        pieces.append(sound.read(path).astype(np.float32) / 32768)
        num_samples += len(pieces[-1])
    whole, length = np.concatenate(pieces), int(seconds * sound.RATE_HZ)
    for begin in range(0, min(len(whole), wanted) - length + 1, length):
        part = whole[begin : begin + length]
        if bands == {WIDE}:
            yield Stretch(folder.name, WIDE, voices.vector(voices.features(part)).tolist())
        thin = telephone(part)
        yield Stretch(folder.name, TELEPHONE, voices.vector(voices.features(thin)).tolist())


def telephone(samples: Any) -> Any:
    """What a telephone leaves: 300 to 3,400 Hz, eight bits by mu-law."""
    spectrum = np.fft.rfft(samples)
    at_hz = np.fft.rfftfreq(len(samples), 1 / sound.RATE_HZ)
    spectrum[(at_hz < TELEPHONE_HZ[0]) | (at_hz > TELEPHONE_HZ[1])] = 0
    thin = np.fft.irfft(spectrum, len(samples))
    thin /= max(float(np.abs(thin).max()), 1e-9)
    pressed = np.sign(thin) * np.log1p(MU * np.abs(thin)) / np.log1p(MU)
    coarse = np.round(pressed * 127) / 127
    return (np.sign(coarse) * np.expm1(np.abs(coarse) * np.log1p(MU)) / MU).astype(np.float32)


def one_to_one(stretches: Sequence[Stretch], band: str, other: str) -> Iterator[tuple[bool, float]]:
    """Whether two stretches are of one reader, and how like they are."""
    for one, two in itertools.combinations(stretches, 2):
        if sorted((one.band, two.band)) == sorted((band, other)):
            yield one.reader == two.reader, float(np.dot(one.vector, two.vector))


def one_to_three(
    stretches: Sequence[Stretch], band: str, other: str
) -> Iterator[tuple[bool, float]]:
    """The same against the mean of the first stretches of a reader, which are not asked about."""
    readers = sorted({one.reader for one in stretches})
    first = {
        (reader, of): [one for one in stretches if one[:2] == (reader, of)][:NUM_CONFIRMED]
        for reader in readers
        for of in (WIDE, TELEPHONE)
    }
    confirmed = {place: mean_voice(one.vector for one in group)
                 for place, group in first.items() if group}  # fmt: skip
    asked = [one for one in stretches if one not in first[one.reader, one.band]]
    for one in asked:
        for (reader, of), mean in confirmed.items():
            if {one.band, of} == {band, other} and (band != other or one.band == of):
                yield one.reader == reader, float(np.dot(one.vector, mean))


def errors_of(pairs: Sequence[tuple[bool, float]], bands: tuple[str, str], against: str) -> Errors:
    """The errors at the bar, and where both kinds are as many."""
    same = np.sort([value for is_same, value in pairs if is_same])
    different = np.sort([value for is_same, value in pairs if not is_same])
    bars = np.unique(np.concatenate([same, different]))
    misses = np.searchsorted(same, bars) / len(same)
    mistakes = 1 - np.searchsorted(different, bars) / len(different)
    place = int(np.argmin(np.abs(misses - mistakes)))
    bar = threshold(*bands)
    return Errors(
        " / ".join(bands),
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
    for bands in ((WIDE, WIDE), (TELEPHONE, TELEPHONE), (TELEPHONE, WIDE)):
        for against, compare in (("one", one_to_one), ("mean of three", one_to_three)):
            rows.append(errors_of(list(compare(stretches, *bands)), bands, against))
    print(f"{len(asked.readers)} readers, {len(stretches)} stretches of {asked.seconds:g} s")
    for row in rows:
        print(
            f"{row.bands:22} {row.against:14} same {row.num_same:5} different "
            f"{row.num_different:6}  equal error {row.equal_error_rate:6.2%} at "
            f"{row.equal_at:.2f}  bar {row.bar:.2f}: "
            f"misses {row.misses:6.2%}, mistakes {row.mistakes:6.2%}"
        )
    if asked.json:
        asked.json.write_text(json.dumps([row._asdict() for row in rows], indent=1))


if __name__ == "__main__":
    main()
