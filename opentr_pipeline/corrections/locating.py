"""Where in the words of a transcript an edit belongs, be they heard anew; pure."""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentr_pipeline.archive.references import comparable_words
from opentr_pipeline.corrections.word_places import Place
from opentr_pipeline.transcripts.edits import Edit
from opentr_pipeline.transcripts.matching import num_common

# The same words at the same time are those that the person saw.
SAME_S = 0.002
# Two models hear the same words so far apart at most.
NEAR_S = 0.75
# The middle of a word that is meant lies no farther outside the span: words that the first model
# did not hear at all are none that the person saw.
OUTSIDE_S = 0.5
# Words on either side that an edit is kept with; below, how many of them must be there again.
CONTEXT_WORDS = 5
# Around the same words, around a place between words, and on either side of other words.
ENOUGH_AROUND_SAME, ENOUGH_AROUND_NONE, ENOUGH_AROUND_OTHERS = 3, 4, 3
# Where several places fit, the nearest must be so much nearer than the next one.
CLEARLY_NEARER = 0.5
# So many words more than the person knew of cannot be what they meant.
MORE_WORDS = 2


@dataclass(frozen=True)
class Found:
    """Where an edit belongs.

    Attributes:
        start: number of the first word; where there is none, of the word after the place.
        end: number of the first word after it.
        is_same: the words are those that the person saw.
    """

    start: int
    end: int
    is_same: bool


class AmbiguousPlaceError(Exception):
    """Several places fit."""


def locate(row: Sequence[Place], edit: Edit) -> Found | None:
    """Where an edit belongs; None where the words around it are not there.

    Args:
        row: the words of its channel.
        edit: anything but ``checked``.

    Raises:
        AmbiguousPlaceError: there are several such places.
    """
    if exact := _exact(row, edit):
        return exact
    found = [
        (distance_s, place)
        for place in _Search(row, edit).places()
        if (distance_s := _distance_s(row, place, edit)) <= NEAR_S and _is_inside(row, place, edit)
    ]
    found.sort(key=lambda one: one[0])
    if not found:
        return None
    is_clear = len(found) == 1 or found[0][0] <= CLEARLY_NEARER * found[1][0]
    # The words that the person saw count before others that stand in their place.
    is_other = not found[0][1].is_same and any(place.is_same for _, place in found)
    if is_other or not is_clear:
        raise AmbiguousPlaceError
    return found[0][1]


def _exact(row: Sequence[Place], edit: Edit) -> Found | None:
    """The very words at the very time that the person saw."""
    fits = _fits_words if edit.old.strip() else _fits_between
    at_s = edit.start_s - SAME_S, edit.start_s + SAME_S
    first = bisect_left(row, at_s[0], key=_start_s)
    last = bisect_right(row, at_s[1], key=_start_s)
    if not edit.old.strip():  # it is the word before that ends then, or somewhat earlier
        first = bisect_left(row, at_s[0], key=_end_s)
        last = bisect_right(row, edit.end_s + SAME_S, key=_start_s)
    found = [one for at in range(first, min(last, len(row)) + 1) if (one := fits(row, at, edit))]
    return max(found, key=lambda one: _num_same(row, one, edit), default=None)


def _fits_words(row: Sequence[Place], at: int, edit: Edit) -> Found | None:
    said, wanted = "", edit.old.strip()
    for number in range(at, len(row)):
        said += row[number].word.text
        if len(said.strip()) >= len(wanted):
            is_same = said.strip() == wanted and _is_near(row[number].word.end_s, edit.end_s)
            return Found(at, number + 1, is_same=True) if is_same else None
    return None


def _fits_between(row: Sequence[Place], at: int, edit: Edit) -> Found | None:
    before, after = row[at - 1] if at else None, row[at] if at < len(row) else None
    fits = (
        _is_near(before.word.end_s if before else 0.0, edit.start_s)
        and (not after or _is_near(after.word.start_s, edit.end_s))
        and (not before or edit.before.endswith(before.word.text.strip()))
        and (not after or edit.after.strip().startswith(after.word.text.strip()))
        and bool(before) == bool(edit.before.strip())
        and bool(after) == bool(edit.after.strip())
    )
    return Found(at, at, is_same=True) if fits else None


def _is_near(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) <= SAME_S


def _num_same(row: Sequence[Place], place: Found, edit: Edit) -> int:
    """Words around a place that are those around an edit, where several are at the same time."""
    said = "".join(one.word.text for one in row[max(0, place.start - CONTEXT_WORDS) : place.start])
    after = "".join(one.word.text for one in row[place.end : place.end + CONTEXT_WORDS])
    before_pairs = zip(reversed(said.split()), reversed(edit.before.split()), strict=False)
    after_pairs = zip(after.split(), edit.after.split(), strict=False)
    return sum(
        sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        for pairs in (before_pairs, after_pairs)
    )


