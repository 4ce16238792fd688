"""Times of the words of a given text, by what was heard of it; pure."""

import dataclasses
import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from opentr_pipeline.archive.provided import Passage, Span
from opentr_pipeline.archive.references import comparable_words
from opentr_pipeline.transcripts.rough_times import spans_of

# So many words in a row without one that was heard are said to have no sound of their own.
UNMATCHED_WORDS = 8
# Sound with words, without any of the text; shorter is what people leave out of transcripts.
UNPROVIDED_S = 5.0
# A word without a time of its own is said as fast as people mostly do, and no slower than slowly.
LETTERS_PER_S, SLOW_LETTERS_PER_S = 15.0, 5.0


@dataclass(frozen=True)
class Heard:
    """A word of what the model heard, ready to be compared."""

    text: str
    start_s: float
    end_s: float
    probability: float
    channel: int | None
    language: str


@dataclass
class Given:
    """A word of the text.

    Attributes:
        text: as it is given, with the space in front where there is one.
        passage: the number of its passage.
        heard: the places of the words that were heard of it.
        is_unmatched: it lies in a stretch that has no sound of its own.
    """

    text: str
    passage: int
    heard: list[int] = dataclasses.field(default_factory=list)
    start_s: float = 0.0
    end_s: float = 0.0
    is_unmatched: bool = False


def put_times(
    words: Sequence[Given],
    spoken: Sequence[Heard],
    passages: Sequence[Passage],
    duration_s: float,
) -> list[tuple[float, float]]:
    """Give each word its time; where somebody speaks and the text says nothing."""
    spans = spans_of(passages, _beginnings(words, spoken))
    unprovided: list[tuple[float, float]] = []
    waiting: list[Given] = []
    reached, reached_s = 0, 0.0
    for word in [*words, None]:
        if word and not word.heard:
            waiting.append(word)
            continue
        until, until_s = len(spoken), duration_s
        if word:
            until, last = word.heard[0], word.heard[-1]
            until_s = word.start_s = spoken[until].start_s
            word.end_s = spoken[last].end_s
        between = spoken[reached:until]
        _put_between(waiting, between, (reached_s, until_s), spans)
        num_words = sum(len(comparable_words(one.text)) for one in waiting)
        if len(between) > max(UNMATCHED_WORDS, 2 * num_words):
            span = between[0].start_s, between[-1].end_s
            unprovided += [span] * (span[1] - span[0] > UNPROVIDED_S)
        waiting.clear()
        if word:
            reached, reached_s = last + 1, word.end_s
    return unprovided


def _beginnings(words: Sequence[Given], spoken: Sequence[Heard]) -> dict[int, float]:
    """When the first word of a passage was heard, by its number, where it was."""
    firsts: dict[int, Given] = {}
    for word in words:
        firsts.setdefault(word.passage, word)
    return {number: spoken[one.heard[0]].start_s for number, one in firsts.items() if one.heard}


def _put_between(
    waiting: Sequence[Given],
    between: Sequence[Heard],
    room_s: Span,
    spans: Mapping[int, Span],
) -> None:
    """Give words that were not heard their time: where the text says they are, if it does.

    Args:
        waiting: the words, perhaps none.
        between: what was heard in their place.
        room_s: when the word before them ends, and when the next one begins.
        spans: when passages are said, where that is known.
    """
    is_stretch = sum(bool(comparable_words(word.text)) for word in waiting) >= UNMATCHED_WORDS
    for word in waiting:
        word.is_unmatched = is_stretch
    start_s, until_s = room_s
    if not all(word.passage in spans for word in waiting):
        _share_out(waiting, between, start_s, until_s)
        return
    for number, group in itertools.groupby(waiting, lambda word: word.passage):
        mine = list(group)
        span = max(start_s, spans[number][0]), min(until_s, spans[number][1])
        if span[0] >= span[1]:  # what was heard says otherwise
            span = start_s, until_s
        _share_out(mine, [one for one in between if _is_within(one, span)], *span)
        start_s = mine[-1].end_s


def _is_within(heard: Heard, span: Span) -> bool:
    return span[0] <= (heard.start_s + heard.end_s) / 2 < span[1]


def _share_out(
    waiting: Sequence[Given], between: Sequence[Heard], start_s: float, until_s: float
) -> None:
    """Share a time out among words that were not heard, in proportion to their letters.

    Args:
        waiting: the words, perhaps none.
        between: what was heard in their place.
        start_s: when the word before them ends.
        until_s: when the next one begins.
    """
    lengths = [len(word.text.strip()) for word in waiting]
    num_letters = max(1, sum(lengths))
    spoken_s = sum(one.end_s - one.start_s for one in between)
    if between and spoken_s <= num_letters / SLOW_LETTERS_PER_S:
        _share_words(waiting, between)
        return
    if between:
        start_s = max(start_s, between[0].start_s)
        until_s = min(
            until_s, max(map(_end_s, between)), start_s + num_letters / SLOW_LETTERS_PER_S
        )
    elif start_s > 0.0:
        until_s = min(until_s, start_s + num_letters / LETTERS_PER_S)
    else:
        start_s = max(start_s, until_s - num_letters / LETTERS_PER_S)
    each_s = max(0.0, until_s - start_s) / num_letters
    for word, length in zip(waiting, lengths, strict=True):
        word.start_s, word.end_s = start_s, start_s + length * each_s
        start_s = word.end_s


def _share_words(waiting: Sequence[Given], between: Sequence[Heard]) -> None:
    """Put words where others were heard in their place, and none in a pause.

    As many words lie where as many others do, else letter by letter.
    """
    lengths = [len(comparable_words(word.text)) for word in waiting]
    heard = [1] * len(between)
    if sum(lengths) != len(between):
        lengths = [len(word.text.strip()) for word in waiting]
        heard = [len(one.text) for one in between]
    reached = [0, *itertools.accumulate(heard)]
    edges = [0, *itertools.accumulate(lengths)]
    scale = reached[-1] / max(1, edges[-1])
    for word, (first, last) in zip(waiting, itertools.pairwise(edges), strict=True):
        word.start_s = _time_of(first * scale, between, reached, bisect_right)
        word.end_s = _time_of(last * scale, between, reached, bisect_left)


def _time_of(
    place: float,
    between: Sequence[Heard],
    reached: Sequence[int],
    bisect: Callable[[Sequence[int], float], int],
) -> float:
    """When a word or letter of what was heard is said, counted from the first one."""
    at = min(max(bisect(reached, round(place, 6)) - 1, 0), len(between) - 1)
    heard = between[at]
    share = (place - reached[at]) / max(1, reached[at + 1] - reached[at])
    return heard.start_s + min(1.0, share) * (heard.end_s - heard.start_s)


def _end_s(heard: Heard) -> float:
    return heard.end_s
