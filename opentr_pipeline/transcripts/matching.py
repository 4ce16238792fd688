"""Which words of two texts are the same, in order; pure. This is the door of rapidfuzz.

Runs of words that each text has only once are found first, the longest row of them in order, so
that a page in another place takes nothing with it. Between them the longest common row is looked
for. So neither memory nor time grows with the square of the texts.
"""

import itertools
from bisect import bisect_left
from collections.abc import Sequence

Pair = tuple[int, int]

# Of words in a row that each text has only once.
RUNS = (4, 3, 2)
# Of the longest common row: a bit for each pair of words, 2 MB.
MAX_PAIRS = 16_000_000
# What agrees in so many words and letters in a row does not by chance.
SOLID_WORDS, SOLID_LETTERS = 3, 10
# A shorter row counts beside one that does not, so many words away in both texts.
MAX_AWAY = 4
# A row that is shorter than this and has no other near it is chance after all.
ALONE_WORDS, ALONE_AWAY = 6, 15


def matched(given: Sequence[str], heard: Sequence[str]) -> list[Pair]:
    """The places of the words that are the same in both texts; both run forward.

    Args:
        given: words of one text, ready to be compared.
        heard: words of the other.
    """
    pairs = [pair for pair in common(given, heard) if given[pair[0]] == heard[pair[1]]]
    return [pair for row in _believed(_rows(pairs), given) for pair in row]


def common(given: Sequence[str], heard: Sequence[str], runs: Sequence[int] = RUNS) -> list[Pair]:
    """The same, chance included.

    Args:
        given: words of one text.
        heard: words of the other.
        runs: lengths of the runs that are looked for first.
    """
    if len(given) * len(heard) <= MAX_PAIRS and len(runs) < len(RUNS):
        return _longest_common(given, heard)
    if not runs:
        return []  # long, and without anything that is there once: no words to go by
    anchors = _anchors(given, heard, runs[0])
    found: list[Pair] = []
    for before, after in itertools.pairwise([(-1, -1), *anchors, (len(given), len(heard))]):
        mine, theirs = given[before[0] + 1 : after[0]], heard[before[1] + 1 : after[1]]
        if mine and theirs:
            inner = common(mine, theirs, runs[1:])
            found += [(before[0] + 1 + i, before[1] + 1 + j) for i, j in inner]
        found.append(after)
    return found[:-1]


def _longest_common(given: Sequence[str], heard: Sequence[str]) -> list[Pair]:
    from rapidfuzz.distance import LCSseq

    return [
        pair
        for one in LCSseq.opcodes(given, heard)
        if one.tag == "equal"
        for pair in zip(
            range(one.src_start, one.src_end), range(one.dest_start, one.dest_end), strict=True
        )
    ]


def _anchors(given: Sequence[str], heard: Sequence[str], length: int) -> list[Pair]:
    """Where runs of words begin that each text has once; the most that are in order."""
    mine, theirs = _only_once(given, length), _only_once(heard, length)
    pairs = sorted((place, theirs[run]) for run, place in mine.items() if run in theirs)
    # The longest row that runs forward: of each length the one that ends first is kept.
    ends: list[int] = []
    last: list[int] = []  # which pair that is
    before: list[int] = []  # which pair each one follows
    for number, (_, place) in enumerate(pairs):
        length_here = bisect_left(ends, place)
        before.append(last[length_here - 1] if length_here else -1)
        ends[length_here : length_here + 1] = [place]
        last[length_here : length_here + 1] = [number]
    row, number = [], last[-1] if last else -1
    while number >= 0:
        row.append(pairs[number])
        number = before[number]
    return row[::-1]


def _only_once(words: Sequence[str], length: int) -> dict[tuple[str, ...], int]:
    places: dict[tuple[str, ...], int] = {}
    for place in range(len(words) - length + 1):
        run = tuple(words[place : place + length])
        places[run] = -1 if run in places else place
    return {run: place for run, place in places.items() if place >= 0}


def _rows(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Pairs that follow one another in both texts, together."""
    rows: list[list[Pair]] = []
    for pair in pairs:
        if rows and rows[-1][-1] == (pair[0] - 1, pair[1] - 1):
            rows[-1].append(pair)
        else:
            rows.append([pair])
    return rows


def _believed(rows: Sequence[list[Pair]], given: Sequence[str]) -> list[list[Pair]]:
    """The rows that are no chance.

    Where texts have nothing to do with each other, they still share their small words.
    """
    solid = [_is_solid(row, given) for row in rows]
    proper = [row for row, is_solid in zip(rows, solid, strict=True) if is_solid]
    kept = {
        row[0]
        for number, row in enumerate(proper)
        if _stands_alone(row, given) or _has_near(proper, number, ALONE_AWAY)
    }
    is_kept = [row[0] in kept for row in rows]
    return [
        row
        for number, row in enumerate(rows)
        if is_kept[number]
        or any(
            is_kept[other] and _distance(rows, other, number) <= MAX_AWAY
            for other in (number - 1, number + 1)
            if 0 <= other < len(rows)
        )
    ]


def _is_solid(row: Sequence[Pair], given: Sequence[str]) -> bool:
    letters = sum(len(given[place]) for place, _ in row)
    is_likely = len(row) >= SOLID_WORDS and letters >= SOLID_LETTERS
    return is_likely or _stands_alone(row, given)


def _stands_alone(row: Sequence[Pair], given: Sequence[str]) -> bool:
    """Whether it needs no other near it: it is long, or half of a short text."""
    return len(row) >= ALONE_WORDS or 2 * len(row) >= len(given)


def _has_near(rows: Sequence[list[Pair]], number: int, away: int) -> bool:
    others = (other for other in (number - 1, number + 1) if 0 <= other < len(rows))
    return any(_distance(rows, other, number) <= away for other in others)


def _distance(rows: Sequence[list[Pair]], one: int, other: int) -> int:
    """Words between two rows, in the text that has more of them there."""
    before, after = rows[min(one, other)][-1], rows[max(one, other)][0]
    return max(after[0] - before[0], after[1] - before[1]) - 1


def num_common(given: Sequence[str], heard: Sequence[str]) -> int:
    """How many words the longest row has that both texts have in order; of a few words each."""
    from rapidfuzz.distance import LCSseq

    return int(LCSseq.similarity(given, heard))
