"""Channels -> one, at a level that can be heard."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
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
# Heard each by itself where nobody speaks in the mix.
MAX_CHANNELS_ALONE = 8
# The mean of a minute of sound is nearer to zero, unless a converter is faulty.
MAX_OFFSET = 0.02

# Samples of shape (num_channels, n) and FFmpeg's names of the channels -> shape (1, n).
Mix = Callable[["Samples", Sequence[str]], "Samples"]


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


def other_mixes(num_channels: int) -> Iterator[Mix]:
    """What to listen to where nobody speaks in the mix of so many channels.

    Their speech may cancel itself there while a hum that they have in common does not.
    """
    if num_channels == 2:
        yield _difference
    if num_channels > 1:
        for number in range(min(num_channels, MAX_CHANNELS_ALONE)):
            yield partial(_alone, number)


def _difference(samples: "Samples", names: Sequence[str]) -> "Samples":
    return (samples[:1] - samples[1:2]) / 2 if len(samples) == 2 else mixed(samples, names)


def _alone(number: int, samples: "Samples", names: Sequence[str]) -> "Samples":
    return samples[number : number + 1] if number < len(samples) else mixed(samples, names)


def centred(samples: "Samples") -> "Samples":
    """Sound around zero: a constant that a converter adds would hide it; ordinary sound stays.

    Args:
        samples: float32, shape (num_channels, n); changed in place.

    Returns:
        The same array.
    """
    import numpy as np

    for number, channel in enumerate(samples):
        # Single samples that are damage may be any number.
        offset = np.clip(channel, -1, 1).mean()
        if abs(offset) > MAX_OFFSET:
            samples[number] -= offset
    return samples


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
