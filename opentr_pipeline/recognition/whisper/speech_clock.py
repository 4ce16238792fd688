"""A clock that stops where nobody speaks in a window; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Window

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

FRAME_S = 0.01
# Silence is so much below the loud parts of a window, and no further above its quietest ones. In
# steady noise nothing stands out, and nothing is taken for silence.
LOUD_PERCENTILE, QUIET_PERCENTILE = 95, 5
BELOW_LOUD_DB = 35.0
ABOVE_QUIET_DB = 4.0
MIN_CONTRAST_DB = 15.0
# Less is the closure of a p, t or k.
MIN_PAUSE_S = 0.08
ALMOST_S = 1e-6  # two readings that differ by less are one


@dataclass(frozen=True)
class SpeechClock:
    """Seconds of speech since the beginning of a window.

    Attributes:
        readings: of the clock at the beginning of each frame and at the end of the last: float64,
            shape (num_frames + 1,).
        stops: where the clock stands still.
        lengths_s: for how long each time.
    """

    readings: "Numbers"
    stops: "Numbers"
    lengths_s: "Numbers"

    @classmethod
    def of(cls, window: Window) -> "SpeechClock":
        """The clock of a window; a pause that the window leaves out is one as well."""
        import numpy as np

        pauses = _pauses(_levels_db(window.samples))
        silent = np.zeros(len(window.samples) // int(FRAME_S * SAMPLE_RATE_HZ), bool)
        for first, last in pauses:
            silent[first:last] = True
        readings = np.concatenate([[0.0], np.cumsum(~silent) * FRAME_S])
        lengths_s = {float(readings[first]): (last - first) * FRAME_S for first, last in pauses}
        for offset_s, length_s in _left_out(window.spans):
            stop = readings[min(int(offset_s / FRAME_S), len(readings) - 1)]
            lengths_s[float(stop)] = lengths_s.get(float(stop), 0.0) + length_s
        return cls(readings, np.array(list(lengths_s)), np.array(list(lengths_s.values())))

    @property
    def total_s(self) -> float:
        """Of speech in the window."""
        return float(self.readings[-1])

    def reading(self, times_s: "Numbers | float") -> "Numbers":
        """What the clock shows at times of the window: the same shape."""
        import numpy as np

        frames = np.asarray(times_s) / FRAME_S
        return np.interp(frames, np.arange(len(self.readings)), self.readings)

    def start_s(self, reading: float) -> float:
        """When the clock goes on from a reading."""
        import numpy as np

        frame = int(np.searchsorted(self.readings, reading + 1e-9, side="right")) - 1
        return float(frame * FRAME_S + reading - self.readings[frame])

    def end_s(self, reading: float) -> float:
        """When the clock comes to a reading."""
        import numpy as np

        frame = int(np.searchsorted(self.readings, reading - 1e-9, side="left"))
        return float(frame * FRAME_S - (self.readings[frame] - reading))

    def pause_before(self, time_s: float, max_s: float) -> float:
        """The middle of the last pause before a time, or the time itself, if none is so near."""
        gone_s = self.reading(time_s) - self.stops + ALMOST_S
        near = self.stops[(gone_s >= 0) & (gone_s <= max_s)]
        return min(time_s, self._middle_s(float(near.max()))) if len(near) else time_s

    def pause_after(self, time_s: float, max_s: float) -> float:
        """The middle of the next pause after a time, or the time itself, if none is so near."""
        to_go_s = self.stops - self.reading(time_s) + ALMOST_S
        near = self.stops[(to_go_s >= 0) & (to_go_s <= max_s)]
        return max(time_s, self._middle_s(float(near.min()))) if len(near) else time_s

    def _middle_s(self, stop: float) -> float:
        return (self.end_s(stop) + self.start_s(stop)) / 2


def _levels_db(samples: "Numbers") -> "Numbers":
    import numpy as np

    width = int(FRAME_S * SAMPLE_RATE_HZ)
    frames = samples[: len(samples) // width * width].reshape(-1, width)
    levels_db: Numbers = 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + 1e-10)
    return levels_db


def _pauses(levels_db: "Numbers") -> list[tuple[int, int]]:
    """First frame of each silence, and the one after it."""
    import numpy as np

    if not len(levels_db):
        return []
    quiet, loud = np.percentile(levels_db, (QUIET_PERCENTILE, LOUD_PERCENTILE))
    if loud - quiet < MIN_CONTRAST_DB:
        return []
    silent = levels_db < max(loud - BELOW_LOUD_DB, quiet + ABOVE_QUIET_DB)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent.astype(int), [0]]))).tolist()
    found = zip(edges[::2], edges[1::2], strict=True)
    return [(first, last) for first, last in found if (last - first) * FRAME_S >= MIN_PAUSE_S]


def _left_out(spans: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """Of each pause between spans where it would be in the window, and its length, in seconds."""
    pauses, offset = [], 0
    for (first, last), (following, _) in pairwise(spans):
        offset += last - first
        pauses.append((offset / SAMPLE_RATE_HZ, (following - last) / SAMPLE_RATE_HZ))
    return pauses
