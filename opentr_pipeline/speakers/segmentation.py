"""Ten seconds of sound -> who of up to three people speaks in each frame (the first network)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline.speakers.sessions import session

if TYPE_CHECKING:
    import numpy as np

    from opentr_pipeline.audio.windows import Samples

    # float32, shape (n, WINDOW_FRAMES, MAX_LOCAL), probabilities.
    Activity = np.ndarray[Any, Any]

WINDOW_SAMPLES = 10 * SAMPLE_RATE_HZ
# The middles of frames lie so far apart, and the first one so far from the start.
FRAME_SAMPLES, FIRST_MIDDLE_SAMPLES = 270, 495
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
WINDOW_FRAMES = 589
MAX_LOCAL = 3
# What the network tells apart: nobody, one of three, two of three at once.
SPEAKERS_OF_CLASSES = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))


class Segmentation:
    """Tells who speaks when, within a window."""

    def __init__(self, path: Path, cpu_threads: int) -> None:
        """Load the network."""
        self._session = session(path, cpu_threads)

    def activity(self, windows: "Samples") -> "Activity":
        """How likely each of up to three speaks in each frame.

        Args:
            windows: shape (n, WINDOW_SAMPLES).
        """
        import numpy as np

        name = self._session.get_inputs()[0].name
        scores = self._session.run(None, {name: windows[:, None]})[0]
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares = powers / powers.sum(axis=-1, keepdims=True)
        speaking = np.zeros((len(SPEAKERS_OF_CLASSES), MAX_LOCAL), np.float32)
        for number, speakers in enumerate(SPEAKERS_OF_CLASSES):
            speaking[number, list(speakers)] = 1
        return np.asarray(shares @ speaking)
