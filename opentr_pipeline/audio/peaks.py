"""How loud a recording is from its beginning to its end, gathered while it is decoded."""

from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np

    from opentr_pipeline.audio.windows import Samples

    # uint8, shape (n,): the largest amplitude in each of n stretches, 255 is full scale.
    Levels = np.ndarray[Any, Any]

# More than a picture of the sound has columns on any screen.
MAX_PEAKS = 1000
FULL_SCALE = 255
STEP_SAMPLES = SAMPLE_RATE_HZ // 50
# Held while it is not known how long the recording is: a month of it takes no more.
MAX_HELD = 8 * MAX_PEAKS


class Peaks:
    """The largest amplitudes of a recording, in stretches that grow with its length."""

    def __init__(self) -> None:
        """At the beginning of a recording."""
        import numpy as np

        self._held: Levels = np.zeros(0, np.uint8)
        self._num_steps = 1  # in a stretch
        self._rest: Levels = np.zeros(0, np.uint8)  # steps that fill no stretch yet

    def add(self, block: "Samples") -> None:
        """Take in what comes next; all but the last block are whole steps.

        Args:
            block: shape (num_channels, n); the loudest channel counts.
        """
        import numpy as np

        loudest = np.maximum(block.max(axis=0), -block.min(axis=0))
        by_step = np.maximum.reduceat(loudest, np.arange(0, len(loudest), STEP_SAMPLES))
        levels = np.rint(np.minimum(by_step, 1.0) * FULL_SCALE).astype(np.uint8)
        steps = np.concatenate([self._rest, levels])
        end = len(steps) // self._num_steps * self._num_steps
        more = steps[:end].reshape(-1, self._num_steps).max(axis=1)
        self._held, self._rest = np.concatenate([self._held, more]), steps[end:]
        while len(self._held) > MAX_HELD:
            self._join_pairs()

    def _join_pairs(self) -> None:
        import numpy as np

        end = len(self._held) // 2 * 2
        odd = self._held[end:].repeat(self._num_steps)
        self._rest = np.concatenate([odd, self._rest])
        self._held = self._held[:end].reshape(-1, 2).max(axis=1)
        self._num_steps *= 2

    def evenly(self) -> tuple[int, ...]:
        """At most ``MAX_PEAKS`` of them, over stretches that are as long as each other."""
        import numpy as np

        rest = [self._rest.max()] if len(self._rest) else []
        held = np.append(self._held, rest).astype(np.uint8)
        number = min(MAX_PEAKS, len(held))
        if not number:
            return ()
        starts = np.arange(number) * len(held) // number
        return tuple(np.maximum.reduceat(held, starts).tolist())
