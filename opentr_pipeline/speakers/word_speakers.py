"""Whose word each word is: the best path through the turns; pure."""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from opentr_pipeline.transcripts.transcript import SENTENCE_ENDS, Word
from opentr_pipeline.transcripts.turns import Turn

# What a change of speaker costs, a word that is not said in its speaker's turn costing 1. Right
# of 71 words of a telephone call: overlap word by word 66, midpoint 65, this 68.
CHANGE_COST = 1.0
CHANGE_COST_AT_A_BREAK = 0.3
BREAK_S = 0.3
MIN_WORD_S = 0.02


class Said(NamedTuple):
    """Who says a word, and the share of it that lies in that speaker's turns, 0 to 1."""

    speaker: int
    share: float


def speakers_of(words: Sequence[Word], turns: Sequence[Turn]) -> list[Said]:
    """The speaker of each word of one channel.

    A word has one speaker, also where several speak or where no turn reaches it: then its
    neighbours decide.

    Args:
        words: in order.
        turns: of their channel.

    Returns:
        As many as there are words; none where there are no turns.
    """
    speakers = sorted({turn.speaker for turn in turns})
    if not speakers:
        return []
    found = _Turns(turns)
    shares = [found.shares(word, speakers) for word in words]
    path = _cheapest(shares, [_change_cost(*pair) for pair in itertools.pairwise(words)])
    return [Said(speakers[at], share[at]) for at, share in zip(path, shares, strict=True)]


class _Turns:
    """Turns of one channel, found by time."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.start_s)
        self._starts = [turn.start_s for turn in self._turns]
        # Of the first so many: a long turn may end after those that begin in it.
        self._ends = list(itertools.accumulate((turn.end_s for turn in self._turns), max))

    def shares(self, word: Word, speakers: Sequence[int]) -> list[float]:
        """Of a word, the share that lies in each speaker's turns."""
        end_s = max(word.end_s, word.start_s + MIN_WORD_S)
        overlap_s = dict.fromkeys(speakers, 0.0)
        first, last = bisect_right(self._ends, word.start_s), bisect_left(self._starts, end_s)
        for turn in self._turns[first:last]:
            common_s = min(end_s, turn.end_s) - max(word.start_s, turn.start_s)
            overlap_s[turn.speaker] += max(0.0, common_s)
        return [min(1.0, overlap_s[one] / (end_s - word.start_s)) for one in speakers]


def _change_cost(word: Word, following: Word) -> float:
    is_pause = following.start_s - word.end_s >= BREAK_S
    at_a_break = is_pause or word.text.rstrip().endswith(SENTENCE_ENDS)
    return CHANGE_COST_AT_A_BREAK if at_a_break else CHANGE_COST


def _cheapest(shares: Sequence[Sequence[float]], changes: Sequence[float]) -> list[int]:
    """Viterbi's path: for each word the place of its speaker in its shares."""
    if not shares:
        return []
    costs = [1 - share for share in shares[0]]
    came_from: list[list[int]] = []
    for row, change in zip(shares[1:], changes, strict=True):
        best = min(range(len(costs)), key=costs.__getitem__)
        stays = [cost <= costs[best] + change for cost in costs]
        came_from.append([at if stay else best for at, stay in enumerate(stays)])
        costs = [
            (costs[at] if stay else costs[best] + change) + 1 - row[at]
            for at, stay in enumerate(stays)
        ]
    path = [min(range(len(costs)), key=costs.__getitem__)]
    for row_before in reversed(came_from):
        path.append(row_before[path[-1]])
    return path[::-1]
