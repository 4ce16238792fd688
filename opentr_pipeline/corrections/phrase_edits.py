"""What somebody makes of a phrase -> edits: words, who says it, where phrases begin."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentr_pipeline.corrections.edited_files import readable
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.word_places import Place
from opentr_pipeline.errors import StoreError
from opentr_pipeline.speakers.confirming import check_name
from opentr_pipeline.transcripts.matching import common
from opentr_pipeline.transcripts.provided import WHITE_SPACE, parts
from opentr_pipeline.transcripts.shown_names import names_of

# Pages have the times of words in hundredths of a second.
SAME_S = 0.011


class ChangedMeanwhileError(StoreError):
    """A phrase does not say any more what somebody has corrected."""


@dataclass(frozen=True)
class Wanted:
    """What somebody makes of a phrase.

    Attributes:
        start_s: when it begins.
        was: its words, as they saw them.
        text: the words instead; with each line a phrase begins.
        speaker: who says it; None: whoever did.
        is_joined: to the phrase before.
    """

    start_s: float
    was: str
    text: str
    speaker: str | None = None
    is_joined: bool = False


def make_edits(maker: EditMaker, wanted: Wanted) -> None:
    """Make the edits that a phrase needs to be as somebody says; none where it is.

    Raises:
        ChangedMeanwhileError: it does not say any more what they saw.
        SpeakerError: nobody can be called as the speaker is.
        StoreError: a phrase would begin within a word, or is joined to none.
    """
    row, start, end = _phrase(maker, wanted)
    rows = maker.correcting.places.channels.items()
    channel = next(key for key, one in rows if one is row)
    if wanted.speaker is not None:
        names = names_of(maker.transcript)
        speaker = maker.correcting.places.speaker(row[start])
        if wanted.speaker != names.get(speaker, speaker):
            if wanted.speaker not in names.values():
                check_name(wanted.speaker)
            maker.speaker(channel, start, end, wanted.speaker)
    text = readable(wanted.text)
    for first, last, new in reversed(list(_changes(row[start:end], text))):
        maker.words(channel, start + first, start + last, new)
    for at in _beginnings(row, start, text):
        maker.border(channel, at, begins=True)
    if wanted.is_joined and text.strip():  # else the next phrase would be joined in its place
        if not start:
            raise StoreError("No phrase is before this one.")
        one, other = map(maker.correcting.places.speaker, row[start - 1 : start + 1])
        if one != other:
            raise StoreError(
                "Somebody else says the phrase before; let one speaker say both first."
            )
        maker.border(channel, start, begins=False)


def _beginnings(row: Sequence[Place], start: int, text: str) -> Iterator[int]:
    """The words with which the lines of a text begin, but for the first."""
    letters = itertools.accumulate(len("".join(place.word.text.split())) for place in row[start:])
    numbers = {length: number for number, length in enumerate(letters, start + 1)}
    lines = [line for one in text.split("\n") if (line := "".join(one.split()))]
    for length in itertools.accumulate(map(len, lines[:-1])):
        if length not in numbers:
            raise StoreError("A phrase begins with a word; begin the line with one.")
        yield numbers[length]


def _phrase(maker: EditMaker, wanted: Wanted) -> tuple[list[Place], int, int]:
    """The words of a phrase: their row, and from which number to which."""
    rows = maker.correcting.places.channels.values()
    found = [(row, *span) for row in rows for span in _spans(row, wanted)]
    if not found:
        raise ChangedMeanwhileError("Somebody has changed this phrase meanwhile.")
    if len(found) > 1:  # what was put in where no time is left begins with what follows
        raise StoreError(
            "Several phrases say this at this time, so it is not known which is meant; undo the "
            "correction that put one of them in, and put it in with other words."
        )
    return found[0]


def _spans(row: Sequence[Place], wanted: Wanted) -> Iterator[tuple[int, int]]:
    """Where phrases that say so begin at that time, and end."""
    for start, place in enumerate(row):
        is_near = abs(place.word.start_s - wanted.start_s) <= SAME_S  # never of no number
        if place.begins and is_near:
            end = next((at for at in range(start + 1, len(row)) if row[at].begins), len(row))
            said = "".join(one.word.text for one in row[start:end])
            if "".join(said.split()) == "".join(wanted.was.split()):
                yield start, end


def _changes(row: Sequence[Place], text: str) -> Iterator[tuple[int, int, str]]:
    """From which word to which one a text is another, and what it is there."""
    new = [
        " " * (not number) + part
        for run in filter(None, WHITE_SPACE.split(text))
        for number, part in enumerate(parts(run))
    ]
    old = [place.word.text.strip() for place in row]
    pairs = common(old, [part.strip() for part in new])
    if not pairs and old and new:
        yield 0, len(old), "".join(new)
        return
    for one, other in itertools.pairwise([(-1, -1), *pairs, (len(old), len(new))]):
        if other[0] - one[0] > 1 or other[1] - one[1] > 1:
            said = "".join(new[one[1] + 1 : other[1]])
            if other[0] == 0 and row:  # before the first word: else they end the phrase before
                yield 0, 1, said + row[0].word.text
            else:
                yield one[0] + 1, other[0], said
