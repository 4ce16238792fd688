"""How right texts and languages are, beside a baseline, with what is chance."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.speech_sets import BenchmarkRecording
from opentr_pipeline_tests.speech import word_errors

NUM_DRAWS, SEED = 10_000, 20261127
PERCENTILES = (2.5, 97.5)
NUMERALS = {
    "en": "zero one two three four five six seven eight nine",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "ru": "ноль один два три четыре пять шесть семь восемь девять",
}
_CAPITALS = re.compile(r"\b[A-Z](?:[ .,-]*[A-Z])+\b")

# Errors and words of each recording: shape (num_recordings, 2).
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
    return np.array(
        [
            word_errors(one.language, _spelled(one, one.text), _spelled(one, texts[str(one.path)]))
            for one in recordings
        ]
    )


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

    Intervals are of 95 %, by drawing recordings again and again: the same for both.
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
