"""Times of words that run forward and stay inside the media; pure."""

import dataclasses
from collections.abc import Iterable, Sequence

from opentr_pipeline.transcripts.transcript import Segment, Word


def settle_times(segments: Iterable[Segment], duration_s: float) -> tuple[Segment, ...]:
    """The same segments with times that run forward and stay inside the media.

    Alignment can place a word a little before its predecessor or past the end. Only times are
    moved, by as little as makes them monotone; text and scores stay.

    Args:
        segments: in the order of the text.
        duration_s: the media's.
    """
    settled = []
    reached_s = 0.0
    for segment in segments:
        words, reached_s = _settled_words(segment.words, reached_s, duration_s)
        start_s = words[0].start_s if words else min(max(segment.start_s, reached_s), duration_s)
        end_s = words[-1].end_s if words else min(max(segment.end_s, start_s), duration_s)
        reached_s = max(reached_s, end_s)
        settled.append(
            dataclasses.replace(segment, start_s=start_s, end_s=end_s, words=tuple(words))
        )
    return tuple(settled)


def _settled_words(
    words: Sequence[Word], reached_s: float, duration_s: float
) -> tuple[list[Word], float]:
    settled = []
    for word in words:
        start_s = min(max(word.start_s, reached_s), duration_s)
        end_s = min(max(word.end_s, start_s), duration_s)
        settled.append(dataclasses.replace(word, start_s=start_s, end_s=end_s))
        reached_s = end_s
    return settled, reached_s
