"""Channels -> one, at a level that can be heard."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentr_pipeline.audio.windows import Samples

# What a channel counts in the mix, all others half. Source: FFmpeg's libswresample, rematrix.c.
WEIGHTS = {"FC": 1.0, "FL": 0.5**0.5, "FR": 0.5**0.5, "LFE": 0.0}
OTHER_WEIGHT = 0.5
# Channels that have nothing in common keep all of their energy in a mix; of those that cancel each
# other, as where the wires of one were swapped, less than this is left.
MIN_KEPT_ENERGY = 0.1
# Quieter than this nothing is taken for speech; below the floor there is only noise of converters.
QUIET_PEAK = 0.003
FLOOR_PEAK = 0.00001
USUAL_PEAK = 0.3
# Single samples do not decide how loud a recording is: they may be damage, or a click.
PEAK_SHARE = 0.999
PEAK_STEP = 16
FULL_SCALE = 32768


def mixed(samples: "Samples", names: Sequence[str]) -> "Samples":
    """All channels as one, or the loudest where they cancel each other.

    Args:
        samples: float32, shape (num_channels, n).
        names: FFmpeg's, of the channels.

    Returns:
        Shape (1, n).
    """
    import numpy as np

    if len(samples) == 1:
        return samples
    weights = np.array([WEIGHTS.get(name, OTHER_WEIGHT) for name in names], np.float32)
    weights /= weights.sum()
    mix = weights @ samples
    energies = (samples.astype(np.float64) ** 2).sum(axis=1)
    if (mix.astype(np.float64) ** 2).sum() < MIN_KEPT_ENERGY * (weights**2) @ energies:
        mix = samples[energies.argmax()]
    return mix[None]


def peak_of(samples: "Samples") -> float:
    """How loud the loudest sounds are, single samples aside."""
    import numpy as np

    return float(np.quantile(np.abs(samples[:, ::PEAK_STEP]), PEAK_SHARE))


def levelled(samples: "Samples", peak: float) -> "Samples":
    """Sound between -1 and 1: what is beyond made quieter, what is too quiet to be heard louder.

    Args:
        samples: any float32; changed in place, for there may be minutes of them.
        peak: of the recording so far.

    Returns:
        The same array.
    """
    import numpy as np

    gain = 1.0
    if peak > 1:
        gain = 1 / peak
    elif FLOOR_PEAK < peak < QUIET_PEAK:
        gain = USUAL_PEAK / peak
    # Then as 16 bits hold it: half a unit more or less changes words of ordinary recordings.
    samples *= np.float32(gain * FULL_SCALE)
    np.rint(samples, out=samples)
    np.clip(samples, -FULL_SCALE, FULL_SCALE - 1, out=samples)
    samples /= np.float32(FULL_SCALE)
    return samples
