"""What is asked of the model at once, and what is left of one that does not load."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Window
from opentr_pipeline.devices.cards import CPU, Device
from opentr_pipeline.errors import ModelError, OutOfMemoryError
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.recognition.whisper import model
from opentr_pipeline.recognition.whisper.decoded import Decoded
from opentr_pipeline.recognition.whisper.model import Whisper
from opentr_pipeline_tests.devices.test_memory_limits import MESSAGES
from opentr_pipeline_tests.making import OPTIONS

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


def test_a_model_that_does_not_load_gives_the_memory_of_its_encoder_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another worker slot of the card is tried next, by the same process."""
    unloaded: list[str] = []

    def fail(*facts: object, **more: object) -> None:
        assert unloaded == []
        raise RuntimeError("CUDA failed with error out of memory")

    encoder = SimpleNamespace(unload=lambda: unloaded.append("encoder"))
    monkeypatch.setattr(model, "use_card", lambda device: None)
    monkeypatch.setattr(model, "card_encoder", lambda *facts: encoder)
    monkeypatch.setattr(model, "files_without_encoder", lambda folder: {})
    monkeypatch.setattr("faster_whisper.WhisperModel", fail)
    with pytest.raises(OutOfMemoryError) as caught:
        Whisper(Model("base", Path(), ""), Device("0", "GPU-1", "A card", 8 * 10**9), OPTIONS, 1)
    assert caught.value.is_loading
    assert unloaded == ["encoder"]


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


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        *((RuntimeError(message), OutOfMemoryError) for message in MESSAGES),
        (MemoryError("std::bad_alloc"), OutOfMemoryError),
        (RuntimeError("CUDA failed with error no kernel image is available"), ModelError),
        (ValueError("this CTranslate2 package was not compiled with CUDA support"), ModelError),
    ],
)
def test_a_model_that_does_not_fit_is_told_from_one_that_cannot_run(
    error: Exception, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*facts: object, **more: object) -> None:
        raise error

    monkeypatch.setattr("faster_whisper.WhisperModel", fail)
    with pytest.raises(kind) as caught:
        model.Whisper(Model("base", Path(), ""), CPU, OPTIONS, 1)
    assert type(caught.value) is kind
    assert getattr(caught.value, "is_loading", True)
