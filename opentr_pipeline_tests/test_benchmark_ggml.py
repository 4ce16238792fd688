"""The weights as whisper.cpp reads them: a whole file, read again to its end."""

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from benchmarks import ggml_model
from opentr_pipeline.recognition import models
from opentr_pipeline.recognition.whisper import noise
from opentr_pipeline.recognition.whisper.shapes import ModelShape


def numbers(file: BinaryIO, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}i", file.read(4 * count))


def whole_numbers(packed: bytes) -> "np.ndarray[Any, Any]":
    blocks = np.frombuffer(packed, [("factor", "<f2"), ("whole", "i1", 32)])
    numbers: np.ndarray[Any, Any] = blocks["factor"][:, np.newaxis].astype(np.float32)
    return (numbers * blocks["whole"]).ravel()


def test_blocks_are_as_near_as_a_byte_can_be() -> None:
    given = np.random.default_rng(0).standard_normal((4, 64)).astype(np.float16)
    given[0, :32] = 0  # nothing to divide by
    packed = ggml_model.q8_0(given)
    assert len(packed) == 4 * 64 * 34 // 32
    largest = np.abs(given.reshape(-1, 32)).max(axis=1).repeat(32).astype(np.float32)
    assert (np.abs(whole_numbers(packed) - given.ravel()) <= largest / 127 * 0.51).all()


@pytest.mark.slow
def test_a_file_holds_every_weight_under_its_name(models_root: Path, tmp_path: Path) -> None:
    donor = models.find("base", models_root)
    made = noise.make("large-v2", ModelShape(1, 1, 64), donor, tmp_path / "made")
    weights = ggml_model.weights(made.folder / "model.bin")
    target = ggml_model.kept(made.folder, tmp_path)
    found: dict[str, Any] = {}
    with target.open("rb") as file:
        head = numbers(file, 12)
        assert head == (0x67676D6C, 50364, 1500, 64, 1, 1, 448, 64, 1, 1, 80, 2007)
        assert numbers(file, 2) == (80, 201)
        filters = np.frombuffer(file.read(80 * 201 * 4), np.float32)
        assert (filters >= 0).all()
        assert filters.any()
        said = [file.read(*numbers(file, 1)) for _ in range(*numbers(file, 1))]
        assert b" the" in said
        assert " é".encode() in said
        while start := file.read(12):
            num_dimensions, length, kind = struct.unpack("<3i", start)
            dimensions = numbers(file, num_dimensions)
            name = file.read(length).decode()
            num_bytes = int(np.prod(dimensions)) * {0: 32, 1: 16, 8: 34 / 4}[kind] / 8
            packed = file.read(int(num_bytes))
            plain = {0: np.float32, 1: np.float16}
            read = whole_numbers(packed) if kind == 8 else np.frombuffer(packed, plain[kind])
            found[name] = read.reshape(dimensions[::-1])
    assert found.keys() == weights.keys()
    names = ("attn.query.weight", "attn.value.bias", "cross_attn.key.weight", "mlp_ln.weight")
    assert {f"decoder.blocks.0.{name}" for name in names} <= found.keys()
    assert "decoder.blocks.0.attn.key.bias" not in found
    for name, read in found.items():
        assert read.shape == weights[name].shape
        np.testing.assert_allclose(read, weights[name], atol=np.abs(weights[name]).max() / 250)
