"""Where words begin and end, better than the alignment knows; pure.

The alignment gives each word the time until the next one, is early or late by as much as the model
is, and loses short words beside long ones by some tenths of a second. Here the bounds between words
are moved, all of a window together, to where three things agree best: the alignment, the length
that a word of so many letters has in this window, and the pauses, which lie between words.
Source: docs/decisions/0063, with what each of them is worth.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opentr_pipeline.audio.windows import Window
from opentr_pipeline.recognition.whisper.speech_clock import MIN_PAUSE_S, SpeechClock
from opentr_pipeline.transcripts.transcript import Word

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

# How much later than the alignment of a model words begin. Source: benchmarks/word_times.py.
SHIFTS_S = {"base": 0.06, "tiny.en": -0.1}
# Of other models each window says it: the shift with which everything agrees best, near the usual.
TRIED_SHIFTS_S = (-0.16, -0.12, -0.08, -0.04, 0.0, 0.03, 0.06, 0.09, 0.12)
USUAL_SHIFT_S = 0.06
UNUSUAL_S = 0.1
# How far a bound may be moved, in what steps, and by how much it is at a cost of 1.
REACH_S = 0.4
STEP_S = 0.02
MOVED_S = 0.15
# Costs of a word that is e times as long, or as short, as usual; before a pause words are longer.
LENGTH_COST = 6.0
BEFORE_PAUSE = 1.5
MIN_WORD_S, SHORT_WORD_S = 0.02, 0.06
IMPOSSIBLE = 1e3
# What is gained where a bound falls on a pause of e times the length that is hardly one.
PAUSE_GAIN = 3.0
# And so many times as much after a mark.
AFTER_MARK = 2.0
MARKS = tuple(".,;:!?…。，、；：！？؟।،")
HARDLY_A_PAUSE_S = 0.75 * MIN_PAUSE_S


class Bounds(NamedTuple):
    """Bounds of words, one more than there are words, by the window's clock; and their cost."""

    readings: list[float]
    cost: float


def at_their_times(words: Sequence[Word], window: Window, model: str) -> list[Word]:
    """Words with times at which they are said.

    Args:
        words: as the alignment places them, one after another, from the window's start.
        window: in which they are said.
        model: the name of the one that aligned them.
    """
    clock = SpeechClock.of(window)
    if not words or not clock.total_s:
        return list(words)
    tried = [SHIFTS_S[model]] if model in SHIFTS_S else TRIED_SHIFTS_S
    found = {shift_s: _shifted(words, clock, shift_s) for shift_s in tried}

    def cost(shift_s: float) -> float:
        return found[shift_s].cost + ((shift_s - USUAL_SHIFT_S) / UNUSUAL_S) ** 2

    readings = found[min(found, key=cost)].readings
    return [
        dataclasses.replace(word, start_s=start_s, end_s=max(start_s, clock.end_s(end)))
        for word, start_s, end in zip(
            words, map(clock.start_s, readings[:-1]), readings[1:], strict=True
        )
    ]


def num_letters(text: str) -> int:
    """Of a word; at least one."""
    return max(1, sum(character.isalnum() for character in text))


def _shifted(words: Sequence[Word], clock: SpeechClock, shift_s: float) -> Bounds:
    import numpy as np

    aligned_s = [*(word.start_s for word in words), words[-1].end_s]
    aligned = [clock.reading(at_s + shift_s) for at_s in aligned_s]
    letters = np.array([num_letters(word.text) for word in words])
    letter_s = np.median(np.diff(aligned) / letters)
    usual_s = np.maximum(letters * letter_s, SHORT_WORD_S)
    gains = [PAUSE_GAIN * (AFTER_MARK if one.text.endswith(MARKS) else 1.0) for one in words]
    return _best(aligned, usual_s, [PAUSE_GAIN, *gains], clock)


def _best(
    aligned: Sequence[float], usual_s: "Numbers", gains: Sequence[float], clock: SpeechClock
) -> Bounds:
    """The bounds of the least cost, by dynamic programming.

    Args:
        aligned: where the alignment has them, by the clock.
        usual_s: the length of each word, were it as usual.
        gains: by a pause at each bound.
        clock: of the window.
    """
    import numpy as np

    places = [_places(one, clock) for one in aligned]
    costs = _placing_costs(places[0], aligned[0], gains[0], clock)
    steps = []
    for number, usual in enumerate(usual_s, 1):
        lengths = _length_costs(places[number - 1], places[number], usual, clock)
        through = costs[:, None] + lengths
        steps.append(through.argmin(axis=0))
        placing = _placing_costs(places[number], aligned[number], gains[number], clock)
        costs = through.min(axis=0) + placing
    at = int(costs.argmin())
    readings = [float(places[-1][at])]
    for number in range(len(steps) - 1, -1, -1):
        at = int(steps[number][at])
        readings.append(float(places[number][at]))
    return Bounds(readings[::-1], float(np.min(costs)))


def _places(aligned: float, clock: SpeechClock) -> "Numbers":
    """Where a bound may be."""
    import numpy as np

    around = aligned + np.arange(-REACH_S, REACH_S + STEP_S / 2, STEP_S)
    near = clock.stops[np.abs(clock.stops - aligned) <= REACH_S]
    return np.unique(np.clip(np.concatenate([around, near]), 0.0, clock.total_s))


def _placing_costs(places: "Numbers", aligned: float, gain: float, clock: SpeechClock) -> "Numbers":
    """What it costs to have a bound at each of its places."""
    import numpy as np

    gains = gain * np.log(np.maximum(clock.lengths_s / HARDLY_A_PAUSE_S, 1.0))
    costs: Numbers = np.abs(places - aligned) / MOVED_S - _is_at(places, clock) @ gains
    return costs


def _length_costs(
    starts: "Numbers", ends: "Numbers", usual_s: float, clock: SpeechClock
) -> "Numbers":
    """What it costs that a word lasts from any of some places to any of others."""
    import numpy as np

    lengths_s = ends[None, :] - starts[:, None]
    usual = np.where(_is_at(ends, clock).any(axis=1), BEFORE_PAUSE * usual_s, usual_s)
    costs = LENGTH_COST * np.log(np.maximum(lengths_s, MIN_WORD_S) / usual) ** 2
    backwards = IMPOSSIBLE * (1 + np.maximum(-lengths_s, 0.0))
    found: Numbers = np.where(lengths_s >= MIN_WORD_S, costs, backwards)
    return found


def _is_at(places: "Numbers", clock: SpeechClock) -> "Numbers":
    """Of each place whether it is at each stop of the clock: bool, shape (places, stops)."""
    import numpy as np

    is_at: Numbers = np.abs(places[:, None] - clock.stops[None, :]) < 1e-6
    return is_at
