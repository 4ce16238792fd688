"""What is asked of the model at once."""

from typing import Any

import numpy as np
import pytest

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Window
from opentr_pipeline.recognition.whisper.decoded import Decoded
from opentr_pipeline.recognition.whisper.model import Whisper

LANGUAGES = ["en", "de", "en"]


class Aligner:
    """Stands for faster-whisper's model: a word for each window, its first token's."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def find_alignment(
        self, tokenizer: Any, tokens: list[list[int]], encoded: Any, num_frames: list[int]
    ) -> list[list[dict[str, Any]]]:
        assert encoded.shape[0] == len(tokens) == len(num_frames)
        self.sizes.append(len(tokens))
        return [
            [{"word": f" {first}", "start": 0.0, "end": 0.5, "probability": 1.0}]
            for (first,) in tokens
        ]


@pytest.mark.parametrize(("is_on_card", "sizes"), [(False, [1, 1, 1]), (True, [1, 2])])
def test_a_cpu_aligns_windows_one_by_one(is_on_card: bool, sizes: list[int]) -> None:
    """Together they take longer there, and hundreds of MB for the odds of every token."""
    whisper = object.__new__(Whisper)
    whisper._is_on_card = is_on_card
    whisper._model = aligner = Aligner()
    whisper._tokenizers = {(language, "transcribe"): None for language in LANGUAGES}
    whisper._name = "base"
    decoded = [Decoded((number,), "", 0.0, 0.0, 0.0, is_endless=False) for number in range(3)]
    encoded = [np.zeros((1, 10, 4), np.float32) for _ in LANGUAGES]
    second = Window(((0, SAMPLE_RATE_HZ),), np.ones(SAMPLE_RATE_HZ, np.float32))
    words = whisper.align(encoded, decoded, LANGUAGES, [second] * 3, "transcribe")
    assert [[word.text for word in one] for one in words] == [[" 0"], [" 1"], [" 2"]]
    assert aligner.sizes == sizes
