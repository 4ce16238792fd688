"""The sets of recordings that the benchmarks run on, built once and kept in a cache folder.

    python -m benchmarks.speech_sets short clips long sparse --hours 1

A set is a folder of sound files and a ``manifest.json``, written last. The seed is fixed, so that a
set of one size is the same everywhere.
"""

import argparse
import dataclasses
import itertools
import json
import math
import random
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import sentences, sound
from benchmarks.sentences import Sentence
from opentr_pipeline.settings.installation import PROJECT_ROOT

CACHE_DIR = PROJECT_ROOT / ".opentr" / "benchmarks"
SPEECH_CACHE_DIR = PROJECT_ROOT / ".opentr" / "speech"  # shared with the tests
SEED = 20261124
SHORT_S, LONG_S = 280.0, 1800.0  # per language; per recording
SHORTEST_S, LONGEST_S = 1.5, 28.0  # what recordings of the set ``short`` aim at
LONG_LANGUAGES = ("en", "es", "fr")
SHORT_PAUSE_S, PAUSE_S = (0.2, 0.8), (0.3, 3.0)
# The set ``clips``: how many of each kind in a language, how long at most, what is spelled.
NUM_CLIPS = {"sentence": 30, "word": 16, "digits": 10, "letters": 8}
CLIP_S, SPELLED_PAUSE_S, MAX_SPELLED = 5.0, (0.1, 0.4), 5
SPARSE_PERIOD_S, SPARSE_SPEECH_S = 300.0, 20.0

Part = tuple[Sentence, float]  # and the pause after it, in seconds


@dataclass(frozen=True)
class BenchmarkRecording:
    """One file of a set.

    Attributes:
        text: every sentence in it, in order.
        kind: of the set ``clips``: ``sentence``, ``word``, ``digits`` or ``letters``.
    """

    path: Path
    language: str
    text: str
    duration_s: float
    kind: str = "sentence"


def short(cache_dir: Path, seconds: float = SHORT_S) -> list[BenchmarkRecording]:
    """Recordings of 1 to 30 s in six languages and four containers.

    A recording is a sentence or several; lengths are spread evenly over the logarithm, as many
    from 2 to 4 s as from 10 to 20 s.

    Args:
        cache_dir: where sets are kept.
        seconds: of each language, just passed.
    """
    return _kept(cache_dir / f"short-{seconds:.0f}s", lambda folder: _short(folder, seconds))


def _short(folder: Path, seconds: float) -> Iterator[BenchmarkRecording]:
    suffixes = itertools.cycle(sound.CODECS)
    for language in sentences.LANGUAGES:
        random_ = random.Random(f"{SEED} short {language}")
        stream = _shuffled(language, random_)
        total_s = 0.0
        for number in itertools.count():
            if total_s >= seconds:
                break
            length_s = math.exp(random_.uniform(math.log(SHORTEST_S), math.log(LONGEST_S)))
            path = folder / f"{language}-{number:03}{next(suffixes)}"
            recording = _joined(path, language, _fill(stream, length_s, random_))
            total_s += recording.duration_s
            yield recording


def _fill(stream: Iterator[Sentence], length_s: float, random_: random.Random) -> list[Part]:
    """Sentences until the length is reached; what would go past 28 s is left out."""
    parts: list[Part] = []
    total_s = 0.0
    for sentence in stream:
        pause_s = random_.uniform(*SHORT_PAUSE_S)
        if parts and total_s + sentence.duration_s + pause_s > LONGEST_S:
            break
        parts.append((sentence, pause_s))
        total_s += sentence.duration_s + pause_s
        if total_s >= length_s:
            break
    return parts


def clips(cache_dir: Path, seconds: float = CLIP_S) -> list[BenchmarkRecording]:
    """Recordings of one sentence, one word, one to five digits or as many spelled letters.

    Args:
        cache_dir: where sets are kept.
        seconds: that none of them reaches.
    """
    return _kept(cache_dir / f"clips-{seconds:.0f}s", lambda folder: _clips(folder, seconds))


def _clips(folder: Path, seconds: float) -> Iterator[BenchmarkRecording]:
    suffixes = itertools.cycle(sound.CODECS)
    for language in sentences.LANGUAGES:
        for kind, number in NUM_CLIPS.items():
            random_ = random.Random(f"{SEED} clips {language} {kind}")
            for place, parts in enumerate(_clip_parts(language, kind, seconds, random_)):
                if place == number:
                    break
                path = folder / f"{language}-{kind}-{place:03}{next(suffixes)}"
                yield dataclasses.replace(_joined(path, language, parts), kind=kind)


def _clip_parts(
    language: str, kind: str, seconds: float, random_: random.Random
) -> Iterator[list[Part]]:
    """Clips of a kind, without end where signs are spelled."""
    if kind in ("sentence", "word"):
        found = sentences.of if kind == "sentence" else sentences.words
        spoken = found(language, SPEECH_CACHE_DIR)
        for one in random_.sample(spoken, len(spoken)):
            pause_s = random_.uniform(*SHORT_PAUSE_S)
            if one.duration_s + pause_s < seconds:
                yield [(one, pause_s)]
        return
    names = sentences.DIGITS if kind == "digits" else sentences.LETTERS
    spoken = sentences.signs(language, SPEECH_CACHE_DIR, names)
    while spoken:
        signs = random_.sample(spoken, random_.randint(1, MAX_SPELLED))
        parts = [(one, random_.uniform(*SPELLED_PAUSE_S)) for one in signs]
        if sum(one.duration_s + pause_s for one, pause_s in parts) < seconds:
            yield parts


