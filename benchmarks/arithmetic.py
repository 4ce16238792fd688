"""What a stage of the engine must compute and read, and what one core can.

One thread: ONNX Runtime multiplies matrices, NumPy reads memory. CTranslate2, which does the work
in the product, multiplies with oneDNN and offers no product of matrices of its own.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.recognition.whisper.shapes import ModelShape

FRAMES_PER_S = 50  # of encoded sound
FLOAT_BYTES = 4
SIZE = 1024  # of the matrices
READ_BYTES = 1 << 29  # far more than any cache


@dataclass(frozen=True)
class Work:
    """Arithmetic, in operations, and memory that must be read, in bytes.

    Attributes:
        whole: products with weights, which int8 models do in whole numbers.
        real: products in float32: attention, convolutions.
    """

    whole: float = 0.0
    real: float = 0.0
    read: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        """Both, one after the other."""
        return Work(self.whole + other.whole, self.real + other.real, self.read + other.read)


@dataclass(frozen=True)
class Peaks:
    """What one core does in a second: operations, and bytes."""

    whole: float
    real: float
    read: float

    def seconds(self, work: Work) -> float:
        """The least that some work takes; reading can hide behind arithmetic, or the reverse."""
        return max(work.whole / self.whole + work.real / self.real, work.read / self.read)


def encoding(shape: ModelShape, context_s: float) -> Work:
    """Of the encoder, for one window."""
    frames, width = context_s * FRAMES_PER_S, shape.width
    layers = shape.num_encoder_layers
    convolutions = 2 * 3 * frames * width * (2 * shape.num_mels + width)
    attention = layers * 4 * frames**2 * width
    weights = layers * 12 * width**2
    return Work(2 * weights * frames, convolutions + attention, weights)


def crossing(shape: ModelShape, context_s: float) -> Work:
    """Of the decoder, once for a window: keys and values of what was encoded."""
    weights = shape.num_decoder_layers * 2 * shape.width**2
    return Work(2 * weights * context_s * FRAMES_PER_S, 0.0, weights)


def decoding(shape: ModelShape, context_s: float, tokens: Sequence[int], beam_size: int) -> Work:
    """Of the decoder, for the tokens of the windows of one batch."""
    layers, width = shape.num_decoder_layers, shape.width
    weights = layers * 14 * width**2 + width * shape.vocabulary
    frames, rows = context_s * FRAMES_PER_S, beam_size * sum(tokens)
    attention = rows * layers * 4 * width * (frames + max(tokens, default=0) / 2)
    heard = sum(tokens) * 2 * layers * frames * width * FLOAT_BYTES
    return Work(2 * weights * rows, attention, weights * max(tokens, default=0) + heard)


def peaks() -> Peaks:
    """Measured with one thread: ONNX Runtime multiplies, NumPy reads."""
    import numpy as np

    random = np.random.default_rng(0)
    small = random.integers(0, 100, (SIZE, SIZE))
    operations = 2 * SIZE**3
    real = _multiplied("MatMul", small.astype(np.float32), small.astype(np.float32))
    whole = _multiplied("MatMulInteger", small.astype(np.uint8), small.astype(np.int8))
    large = np.ones(READ_BYTES // 8)
    return Peaks(operations / whole, operations / real, READ_BYTES / _least(large.max))


def _multiplied(product: str, left: Any, right: Any) -> float:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    kind = TensorProto.UINT8 if product == "MatMulInteger" else TensorProto.FLOAT
    made = TensorProto.INT32 if product == "MatMulInteger" else TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(product, ["left", "right"], ["out"])],
        product,
        [helper.make_tensor_value_info("left", kind, left.shape)],
        [helper.make_tensor_value_info("out", made, left.shape)],
        [numpy_helper.from_array(right, "right")],  # known beforehand, as weights are
    )
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options)
    return _least(lambda: session.run(None, {"left": left}))


def _least(function: Callable[[], Any], times: int = 15) -> float:
    """Processor seconds of the fastest of some calls."""
    took = []
    for _ in range(times):
        started = time.process_time()
        function()
        took.append(time.process_time() - started)
    return min(took)
