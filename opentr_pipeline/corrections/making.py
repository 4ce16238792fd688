"""Edits, made of what a person changes in the words that they see."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from opentr_pipeline.corrections.applying import Correcting, text_of
from opentr_pipeline.corrections.locating import CONTEXT_WORDS
from opentr_pipeline.corrections.word_places import Place
from opentr_pipeline.speakers.naming import spans_of
from opentr_pipeline.speakers.people import longest
from opentr_pipeline.transcripts.edits import Correction, Edit
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline.transcripts.turns import label
from opentr_pipeline.wording import now

# Signs count as words, so that enough is kept where many stand between words.
KEPT_WORDS = 2 * CONTEXT_WORDS


def new_id() -> str:
    """A name that no other edit has."""
    return secrets.token_hex(6)


@dataclass
class EditMaker:
    """Makes edits of one person, each on the words as the ones before have left them.

    Attributes:
        transcript: as it is published, or as the person sees it.
        edits: made so far.
    """

    transcript: Transcript
    who: str = ""
    why: str = ""
    edits: list[Edit] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with the words as they are."""
        self.correcting = Correcting(self.transcript)
        self._made_at = now()

    def row(self, channel: int | None) -> list[Place]:
        """The words of a channel as they are now."""
        return self.correcting.places.channels[channel]

    def words(self, channel: int | None, start: int, end: int, new: str) -> Correction:
        """Other words in the place of some, from one number up to another."""
        return self._make("words", channel, start, end, new=new)

    def speaker(self, channel: int | None, start: int, end: int, speaker: str) -> Correction:
        """Somebody else says some words: a name, or the label of a voice.

        A name that a voice of the recording has is kept as that voice, so that corrections follow
        when somebody is called otherwise, or is forgotten.
        """
        voices = spans_of(self.transcript)
        named = {voice.name: label(voice.speaker) for voice in self.transcript.voices}
        speaker = named.get(speaker) or speaker
        voice = longest(voices[speaker]) if speaker in voices else ()
        return self._make("speaker", channel, start, end, speaker=speaker, voice=voice)

    def border(self, channel: int | None, at: int, *, begins: bool) -> Correction:
        """A segment begins with a word, or does not."""
        return self._make("break" if begins else "join", channel, at, at)

    def checked(self, start_s: float, end_s: float, said: str) -> Correction:
        """Somebody has heard a stretch, and this is what it says."""
        return self._kept(self._edit("checked", None, start_s, end_s, new=said))

    def _make(
        self, kind: str, channel: int | None, start: int, end: int, **facts: object
    ) -> Correction:
        row = self.row(channel)
        start_s, end_s = self._times(row, start, end)
        facts = {
            "before": text_of(row[max(0, start - KEPT_WORDS) : start]).strip(),
            "old": text_of(row[start:end]),
            "after": text_of(row[end : end + KEPT_WORDS]),
            **facts,
        }
        return self._kept(self._edit(kind, channel, start_s, end_s, **facts))

    def _times(self, row: Sequence[Place], start: int, end: int) -> tuple[float, float]:
        if start < end:
            return row[start].word.start_s, row[end - 1].word.end_s
        start_s = row[start - 1].word.end_s if start else 0.0
        return start_s, row[end].word.start_s if end < len(row) else self.transcript.duration_s

    def _edit(
        self, kind: str, channel: int | None, start_s: float, end_s: float, **facts: object
    ) -> Edit:
        return Edit(
            edit_id=new_id(),
            kind=kind,
            channel=channel,
            start_s=round(start_s, 3),
            end_s=round(end_s, 3),
            who=self.who,
            made_at=self._made_at,
            why=self.why,
            **facts,  # type: ignore[arg-type]
        )

    def _kept(self, edit: Edit) -> Correction:
        self.edits.append(edit)
        return self.correcting.apply(edit)
