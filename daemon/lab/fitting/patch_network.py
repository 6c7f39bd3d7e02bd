"""The PatchTST network as a file: what it is made of, and its ONNX graph. Needs no torch.

A window of steps x channels is cut into patches of some steps each; a patch is a token. All channels go
through one small transformer, each by itself, and each has a head of its own; the logits are averaged by
shares that are learned. Within a window a channel is measured from its mean in its own deviations, so that a
wild hour and a quiet one look alike; what that takes away (the mean, the logarithm of the deviation) is given
back to the head, or the network could not know which of them it is.

The graph is written here node by node, with no exporter between: the same weights are the same bytes.

Source: Nie, Nguyen, Sinthong, Kalagnanam, A Time Series is Worth 64 Words, 2023 (patches, channels apart);
Kim et al., Reversible Instance Normalization, 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from daemon.lab.fitting.logistic import FORMAT, OPSET
from daemon.lab.fitting.rows import NotFitted

Weights: TypeAlias = dict[str, NDArray[np.float32]]
FLOOR = 1e-3
"""Added to a window's variance, in units of the training rows' own: a window that stands still has none."""
NORM_FLOOR = 1e-5


@dataclass(frozen=True)
class PatchShape:
    """How large a network is. `patch` divides `steps`, and `heads` divides `width`."""

    steps: int
    channels: int
    patch: int = 12
    width: int = 32
    layers: int = 2
    heads: int = 4
    feed: int = 64

    def __post_init__(self) -> None:
        for name in ("steps", "channels", "patch", "width", "layers", "heads", "feed"):
            if getattr(self, name) < 1:
                raise NotFitted(f"{name} is {getattr(self, name)}, where 1 or more is allowed")
        if self.steps % self.patch:
            raise NotFitted(f"patch is {self.patch}, where a divisor of {self.steps} steps is allowed")
        if self.width % self.heads:
            raise NotFitted(f"heads is {self.heads}, where a divisor of the width {self.width} is allowed")

    @property
    def tokens(self) -> int:
        """Patches of one channel's window."""
        return self.steps // self.patch

    @property
    def weights(self) -> dict[str, tuple[int, ...]]:
        """The shape of every weight, by name, in a stable order.

        `*_w` are matrices, `*_b` added, `*_g` multiplied. `center` and `scale` are the training rows' and not
        learned; `share` becomes the channels' shares by a softmax.
        """
        width, feed = self.width, self.feed
        shapes: dict[str, tuple[int, ...]] = {
            "center": (self.channels, 1),
            "scale": (self.channels, 1),
            "patch_w": (self.patch, width),
            "patch_b": (width,),
            "place_b": (self.tokens, width),
        }
        for layer in range(self.layers):
            shapes |= {f"{name}{layer}_g": (width,) for name in ("look", "think")}
            shapes |= {f"{name}{layer}_b": (width,) for name in ("look", "think")}
            for name in ("query", "key", "value", "out"):
                shapes |= {f"{name}{layer}_w": (width, width), f"{name}{layer}_b": (width,)}
            shapes |= {f"wide{layer}_w": (width, feed), f"wide{layer}_b": (feed,)}
            shapes |= {f"narrow{layer}_w": (feed, width), f"narrow{layer}_b": (width,)}
        flat = self.tokens * width + 2
        return shapes | {
            "last_g": (width,),
            "last_b": (width,),
            "head_w": (self.channels, flat),
            "head_b": (self.channels, 1),
            "share": (self.channels, 1),
        }


