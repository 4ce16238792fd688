"""The words of a transcript as exports write them: what stands between spaces; pure."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.word_places import Place
from opentr_pipeline.exports.cues import cues_of
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.provided import WHITE_SPACE, parts
from opentr_pipeline.transcripts.transcript import Transcript


@dataclass(frozen=True)
class Said:
    """A word as exports write it, and the words of the transcript that it is of.

    Attributes:
        first: number of the first of them in its channel.
        last: number of the last of them.
        has_space: before it, in the words of the transcript.
    """

    text: str
    channel: int | None
    first: int
    last: int
    has_space: bool


def said_by(maker: EditMaker, kind: str, layout: SubtitleSettings) -> list[Said]:
    """The words of a transcript as exports write them, in the order in which these do."""
    by_channel = {
        channel: list(_said_in(maker.row(channel), channel))
        for channel in maker.correcting.places.channels
    }
    if len(by_channel) < 2:
        return [one for said in by_channel.values() for one in said]
    if kind in ("srt", "vtt"):
        return _by_cues(maker.transcript, by_channel, layout)
    rows = ((one, maker.row(one.channel)) for said in by_channel.values() for one in said)
    numbered = sorted(((row[one.first].segment, one) for one, row in rows), key=lambda it: it[0])
    return [one for _, one in numbered]


def _said_in(row: Sequence[Place], channel: int | None) -> Iterator[Said]:
    """What stands between spaces, and characters of scripts without these."""
    letters = [(letter, at) for at, place in enumerate(row) for letter in _spaced(place)]
    run: list[tuple[str, int]] = []
    for letter, at in [*letters, (" ", len(row))]:
        if not WHITE_SPACE.fullmatch(letter):
            run.append((letter, at))
            continue
        begin = 0
        for part in parts("".join(letter for letter, _ in run)) if run else ():
            inside = run[begin : begin + len(part)]
            first, last = inside[0][1], inside[-1][1]
            has_space = not begin and row[first].word.text[:1].isspace()
            yield Said(part, channel, first, last, has_space)
            begin += len(part)
        run = []


def _spaced(place: Place) -> str:
    """A word; one with which a segment begins has a space before it."""
    return " " * place.begins + place.word.text


def _by_cues(
    transcript: Transcript, by_channel: dict[int | None, list[Said]], layout: SubtitleSettings
) -> list[Said]:
    timed: list[tuple[int, list[Said]]] = []
    for channel, said in by_channel.items():
        segments = tuple(one for one in transcript.segments if one.channel == channel)
        part = Transcript("", "", transcript.status, segments=segments)
        left = iter(said)
        for cue in cues_of(part, layout):
            runs = filter(None, WHITE_SPACE.split("\n".join(cue.lines)))
            count = sum(len(parts(run)) for run in runs)
            timed.append((cue.start_ms, list(itertools.islice(left, count))))
    timed.sort(key=lambda one: one[0])
    return [one for _, group in timed for one in group]
