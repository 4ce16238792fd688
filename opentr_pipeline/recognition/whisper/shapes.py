"""How large a Whisper model is: from its name, or from its file."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# Of the input in 30 s, after the convolutions. Source: openai/whisper, ModelDimensions.
NUM_FRAMES = 1500
MAX_TEXT = 448
HEAD_WIDTH = 64


@dataclass(frozen=True)
class ModelShape:
    """What a model's memory depends on.

    Attributes:
        width: numbers that stand for a frame or a token.
        vocabulary: tokens that it knows.
        num_mels: frequency bands of a frame of sound.
    """

    num_encoder_layers: int
    num_decoder_layers: int
    width: int
    vocabulary: int = 51_866
    num_mels: int = 80

    @property
    def num_heads(self) -> int:
        """Heads of an attention; all sizes of Whisper have heads of one width."""
        return self.width // HEAD_WIDTH

    @property
    def num_parameters(self) -> int:
        """Of the layers, convolutions and embeddings; norms and biases are too few to matter."""
        per_block = self.width**2
        blocks = 12 * self.num_encoder_layers + 16 * self.num_decoder_layers + 3
        return blocks * per_block + self.width * (self.vocabulary + NUM_FRAMES + MAX_TEXT + 3 * 128)


# Source: the dimensions in OpenAI's and Distil-Whisper's published configurations.
SHAPES = {
    "tiny": ModelShape(4, 4, 384),
    "base": ModelShape(6, 6, 512),
    "small": ModelShape(12, 12, 768),
    "medium": ModelShape(24, 24, 1024),
    "large": ModelShape(32, 32, 1280),
    "large-v1": ModelShape(32, 32, 1280),
    "large-v2": ModelShape(32, 32, 1280),
    "large-v3": ModelShape(32, 32, 1280, num_mels=128),
    "large-v3-turbo": ModelShape(32, 4, 1280, num_mels=128),
    "turbo": ModelShape(32, 4, 1280, num_mels=128),
    "distil-small.en": ModelShape(12, 4, 768),
    "distil-medium.en": ModelShape(24, 2, 1024),
    "distil-large-v2": ModelShape(32, 2, 1280),
    "distil-large-v3": ModelShape(32, 2, 1280, num_mels=128),
    "distil-large-v3.5": ModelShape(32, 2, 1280, num_mels=128),
}


def known_shape(name: str) -> ModelShape | None:
    """The shape of a model that faster-whisper knows by name."""
    return SHAPES.get(name.removesuffix(".en")) or SHAPES.get(name)


def read_shape(model_file: Path) -> ModelShape | None:
    """The shape of a model in CTranslate2 format; None where the file is not understood.

    Args:
        model_file: its ``model.bin``; only the headers of its tables are read.
    """
    try:
        with model_file.open("rb") as file:
            tables = dict(_tables(file))
    except (OSError, struct.error, UnicodeDecodeError):
        return None
    found = [re.match(r"(en|de)coder/layer_(\d+)/", name) for name in tables]
    layers = {(one[1], one[2]) for one in found if one}
    embeddings = tables.get("decoder/embeddings/weight", ())
    if len(embeddings) != 2:
        return None
    count = {side: sum(one == side for one, _ in layers) for side in ("en", "de")}
    return ModelShape(count["en"], count["de"], embeddings[1], embeddings[0])


def _tables(file: BinaryIO) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and dimensions of each table. Source: CTranslate2, specs/model_spec.py, version 6."""
    file.seek(4)  # the version of the format
    _name(file)
    _, count = _numbers(file, "II")
    for _ in range(count):
        name = _name(file)
        (rank,) = _numbers(file, "B")
        dimensions = _numbers(file, f"{rank}I")
        _, num_bytes = _numbers(file, "BI")
        yield name, dimensions
        file.seek(num_bytes, 1)


def _name(file: BinaryIO) -> str:
    (length,) = _numbers(file, "H")
    return file.read(length).rstrip(b"\0").decode()


def _numbers(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))
