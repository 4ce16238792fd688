"""Who speaks when in a recording; pure."""

import re
from dataclasses import dataclass
from typing import Any

_LABEL = "SPEAKER_"


@dataclass(frozen=True)
class Turn:
    """A stretch in which one person speaks; those of several may overlap.

    Attributes:
        speaker: a number within the recording, from 0, by first appearance.
        channel: of the recording, from 0; None where all channels were mixed.
    """

    speaker: int
    start_s: float
    end_s: float
    channel: int | None = None


@dataclass(frozen=True)
class Voice:
    """One person of a recording, as heard.

    Attributes:
        speech_s: how long they speak.
        embedding: what tells the voice from others: numbers of unit length, none where too little
            was heard of it alone.
        embedding_model: names the network that made the embedding: only those of one compare.
        person_id: of the archive's person that this is, by name or as a suggestion; None: nobody
            has said.
        name: of that person, where it is confirmed.
        similarity: to the voice that the suggestion comes from.
        named_by: who gave the name, or suggests it.
    """

    speaker: int
    speech_s: float
    embedding: tuple[float, ...] = ()
    channel: int | None = None
    embedding_model: str = ""
    person_id: str | None = None
    name: str | None = None
    similarity: float | None = None
    named_by: str | None = None


@dataclass(frozen=True)
class Spoken:
    """Who speaks when in the content of one media file, under one set of models and options.

    Attributes:
        turns: by start.
        voices: by number.
        reason: a sentence where speakers could not be told apart, for which there are no turns.
    """

    media_fingerprint: str
    speakers_fingerprint: str
    turns: tuple[Turn, ...] = ()
    voices: tuple[Voice, ...] = ()
    reason: str = ""


def label(speaker: int) -> str:
    """What a speaker is called who has no name: ``SPEAKER_00``."""
    return f"{_LABEL}{speaker:02d}"


def is_label(text: str) -> bool:
    """Whether a text is what a speaker without a name is called, in whatever case."""
    return re.fullmatch(rf"{_LABEL}\d{{2,}}", text.upper(), re.ASCII) is not None


def number(speaker: str) -> int:
    """The inverse of ``label``."""
    return int(speaker.removeprefix(_LABEL))


def spoken_from_dict(fields: dict[str, Any]) -> Spoken:
    """The inverse of ``dataclasses.asdict``."""
    turns = tuple(Turn(**turn) for turn in fields["turns"])
    voices = tuple(map(voice_from_dict, fields["voices"]))
    return Spoken(**{**fields, "turns": turns, "voices": voices})


def voice_from_dict(fields: dict[str, Any]) -> Voice:
    """The inverse of ``dataclasses.asdict``."""
    return Voice(**{**fields, "embedding": tuple(fields["embedding"])})
