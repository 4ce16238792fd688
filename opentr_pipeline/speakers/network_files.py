"""Weights that torch has saved -> networks that ONNX Runtime runs (ONNX's door).

Both networks are written down here as their authors' papers and programs have them: who takes
weights from the package registry needs neither torch nor what trained them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

OPSET, IR_VERSION = 17, 8
BATCH_NORM_EPSILON = 1e-5
LSTM_LAYERS, LSTM_SIZE = 4, 128
# torch has the gates as input, forget, cell, output; ONNX as input, output, forget, cell.
GATES = (0, 3, 1, 2)
MIN_LOW_HZ = MIN_BAND_HZ = 50.0
NYQUIST_HZ = 8000.0
LEAK = 0.01
# Layers of the voice network's three dense blocks, and how far apart the frames are they look at.
DENSE_BLOCKS = ((12, 1), (24, 2), (16, 2))
CONTEXT_FRAMES = 100


class _Graph:
    """Nodes in a row, and the arrays that they use."""

    def __init__(self, weights: Mapping[str, "Array"]) -> None:
        self.weights = weights
        self._nodes: list[Any] = []
        self._arrays: list[Any] = []
        self._num_names = 0

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node; the name of what it gives."""
        from onnx import helper

        name = self._name()
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def array(self, values: Any) -> str:
        """An array's name."""
        import numpy as np
        from onnx import numpy_helper

        name = self._name()
        array = np.asarray(values)
        kind = np.int64 if array.dtype.kind == "i" else np.float32
        self._arrays.append(numpy_helper.from_array(np.ascontiguousarray(array, kind), name))
        return name

    def weight(self, name: str) -> str:
        """That of the weights' array."""
        return self.array(self.weights[name])

    def normed(self, given: str, prefix: str) -> str:
        """Batch normalisation; where it has no scale of its own, it is one."""
        import numpy as np

        mean, variance = (self.weights[f"{prefix}.running_{kind}"] for kind in ("mean", "var"))
        scale = self.weights.get(f"{prefix}.weight", np.ones_like(mean))
        shift = self.weights.get(f"{prefix}.bias", np.zeros_like(mean))
        arrays = [self.array(one) for one in (scale, shift, mean, variance)]
        return self.add("BatchNormalization", given, *arrays, epsilon=BATCH_NORM_EPSILON)

    def normed_relu(self, given: str, prefix: str) -> str:
        """What most layers begin or end with."""
        return self.add("Relu", self.normed(given, prefix))

    def convolved(self, given: str, prefix: str, **attributes: Any) -> str:
        """With the weights of that name, and their bias where there is one."""
        names = [f"{prefix}.weight", f"{prefix}.bias"]
        arrays = [self.weight(name) for name in names if name in self.weights]
        return self.add("Conv", given, *arrays, **attributes)

    def write(
        self, path: Path, given: tuple[str, Sequence[Any]], made: tuple[str, Sequence[Any]]
    ) -> None:
        """Check and save the network.

        Args:
            path: a new file.
            given: its input, with the size of each dimension, or the name of one that may vary.
            made: its output, likewise; it is what the last node gives.
        """
        import onnx
        from onnx import helper

        self._nodes[-1].output[0] = made[0]
        ends = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name, shape in (given, made)
        ]
        graph = helper.make_graph(self._nodes, "network", ends[:1], ends[1:], self._arrays)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        onnx.save(model, path)

    def _name(self) -> str:
        self._num_names += 1
        return f"n{self._num_names}"


