"""What people correct in a transcript, and what became of it; pure."""

from dataclasses import dataclass

# What an edit does; the value is what it means.
KINDS = {
    "words": "the words of a span are others, more or fewer",
    "speaker": "somebody else says the words of a span",
    "break": "a segment begins here",
    "join": "no segment begins here",
    "checked": "somebody has heard the span, and it says what new says",
}
# What became of an edit in the words that are published.
STATES = {
    "applied": "the words are as the person has said",
    "reapplied": "the same, though the model writes other words there now; those around agree",
    "agrees": "the model says so itself now",
    "conflict": "it is in no place for sure; nothing was changed",
    "undone": "somebody has taken it back",
}


@dataclass(frozen=True)
class Edit:
    """A correction, anchored to the time and the words around it.

    Attributes:
        edit_id: names it, for whoever takes it back.
        kind: a key of ``KINDS``.
        start_s: when the span begins; of a place between words, when the word before it ends.
        end_s: when the span ends; of a place between words, when the word after it begins.
        before: some words before the span.
        old: the words of the span, as the person saw them.
        new: the words instead of them.
        after: some words after the span.
        speaker: who says them, of the kind ``speaker``: a name, or the label of a voice.
        channel: of the recording; None where all channels were mixed.
        voice: where the voice is heard that is meant by a label, from and to, in seconds.
        who: has made it.
        made_at: ISO 8601, UTC.
        why: whatever they say about it.
    """

    edit_id: str
    kind: str
    start_s: float
    end_s: float
    before: str = ""
    old: str = ""
    new: str = ""
    after: str = ""
    speaker: str = ""
    channel: int | None = None
    voice: tuple[tuple[float, float], ...] = ()
    who: str = ""
    made_at: str = ""
    why: str = ""


@dataclass(frozen=True)
class Correction(Edit):
    """An edit, and what became of it in the words that are published.

    Attributes:
        state: a key of ``STATES``.
        reason: a sentence where it is a conflict or undone.
        found: the words that stood there when it was applied.
    """

    state: str = "conflict"
    reason: str = ""
    found: str = ""
