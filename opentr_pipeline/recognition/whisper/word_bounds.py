"""Where words begin and end, better than the alignment knows; pure.

The alignment gives each word the time until the next one, is early or late by as much as the model
is, and loses short words beside long ones by some tenths of a second. Here the bounds between words
are moved, all of a window together, to where three things agree best: the alignment, the length
that a word of so many letters has in this window, and the pauses, which lie between words.
Source: docs/decisions/0063, with what each of them is worth.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.windows import Window
from opentr_pipeline.recognition.whisper.speech_clock import ALMOST_S, MIN_PAUSE_S, SpeechClock
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
    readings = _best_readings(words, clock, tried).tolist()
    return [
        dataclasses.replace(word, start_s=start_s, end_s=max(start_s, clock.end_s(end)))
        for word, start_s, end in zip(
            words, map(clock.start_s, readings[:-1]), readings[1:], strict=True
        )
    ]


def num_letters(text: str) -> int:
    """Of a word; at least one."""
    return max(1, sum(character.isalnum() for character in text))


def _best_readings(
    words: Sequence[Word], clock: SpeechClock, shifts_s: Sequence[float]
) -> "Numbers":
    """Bounds of the words with the shift that agrees best: shape (num_words + 1,)."""
    import numpy as np

    tried = np.array(shifts_s)
    aligned_s = np.array([*(word.start_s for word in words), words[-1].end_s])
    aligned = clock.reading(aligned_s + tried[:, None])
    letters = np.array([num_letters(word.text) for word in words])
    letter_s = np.median(np.diff(aligned) / letters, axis=1, keepdims=True)
    usual_s = np.maximum(letters * letter_s, SHORT_WORD_S)
    marks = [AFTER_MARK if word.text.endswith(MARKS) else 1.0 for word in words]
    places = _places(aligned, clock)
    gains = PAUSE_GAIN * np.array([1.0, *marks])[:, None] * _pause_gains(places, clock)
    placing = np.abs(places - aligned[..., None]) / MOVED_S - gains
    found, costs = _cheapest(places, placing, _length_costs(places, usual_s, gains > 0))
    best: Numbers = found[(costs + ((tried - USUAL_SHIFT_S) / UNUSUAL_S) ** 2).argmin()]
    return best


def _cheapest(
    places: "Numbers", placing: "Numbers", lengths: "Numbers"
) -> "tuple[Numbers, Numbers]":
    """The bounds of the least cost with each shift, by dynamic programming.

    Args:
        places: where a bound may be: shape (num_shifts, num_bounds, num_places).
        placing: what each place costs, likewise.
        lengths: what each word costs that begins at one place and ends at another: shape
            (num_shifts, num_words, num_places of the end, num_places of the start).

    Returns:
        The bounds, shape (num_shifts, num_bounds), and their costs.
    """
    import numpy as np

    costs = placing[:, 0]
    steps = []
    for number in range(lengths.shape[1]):
        through = costs[:, None, :] + lengths[:, number]
        steps.append(through.argmin(axis=2))
        least = np.take_along_axis(through, steps[-1][..., None], 2)[..., 0]
        costs = least + placing[:, number + 1]
    shifts = np.arange(len(places))
    at = costs.argmin(axis=1)
    readings = [places[shifts, -1, at]]
    for number, step in reversed(list(enumerate(steps))):
        at = step[shifts, at]
        readings.append(places[shifts, number, at])
    return np.stack(readings[::-1], axis=1), costs.min(axis=1)


def _places(aligned: "Numbers", clock: SpeechClock) -> "Numbers":
    """Where each bound may be, in order; some places twice."""
    import numpy as np

    around = aligned[..., None] + np.arange(-REACH_S, REACH_S + STEP_S / 2, STEP_S)
    far_s = np.abs(clock.stops - aligned[..., None])
    num_near = int((far_s <= REACH_S).sum(axis=-1).max(initial=0))
    nearest = np.argsort(far_s, axis=-1)[..., :num_near]
    is_near = np.take_along_axis(far_s, nearest, -1) <= REACH_S
    near = np.where(is_near, clock.stops[nearest], aligned[..., None])
    return np.sort(np.clip(np.concatenate([around, near], axis=-1), 0.0, clock.total_s))


def _pause_gains(places: "Numbers", clock: SpeechClock) -> "Numbers":
    """What is gained at places where the clock stops, by how long it does; 0 elsewhere."""
    import numpy as np

    gains = np.zeros(places.shape)
    for stop, length_s in zip(clock.stops, clock.lengths_s, strict=True):
        is_at = np.abs(places - stop) < ALMOST_S
        gains[is_at] += np.log(max(length_s / HARDLY_A_PAUSE_S, 1.0))
    return gains


def _length_costs(places: "Numbers", usual_s: "Numbers", is_pause: "Numbers") -> "Numbers":
    """What it costs that a word lasts from any of its first places to any of its last.

    In single precision, which is twice as fast: these are as many as a thousand for each word.
    """
    import numpy as np

    there = places.astype(np.float32)
    lengths_s = there[:, 1:, :, None] - there[:, :-1, None, :]
    usual = np.where(is_pause[:, 1:], BEFORE_PAUSE, 1.0) * usual_s[..., None]
    strange = np.log(np.maximum(lengths_s, np.float32(MIN_WORD_S)))
    strange -= np.log(usual, dtype=np.float32)[..., None]
    costs = np.float32(LENGTH_COST) * np.square(strange, out=strange)
    backwards = lengths_s < np.float32(MIN_WORD_S - ALMOST_S)
    costs[backwards] = IMPOSSIBLE * (1 + np.maximum(-lengths_s[backwards], 0))
    found: Numbers = costs
    return found
