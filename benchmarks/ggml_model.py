"""A model's weights as whisper.cpp reads them, with int8 where the others have it (``q8_0``).

The numbers are those of the file in CTranslate2 format that all others read, so that whisper.cpp is
measured on the same model. ``q8_0`` is whole numbers in blocks of 32 with a factor each: a little
finer than CTranslate2's int8, which has a factor for each row.

Source: the layout of the file and the names of its tables, whisper.cpp, ``whisper.cpp`` and
``models/convert-pt-to-ggml.py``; blocks, ggml, ``ggml-common.h``.
"""

import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from opentr_pipeline.recognition.whisper.model_file import read_model_file
from opentr_pipeline.recognition.whisper.shapes import MAX_TEXT, NUM_FRAMES, read_shape

Numbers = np.ndarray[Any, Any]
Weights = dict[str, Numbers]

MAGIC = 0x67676D6C
FLOAT32, FLOAT16, Q8_0 = 0, 1, 8  # how the numbers of a table are kept
MOSTLY_Q8_0 = 2007  # how those of the file are: the second version of the blocks, kind 7
BLOCK = 32
PLAIN = {FLOAT32: np.float32, FLOAT16: np.float16}
LINEARS = {
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "self_attention/linear_1": ("attn.out",),
    "attention/linear_0": ("cross_attn.query",),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
    "attention/linear_2": ("cross_attn.out",),
    "ffn/linear_0": ("mlp.0",),
    "ffn/linear_1": ("mlp.2",),
}
NORM = {"gamma": "weight", "beta": "bias"}
NORMS = {"self_attention": "attn_ln", "attention": "cross_attn_ln", "ffn": "mlp_ln"}


def kept(model: Path, cache_dir: Path) -> Path:
    """The file of a model, made once.

    Args:
        model: its folder, in CTranslate2 format.
        cache_dir: where it is kept.
    """
    target = cache_dir / "ggml" / f"{model.name}-q8_0.bin"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            _write(file, model)
        unfinished.replace(target)
    return target


def _write(file: BinaryIO, model: Path) -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    shape = read_shape(model / "model.bin")
    if shape is None:
        raise SystemExit(f"{model / 'model.bin'} is not understood.")
    sides = [
        (NUM_FRAMES, shape.width, shape.num_heads, shape.num_encoder_layers),
        (MAX_TEXT, shape.width, shape.num_heads, shape.num_decoder_layers),
    ]
    numbers = [shape.vocabulary, *sides[0], *sides[1], shape.num_mels, MOSTLY_Q8_0]
    file.write(struct.pack(f"<I{len(numbers)}i", MAGIC, *numbers))
    filters = FeatureExtractor(feature_size=shape.num_mels).mel_filters.astype(np.float32)
    file.write(struct.pack("<2i", *filters.shape) + filters.tobytes())
    _write_vocabulary(file, model)
    for name, table in weights(model / "model.bin").items():
        _write_table(file, name, table)


def _write_vocabulary(file: BinaryIO, model: Path) -> None:
    """The bytes of each token that says something; whisper.cpp knows the others by number."""
    facts = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    special = {token["id"] for token in facts["added_tokens"]}
    spoken = sorted((number, text) for text, number in facts["model"]["vocab"].items())
    of_letter = {letter: value for value, letter in enumerate(_letters())}
    said = [
        bytes(of_letter[letter] for letter in text)
        for number, text in spoken
        if number not in special
    ]
    file.write(struct.pack("<i", len(said)))
    for one in said:
        file.write(struct.pack("<i", len(one)) + one)


def _letters() -> str:
    """The letter that a byte-level tokenizer writes for each byte.

    Source: GPT-2: printable letters of Latin-1 stand for themselves, the others for what follows.
    """
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return "".join(chr(value if value in plain else next(others)) for value in range(256))


def weights(model_file: Path) -> Weights:
    """The weights of a model in CTranslate2 format, under OpenAI's names."""
    read = read_model_file(model_file)
    names = [*(name for name, one in read.variables.items() if one.dimensions), *read.aliases]
    given = {name: read.array(name) for name in names}
    named = {"decoder.token_embedding.weight": given["decoder/embeddings/weight"]}
    for number in (1, 2):
        named[f"encoder.conv{number}.weight"] = given[f"encoder/conv{number}/weight"]
        named[f"encoder.conv{number}.bias"] = given[f"encoder/conv{number}/bias"][:, np.newaxis]
    for name, numbers in given.items():
        side, _, rest = name.partition("/")
        if rest == "position_encodings/encodings":
            named[f"{side}.positional_embedding"] = numbers
        elif rest.startswith("layer_norm/"):
            final = "ln_post" if side == "encoder" else "ln"
            named[f"{side}.{final}.{NORM[rest.partition('/')[2]]}"] = numbers
        elif rest.startswith("layer_"):
            named |= _of_layer(side, rest, numbers)
    return named


def _of_layer(side: str, name: str, numbers: Numbers) -> Weights:
    """What CTranslate2 keeps as one table, and OpenAI as one or three."""
    layer, part, linear, last = name.split("/")
    block = f"{side}.blocks.{layer.removeprefix('layer_')}"
    if linear == "layer_norm":
        return {f"{block}.{NORMS[part]}.{NORM[last]}": numbers}
    names = LINEARS[f"{part}/{linear}"]
    split = zip(names, np.split(numbers, len(names)), strict=True)
    # Keys have no bias in Whisper; CTranslate2 keeps zeros.
    return {
        f"{block}.{one}.{last}": part for one, part in split if (one[-3:], last) != ("key", "bias")
    }


def _write_table(file: BinaryIO, name: str, numbers: Numbers) -> None:
    is_plain = name.endswith((".bias", "positional_embedding")) or numbers.ndim == 1
    kind = FLOAT32 if is_plain else FLOAT16 if numbers.ndim == 3 else Q8_0
    head = [numbers.ndim, len(name), kind, *reversed(numbers.shape)]
    file.write(struct.pack(f"<{len(head)}i", *head) + name.encode())
    file.write(q8_0(numbers) if kind == Q8_0 else numbers.astype(PLAIN[kind]).tobytes())


def q8_0(numbers: Numbers) -> bytes:
    """Blocks of 32 numbers: a factor in half precision, then whole numbers of a byte."""
    blocks = numbers.astype(np.float32).reshape(-1, BLOCK)
    factors = np.abs(blocks).max(axis=1, keepdims=True) / 127
    whole = np.rint(np.divide(blocks, factors, out=np.zeros_like(blocks), where=factors > 0))
    packed = np.empty(len(blocks), [("factor", "<f2"), ("whole", "i1", BLOCK)])
    packed["factor"], packed["whole"] = factors[:, 0], whole
    return packed.tobytes()