class _Graph:
    """Nodes and constants as they are added; every node has one output, named by its number."""

    def __init__(self, weights: Weights) -> None:
        self.nodes: list[NodeProto] = []
        self.constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        output = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [output], **attributes))
        return output

    def constant(self, array: NDArray[np.float32] | NDArray[np.int64]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def number(self, value: float) -> str:
        return self.constant(np.array(value, dtype=np.float32))

    def reshaped(self, taken: str, *sizes: int) -> str:
        return self.add("Reshape", taken, self.constant(np.array(sizes, dtype=np.int64)))

    def line(self, taken: str, name: str) -> str:
        return self.add("Add", self.add("MatMul", taken, f"{name}_w"), f"{name}_b")

    def normed(self, taken: str, name: str) -> str:
        return self.add("LayerNormalization", taken, f"{name}_g", f"{name}_b", axis=-1, epsilon=NORM_FLOOR)


def network_content(shape: PatchShape, weights: Weights) -> bytes:
    """Return what `model.onnx` holds: an input (rows, steps, channels), an output (rows, 1) of P(YES).

    The daemon feeds one row at a time; the same weights give the same bytes.

    Raises:
        NotFitted: a weight is missing, of another shape, or not finite.
    """
    _check(shape, weights)
    share = np.exp(weights["share"] - weights["share"].max())
    graph = _Graph({**weights, "share": (share / share.sum()).astype(np.float32)})
    tokens, mean, deviation = _patches(graph, shape)
    for layer in range(shape.layers):
        tokens = graph.add("Add", tokens, _looked(graph, shape, graph.normed(tokens, f"look{layer}"), layer))
        wide = graph.add("Relu", graph.line(graph.normed(tokens, f"think{layer}"), f"wide{layer}"))
        tokens = graph.add("Add", tokens, graph.line(wide, f"narrow{layer}"))
    flat = graph.reshaped(graph.normed(tokens, "last"), -1, shape.channels, shape.tokens * shape.width)
    joined = graph.add("Concat", flat, graph.add("Log", deviation), mean, axis=2)
    ends = graph.constant(np.array([2], dtype=np.int64))
    summed = graph.add("ReduceSum", graph.add("Mul", joined, "head_w"), ends, keepdims=1)
    logits = graph.reshaped(graph.add("Add", summed, "head_b"), -1, shape.channels)
    graph.nodes.append(helper.make_node("Sigmoid", [graph.add("MatMul", logits, "share")], ["p"]))
    made = helper.make_graph(
        graph.nodes,
        "patchtst",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("rows", shape.steps, shape.channels))],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ("rows", 1))],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _patches(graph: _Graph, shape: PatchShape) -> tuple[str, str, str]:
    """Tokens of all channels, shape (rows x channels, tokens, width), and each window's mean and spread."""
    turned = graph.add("Transpose", "x", perm=[0, 2, 1])
    scaled = graph.add("Div", graph.add("Sub", turned, "center"), "scale")
    mean = graph.add("ReduceMean", scaled, axes=[2], keepdims=1)
    apart = graph.add("Sub", scaled, mean)
    variance = graph.add("ReduceMean", graph.add("Mul", apart, apart), axes=[2], keepdims=1)
    deviation = graph.add("Sqrt", graph.add("Add", variance, graph.number(FLOOR)))
    cut = graph.reshaped(graph.add("Div", apart, deviation), -1, shape.tokens, shape.patch)
    return graph.add("Add", graph.line(cut, "patch"), "place_b"), mean, deviation


def _looked(graph: _Graph, shape: PatchShape, taken: str, layer: int) -> str:
    """What the tokens of a window take from each other."""
    each = shape.width // shape.heads

    def heads(name: str, perm: list[int]) -> str:
        line = graph.line(taken, f"{name}{layer}")
        return graph.add("Transpose", graph.reshaped(line, -1, shape.tokens, shape.heads, each), perm=perm)

    fits = graph.add("MatMul", heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]))
    weighed = graph.add("Softmax", graph.add("Div", fits, graph.number(sqrt(each))), axis=-1)
    found = graph.add("MatMul", weighed, heads("value", [0, 2, 1, 3]))
    joined = graph.reshaped(graph.add("Transpose", found, perm=[0, 2, 1, 3]), -1, shape.tokens, shape.width)
    return graph.line(joined, f"out{layer}")


def _check(shape: PatchShape, weights: Weights) -> None:
    wanted = shape.weights
    if set(weights) != set(wanted):
        odd = ", ".join(sorted(set(weights) ^ set(wanted)))
        raise NotFitted(f"weights: missing or unknown: {odd}")
    for name, size in wanted.items():
        if weights[name].shape != size or weights[name].dtype != np.float32:
            found = f"{weights[name].dtype} {weights[name].shape}"
            raise NotFitted(f"weights: {name} is {found}, where float32 {size} is allowed")
        if not np.isfinite(weights[name]).all():
            raise NotFitted(f"weights: {name} has a value that is not finite: the training did not end well")
