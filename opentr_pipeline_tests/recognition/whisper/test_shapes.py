"""How large a model is, by its name and by its file."""

import struct
from pathlib import Path

import pytest

from opentr_pipeline.recognition.models import known_names
from opentr_pipeline.recognition.whisper.shapes import SHAPES, ModelShape, known_shape, read_shape

# Source: the model card of openai/whisper, millions of parameters.
PUBLISHED = {
    "tiny": 39,
    "base": 74,
    "small": 244,
    "medium": 769,
    "large-v3": 1550,
    "large-v3-turbo": 809,
    "distil-large-v3": 756,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_many_as_published(name: str) -> None:
    assert SHAPES[name].num_parameters / 1e6 == pytest.approx(PUBLISHED[name], rel=0.04)


def test_every_name_that_can_be_fetched_has_a_shape() -> None:
    assert [name for name in known_names() if known_shape(name) is None] == []
    assert known_shape("base.en") == SHAPES["base"]
    assert known_shape("owner/name") is None


def model_file(path: Path, tables: dict[str, tuple[int, ...]]) -> Path:
    """A file in CTranslate2's format, its numbers zero."""

    def name(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    content = struct.pack("<I", 6) + name("WhisperSpec") + struct.pack("<II", 3, len(tables))
    for table, dimensions in tables.items():
        content += name(table) + struct.pack(f"<B{len(dimensions)}I", len(dimensions), *dimensions)
        content += struct.pack("<BI", 4, 7) + bytes(7)
    path.write_bytes(content + struct.pack("<I", 0))
    return path


TABLES: dict[str, tuple[int, ...]] = {
    "decoder/embeddings/weight": (5000, 320),
    "decoder/layer_0/ffn/linear_0/weight": (4, 4),
    "decoder/layer_1/ffn/linear_0/weight": (4, 4),
    "encoder/layer_0/ffn/linear_0/weight": (4, 4),
    "encoder/num_heads": (),
}


def test_the_shape_of_a_model_of_ones_own(tmp_path: Path) -> None:
    path = model_file(tmp_path / "model.bin", TABLES)
    assert read_shape(path) == ModelShape(1, 2, 320, 5000)


def test_what_is_no_model_has_no_shape(tmp_path: Path) -> None:
    path = model_file(tmp_path / "model.bin", TABLES)
    path.write_bytes(path.read_bytes()[:60])
    assert read_shape(path) is None
    path.write_bytes(b"something else altogether")
    assert read_shape(path) is None
    assert read_shape(model_file(path, {"encoder/layer_0/x": (1,)})) is None
    assert read_shape(tmp_path / "nothing") is None


@pytest.mark.slow
def test_the_shape_of_a_real_model(models_root: Path) -> None:
    shape = read_shape(models_root / "base" / "model.bin")
    assert shape == ModelShape(6, 6, 512, vocabulary=51_865)
