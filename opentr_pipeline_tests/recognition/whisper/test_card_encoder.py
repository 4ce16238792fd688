"""The encoder of a card, on the CPU beside CTranslate2, and what is left of a model without it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opentr_pipeline.recognition.models import Model
from opentr_pipeline.recognition.whisper import noise
from opentr_pipeline.recognition.whisper.card_encoder import CardEncoder
from opentr_pipeline.recognition.whisper.model_file import (
    MODEL_FILE,
    files_without_encoder,
    read_model_file,
)
from opentr_pipeline.recognition.whisper.shapes import ModelShape
from opentr_pipeline_tests.conftest import PYTORCH

SHAPE = ModelShape(3, 2, 128)
FRAMES = 900


@pytest.fixture(scope="module")
def made(models_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Noise in the shape of a small model, with the tokens of the base model."""
    donor = Model("base", models_root / "base", "")
    return noise.make("toy", SHAPE, donor, tmp_path_factory.mktemp("toy"))


def features() -> np.ndarray[Any, Any]:
    drawn = np.random.default_rng(0).standard_normal((2, SHAPE.num_mels, FRAMES))
    return drawn.astype(np.float32)


def encoded_by_ctranslate2(model: Model) -> np.ndarray[Any, Any]:
    import ctranslate2

    whisper = ctranslate2.models.Whisper(str(model.folder), compute_type="float32")
    return np.asarray(whisper.encode(ctranslate2.StorageView.from_array(features())))


@pytest.mark.parametrize("arithmetic", ["float32", "bfloat16"])
def test_it_encodes_as_ctranslate2_does(made: Model, arithmetic: str) -> None:
    torch = pytest.importorskip("torch", reason=PYTORCH)
    encoder = CardEncoder(read_model_file(made.folder / MODEL_FILE), "cpu", arithmetic)
    found = torch.cat(encoder(list(features()))).numpy()
    truth = encoded_by_ctranslate2(made)
    assert found.shape == truth.shape == (2, FRAMES // 2, SHAPE.width)
    error = np.linalg.norm(found - truth) / np.linalg.norm(truth)
    assert error < (1e-5 if arithmetic == "float32" else 1e-2)


def test_a_model_without_its_encoder_decodes_what_another_encoded(made: Model) -> None:
    import ctranslate2

    files = files_without_encoder(made.folder)
    other_layers = 12 * (SHAPE.num_encoder_layers - 1) * SHAPE.width**2
    assert (made.folder / MODEL_FILE).stat().st_size - len(files[MODEL_FILE]) > 2 * other_layers
    sound = ctranslate2.StorageView.from_array(encoded_by_ctranslate2(made))
    whole = ctranslate2.models.Whisper(str(made.folder), compute_type="float32")
    rest = ctranslate2.models.Whisper(str(made.folder), compute_type="float32", files=files)
    prompts = [[50258, 50259, 50359, 50363]] * 2
    said, again = (
        [result.sequences_ids for result in model.generate(sound, prompts, beam_size=2)]
        for model in (whole, rest)
    )
    assert said == again
    assert all(len(ids[0]) > 10 for ids in said)


def test_what_is_no_model_is_said(tmp_path: Path) -> None:
    path = tmp_path / MODEL_FILE
    path.write_bytes(b"\6\0\0\0")
    with pytest.raises(ValueError, match="is no model in CTranslate2 format"):
        read_model_file(path)
