"""Recordings whose words have true times: placed, synthesised, or labelled by hand."""

import json
import random
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import sound
from benchmarks.speech_sets import SEED, SPEECH_CACHE_DIR
from opentr_pipeline_tests import speech

NUM_PLACED, NUM_JOINED = 8, 5  # recordings of a language; sentences in each
PAUSES_S = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 1.8, 2.5)
BEFORE_S = (0.3, 1.5)
SENTENCE_S = (1.0, 8.0)
LOUDNESS = 2000  # of 32768, root of the mean square
NOISE_DB, SILENCE_DB = -35, -32  # beside that; beside the loud parts of a sentence
VOICES = {
    "cmu_us_slt_arctic_hts": "en",
    "kal_diphone": "en",
    "lp_diphone": "it",
    "pc_diphone": "it",
    "msu_ru_nsh_clunits": "ru",
}
NUM_SYNTHESISED = 12  # sentences of a voice
LETTERS = (40, 220)  # in each
PAD_S = 0.5
SAYING = """(voice_{voice})
(set! said (utt.synth (Utterance Text "{text}")))
(utt.save.wave said "{path}")
(mapcar (lambda (word) (format t "%s\\t%f\\t%f\\n" (item.name word)
  (item.feat word "word_start") (item.feat word "word_end"))) (utt.relation.items said 'Word))
"""
# An interval of a TextGrid, in its long form and its short one.
INTERVAL = re.compile(r'(?:xmin = )?([\d.]+)\s+(?:xmax = )?([\d.]+)\s+(?:text = )?"([^"]*)"')
TIER = re.compile(r'"(?:Interval|Text)Tier"')


@dataclass(frozen=True)
class TimedWord:
    """A word; times are None where they are not known."""

    text: str
    start_s: float | None
    end_s: float | None


@dataclass(frozen=True)
class TimedRecording:
    """A recording and its words.

    Attributes:
        name: of the set.
        pauses: start and end of each in which nobody speaks, where they are known.
    """

    name: str
    language: str
    path: Path
    words: tuple[TimedWord, ...]
    pauses: tuple[tuple[float, float], ...] = ()


def placed(folder: Path) -> Iterator[TimedRecording]:
    """Read sentences of five languages, without the silence around them, between pauses.

    The first word of each begins, and its last one ends, where it was put.
    """
    for language in speech.LANGUAGES:
        all_read = ((sound.read(one.path), one.text) for one in _prompts(language))
        low, high = (seconds * sound.RATE_HZ for seconds in SENTENCE_S)
        usable = [one for one in all_read if low < len(one[0]) < high]
        random_ = random.Random(f"{SEED} placed {language}")
        for number in range(NUM_PLACED):
            path = folder / f"placed-{language}-{number}.wav"
            yield _joined(path, language, random_.sample(usable, NUM_JOINED), random_)


def _prompts(language: str) -> Iterator[speech.ReferenceSpeech]:
    yield from speech.prompts(SPEECH_CACHE_DIR, language)


def _joined(
    path: Path, language: str, sentences: Iterable[tuple[Any, str]], random_: random.Random
) -> TimedRecording:
    pieces: list[Any] = [sound.silence(random_.uniform(*BEFORE_S))]
    words: list[TimedWord] = []
    for samples, text in sentences:
        pieces += [_spoken(samples), sound.silence(random_.choice(PAUSES_S))]
        end_s, start_s = (sum(map(len, pieces[:at])) / sound.RATE_HZ for at in (-1, -2))
        first, *inner, last = text.split()
        words += [TimedWord(first, start_s, None), *(TimedWord(one, None, None) for one in inner)]
        words.append(TimedWord(last, None, end_s))
    whole = np.concatenate(pieces)
    noise = np.random.default_rng(SEED).normal(0, LOUDNESS * 10 ** (NOISE_DB / 20), len(whole))
    sound.write(path, [np.clip(whole + noise, -32768, 32767).astype(np.int16)])
    known = chain.from_iterable((word.start_s, word.end_s) for word in words)
    edges = [0.0, *(at_s for at_s in known if at_s is not None), len(whole) / sound.RATE_HZ]
    pauses = tuple(zip(edges[::2], edges[1::2], strict=True))
    return TimedRecording("placed", language, path, tuple(words), pauses)


def _spoken(samples: Any) -> Any:
    """A sentence at one loudness, from its first 5 ms that are not silent to its last."""
    width = sound.RATE_HZ // 200
    frames = samples[: len(samples) // width * width].reshape(-1, width)
    levels_db = 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + 1e-3)
    loud = np.flatnonzero(levels_db > np.percentile(levels_db, 95) + SILENCE_DB)
    spoken = samples[loud[0] * width : (loud[-1] + 1) * width].astype(np.float64)
    return spoken * LOUDNESS / np.sqrt(np.square(spoken).mean())


def synthesised(folder: Path) -> Iterator[TimedRecording]:
    """What Debian's ``festival`` says, which knows when it says each word.

    Without it, or one of its voices, there is less.
    """
    if not shutil.which("festival"):
        return
    for voice, language in VOICES.items():
        fitting = (
            one.text
            for one in _prompts(language)
            if LETTERS[0] < len(one.text) < LETTERS[1] and not set('"\\') & set(one.text)
        )
        texts = sorted(fitting)
        random.Random(f"{SEED} {voice}").shuffle(texts)
        for number, text in enumerate(texts[:NUM_SYNTHESISED]):
            path = folder / f"{voice}-{number}.wav"
            if words := _synthesised(voice, text, path):
                yield TimedRecording(f"synthesised, {voice}", language, path, words)


def _synthesised(voice: str, text: str, path: Path) -> tuple[TimedWord, ...]:
    script = path.with_suffix(".scm")
    script.write_text(SAYING.format(voice=voice, text=text, path=path), encoding="utf-8")
    said = subprocess.run(["festival", "--batch", script], capture_output=True, check=False)
    if said.returncode or not path.is_file():
        return ()
    samples = sound.read(path)
    pad = sound.silence(PAD_S)
    sound.write(path, [pad, samples, pad])
    rows = [line.split("\t") for line in said.stdout.decode(errors="replace").splitlines()]
    times = [(word, float(start), float(end)) for word, start, end in rows]
    # What it has no letters for lasts no time.
    return tuple(TimedWord(word, a + PAD_S, b + PAD_S) for word, a, b in times if a < b)


def labelled(folder: Path) -> Iterator[TimedRecording]:
    """Recordings with labels by hand: each WAV file with a TextGrid that has a tier ``word``.

    A language other than English is in a file ``languages.json``, by the file's name.
    """
    known = folder / "languages.json"
    languages = json.loads(known.read_text(encoding="utf-8")) if known.is_file() else {}
    for grid in sorted(folder.glob("*.TextGrid")):
        path = grid.with_suffix(".wav")
        text = grid.read_text(encoding="utf-8", errors="replace")
        (tier,) = (one for one in TIER.split(text)[1:] if re.search(r'"words?"', one[:60], re.I))
        intervals = [one.groups() for one in INTERVAL.finditer(tier)]
        words = [TimedWord(t, float(a), float(b)) for a, b, t in intervals if t.strip()]
        yield TimedRecording("labelled", languages.get(path.name, "en"), path, tuple(words))
