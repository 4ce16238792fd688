"""The peak memory of telling speakers apart, over recordings of 10 minutes, 3 and 24 hours.

    python -m benchmarks.speaker_memory --hours 0.167 3 24

In place of the networks are stand-ins, whose answers are five people by turns: what the networks
take does not depend on the length, and hours are done in seconds. A process for each length.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline.devices.usage import peak_memory_bytes
from opentr_pipeline.speakers.diarization import Diarizer
from opentr_pipeline.speakers.embeddings import FEATURES_PER_S, NUM_BANDS
from opentr_pipeline.speakers.segmentation import MAX_LOCAL, WINDOW_FRAMES

NUM_PEOPLE, VECTOR_SIZE, SPREAD = 5, 192, 0.4
BLOCK_S = 120.0
SEED = 1


class Noise:
    """Sound of some length, in blocks as decoding gives them."""

    def __init__(self, seconds: float) -> None:
        """Nothing is made yet."""
        self._seconds = seconds

    def blocks(self) -> Iterator[Any]:
        """One channel."""
        dice = np.random.default_rng(SEED)
        for begin_s in np.arange(0.0, self._seconds, BLOCK_S):
            length = int(min(BLOCK_S, self._seconds - begin_s) * SAMPLE_RATE_HZ)
            yield dice.random((1, length), np.float32)


class StandIns:
    """Two people in each window, one after the other."""

    def __init__(self) -> None:
        """Draw people."""
        self._dice = np.random.default_rng(SEED)
        self._people = self._dice.normal(size=(NUM_PEOPLE, VECTOR_SIZE))

    def activity(self, windows: Any) -> Any:
        """Who speaks in a window."""
        likely = np.zeros((len(windows), WINDOW_FRAMES, MAX_LOCAL), np.float32)
        change = self._dice.integers(100, 500)
        likely[:, :change, 0] = likely[:, change:, 1] = 1
        return likely

    def features(self, samples: Any) -> Any:
        """Of the size that they have."""
        num_frames = len(samples) * FEATURES_PER_S // SAMPLE_RATE_HZ
        return np.zeros((num_frames, NUM_BANDS), np.float32)

    def vector(self, features: Any, *, is_narrow: bool) -> Any:
        """Of anybody, and not always the same."""
        mine = self._people[self._dice.integers(NUM_PEOPLE)]
        made = mine + self._dice.normal(size=VECTOR_SIZE) * SPREAD
        return (made / np.linalg.norm(made)).astype(np.float32)


def peak_mb(hours: float) -> float:
    """What a process takes at its peak."""
    command = [sys.executable, "-m", "benchmarks.speaker_memory", "--within", f"{hours}"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _within(hours: float) -> float:
    stand_ins: Any = StandIns()
    sound: Any = Noise(3600 * hours)
    _, voices = Diarizer(stand_ins, stand_ins).hear(sound)
    if len(voices) != NUM_PEOPLE:
        raise SystemExit(f"{len(voices)} people for {NUM_PEOPLE}")
    return peak_memory_bytes() / 1e6


def main() -> None:
    """Measure each length."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, nargs="+", default=[1 / 6, 3.0, 24.0])
    parser.add_argument("--within", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.within:
        print(_within(asked.within))
        return
    for hours in asked.hours:
        print(f"{hours:>6.2f} h  {peak_mb(hours):>6.0f} MB", flush=True)


if __name__ == "__main__":
    main()
