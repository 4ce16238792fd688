"""Diarization error rate: time that is given to the wrong speaker, missed or made up.

As NIST's md-eval counts it: overlapped speech is scored, the best one-to-one naming of speakers is
taken, and nothing within the collar of a reference's start or end counts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Said = tuple[str, float, float]  # who, from when to when, in seconds


class Errors(NamedTuple):
    """Seconds of each kind; ``total_s`` is the speech of the reference."""

    total_s: float
    missed_s: float
    false_s: float
    confused_s: float

    @property
    def rate(self) -> float:
        """The diarization error rate; may pass 1."""
        return (self.missed_s + self.false_s + self.confused_s) / max(self.total_s, 1e-9)


def errors(reference: Sequence[Said], found: Sequence[Said], collar_s: float = 0.0) -> Errors:
    """Compare who is said to speak with who does.

    Args:
        reference: who speaks when.
        found: the same, with any names.
        collar_s: to either side of each start and end of the reference.
    """
    from scipy.optimize import linear_sum_assignment

    times = {time for _, *both in (*reference, *found) for time in both}
    edges = [time for _, *both in reference for time in both]
    times |= {time + shift for time in edges for shift in (-collar_s, collar_s)}
    grid = np.array(sorted(times))
    if len(grid) < 2:
        return Errors(0, 0, 0, 0)
    lengths, middles = np.diff(grid), (grid[1:] + grid[:-1]) / 2
    for edge in edges:
        lengths = np.where(np.abs(middles - edge) < collar_s, 0, lengths)
    real, heard = (_by_speaker(said, middles) for said in (reference, found))
    together = (real[:, None] & heard[None]) @ lengths
    rows, columns = linear_sum_assignment(-together)
    right = float(together[rows, columns].sum())
    num_real, num_heard = real.sum(axis=0), heard.sum(axis=0)
    both = float(np.minimum(num_real, num_heard) @ lengths)
    return Errors(
        float(num_real @ lengths),
        float(np.maximum(num_real - num_heard, 0) @ lengths),
        float(np.maximum(num_heard - num_real, 0) @ lengths),
        both - right,
    )


def _by_speaker(said: Sequence[Said], middles: "np.ndarray") -> "np.ndarray":
    """For each speaker whether they speak at these times: shape (speakers, times)."""
    names = sorted({name for name, *_ in said})
    speaks = np.zeros((len(names), len(middles)), bool)
    for name, start, end in said:
        speaks[names.index(name)] |= (middles > start) & (middles < end)
    return speaks
