"""Transcripts -> cues: what is on the screen, from when to when, and who says it; pure.

Lossless: every word of a transcript is in one cue, in the order of its channel. Where people speak
faster than anybody reads, cues are shorter than they should be and nothing is left out.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from opentr_pipeline.exports.line_breaks import (
    HALVES_OF_LETTER,
    Piece,
    best_place,
    ends_sentence,
    even_lines,
    num_fitting,
    pieces_of,
)
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.shown_names import changes_of
from opentr_pipeline.transcripts.transcript import Segment, Transcript

# Segments part at such pauses, and so do cues.
PAUSE_MS = 1000

TimedWord = tuple[str, int, int]


@dataclass(frozen=True)
class Cue:
    """Some lines of text with their time on the screen.

    Attributes:
        start_ms: from the beginning of the recording; when its first word is spoken.
        end_ms: later than that.
        speaker: the label of who says it; empty where nobody has asked.
    """

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str = ""


def cues_of(
    transcript: Transcript, layout: SubtitleSettings, names: Mapping[str, str] | None = None
) -> list[Cue]:
    """The cues of a recording by their starts; none where nobody speaks.

    Channels have cues of their own, which overlap where people talk at the same time. A cue is of
    one speaker.

    Args:
        transcript: of the recording.
        layout: lengths and times of a cue.
        names: by label, of those whose names stand before their words where they begin to speak.
    """
    if transcript.status == "no_speech":
        return []
    channels: dict[int | None, list[Segment]] = {}
    for segment in transcript.segments:
        channels.setdefault(segment.channel, []).append(segment)
    stretches = [stretch for one in channels.items() for stretch in _stretches(*one)]
    stretches.sort(key=lambda stretch: stretch.words[0][1])
    if names:
        are_changes = changes_of(stretch.speaker for stretch in stretches)
        stretches = [
            _introduced(stretch, names.get(stretch.speaker, "")) if is_change else stretch
            for stretch, is_change in zip(stretches, are_changes, strict=True)
        ]
    cues = [
        cue
        for channel in channels
        for cue in _timed(_groups([s for s in stretches if s.channel == channel], layout), layout)
    ]
    return sorted(cues, key=lambda cue: cue.start_ms)


class _Stretch(NamedTuple):
    """Words of one speaker without a pause.

    Attributes:
        name: before the words, bound so that no line ends in it; empty where there is none.
    """

    channel: int | None
    speaker: str
    words: list[TimedWord]
    name: str = ""


class _Group(NamedTuple):
    """The pieces of a cue, and whose they are."""

    pieces: list[Piece]
    stretch: _Stretch


def _introduced(stretch: _Stretch, name: str) -> _Stretch:
    """A stretch that begins with a name, as subtitles for the deaf have it where it is needed."""
    if not name:
        return stretch
    (text, start_ms, end_ms), *others = stretch.words
    # Bound to the first word, so that it stands in no cue by itself.
    bound = "\u00a0".join([*f"{name}:".split(" "), ""])
    first = f" {bound}{text.lstrip()}", start_ms, end_ms
    return stretch._replace(words=[first, *others], name=bound)


def _groups(stretches: Sequence[_Stretch], layout: SubtitleSettings) -> list[_Group]:
    """The pieces of each cue of a channel."""
    groups = []
    for stretch in stretches:
        pieces = pieces_of(stretch.words)
        begin = 0
        while begin < len(pieces):
            end = _next_cut(pieces, begin, layout)
            groups.append(_Group(pieces[begin:end], stretch))
            begin = end
    return groups


def _stretches(channel: int | None, segments: Sequence[Segment]) -> Iterator[_Stretch]:
    """The words of a channel, parted at pauses and where the speaker changes; times run forward."""
    stretch: list[TimedWord] = []
    start_ms = end_ms = 0
    speaker = ""
    for segment in segments:
        for number, (text, since_ms, until_ms) in enumerate(_timed_words(segment)):
            is_other = segment.speaker != speaker
            if stretch and (is_other or since_ms - end_ms >= PAUSE_MS):
                yield _Stretch(channel, speaker, stretch)
                stretch = []
            speaker = segment.speaker
            start_ms = max(start_ms, since_ms)
            end_ms = max(start_ms, until_ms)
            stretch.append((text if number else f" {text}", start_ms, end_ms))
    if stretch:
        yield _Stretch(channel, speaker, stretch)


def _timed_words(segment: Segment) -> Iterator[TimedWord]:
    """The words of a segment, or its text as one where they say something else.

    A word without a time gets what its neighbours leave.
    """
    reached_ms = _ms(segment.start_s) or 0
    if segment.text.strip() and not segment.words_say_the_text:
        yield segment.text, reached_ms, _ms(segment.end_s) or reached_ms
        return
    for number, word in enumerate(segment.words):
        start_ms, end_ms = _ms(word.start_s), _ms(word.end_s)
        start_ms = reached_ms if start_ms is None else start_ms
        if end_ms is None:
            later = (_ms(one.start_s) for one in segment.words[number + 1 :])
            end_ms = next((at for at in later if at is not None), _ms(segment.end_s))
        reached_ms = max(start_ms, end_ms or 0)
        yield word.text, start_ms, reached_ms


def _ms(at_s: float | None) -> int | None:
    """A time in milliseconds; None where there is none."""
    return None if at_s is None or not math.isfinite(at_s) else max(0, round(at_s * 1000))


def _next_cut(pieces: Sequence[Piece], begin: int, layout: SubtitleSettings) -> int:
    """Where the cue that begins with a piece ends: the index of the first piece after it."""
    fitting = num_fitting(pieces, begin, layout.subtitle_line_length, layout.subtitle_lines)
    latest_ms = pieces[begin].start_ms + layout.subtitle_max_ms
    end = begin + 1
    while end < begin + fitting and pieces[end].end_ms <= latest_ms:
        lasts_ms = pieces[end - 1].end_ms - pieces[begin].start_ms
        if lasts_ms >= layout.subtitle_min_ms and ends_sentence(pieces[end - 1], pieces[end]):
            return end
        end += 1
    if end == len(pieces) or ends_sentence(pieces[end - 1], pieces[end]):
        return end
    return _best_cut(pieces, begin, end)


def _best_cut(pieces: Sequence[Piece], begin: int, end: int) -> int:
    """Where to cut a sentence that is too long for one cue, at an index up to ``end``."""
    enough = min(len(pieces), begin + 2 * (end - begin))
    places = range(end, enough)
    rest = next((at for at in places if ends_sentence(pieces[at - 1], pieces[at])), enough)
    return begin + best_place(pieces[begin:rest], range(1, end - begin + 1), 2)


def _timed(groups: Sequence[_Group], layout: SubtitleSettings) -> Iterator[Cue]:
    """The cues of a channel: as long as spoken, longer where there is time to read."""
    begins_ms: list[int] = []
    for group, _ in groups:  # each later than the one before: some readers drop equals
        begins_ms.append(max(group[0].start_ms, begins_ms[-1] + 1 if begins_ms else 0))
    for number, (group, stretch) in enumerate(groups):
        start_ms, next_ms = begins_ms[number], begins_ms[number + 1 : number + 2]
        lines = even_lines(group, layout.subtitle_line_length)
        if stretch.name:
            plain = stretch.name.replace("\u00a0", " ")
            lines = tuple(line.replace(stretch.name, plain, 1) for line in lines)
        num_letters = sum(piece.width for piece in group) // HALVES_OF_LETTER
        to_read_ms = max(
            layout.subtitle_min_ms, num_letters * 1000 // layout.subtitle_reading_speed
        )
        end_ms = max(group[-1].end_ms, start_ms + to_read_ms)
        end_ms = min(end_ms, start_ms + layout.subtitle_max_ms, *next_ms)
        yield Cue(start_ms, max(end_ms, start_ms + 1), lines, stretch.speaker)
