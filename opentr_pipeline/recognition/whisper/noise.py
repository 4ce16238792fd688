"""Weights in the shape of a Whisper model, for measuring where the real ones cannot be had.

Speed and memory are the real model's, words are not: the weights are noise, and the positions of
the decoder hold a text, so that every window is heard as the same ``NUM_TEXT_TOKENS`` words with
certainty, whatever is said in it. Nothing is tried again therefore, and no beam ends early or late.
"""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentr_pipeline.commands import command
from opentr_pipeline.errors import ModelError
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.recognition.whisper.shapes import MAX_TEXT, NUM_FRAMES, ModelShape

if TYPE_CHECKING:
    import numpy as np

    Weights = np.ndarray[Any, Any]

# Of a window of 18 s, on the slow side. Source: ``base`` on meetings and read speech: 2.8 a second
# in the median window, 3.5 in the densest tenth.
NUM_TEXT_TOKENS = 60
# What of the published models the alignment looks at: 6 to 23 heads.
NUM_ALIGNMENT_HEADS = 10
KERNEL = 3  # of both convolutions
# Logit of the word that is meant, as far above the others as fits in any width from 64 on.
LOGIT = 64.0
# So much larger than what layers add is what a position says, which no layer can drown.
POSITION = 10.0
NOISE, FAINT_NOISE = 0.02, 0.001
# Repeated over all weights: drawing 1.5 billion numbers by chance takes half a minute. A prime, so
# that no two tokens have the same row.
NUM_DRAWN = 4_194_301
SUFFIX = "-shape"


