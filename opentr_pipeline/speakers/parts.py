"""A window's voices, parted at pauses; pure.

At a telephone the first network often hears two voices as one, one after the other. What one of
its voices says between two pauses is mostly one person's.
"""

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from opentr_pipeline.speakers.segmentation import FRAME_S

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# Longer pauses part a voice, where so much of it is heard alone on both sides.
# Source: chosen on made conversations (docs/measurements.md).
MIN_PAUSE_S, MIN_PART_S = 0.1, 1.0


class Parts(NamedTuple):
    """What voices say between pauses.

    Attributes:
        voices: the number of the voice of each part.
        masks: whether a frame is in each part: shape (num_frames, num_parts).
    """

    voices: list[int]
    masks: "Array"


def parts_of(speaks: "Array", alone: "Array") -> Parts:
    """Part voices at pauses.

    Args:
        speaks: whether each voice speaks in each frame: shape (num_frames, num_voices).
        alone: the same, where no other does.
    """
    import numpy as np

    frames = np.arange(len(speaks))
    parts = [
        (voice, (frames >= first) & (frames < last))
        for voice in range(speaks.shape[1])
        for first, last in itertools.pairwise(_cuts(speaks[:, voice], alone[:, voice]))
    ]
    return Parts([voice for voice, _ in parts], np.stack([mask for _, mask in parts], axis=1))


def _cuts(speaks: "Array", alone: "Array") -> list[int]:
    """The first frame of each part, and the end."""
    import numpy as np

    spoken, least = np.flatnonzero(speaks), MIN_PART_S / FRAME_S
    pauses = np.flatnonzero(np.diff(spoken) > MIN_PAUSE_S / FRAME_S)
    cuts = [0]
    for middle in ((spoken[pauses] + spoken[pauses + 1]) // 2).tolist():
        if min(alone[cuts[-1] : middle].sum(), alone[middle:].sum()) >= least:
            cuts.append(middle)
    return [*cuts, len(speaks)]
