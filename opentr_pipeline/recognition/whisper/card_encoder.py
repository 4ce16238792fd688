"""Whisper's encoder on a card, with PyTorch's fused attention (PyTorch's door).

CTranslate2 keeps whole tables of attention in the card's memory: it encodes a window in 26 ms on an
H100, an eighth of what the card can do. The weights are those of its file. What is encoded stays on
the card, where CTranslate2's decoder reads it in place.

Source: the architecture, openai/whisper, AudioEncoder: two convolutions, positions, and blocks of
attention and a network of two layers, each after a norm, with a last norm behind.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opentr_pipeline.commands import command
from opentr_pipeline.devices.failures import is_out_of_memory
from opentr_pipeline.recognition.whisper.model_file import (
    MODEL_FILE,
    ModelFile,
    read_model_file,
)
from opentr_pipeline.recognition.whisper.shapes import HEAD_WIDTH

if TYPE_CHECKING:
    import torch

    from opentr_pipeline.audio.windows import Samples

    Layer = dict[str, torch.Tensor]

NORM_EPSILON = 1e-5
LINEARS = ("self_attention/linear_0", "self_attention/linear_1", "ffn/linear_0", "ffn/linear_1")
NORMS = ("self_attention/layer_norm", "ffn/layer_norm")
_log = logging.getLogger(__name__)


def card_encoder(folder: Path, compute_type: str) -> "CardEncoder | None":
    """The encoder of a model on the card that this process sees.

    None where CTranslate2's own is to be taken: without PyTorch, for a card or a model that PyTorch
    does not know, and for arithmetic in which it is no faster.

    Raises:
        RuntimeError: the card has too little memory for it.
    """
    arithmetic = compute_type.removeprefix("int8_")
    if not arithmetic.endswith("float16"):  # a card without tensor cores, or a person's wish
        return None
    try:
        return CardEncoder(read_model_file(folder / MODEL_FILE), "cuda", arithmetic)
    except (ImportError, KeyError, ValueError, OSError) as error:
        reason = repr(error)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        reason = repr(error)  # a card that this PyTorch was not built for
    _log.warning(
        "PyTorch does not encode on this card (%s), so that CTranslate2 does, some 4 times slower "
        "and in more memory; %s.",
        reason,
        command("doctor"),
    )
    return None


class CardEncoder:
    """The encoder of a loaded model."""

    def __init__(self, file: ModelFile, device: str, arithmetic: str) -> None:
        """Load its weights.

        Args:
            file: of the model.
            device: of PyTorch: ``cuda``, or ``cpu`` in tests.
            arithmetic: float16, bfloat16 or float32.

        Raises:
            ImportError: PyTorch is not installed, or cannot load its libraries.
            KeyError: the model has another architecture.
            ValueError: its weights are of an unknown type.
            RuntimeError: the card has too little memory for them, or fails.
        """
        import numpy as np
        import torch

        self._file = file
        self._device = torch.device(device)
        self._type: torch.dtype = getattr(torch, arithmetic)
        self._convolutions = [self._linear(f"conv{number}") for number in (1, 2)]
        self._positions = self._tensor("position_encodings/encodings")
        self._last_norm = self._norm("layer_norm")
        self._layers: list[Layer] = []
        while file.has(f"encoder/layer_{len(self._layers)}/ffn/linear_0/weight"):
            self._layers.append(self._layer(len(self._layers)))
        # A card that PyTorch was not built for is known at the first kernel.
        num_mels = self._convolutions[0][0].shape[1]
        self([np.zeros((num_mels, 2), np.float32)])

    def __call__(self, features: Sequence["Samples"]) -> "list[torch.Tensor]":
        """Encode windows with one context: each becomes (1, num_frames / 2, width)."""
        import numpy as np
        import torch
        from torch.nn import functional

        with torch.inference_mode():
            there = torch.from_numpy(np.stack(features)).to(self._device, self._type)
            (first, first_bias), (second, second_bias) = self._convolutions
            there = functional.gelu(functional.conv1d(there, first, first_bias, padding=1))
            there = functional.conv1d(there, second, second_bias, stride=2, padding=1)
            # Laid out anew, or each of the norms would have to.
            sound = functional.gelu(there).transpose(1, 2).contiguous()
            sound += self._positions[: sound.shape[1]]
            for layer in self._layers:
                _through(layer, sound)
            width = (sound.shape[-1],)
            encoded = functional.layer_norm(sound, width, *self._last_norm, NORM_EPSILON)
            if self._type == torch.bfloat16:  # which no array says of itself that it is
                encoded = encoded.float()
            if self._device.type == "cuda":  # CTranslate2 reads it in a stream of its own
                torch.cuda.current_stream().synchronize()
            return list(encoded.split(1))

    def unload(self) -> None:
        """Give the card's memory back."""
        import torch

        self._layers.clear()
        self._convolutions.clear()
        del self._positions, self._last_norm
        torch.cuda.empty_cache()

    def _layer(self, number: int) -> "Layer":
        layer: Layer = {}
        for name in LINEARS:
            found = self._linear(f"layer_{number}/{name}")
            layer |= zip((f"{name}/weight", f"{name}/bias"), found, strict=True)
        for name in NORMS:
            found = self._norm(f"layer_{number}/{name}")
            layer |= zip((f"{name}/gamma", f"{name}/beta"), found, strict=True)
        return layer

    def _norm(self, name: str) -> "tuple[torch.Tensor, torch.Tensor]":
        return self._tensor(f"{name}/gamma"), self._tensor(f"{name}/beta")

    def _linear(self, name: str) -> "tuple[torch.Tensor, torch.Tensor]":
        return self._tensor(f"{name}/weight"), self._tensor(f"{name}/bias")

    def _tensor(self, name: str) -> "torch.Tensor":
        import numpy as np
        import torch

        name = f"encoder/{name}"
        array = self._file.array(name)
        if array.dtype == np.int8:  # each row was multiplied by its scale, and rounded
            scale = self._file.array(f"{name}_scale")
            array = array / scale.reshape(-1, *[1] * (array.ndim - 1))
        elif array.dtype not in (np.float16, np.float32):
            raise ValueError(f"{name} is of type {array.dtype}.")
        return torch.tensor(array).to(self._device, self._type)


