"""Which language is spoken in windows: by their sound, and by their words where that is a guess."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from opentr_pipeline.recognition.recognizer import Part
from opentr_pipeline.recognition.whisper.model import Whisper

# Windows that are asked for the language, most speech first, until it is sure.
LANGUAGE_WINDOWS = 3
SURE_PROBABILITY = 0.8
# A window less certain of its language is heard again with the full context.
# Source: docs/decisions/0012, as for what follows.
MIN_CUT_PROBABILITY = 0.7
# Less certain than this is a guess: of the likeliest languages the one is taken whose words are
# most likely; how likely it is by its sound weighs little then.
MIN_PROBABILITY = 0.5
LANGUAGES_TRIED = 3
SOUND_WEIGHT = 0.05


def spoken_language(whisper: Whisper, parts: Sequence[Part], before: str = "") -> tuple[str, float]:
    """The language of neighbouring windows, and how likely it is by its sound.

    To change the language within a recording takes more certainty than to begin with one.

    Args:
        whisper: is asked.
        parts: what windows are encoded to is kept in them.
        before: the language of the windows before them, empty at the beginning.
    """
    likely = _likely_languages(whisper, parts)
    language = max(likely, key=likely.__getitem__)
    if before and likely[language] < SURE_PROBABILITY:
        language = before
    elif likely[language] < MIN_PROBABILITY:
        language = _language_by_words(whisper, parts, likely)
    return language, likely.get(language, 0.0)


def _likely_languages(whisper: Whisper, parts: Sequence[Part]) -> dict[str, float]:
    likely: dict[str, float] = {}
    for count, part in enumerate(_longest_first(parts)[:LANGUAGE_WINDOWS], 1):
        heard = _languages(whisper, part)
        if part.is_cut and max(heard.values()) < MIN_CUT_PROBABILITY:
            part.widen()
            heard = _languages(whisper, part)
        for language, probability in heard.items():
            likely[language] = likely.get(language, 0.0) + probability
        best = max(likely, key=likely.__getitem__)
        if likely[best] / count >= SURE_PROBABILITY:
            break
    return {language: total / count for language, total in likely.items()}


def _language_by_words(whisper: Whisper, parts: Sequence[Part], likely: Mapping[str, float]) -> str:
    """The language in which what is said in the longest window is most likely."""
    part = _longest_first(parts)[0]
    tried = sorted(filter(likely.get, likely), key=likely.__getitem__)[-LANGUAGES_TRIED:]
    decoded = whisper.decode([part.encoded] * len(tried), tried, part.options)
    scores = {
        language: (bool(one.text), one.avg_logprob + SOUND_WEIGHT * math.log(likely[language]))
        for language, one in zip(tried, decoded, strict=True)
    }
    return max(scores, key=scores.__getitem__)


def _longest_first(parts: Sequence[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: -part.window.duration_s)


def _languages(whisper: Whisper, part: Part) -> dict[str, float]:
    encode_missing(whisper, [part])
    return whisper.languages(part.encoded)


def encode_missing(whisper: Whisper, parts: Sequence[Part]) -> None:
    """Encode the windows of one context that are not encoded yet."""
    missing = [part for part in parts if part.encoded is None]
    if missing:
        encoded = whisper.encode([_features(whisper, part) for part in missing])
        for part, one in zip(missing, encoded, strict=True):
            part.encoded = one


def _features(whisper: Whisper, part: Part) -> Any:
    """What was made of a window where it was decoded, unless it is heard in more now."""
    if part.window.features is not None and not part.is_widened:
        return part.window.features
    return whisper.features(part.window.samples, part.context_s)