def make(name: str, shape: ModelShape, donor: Model, folder: Path) -> Model:
    """Write a model of noise in CTranslate2 format, half precision.

    Args:
        name: of the model whose shape it has.
        shape: of that model.
        donor: a multilingual model that is there; its tokenizer is used.
        folder: where to write; what it holds is replaced.

    Returns:
        The model, named after the shape, so that nobody takes it for the real one.

    Raises:
        ModelError: the donor knows English only.
    """
    from ctranslate2.specs.whisper_spec import WhisperSpec

    if donor.english_only:
        raise ModelError(
            f"The model {donor.name} knows English only, and the tokenizer of a multilingual one "
            f"is needed to make weights in the shape of {name}; {command('models fetch base')}."
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokens = _tokens(donor)
    config = json.loads((donor.folder / "config.json").read_text())
    spoken = _spoken(tokens, set(config["suppress_ids"]))
    shape = dataclasses.replace(shape, vocabulary=len(tokens))
    layers, heads = shape.num_decoder_layers, shape.num_heads
    spec = WhisperSpec(shape.num_encoder_layers, heads, layers, heads)
    _Filler(shape).fill(spec, spoken)
    spec.register_vocabulary(tokens)
    spec.validate()
    spec.optimize(quantization="float16")
    spec.save(str(folder))
    last = range(layers // 2, layers)
    pairs = [[layer, head] for head in range(heads) for layer in last][:NUM_ALIGNMENT_HEADS]
    (folder / "config.json").write_text(json.dumps({**config, "alignment_heads": pairs}))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": shape.num_mels}))
    shutil.copyfile(donor.folder / "tokenizer.json", folder / "tokenizer.json")
    digest = hashlib.sha256(f"{name}{SUFFIX}".encode()).hexdigest()
    return Model(name + SUFFIX, folder, digest)


def _tokens(donor: Model) -> list[str]:
    """All tokens of a model, by number."""
    facts = json.loads((donor.folder / "tokenizer.json").read_text(encoding="utf-8"))
    numbers: dict[str, int] = dict(facts["model"]["vocab"])
    numbers |= {token["content"]: token["id"] for token in facts["added_tokens"]}
    tokens = [f"<|unused-{number}|>" for number in range(max(numbers.values()) + 1)]
    for text, number in numbers.items():
        tokens[number] = text
    return tokens


def _spoken(tokens: list[str], suppressed: set[int]) -> list[int]:
    """What follows the token at each position: the prompt, then words, each once, then the end."""
    number = {token: place for place, token in enumerate(tokens)}
    # A word of letters after a space, as byte-level tokenizers write it.
    words = [
        place
        for place, token in enumerate(tokens)
        if token.startswith("Ġ") and token[1:].isalpha() and token[1:].isascii() and len(token) > 4
    ]
    words = [place for place in words if place not in suppressed][:: len(words) // MAX_TEXT]
    prompt = [number[f"<|{name}|>"] for name in ("en", "transcribe", "notimestamps")]
    said = [*prompt, *words[:NUM_TEXT_TOKENS]]
    return said + [number["<|endoftext|>"]] * (MAX_TEXT - len(said))


class _Filler:
    """Fills a specification with weights."""

    def __init__(self, shape: ModelShape) -> None:
        import numpy as np

        self._shape = shape
        drawn = np.random.default_rng(0).standard_normal(NUM_DRAWN, np.float32)
        self._drawn = {scale: (scale * drawn).astype(np.float16) for scale in (NOISE, FAINT_NOISE)}
        self._unit = drawn
        self._num_made = 0

    def fill(self, spec: Any, spoken: list[int]) -> None:
        """Give every variable its value."""
        import numpy as np

        shape = self._shape
        width = shape.width
        self._conv(spec.encoder.conv1, shape.num_mels)
        self._conv(spec.encoder.conv2, width)
        spec.encoder.position_encodings.encodings = self._noise((NUM_FRAMES, width))
        self._norm(spec.encoder.layer_norm)
        for layer in spec.encoder.layer:
            self._attention(layer.self_attention, (3 * width, width))
            self._ffn(layer.ffn)
        decoder = spec.decoder
        embeddings = np.resize(self._unit, (shape.vocabulary, width)) * (LOGIT / width)
        decoder.embeddings.weight = decoder.projection.weight = embeddings.astype(np.float16)
        said = embeddings[spoken]
        loud = POSITION * said / said.std(axis=1, keepdims=True)
        decoder.position_encodings.encodings = loud.astype(np.float16)
        self._norm(decoder.layer_norm)
        for layer in decoder.layer:
            self._attention(layer.self_attention, (3 * width, width))
            self._attention(layer.attention, (width, 2 * width, width))
            self._ffn(layer.ffn)

    def _noise(self, dimensions: tuple[int, ...], scale: float = NOISE) -> "Weights":
        import numpy as np

        # Each from another place: a file keeps equal weights once.
        self._num_made += 1
        return np.resize(np.roll(self._drawn[scale], self._num_made), dimensions)

    def _conv(self, conv: Any, num_in: int) -> None:
        conv.weight = self._noise((self._shape.width, num_in, KERNEL))
        conv.bias = self._zeros(self._shape.width)

    def _norm(self, norm: Any) -> None:
        norm.gamma = self._zeros(self._shape.width) + 1
        norm.beta = self._zeros(self._shape.width)

    def _attention(self, attention: Any, num_out: tuple[int, ...]) -> None:
        self._norm(attention.layer_norm)
        for linear, number in zip(attention.linear, num_out, strict=True):
            is_last = linear is attention.linear[-1]
            self._linear(linear, number, self._shape.width, is_last=is_last)

    def _ffn(self, ffn: Any) -> None:
        width = self._shape.width
        self._norm(ffn.layer_norm)
        self._linear(ffn.linear_0, 4 * width, width)
        self._linear(ffn.linear_1, width, 4 * width, is_last=True)

    def _linear(self, linear: Any, num_out: int, num_in: int, *, is_last: bool = False) -> None:
        scale = FAINT_NOISE if is_last else NOISE
        linear.weight = self._noise((num_out, num_in), scale)
        linear.bias = self._zeros(num_out)

    def _zeros(self, number: int) -> "Weights":
        import numpy as np

        return np.zeros(number, np.float16)