def _distance_s(row: Sequence[Place], place: Found, edit: Edit) -> float:
    """How far the middle of a place is from that of an edit."""
    if place.start < place.end:
        start_s, end_s = row[place.start].word.start_s, row[place.end - 1].word.end_s
    elif not place.start:
        return abs(row[0].word.start_s - edit.end_s)
    elif place.start == len(row):
        return abs(row[-1].word.end_s - edit.start_s)
    else:
        start_s, end_s = row[place.start - 1].word.end_s, row[place.start].word.start_s
    if start_s <= edit.start_s + SAME_S and edit.end_s <= end_s + SAME_S:
        return 0.0  # a pause in which the words may be anywhere
    return abs(start_s + end_s - edit.start_s - edit.end_s) / 2


def _is_inside(row: Sequence[Place], place: Found, edit: Edit) -> bool:
    """Whether the words of a place that are no longer the same are said when the edit says."""
    if place.is_same:
        return True
    middles = [(one.word.start_s + one.word.end_s) / 2 for one in row[place.start : place.end]]
    return all(
        edit.start_s - OUTSIDE_S <= middle_s <= edit.end_s + OUTSIDE_S for middle_s in middles
    )


def _start_s(place: Place) -> float:
    return place.word.start_s


def _end_s(place: Place) -> float:
    return place.word.end_s


class _Search:
    """The places near an edit around which the words are those around it."""

    def __init__(self, row: Sequence[Place], edit: Edit) -> None:
        self._row = row
        self._old, self._new = comparable_words(edit.old), comparable_words(edit.new)
        self._before = comparable_words(edit.before)[-CONTEXT_WORDS:]
        self._after = comparable_words(edit.after)[:CONTEXT_WORDS]
        self._first = bisect_left(row, edit.start_s - NEAR_S, key=_end_s)
        self._last = bisect_right(row, edit.end_s + NEAR_S, key=_start_s)
        more = CONTEXT_WORDS + 2 + len(self._old)
        self._begin = max(0, self._first - more)
        near = row[self._begin : self._last + more]
        self._units = [comparable_words(place.word.text) for place in near]

    def places(self) -> Iterator[Found]:
        """Those where enough agrees."""
        edges = range(self._first, self._last + 1)
        before = {at: self._agreeing_before(at) for at in edges if self._is_word(at)}
        after = {at: self._agreeing_after(at) for at in edges}
        most = max(len(self._old), len(self._new)) + MORE_WORDS
        for (start, mine), (end, others) in itertools.product(before.items(), after.items()):
            if end < start or not (start == end or self._is_word(end - 1)):
                continue
            units = self._between(start, end)
            if len(units) <= most and self._is_enough(mine, others, units):
                yield Found(start, end, is_same=units == self._old)

    def _is_enough(self, before: "_Agreeing", after: "_Agreeing", units: Sequence[str]) -> bool:
        num_same, num_known = before.num_same + after.num_same, before.of + after.of
        if units and units in (self._old, self._new):
            return num_same >= min(ENOUGH_AROUND_SAME, num_known)
        if not units and not self._old:
            is_next = before.is_next or after.is_next
            return is_next and num_same >= min(ENOUGH_AROUND_NONE, num_known)
        return all(
            one.is_next and one.num_same >= min(ENOUGH_AROUND_OTHERS, one.of)
            for one in (before, after)
        )

    def _agreeing_before(self, at: int) -> "_Agreeing":
        near = self._units[max(0, at - self._begin - CONTEXT_WORDS - 2) : at - self._begin]
        said = list(itertools.chain.from_iterable(near))[-CONTEXT_WORDS - 1 :]
        if not self._before:
            return _Agreeing(not said, 0, 0)
        return _Agreeing(
            said[-1:] == self._before[-1:], num_common(self._before, said), len(self._before)
        )

    def _agreeing_after(self, at: int) -> "_Agreeing":
        inside = at - self._begin
        near = self._units[inside : inside + CONTEXT_WORDS + 2]
        said = list(itertools.chain.from_iterable(near))[: CONTEXT_WORDS + 1]
        if not self._after:
            return _Agreeing(not said, 0, 0)
        return _Agreeing(
            said[:1] == self._after[:1], num_common(self._after, said), len(self._after)
        )

    def _between(self, start: int, end: int) -> list[str]:
        units = self._units[start - self._begin : end - self._begin]
        return list(itertools.chain.from_iterable(units))

    def _is_word(self, at: int) -> bool:
        """Whether something is said here, and no sign alone."""
        inside = at - self._begin
        return inside >= len(self._units) or bool(self._units[inside])


@dataclass(frozen=True)
class _Agreeing:
    """What is the same on one side of a place.

    Attributes:
        is_next: the word next to it is; or there is none, as there was none.
        num_same: how many of the words that are kept are there, in their order.
        of: how many are kept.
    """

    is_next: bool
    num_same: int
    of: int
