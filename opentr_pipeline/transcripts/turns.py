"""Who speaks when in a recording; pure."""

from dataclasses import dataclass
from typing import Any


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
    """

    speaker: int
    speech_s: float
    embedding: tuple[float, ...] = ()
    channel: int | None = None


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
    return f"SPEAKER_{speaker:02d}"


def spoken_from_dict(fields: dict[str, Any]) -> Spoken:
    """The inverse of ``dataclasses.asdict``."""
    turns = tuple(Turn(**turn) for turn in fields["turns"])
    voices = tuple(
        Voice(**{**voice, "embedding": tuple(voice["embedding"])}) for voice in fields["voices"]
    )
    return Spoken(**{**fields, "turns": turns, "voices": voices})
