"""A transcript in which every word has its speaker; pure."""

import dataclasses
import itertools
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from opentr_pipeline.speakers.word_speakers import Said, speakers_of
from opentr_pipeline.transcripts.parts import parted, without_speakers
from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word
from opentr_pipeline.transcripts.turns import Spoken, Turn, label


def attributed(transcript: Transcript, spoken: Spoken) -> Transcript:
    """The same words with their speakers, segments parted where these change.

    Args:
        transcript: whatever speakers it has had are forgotten first.
        spoken: of the same media.
    """
    plain = without_speakers(transcript)
    said = _said(plain.segments, spoken.turns)
    overlaps = _Overlaps(spoken.turns)
    segments: list[Segment] = []
    for index, segment in enumerate(plain.segments):
        mine = [next(said[segment.channel]) for _ in segment.words]
        named = dataclasses.replace(
            segment,
            words=tuple(map(_named, segment.words, mine)),
            # A given text knows better who says it.
            speaker=segment.speaker or _speaker(segment, mine, spoken.turns),
        )
        segments += [
            dataclasses.replace(part, has_overlap=overlaps.touch(part.start_s, part.end_s))
            for part in parted(named, index)
        ]
    return dataclasses.replace(
        plain,
        segments=tuple(segments),
        speakers_fingerprint=spoken.speakers_fingerprint,
        speakers_reason=spoken.reason,
        turns=spoken.turns,
        voices=spoken.voices,
    )


def _said(
    segments: Sequence[Segment], turns: Sequence[Turn]
) -> Mapping[int | None, Iterator[Said | None]]:
    """The speakers of each channel's words, in their order; None where there are no turns."""
    found: dict[int | None, Iterator[Said | None]] = {}
    for channel in {segment.channel for segment in segments}:
        words = [
            word for segment in segments if segment.channel == channel for word in segment.words
        ]
        said: list[Said | None] = [*speakers_of(words, _heard_in(channel, turns))]
        found[channel] = iter(said or [None] * len(words))
    return found


def _heard_in(channel: int | None, turns: Sequence[Turn]) -> list[Turn]:
    return [turn for turn in turns if turn.channel in (None, channel)]


def _named(word: Word, said: Said | None) -> Word:
    if said is None or word.speaker:
        return word
    return dataclasses.replace(word, speaker=label(said.speaker), speaker_share=said.share)


def _speaker(segment: Segment, said: Sequence[Said | None], turns: Sequence[Turn]) -> str:
    """Who says most of a segment; empty where there are no turns."""
    most: Counter[int] = Counter(one.speaker for one in said if one)
    if not segment.words:  # of a segment without words its time alone says so
        for turn in _heard_in(segment.channel, turns):
            common_s = min(segment.end_s, turn.end_s) - max(segment.start_s, turn.start_s)
            if common_s > 0:
                most[turn.speaker] += round(common_s * 1000)
    return label(most.most_common(1)[0][0]) if most else ""


class _Overlaps:
    """The stretches in which several people speak, in whatever channels."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        edges = sorted(
            [(turn.start_s, 1, turn.speaker) for turn in turns]
            + [(turn.end_s, -1, turn.speaker) for turn in turns]
        )
        speaking: Counter[int] = Counter()
        self._starts: list[float] = []
        self._ends: list[float] = []
        for (at_s, change, speaker), (until_s, *_) in itertools.pairwise(edges):
            speaking[speaker] += change
            if until_s > at_s and len(+speaking) > 1:
                self._starts.append(at_s)
                self._ends.append(until_s)

    def touch(self, start_s: float, end_s: float) -> bool:
        """Whether there is one within a time."""
        return bisect_right(self._ends, start_s) < bisect_left(self._starts, end_s)
