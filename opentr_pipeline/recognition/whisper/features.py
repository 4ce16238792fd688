"""Sound -> what Whisper hears of it, log-mel features (faster-whisper's door, with ``model``)."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Window
from opentr_pipeline.recognition.recognizer import context_s

if TYPE_CHECKING:
    from opentr_pipeline.audio.windows import Samples

FRAMES_PER_S = 100


@dataclass(frozen=True)
class LogMel:
    """Makes features; small, so that it can be sent to where sound is decoded.

    Attributes:
        settings: of the model's feature extractor, by name.
    """

    settings: tuple[tuple[str, Any], ...]

    def __call__(self, window: Window) -> "Samples":
        """The features with the context in which a window is first heard."""
        return self.of(window.samples, context_s(window.duration_s))

    def of(self, samples: "Samples", context_s: float) -> "Samples":
        """Features of sound with silence after it: float32, shape (num_mels, num_frames)."""
        import numpy as np

        missing = int(context_s * SAMPLE_RATE_HZ) - len(samples)
        padded = np.pad(samples, (0, max(0, missing)))
        features = _extractor(self.settings)(padded, padding=0)
        return np.ascontiguousarray(features[:, : int(context_s * FRAMES_PER_S)])


@functools.cache
def _extractor(settings: tuple[tuple[str, Any], ...]) -> Any:
    from faster_whisper.feature_extractor import FeatureExtractor

    return FeatureExtractor(**dict(settings))
