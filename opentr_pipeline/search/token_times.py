"""When each token of a segment is said; pure."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from opentr_pipeline.search.terms import readable_form, spans_of, tokens_of


def token_times(
    text: str, words: Sequence[str], starts_s: Sequence[float], start_s: float
) -> tuple[int, ...]:
    """When each token begins, in hundredths of a second from the segment's start.

    A token is no word: marks are none, and in some scripts each character is one.

    Args:
        text: of the segment.
        words: its words, in order.
        starts_s: when each of them begins.
        start_s: of the segment.

    Returns:
        As many times as the text has tokens; none where the words do not say the text.
    """
    times = [max(0, round(100 * (at_s - start_s))) for at_s in starts_s]
    bare = [word.strip() for word in words]
    if bare == text.split():  # a word between spaces has its own tokens, mostly one
        counts = [1 if word.isalnum() and word.isascii() else len(tokens_of(word)) for word in bare]
        return tuple(at for at, count in zip(times, counts, strict=True) for _ in range(count))
    return _by_character(text, words, times)


def _by_character(text: str, words: Sequence[str], times: Sequence[int]) -> tuple[int, ...]:
    """The same of any script: spaces aside, words and text have the same characters."""
    readable = readable_form(text)
    ends = list(accumulate(len("".join(readable_form(word).split())) for word in words))
    before = list(accumulate((not character.isspace() for character in readable), initial=0))
    if not ends or ends[-1] != before[-1]:
        return ()
    return tuple(times[bisect_right(ends, before[first])] for first, _ in spans_of(readable))