def stacked_on_card(encoded: "Sequence[torch.Tensor]") -> "torch.Tensor":
    """Encoded windows of one context in one array, complete for whoever reads it next."""
    import torch

    stacked = torch.cat(list(encoded))
    torch.cuda.current_stream().synchronize()
    return stacked


def _through(layer: "Layer", sound: "torch.Tensor") -> None:
    """Put sound of shape (num_windows, num_frames, width) through a block, in its place."""
    from torch.nn import functional

    def normed(there: "torch.Tensor", name: str) -> "torch.Tensor":
        norm = layer[f"{name}/gamma"], layer[f"{name}/beta"]
        return functional.layer_norm(there, (there.shape[-1],), *norm, NORM_EPSILON)

    def linear(there: "torch.Tensor", name: str) -> "torch.Tensor":
        return functional.linear(there, layer[f"{name}/weight"], layer[f"{name}/bias"])

    num_windows, num_frames, width = sound.shape
    at_once = linear(normed(sound, "self_attention/layer_norm"), "self_attention/linear_0")
    heads = at_once.view(num_windows, num_frames, 3, width // HEAD_WIDTH, HEAD_WIDTH)
    queries, keys, values = heads.permute(2, 0, 3, 1, 4)
    heard = functional.scaled_dot_product_attention(queries, keys, values)
    heard = heard.transpose(1, 2).reshape(num_windows, num_frames, width)
    sound += linear(heard, "self_attention/linear_1")
    inner = functional.gelu(linear(normed(sound, "ffn/layer_norm"), "ffn/linear_0"))
    sound += linear(inner, "ffn/linear_1")