def write_segmentation(weights: Mapping[str, "Array"], path: Path) -> None:
    """Who of three speaks when in ten seconds: PyanNet, as pyannote.audio has it.

    Args:
        weights: by their names there.
        path: a new file, for a network from ``waveform`` (n, 1, samples) to ``scores``
            (n, frames, 7), logarithms of probabilities.
    """
    graph = _Graph(weights)

    def instance_normed(given: str, name: str) -> str:
        arrays = [graph.weight(f"sincnet.{name}.{kind}") for kind in ("weight", "bias")]
        return graph.add("InstanceNormalization", given, *arrays, epsilon=1e-5)

    layer = instance_normed("waveform", "wav_norm1d")
    for number in range(3):
        if number:
            layer = graph.convolved(layer, f"sincnet.conv1d.{number}")
        else:
            filters = graph.array(_sinc_filters(weights))
            layer = graph.add("Abs", graph.add("Conv", layer, filters, strides=[10]))
        layer = graph.add("MaxPool", layer, kernel_shape=[3], strides=[3])
        layer = instance_normed(layer, f"norm1d.{number}")
        layer = graph.add("LeakyRelu", layer, alpha=LEAK)
    layer = graph.add("Transpose", layer, perm=[2, 0, 1])  # frames first, as ONNX has them
    for number in range(LSTM_LAYERS):
        layer = _lstm(graph, layer, number)
    layer = graph.add("Transpose", layer, perm=[1, 0, 2])
    for name in ("linear.0", "linear.1", "classifier"):
        product = graph.add("MatMul", layer, graph.array(weights[f"{name}.weight"].T))
        layer = graph.add("Add", product, graph.weight(f"{name}.bias"))
        if name != "classifier":
            layer = graph.add("LeakyRelu", layer, alpha=LEAK)
    graph.add("LogSoftmax", layer, axis=-1)
    graph.write(path, ("waveform", ["n", 1, "samples"]), ("scores", ["n", "frames", 7]))


def _sinc_filters(weights: Mapping[str, "Array"]) -> "Array":
    """Band passes, even and odd ones, from where their bands begin and how wide they are."""
    import numpy as np

    names = ("low_hz_", "band_hz_", "n_", "window_")
    low, band, times, window = (weights[f"sincnet.conv1d.0.filterbank.{name}"] for name in names)
    low = MIN_LOW_HZ + np.abs(low)
    high = np.clip(low + MIN_BAND_HZ + np.abs(band), MIN_LOW_HZ, NYQUIST_HZ)
    width = 2 * (high - low)
    at_low, at_high = low * times, high * times
    even = (np.sin(at_high) - np.sin(at_low)) / (times / 2) * window
    odd = (np.cos(at_low) - np.cos(at_high)) / (times / 2) * window
    even = np.concatenate([even, width, even[:, ::-1]], axis=1)
    odd = np.concatenate([odd, np.zeros_like(width), -odd[:, ::-1]], axis=1)
    return np.concatenate([even / width, odd / width])[:, None]


def _lstm(graph: _Graph, layer: str, number: int) -> str:
    import numpy as np

    def both_ways(name: str) -> "Array":
        found = []
        for suffix in ("", "_reverse"):
            gates = np.split(graph.weights[f"lstm.{name}_l{number}{suffix}"], 4)
            found.append(np.concatenate([gates[at] for at in GATES]))
        return np.stack(found)

    biases = np.concatenate([both_ways("bias_ih"), both_ways("bias_hh")], axis=1)
    arrays = [graph.array(one) for one in (both_ways("weight_ih"), both_ways("weight_hh"), biases)]
    # Shape (frames, directions, n, size) -> (frames, n, directions x size).
    made = graph.add("LSTM", layer, *arrays, hidden_size=LSTM_SIZE, direction="bidirectional")
    made = graph.add("Transpose", made, perm=[0, 2, 1, 3])
    return graph.add("Reshape", made, graph.array([0, 0, -1]))


def write_voices(weights: Mapping[str, "Array"], path: Path) -> None:
    """Whose voice it is: CAM++, as 3D-Speaker has it.

    Args:
        weights: by their names there.
        path: a new file, for a network from ``features`` (n, frames, 80) to ``voice`` (n, 192).
    """
    graph = _Graph(weights)
    layer = _voice_head(graph, graph.add("Transpose", "features", perm=[0, 2, 1]))
    layer = graph.convolved(layer, "xvector.tdnn.linear", strides=[2], pads=[2, 2])
    layer = graph.normed_relu(layer, "xvector.tdnn.nonlinear.batchnorm")
    for block, (num_layers, dilation) in enumerate(DENSE_BLOCKS, 1):
        for number in range(1, num_layers + 1):
            more = _dense_layer(graph, layer, f"xvector.block{block}.tdnnd{number}", dilation)
            layer = graph.add("Concat", layer, more, axis=1)
        layer = graph.normed_relu(layer, f"xvector.transit{block}.nonlinear.batchnorm")
        layer = graph.convolved(layer, f"xvector.transit{block}.linear")
    layer = graph.normed_relu(layer, "xvector.out_nonlinear.batchnorm")
    layer = graph.convolved(_statistics(graph, layer), "xvector.dense.linear")
    layer = graph.normed(layer, "xvector.dense.nonlinear.batchnorm")
    graph.add("Squeeze", layer, graph.array([2]))
    graph.write(path, ("features", ["n", "frames", 80]), ("voice", ["n", 192]))


