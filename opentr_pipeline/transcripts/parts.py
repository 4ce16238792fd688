"""Segments that are parted where the speaker changes, and the model's own again; pure."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word, joined_text
from opentr_pipeline.transcripts.turns import is_label


def parted(segment: Segment, index: int) -> list[Segment]:
    """A segment's parts, one for each stretch of words of one speaker; whole where it has one.

    It stays whole as well where its words do not say its text, so that no part's text would be
    known, and where its text as a whole is in doubt.

    Args:
        segment: of the model, its words with their speakers.
        index: its number in the transcript, from 0.
    """
    runs = [list(run) for _, run in itertools.groupby(segment.words, lambda word: word.speaker)]
    if len(runs) < 2 or "boilerplate" in segment.flags:
        return [segment]
    is_loop = "loop" in segment.flags
    parts = [
        dataclasses.replace(
            segment,
            start_s=run[0].start_s,
            end_s=run[-1].end_s,
            text="".join(word.text for word in run).strip(),
            words=tuple(run),
            speaker=run[0].speaker,
            is_endless=is_loop,
            part_of=index,
        )
        for run in runs
    ]
    parts[0] = dataclasses.replace(parts[0], start_s=segment.start_s)
    parts[-1] = dataclasses.replace(parts[-1], end_s=segment.end_s)
    # What nobody could put together again is not taken apart.
    return parts if _whole(parts) == _whole([segment]) else [segment]


def model_segments(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """The segments as they were made: parts put together, no name that the text does not give."""
    numbered = itertools.count()

    def place(segment: Segment) -> tuple[bool, int]:
        # One that is whole is a group of its own.
        is_part = segment.part_of is not None
        return is_part, segment.part_of if segment.part_of is not None else next(numbered)

    return tuple(_whole(list(parts)) for _, parts in itertools.groupby(segments, place))


def without_speakers(transcript: Transcript) -> Transcript:
    """A transcript as it was before anybody asked who speaks."""
    return dataclasses.replace(
        transcript,
        segments=model_segments(transcript.segments),
        speakers_fingerprint="",
        speakers_reason="",
        turns=(),
        voices=(),
    )


def _whole(parts: Sequence[Segment]) -> Segment:
    words = itertools.chain.from_iterable(part.words for part in parts)
    whole = dataclasses.replace(
        parts[0],
        end_s=parts[-1].end_s,
        text=joined_text(parts),
        words=tuple(map(_nobodys, words)),
        speaker=_given(parts[0].speaker),
        has_overlap=False,
        is_endless=False,
        part_of=None,
    )
    # What says so by itself needs no mark: as it is read from the tables.
    is_marked = any("loop" in part.flags for part in parts) and "loop" not in whole.flags
    return dataclasses.replace(whole, is_endless=is_marked)


def _nobodys(word: Word) -> Word:
    return dataclasses.replace(word, speaker=_given(word.speaker), speaker_share=0.0)


def _given(speaker: str) -> str:
    """A name that a given text has for who speaks; a label of ours is none."""
    return "" if is_label(speaker) else speaker
