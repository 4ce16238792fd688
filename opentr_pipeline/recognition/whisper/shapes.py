"""How large a Whisper model is: from its name, or from its file."""

import re
from dataclasses import dataclass
from pathlib import Path

from opentr_pipeline.recognition.whisper.model_file import read_model_file

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
        """Of both halves; norms and biases are too few to matter."""
        decoder = 16 * self.num_decoder_layers * self.width**2
        return self.num_encoder_parameters + decoder + self.width * (self.vocabulary + MAX_TEXT)

    @property
    def num_encoder_parameters(self) -> int:
        """Of the convolutions, positions and layers that hear the sound."""
        layers = (12 * self.num_encoder_layers + 3) * self.width**2
        return layers + self.width * (NUM_FRAMES + 3 * self.num_mels)


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


def read_shape(path: Path) -> ModelShape | None:
    """The shape of a model in CTranslate2 format; None where the file is not understood.

    Args:
        path: of its ``model.bin``; only the headers of its variables are read.
    """
    try:
        variables = read_model_file(path).variables
    except (OSError, ValueError):
        return None
    found = [re.match(r"(en|de)coder/layer_(\d+)/", name) for name in variables]
    layers = {(one[1], one[2]) for one in found if one}
    table = variables.get("decoder/embeddings/weight")
    if table is None or len(table.dimensions) != 2:
        return None
    num_tokens, width = table.dimensions
    count = {side: sum(one == side for one, _ in layers) for side in ("en", "de")}
    return ModelShape(count["en"], count["de"], width, num_tokens)
