"""Edits put into a transcript, one after another, and what became of each; pure."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opentr_pipeline.corrections.locating import AmbiguousPlaceError, Found, locate
from opentr_pipeline.corrections.word_places import Place, WordPlaces
from opentr_pipeline.speakers.naming import spans_of
from opentr_pipeline.speakers.people import found_again
from opentr_pipeline.transcripts.edits import Correction, Edit
from opentr_pipeline.transcripts.shown_names import names_of
from opentr_pipeline.transcripts.transcript import Transcript

NOT_THERE = "The words around it are not there any more."
SEVERAL = "Several places fit."
NO_VOICE = "The voice that was meant is not told apart any more."
OTHER_WORDS = "Other words stand there than the ones that were to go."


@dataclass(frozen=True)
class Kept:
    """An edit as it is kept.

    Attributes:
        undone: a sentence, where somebody has taken it back.
    """

    edit: Edit
    undone: str = ""


class _ConflictError(Exception):
    """An edit is in no place for sure; the reason is a sentence."""


def corrected(transcript: Transcript, kept: Iterable[Kept], fingerprint: str = "") -> Transcript:
    """A transcript with what people have corrected in it; no edit is left out of ``corrections``.

    Args:
        transcript: without corrections, its speakers told apart where they are.
        kept: the edits of its media, in the order in which they were made.
        fingerprint: of the file that keeps them.
    """
    correcting = Correcting(transcript)
    corrections = tuple(
        _correction(one.edit, "undone", one.undone) if one.undone else correcting.apply(one.edit)
        for one in kept
    )
    return dataclasses.replace(
        correcting.transcript() if corrections else transcript,
        corrections=corrections,
        corrections_fingerprint=fingerprint,
    )


class Correcting:
    """A transcript that is being corrected."""

    def __init__(self, transcript: Transcript) -> None:
        """Begin with what is there.

        Args:
            transcript: stays as it is.
        """
        self._before = transcript
        self.places = WordPlaces(transcript)

    def transcript(self) -> Transcript:
        """The transcript as it is now."""
        return self.places.transcript()

    def apply(self, edit: Edit) -> Correction:
        """Put an edit where it belongs; what became of it."""
        if edit.kind == "checked":
            return _correction(edit, "applied")
        row = self.places.channels.get(edit.channel, [])
        try:
            found = locate(row, edit)
            if found is None:
                raise _ConflictError(NOT_THERE)
            said = text_of(row[found.start : found.end])
            state = self._put(edit, found, row)
        except AmbiguousPlaceError:
            return _correction(edit, "conflict", SEVERAL)
        except _ConflictError as conflict:
            return _correction(edit, "conflict", str(conflict))
        return _correction(edit, state, found=said)

    def _put(self, edit: Edit, found: Found, row: Sequence[Place]) -> str:
        put = {"words": self._put_words, "speaker": self._put_speaker}.get(
            edit.kind, self._put_border
        )
        if not put(edit, found, row):
            return "agrees"
        return "applied" if found.is_same else "reapplied"

    def _put_words(self, edit: Edit, found: Found, row: Sequence[Place]) -> bool:
        said = text_of(row[found.start : found.end])
        if said.split() == edit.new.split():
            return False
        if not found.is_same and not edit.new.strip():
            raise _ConflictError(OTHER_WORDS)
        self.places.replace(edit.channel, found.start, found.end, edit.new, edit.start_s)
        return True

    def _put_speaker(self, edit: Edit, found: Found, row: Sequence[Place]) -> bool:
        speaker = self.speaker_meant(edit)
        if all(self.places.speaker(place) == speaker for place in row[found.start : found.end]):
            return False
        self.places.say(edit.channel, found.start, found.end, speaker)
        return True

    def speaker_meant(self, edit: Edit) -> str:
        """The label of the voice that is meant, or the name where no voice has it."""
        if edit.voice:
            if label := found_again(edit.voice, spans_of(self._before)):
                return label
            raise _ConflictError(NO_VOICE)
        named = {name: label for label, name in names_of(self._before).items()}
        return named.get(edit.speaker, edit.speaker)

    def _put_border(self, edit: Edit, found: Found, row: Sequence[Place]) -> bool:
        begins = edit.kind == "break"
        if found.start != found.end or not 0 < found.start < len(row):
            raise _ConflictError(NOT_THERE)
        place = row[found.start]
        is_news = place.begins != begins
        place.begins = begins
        return is_news


def text_of(row: Iterable[Place]) -> str:
    """What some words say."""
    return "".join(place.word.text for place in row)


def _correction(edit: Edit, state: str, reason: str = "", found: str = "") -> Correction:
    facts = {field.name: getattr(edit, field.name) for field in dataclasses.fields(Edit)}
    return Correction(**{**facts, "voice": ()}, state=state, reason=reason, found=found)
