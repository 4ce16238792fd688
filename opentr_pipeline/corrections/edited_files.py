"""Files as exports write them, perhaps edited by hand: their words, and who says them; pure."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.archive.beside import decoded
from opentr_pipeline.archive.provided import (
    MAX_NAME_LENGTH,
    NAMED_LINE,
    VOICE,
    VOICE_TAG,
    VOICES,
    document_text,
)
from opentr_pipeline.archive.references import UNSPACED, subtitle_cues
from opentr_pipeline.errors import ReferenceTextError
from opentr_pipeline.transcripts.provided import WHITE_SPACE, parts

NOUN = "edited file"
KINDS = ("srt", "vtt", "txt", "docx", "json")
# A line of these is a segment; cues and paragraphs are not.
KINDS_WITH_SEGMENTS = ("txt", "json")
# Where only a change of who speaks is told, it holds for the lines after it.
_KINDS_WITH_CHANGES = ("srt", "txt", "docx")
# Exports put it where a player would take text for a sign of form.
_WORD_JOINER = "\u2060"
# Signs that stand for nothing to be read, and part no words either.
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
# Before each paragraph of a document that an export has written.
_TIME = re.compile(r"\s*\d+:\d\d(?::\d\d)?(?:\s{2}|\t)")


@dataclass(frozen=True)
class EditedWord:
    """A word of a file.

    Attributes:
        text: without spaces.
        has_space: before it.
        begins: a line of the file begins with it.
        speaker: who says it, as the file names them; empty where it does not.
    """

    text: str
    has_space: bool
    begins: bool
    speaker: str


@dataclass(frozen=True)
class EditedLine:
    """A line of a file, or a cue.

    Attributes:
        speaker: where a sign that is no text names them.
    """

    text: str
    speaker: str = ""


@dataclass(frozen=True)
class EditedFile:
    """A file of a recording.

    Attributes:
        exported: as it would be written now.
        edited: as it is.
        kind: one of ``KINDS``.
    """

    exported: Sequence[EditedLine]
    edited: Sequence[EditedLine]
    kind: str


def lines_of(raw: bytes, kind: str, *, by_time: bool = False) -> list[EditedLine]:
    """The lines of a file that hold something.

    Args:
        raw: the file.
        kind: one of ``KINDS``.
        by_time: of subtitles those of the earlier cue first, wherever it stands.

    Raises:
        ReferenceTextError: it is not what its name says.
    """
    if kind == "docx":
        lines = [EditedLine(line) for line in _without_times(document_text(raw, NOUN).splitlines())]
    elif kind == "txt":
        lines = [EditedLine(line) for line in readable(decoded(raw, NOUN)).splitlines()]
    elif kind == "json":
        lines = [EditedLine(_text(one), _named(one)) for one in facts_of(raw)["segments"]]
    else:
        text = readable(decoded(raw, NOUN))
        tagged = VOICE_TAG.sub(lambda tag: VOICE.format(tag[1].strip()), text)
        cues = subtitle_cues(tagged, kind)
        ordered = sorted(cues, key=lambda cue: cue.start_s) if by_time else cues
        lines = [line for cue in ordered for line in _parts_of(cue.text)]
    return [line for line in lines if line.text.strip()]


def readable(text: str) -> str:
    """A text without signs of control."""
    return _CONTROLS.sub("", text)


def _without_times(paragraphs: Sequence[str]) -> list[str]:
    """What is said in a document; the times before it, and what stands above, is none of it."""
    timed = [at for at, paragraph in enumerate(paragraphs) if _TIME.match(paragraph)]
    return [_TIME.sub("", paragraph) for paragraph in paragraphs[timed[0] if timed else 0 :]]


def facts_of(raw: bytes) -> dict[str, Any]:
    """What a JSON export says.

    Raises:
        ReferenceTextError: it is none.
    """
    try:
        facts = json.loads(decoded(raw, NOUN))
        if not isinstance(facts["path"], str):
            raise TypeError
        for segment in facts["segments"]:
            _text(segment), _named(segment)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ReferenceTextError(
            f"The {NOUN} is no JSON as exports write it; mend it, or edit another format."
        ) from None
    found: dict[str, Any] = facts
    return found


def _text(segment: dict[str, Any]) -> str:
    return readable(segment["text"])


def _named(segment: dict[str, Any]) -> str:
    return readable(segment.get("speaker_name") or segment.get("speaker") or "")


def _parts_of(cue: str) -> Iterator[EditedLine]:
    before, *tagged = VOICES.split(cue)
    yield EditedLine(before)
    for name, text in zip(tagged[::2], tagged[1::2], strict=True):
        yield EditedLine(text, name)


def new_names(
    lines: Sequence[EditedLine], before: Sequence[EditedLine], known: Set[str]
) -> set[str]:
    """Names that stand before what somebody says in one file, and nowhere in another.

    In capitals, in front of several lines or of all, or where a name that was known is gone.

    Args:
        lines: of the edited file.
        before: of the file as it was.
        known: names that it had.
    """
    counts, were = _named_lines(lines), _named_lines(before)
    is_renamed = any(name in were and name not in counts for name in known)
    return {
        name
        for name, count in counts.items()
        if len(name) <= MAX_NAME_LENGTH
        and name not in were
        and (name.isupper() or count > 1 or count == len(lines) or is_renamed)
    }


def said_names(
    lines: Sequence[EditedLine], before: Sequence[EditedLine], names: Set[str]
) -> list[str]:
    """What looks like a name before a line of one file alone, and is taken as said.

    Args:
        lines: of the edited file.
        before: of the file as it was.
        names: that are taken as names.
    """
    return sorted(_named_lines(lines).keys() - _named_lines(before).keys() - names)


def _named_lines(lines: Sequence[EditedLine]) -> Counter[str]:
    return Counter(match[1] for line in lines if (match := NAMED_LINE.match(line.text)))


def words_of(lines: Sequence[EditedLine], kind: str, names: Set[str]) -> list[EditedWord]:
    """The words of a file, and who says each.

    Args:
        lines: of the file.
        kind: of the file.
        names: that may stand before what somebody says.
    """
    words: list[EditedWord] = []
    speaker = ""
    for line in lines:
        text = line.text.replace(_WORD_JOINER, "")
        named = next((name for name in names if text.lstrip().startswith(f"{name}:")), "")
        if named:
            text = text.lstrip().removeprefix(f"{named}:")
        told = line.speaker or named
        speaker = told or (speaker if kind in _KINDS_WITH_CHANGES else "")
        words += _words_of_line(text, speaker, words[-1].text if words else "")
    return words


def _words_of_line(text: str, speaker: str, before: str) -> Iterator[EditedWord]:
    begins = True
    for run in filter(None, WHITE_SPACE.split(text)):
        for number, part in enumerate(parts(run)):
            has_space = not number and not (UNSPACED.match(before[-1:]) and UNSPACED.match(part))
            yield EditedWord(part, has_space, begins, speaker)
            begins, before = False, part
