"""What a file from before a correction says, told apart from what somebody has edited; pure.

Word by word: a word that the file has as the model wrote it, where somebody has corrected it since,
is as it was before, whatever stands beside it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from opentr_pipeline.corrections.exported_words import Said
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.word_places import Place, WordPlaces, said_by_model
from opentr_pipeline.transcripts.matching import Pair
from opentr_pipeline.transcripts.provided import WHITE_SPACE, parts
from opentr_pipeline.transcripts.shown_names import names_of
from opentr_pipeline.transcripts.transcript import Transcript

Texts = tuple[str, ...]
# Of a place where a file differs; a longer one is taken as a whole.
MAX_PAIRS = 1_000_000


@dataclass(frozen=True)
class Change:
    """Words of the transcript, and those of the file that stand in their place.

    Attributes:
        start: number of the first word of the transcript.
        end: number of the first one after them.
        first: number of the first word of the file.
        last: number of the first one after them.
        is_again: somebody has corrected the words before.
    """

    start: int
    end: int
    first: int
    last: int
    is_again: bool


@dataclass(frozen=True)
class _Unit:
    """Words of the transcript that stand together, or what was deleted beside them.

    Attributes:
        now: as they are published.
        before: what a file from before may say there; empty where nobody has corrected them.
    """

    start: int
    end: int
    now: Texts
    before: tuple[Texts, ...] = ()


def changes(row: Sequence[Place], file: Sequence[str]) -> tuple[list[Change], int]:
    """What a file changes in some words, and how many places it has as they were before.

    Args:
        row: words of the transcript.
        file: words of the file in their place.
    """
    units = list(_units(row))
    matches = _matches(units, file) if len(units) * len(file) <= MAX_PAIRS else []
    found: list[Change] = []
    num_before, unit, word, was_before = 0, 0, 0, False
    for number, at, length, is_before in [*matches, (len(units), len(file), 0, False)]:
        if number > unit or at > word:
            skipped = units[unit:number]
            start = skipped[0].start if skipped else _start(units, number, row)
            end = skipped[-1].end if skipped else start
            if end > start or at > word:
                found.append(Change(start, end, word, at, any(one.before for one in skipped)))
            was_before = False
        num_before += is_before and not was_before
        unit, word, was_before = number + 1, at + length, is_before
    return found, num_before


def _start(units: Sequence[_Unit], number: int, row: Sequence[Place]) -> int:
    return units[number].start if number < len(units) else len(row)


def _units(row: Sequence[Place]) -> Iterator[_Unit]:
    start = 0
    for end in range(1, len(row) + 1):
        if end == len(row) or _is_apart(row[end - 1], row[end]):
            yield from _units_of(row[start:end], start, end)
            start = end


def _units_of(group: Sequence[Place], start: int, end: int) -> Iterator[_Unit]:
    now = _texts("".join(place.word.text for place in group))
    if all(place.word.model_text is None for place in group):
        yield _Unit(start, end, now)
        return
    model = _texts("".join(said_by_model(place.word) for place in group))
    more = len(model) - len(now)
    if now and more > 0 and model[: len(now)] == now:  # what stood behind is deleted
        yield _Unit(start, end, now)
        yield from (_Unit(end, end, (), ((text,),)) for text in model[len(now) :])
    elif now and more > 0 and model[more:] == now:
        yield from (_Unit(start, start, (), ((text,),)) for text in model[:more])
        yield _Unit(start, end, now)
    else:  # with more than one, some may have been deleted after or before the others were changed
        partly = ((*now, *model[1:]), (*model[:-1], *now)) if len(model) > 1 else ()
        yield _Unit(start, end, now, (model, *partly))


def _is_apart(one: Place, other: Place) -> bool:
    """Whether files have something between two words."""
    before, after = one.word.text.split()[-1:], other.word.text.split()[:1]
    if other.begins or other.word.text[:1].isspace() or not before or not after:
        return True
    return len(parts(before[0] + after[0])) == len(parts(before[0])) + len(parts(after[0]))


def _texts(text: str) -> Texts:
    return tuple(part for run in WHITE_SPACE.split(text) if run for part in parts(run))


def _matches(units: Sequence[_Unit], file: Sequence[str]) -> list[tuple[int, int, int, bool]]:
    """Units that a file has, from which word on, in how many, and whether as they were before.

    The most words in all; one that somebody has put in, and the file has not, is as before.
    """
    words = tuple(file)
    best = [[0] * (len(words) + 1) for _ in range(len(units) + 1)]
    for number in range(len(units) - 1, -1, -1):
        for at in range(len(words), -1, -1):
            skipped = max(best[number + 1][at], best[number][at + 1] if at < len(words) else 0)
            readings = _readings(units[number], words, at)
            best[number][at] = max(
                [skipped, *(worth + best[number + 1][at + length] for length, _, worth in readings)]
            )
    found, number, at = list[tuple[int, int, int, bool]](), 0, 0
    while number < len(units):
        for length, is_before, worth in _readings(units[number], words, at):
            if best[number][at] == worth + best[number + 1][at + length]:
                found.append((number, at, length, is_before))
                number, at = number + 1, at + length
                break
        else:
            if at < len(words) and best[number][at] == best[number][at + 1]:
                at += 1
            else:
                number += 1
    return found


def _readings(unit: _Unit, words: Texts, at: int) -> Iterator[tuple[int, bool, int]]:
    """In how many words a file has a unit from one word on, whether as before, and its worth."""
    for texts, is_before in ((unit.now, False), *((one, True) for one in unit.before)):
        if words[at : at + len(texts)] == texts:
            yield len(texts), is_before, 2 * len(texts) + (not texts and is_before)


def steady(pairs: Sequence[Pair], ends: Pair, is_corrected: Callable[[int], bool]) -> list[Pair]:
    """Pairs of words that are the same, without corrected ones beside others: they go together.

    Args:
        pairs: of a file as it was, and as it is.
        ends: how many words each has.
        is_corrected: whether somebody has corrected a word of the file as it was.
    """

    def without(ordered: Sequence[Pair], before: Pair) -> list[Pair]:
        kept: list[Pair] = []
        for pair in ordered:
            is_beside = abs(pair[0] - before[0]) != 1 or abs(pair[1] - before[1]) != 1
            if not (is_beside and is_corrected(pair[0])):
                kept.append(pair)
                before = pair
        return kept

    return without(without(pairs, (-1, -1))[::-1], ends)[::-1]


class Models:
    """Segments and speakers of a transcript before anything in it was corrected."""

    def __init__(self, maker: EditMaker, plain: Transcript) -> None:
        """Find where each word was.

        Args:
            maker: of the published transcript; nothing is made yet.
            plain: the same without corrections.
        """
        self._now, self._places = maker.correcting.places, WordPlaces(plain)
        self._names = names_of(plain)
        self._of = {
            channel: _models_places(row, self._places.channels.get(channel, []))
            for channel, row in self._now.channels.items()
        }

    def begins(self, said: Said) -> bool | None:
        """Whether a segment began with a word; None: it was not there."""
        place = self._of[said.channel].get(said.first)
        return place.begins if place else None

    def speaker(self, said: Said) -> str:
        """Who said a word, as it was shown; empty: whoever does now, or it was not there."""
        place = self._of[said.channel].get(said.first)
        before = self._places.speaker(place) if place else ""
        now = self._now.speaker(self._now.channels[said.channel][said.first])
        return "" if before == now else self._names.get(before, before)


def _models_places(row: Sequence[Place], plain: Sequence[Place]) -> dict[int, Place]:
    """What each word of a channel was, by its number."""
    starts: dict[int, Place] = {}
    at = 0
    for place in plain:
        starts.setdefault(at, place)
        at += len(place.word.text)
    found: dict[int, Place] = {}
    at = 0
    for number, place in enumerate(row):
        said = said_by_model(place.word)
        if said and at in starts:
            found[number] = starts[at]
        at += len(said)
    return found
