"""Rough times of a given text, held against what was heard of it; pure.

Subtitles may begin late or early by seconds, and may run faster than the sound. By how much is seen
where the first words of their cues were heard.
"""

import statistics
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from opentr_pipeline.archive.provided import Passage, Span

# So many cues whose beginning was heard say, to either side of one, by how much it is off.
NEAR = 4
MIN_KNOWN = 3
# Where these differ by more, the times say nothing.
MAX_SPREAD_S = 1.0


def spans_of(passages: Sequence[Passage], heard_s: Mapping[int, float]) -> dict[int, Span]:
    """When passages are said, where their rough times can be believed.

    Args:
        passages: with or without times.
        heard_s: when the first word of a passage was heard, by its number, where it was.
    """
    timed = [(number, one.span_s) for number, one in enumerate(passages) if one.span_s]
    known = [number for number, _ in timed if number in heard_s]
    off_s = [heard_s[number] - span[0] for number, span in timed if number in heard_s]
    found: dict[int, Span] = {}
    for number, (start_s, end_s) in timed:
        place = bisect_left(known, number)
        near = off_s[max(0, place - NEAR) : place + NEAR]
        if len(near) < MIN_KNOWN:
            continue
        shift_s = statistics.median(near)
        if statistics.median(abs(one - shift_s) for one in near) <= MAX_SPREAD_S:
            found[number] = start_s + shift_s, end_s + shift_s
    return found