def _voice_head(graph: _Graph, layer: str) -> str:
    """Two-dimensional layers in front; they make an eighth of the 80 bands."""
    layer = graph.add("Unsqueeze", layer, graph.array([1]))
    layer = graph.convolved(layer, "head.conv1", pads=[1, 1, 1, 1])
    layer = graph.normed_relu(layer, "head.bn1")
    for name, stride in (("1.0", 2), ("1.1", 1), ("2.0", 2), ("2.1", 1)):
        prefix = f"head.layer{name}"
        made = graph.convolved(layer, f"{prefix}.conv1", strides=[stride, 1], pads=[1, 1, 1, 1])
        made = graph.normed_relu(made, f"{prefix}.bn1")
        made = graph.normed(graph.convolved(made, f"{prefix}.conv2", pads=[1] * 4), f"{prefix}.bn2")
        if stride > 1:
            layer = graph.convolved(layer, f"{prefix}.shortcut.0", strides=[stride, 1])
            layer = graph.normed(layer, f"{prefix}.shortcut.1")
        layer = graph.add("Relu", graph.add("Add", made, layer))
    layer = graph.convolved(layer, "head.conv2", strides=[2, 1], pads=[1, 1, 1, 1])
    layer = graph.normed_relu(layer, "head.bn2")
    shape = graph.add("Shape", layer)  # (n, channels, bands, frames)
    frames = graph.add("Gather", shape, graph.array([3]))
    flat = graph.add("Concat", graph.array([0, 320]), frames, axis=0)
    return graph.add("Reshape", layer, flat)


def _dense_layer(graph: _Graph, layer: str, prefix: str, dilation: int) -> str:
    """Of the frames around, weighed by what all frames and those of the same second are like."""
    layer = graph.normed_relu(layer, f"{prefix}.nonlinear1.batchnorm")
    layer = graph.convolved(layer, f"{prefix}.linear1")
    layer = graph.normed_relu(layer, f"{prefix}.nonlinear2.batchnorm")
    prefix = f"{prefix}.cam_layer"
    local = graph.convolved(
        layer, f"{prefix}.linear_local", pads=[dilation] * 2, dilations=[dilation]
    )
    overall = graph.add("ReduceMean", layer, axes=[2], keepdims=1)
    context = graph.add("Add", overall, _means_by_second(graph, layer))
    context = graph.add("Relu", graph.convolved(context, f"{prefix}.linear1"))
    return graph.add(
        "Mul", local, graph.add("Sigmoid", graph.convolved(context, f"{prefix}.linear2"))
    )


def _means_by_second(graph: _Graph, layer: str) -> str:
    """For each frame the mean of the hundred frames that it belongs to, as long as the layer."""
    size = [CONTEXT_FRAMES]
    means = graph.add("AveragePool", layer, kernel_shape=size, strides=size, ceil_mode=1)
    scales = graph.array([1.0, 1.0, float(CONTEXT_FRAMES)])
    means = graph.add(
        "Resize",
        means,
        "",
        scales,
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )
    frames = graph.add("Gather", graph.add("Shape", layer), graph.array([2]))
    return graph.add("Slice", means, graph.array([0]), frames, graph.array([2]))


def _statistics(graph: _Graph, layer: str) -> str:
    """Mean and deviation over all frames."""
    mean = graph.add("ReduceMean", layer, axes=[2], keepdims=1)
    centred = graph.add("Sub", layer, mean)
    squares = graph.add("ReduceSum", graph.add("Mul", centred, centred), graph.array([2]))
    frames = graph.add("Gather", graph.add("Shape", layer), graph.array([2]))
    others = graph.add("Sub", graph.add("Cast", frames, to=1), graph.array([1.0]))
    deviation = graph.add("Sqrt", graph.add("Div", squares, others))
    return graph.add("Concat", mean, deviation, axis=1)
