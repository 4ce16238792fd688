"""When each token of a segment is said; pure."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from opentr_pipeline.search.terms import readable_form, spans_of

# A word as the tables have it: its text, and when it begins.
SaidWord = tuple[str, float]


def token_times(text: str, words: Sequence[SaidWord], start_s: float) -> tuple[int, ...]:
    """When each token begins, in hundredths of a second from the segment's start.

    A token is no word: marks are none, and in some scripts each character is one. Spaces aside,
    words and text have the same characters, which are counted.

    Args:
        text: of the segment.
        words: its words, in order.
        start_s: of the segment.

    Returns:
        As many times as the text has tokens; none where the words do not say the text.
    """
    readable = readable_form(text)
    lengths = [len("".join(readable_form(word).split())) for word, _ in words]
    ends = list(accumulate(lengths))
    before = list(accumulate((not character.isspace() for character in readable), initial=0))
    if not ends or ends[-1] != before[-1]:
        return ()
    said = (words[bisect_right(ends, before[first])][1] for first, _ in spans_of(readable))
    return tuple(max(0, round(100 * (at_s - start_s))) for at_s in said)
