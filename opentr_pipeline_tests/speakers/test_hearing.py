"""What becomes of the networks' answers, with stand-ins for them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks.speaker_memory import peak_mb
from opentr_pipeline.speakers import models
from opentr_pipeline.speakers.diarization import Diarizer
from opentr_pipeline.speakers.embeddings import FEATURE_SAMPLES, NUM_BANDS
from opentr_pipeline.speakers.segmentation import (
    FIRST_MIDDLE_SAMPLES,
    FRAME_SAMPLES,
    MAX_LOCAL,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
)

RATE_HZ = 16_000


class StandIns:
    """Samples say how likely the first voice speaks; vectors say whose samples they were of."""

    def __init__(self, high: float) -> None:
        self.high = high

    def activity(self, windows: np.ndarray) -> np.ndarray:
        places = FIRST_MIDDLE_SAMPLES + FRAME_SAMPLES * np.arange(WINDOW_FRAMES)
        likely = np.zeros((1, WINDOW_FRAMES, MAX_LOCAL), np.float32)
        likely[0, :, 0] = np.abs(windows[0][places])
        return likely

    def features(self, samples: np.ndarray) -> np.ndarray:
        made = np.zeros((len(samples) // FEATURE_SAMPLES, NUM_BANDS), np.float32)
        made[:, 62:] = self.high
        made[:, 0] = np.sign(samples[::FEATURE_SAMPLES][: len(made)])
        return made

    def vector(self, features: np.ndarray, *, is_narrow: bool = False) -> np.ndarray:
        positive = float((features[:, 0] > 0).mean())
        made = np.array([positive, 1 - positive, 0.0])
        return made / np.linalg.norm(made)


class Said:
    """Sound of some seconds each."""

    def __init__(self, *parts: tuple[float, float]) -> None:
        self._samples = np.concatenate(
            [np.full(int(seconds * RATE_HZ), value, np.float32) for value, seconds in parts]
        )

    def blocks(self) -> Iterator[tuple[np.ndarray, ...]]:
        for start in range(0, len(self._samples), WINDOW_SAMPLES):
            yield (self._samples[start : start + WINDOW_SAMPLES],)


def heard(*parts: tuple[float, float], high: float = 0.0) -> tuple[Any, Any]:
    stand_ins: Any = StandIns(high)
    said: Any = Said(*parts)
    return Diarizer(stand_ins, stand_ins).hear(said)


def test_a_recording_in_which_nobody_is_likely_to_speak_has_whoever_may() -> None:
    turns, voices = heard((0.05, 8), (0.4, 2), (0.05, 8))
    assert [(round(one.start_s), round(one.end_s)) for one in turns] == [(8, 10)]
    assert len(voices) == 1
    assert heard((0.1, 20)) == ((), ())
    # Where somebody is likely to, they are left out as ever.
    turns, _ = heard((0.05, 8), (0.4, 2), (0.05, 8), (0.9, 5))
    assert [(round(one.start_s), round(one.end_s)) for one in turns] == [(18, 23)]


def test_at_a_telephone_what_sounds_as_one_voice_is_parted_at_pauses() -> None:
    """Two people (louder and softer would not tell them; here the sign of their samples does)."""
    said = [(0.9, 4), (0.0, 0.2), (-0.9, 4), (0.0, 0.2)] * 3
    turns, voices = heard(*said, high=-9.0)
    assert [one.speaker for one in turns] == [0, 1] * 3
    assert {one.embedding_model for one in voices} == {models.TELEPHONE_MODEL}
    turns, voices = heard(*said, high=0.0)
    assert {one.embedding_model for one in voices} == {models.EMBEDDING_MODEL}


@pytest.mark.slow
def test_three_hours_take_hardly_more_memory_than_ten_minutes() -> None:
    """With stand-ins for the networks, what these take left out."""
    short_mb, long_mb = peak_mb(1 / 6), peak_mb(3.0)
    assert long_mb - short_mb < 50
