"""How right texts and languages are, beside a baseline, with what is chance."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.speech_sets import BenchmarkRecording
from opentr_pipeline_tests.speech import errors_at_words

NUM_DRAWS, SEED = 10_000, 20261127
# Longer recordings are drawn in pieces of so many words: from three of them nothing could be drawn.
PIECE_WORDS = 50
PERCENTILES = (2.5, 97.5)
NUMERALS = {
    "en": "zero one two three four five six seven eight nine",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "ru": "ноль один два три четыре пять шесть семь восемь девять",
}
_CAPITALS = re.compile(r"\b[A-Z](?:[ .,-]*[A-Z])+\b")

# Errors and words of each recording, or of each piece: shape (num_rows, 2).
Counts = np.ndarray[Any, np.dtype[np.int64]]
# Recordings of each group, by their place: the languages, the kinds of clips, all.
Groups = Mapping[str, Sequence[int]]


def groups(recordings: Sequence[BenchmarkRecording]) -> Groups:
    """Which recordings are counted together."""
    places: dict[str, list[int]] = defaultdict(list)
    has_kinds = len({one.kind for one in recordings}) > 1
    for place, one in enumerate(recordings):
        for group in ("all", one.language, *((one.kind,) if has_kinds else ())):
            places[group].append(place)
    return places


def counts(recordings: Sequence[BenchmarkRecording], texts: Mapping[str, str]) -> Counts:
    """Errors and words of each recording."""
    errors = (_errors(one, texts) for one in recordings)
    return np.array([(sum(each), len(each)) for each in errors])


def pieces(
    recordings: Sequence[BenchmarkRecording], texts: Mapping[str, str]
) -> tuple[Counts, list[BenchmarkRecording]]:
    """Errors and words of what chance is drawn from, and the recording that each is a piece of.

    Which words are in a piece does not depend on what was heard.
    """
    rows, owners = [], []
    for one in recordings:
        errors = _errors(one, texts)
        size = PIECE_WORDS if len(errors) > 2 * PIECE_WORDS else len(errors)
        for start in range(0, len(errors), size):
            piece = errors[start : start + size]
            rows.append((sum(piece), len(piece)))
            owners.append(one)
    return np.array(rows), owners


def _errors(one: BenchmarkRecording, texts: Mapping[str, str]) -> list[int]:
    heard = texts[str(one.path)]
    return errors_at_words(one.language, _spelled(one, one.text), _spelled(one, heard))


def _spelled(one: BenchmarkRecording, text: str) -> str:
    """A text with one word for each sign that was spelled, however the model joins them."""
    if one.kind == "letters":
        return _CAPITALS.sub(lambda found: " ".join(filter(str.isalpha, found[0])), text)
    if one.kind == "digits":
        for numeral, word in enumerate(NUMERALS[one.language].split()):
            text = re.sub(rf"\b{word}\b", str(numeral), text, flags=re.IGNORECASE)
        return re.sub(r"\d", r" \g<0> ", text)
    return text


def error_rates(counted: Counts, groups: Groups) -> dict[str, float]:
    """Word error rates as fractions."""
    return {group: _rate(counted[list(places)]) for group, places in groups.items()}


def differences(counted: Counts, baseline: Counts, groups: Groups) -> dict[str, dict[str, Any]]:
    """What a candidate has more than the baseline: errors, and their rate with its interval.

    Intervals are of 95 %, by drawing rows again and again: the same for both.
    """
    random_ = np.random.default_rng(SEED)
    found = {}
    for group, places in groups.items():
        ours, theirs = counted[list(places)], baseline[list(places)]
        draws = random_.integers(len(places), size=(NUM_DRAWS, len(places)))
        words = ours[:, 1][draws].sum(axis=1)
        drawn = (ours[:, 0] - theirs[:, 0])[draws].sum(axis=1) / words
        found[group] = {
            "errors": [int(ours[:, 0].sum()), int(theirs[:, 0].sum())],
            "words": int(ours[:, 1].sum()),
            "rate": _rate(ours) - _rate(theirs),
            "interval": [float(bound) for bound in np.percentile(drawn, PERCENTILES)],
        }
    return found


def languages_right(
    recordings: Sequence[BenchmarkRecording], found: Mapping[str, str], groups: Groups
) -> dict[str, float]:
    """The share of recordings whose language was found; nothing where none was looked for."""
    if not found:
        return {}
    right = np.array([found.get(str(one.path)) == one.language for one in recordings])
    return {group: float(right[list(places)].mean()) for group, places in groups.items()}


def _rate(counted: Counts) -> float:
    errors, words = counted.sum(axis=0)
    return float(errors / words)