def long(cache_dir: Path, seconds: float = LONG_S) -> list[BenchmarkRecording]:
    """Three recordings of one language each, with pauses of 0.3 to 3 s.

    A language has 10 to 14 minutes of sentences, so each comes two or three times.

    Args:
        cache_dir: where sets are kept.
        seconds: of each recording, just passed.
    """
    return _kept(cache_dir / f"long-{seconds:.0f}s", lambda folder: _long(folder, seconds))


def _long(folder: Path, seconds: float) -> Iterator[BenchmarkRecording]:
    for language, suffix in zip(LONG_LANGUAGES, (".mp3", ".opus", ".flac"), strict=True):
        random_ = random.Random(f"{SEED} long {language}")
        stream = _shuffled(language, random_)
        parts: list[Part] = []
        total_s = 0.0
        while total_s < seconds:
            parts.append((next(stream), random_.uniform(*PAUSE_S)))
            total_s += parts[-1][0].duration_s + parts[-1][1]
        yield _joined(folder / f"{language}{suffix}", language, parts)


def sparse(cache_dir: Path, hours: float) -> list[BenchmarkRecording]:
    """One recording with 20 s of English in every 5 minutes, silence otherwise.

    Args:
        cache_dir: where sets are kept.
        hours: its length, rounded up to 5 minutes.
    """
    return _kept(cache_dir / f"sparse-{hours:g}h", lambda folder: _sparse(folder, hours))


def _sparse(folder: Path, hours: float) -> Iterator[BenchmarkRecording]:
    stream = _shuffled("en", random.Random(f"{SEED} sparse"))
    texts: list[str] = []

    def pieces() -> Iterator[sound.Samples]:
        for _ in range(math.ceil(hours * 3600 / SPARSE_PERIOD_S)):
            left_s = SPARSE_PERIOD_S
            while left_s > SPARSE_PERIOD_S - SPARSE_SPEECH_S:
                sentence = next(stream)
                texts.append(sentence.text)
                samples = sound.read(sentence.path)
                left_s -= len(samples) / sound.RATE_HZ
                yield samples
            yield sound.silence(left_s)

    path = folder / "en.flac"
    duration_s = sound.write(path, pieces())
    yield BenchmarkRecording(path, "en", " ".join(texts), duration_s)


def _shuffled(language: str, random_: random.Random) -> Iterator[Sentence]:
    """All sentences of a language in a random order, then in another, without end."""
    spoken = sentences.of(language, SPEECH_CACHE_DIR)
    while True:
        yield from random_.sample(spoken, len(spoken))


def _joined(path: Path, language: str, parts: list[Part]) -> BenchmarkRecording:
    """Sentences one after another, each followed by its pause."""
    pieces = (
        piece
        for sentence, pause_s in parts
        for piece in (sound.read(sentence.path), sound.silence(pause_s))
    )
    duration_s = sound.write(path, pieces)
    text = " ".join(sentence.text for sentence, _ in parts)
    return BenchmarkRecording(path, language, text, duration_s)


def _kept(
    folder: Path, build: Callable[[Path], Iterator[BenchmarkRecording]]
) -> list[BenchmarkRecording]:
    """A set from the cache, or built into it."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        rows = [dataclasses.asdict(one) | {"path": one.path.name} for one in build(folder)]
        manifest.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    rows = json.loads(manifest.read_text(encoding="utf-8"))
    return [BenchmarkRecording(**{**row, "path": folder / row["path"]}) for row in rows]


def describe(name: str, recordings: list[BenchmarkRecording]) -> None:
    """Print what is in a set."""
    minutes = sum(one.duration_s for one in recordings) / 60
    print(f"{name}: {len(recordings)} recordings, {minutes:.1f} min")
    by_language: dict[str, list[BenchmarkRecording]] = defaultdict(list)
    for one in recordings:
        by_language[one.language].append(one)
    for language, ones in by_language.items():
        minutes = sum(one.duration_s for one in ones) / 60
        num_words = sum(len(one.text.split()) for one in ones)
        print(f"  {language}: {len(ones)} recordings, {minutes:.1f} min, {num_words} words")


def main() -> None:
    """Build the sets named on the command line and print what is in them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="+", choices=("short", "clips", "long", "sparse"))
    parser.add_argument("--hours", type=float, default=1.0, help="length of sparse")
    parser.add_argument("--cache", type=Path, default=CACHE_DIR, help="where sets are kept")
    asked = parser.parse_args()
    for name in asked.sets:
        if name == "sparse":
            describe(name, sparse(asked.cache, asked.hours))
        else:
            describe(name, {"short": short, "clips": clips, "long": long}[name](asked.cache))


if __name__ == "__main__":
    main()
