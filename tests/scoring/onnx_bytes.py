"""Small networks as ONNX files, written by hand: the tests need no package that can make them.

Source: onnx.proto3 of ONNX 1.17 (field numbers), opset 17.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

FLOAT, INT64, BOOL = 1, 7, 9


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _integer(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _part(field: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def tensor(name: str, kind: int, shape: Sequence[int], raw: bytes) -> bytes:
    """A constant."""
    dims = b"".join(_integer(1, size) for size in shape)
    return dims + _integer(2, kind) + _part(8, name) + _part(9, raw)


def floats(name: str, shape: Sequence[int], values: Sequence[float]) -> bytes:
    """A constant of floats."""
    return tensor(name, FLOAT, shape, struct.pack(f"<{len(values)}f", *values))


LOCATION = _part(1, "location")
"""The key under which the other file stands, as libraries write it."""


def elsewhere(
    name: str, shape: Sequence[int], file: str, key: bytes = LOCATION, *, is_key_last: bool = False
) -> bytes:
    """A constant of floats whose values lie in another file."""
    dims = b"".join(_integer(1, size) for size in shape)
    place = _part(13, _part(2, file) + key if is_key_last else key + _part(2, file))
    return dims + _integer(2, FLOAT) + _part(8, name) + place + _integer(14, 1)


def told(name: str, kind: int, shape: Sequence[int]) -> bytes:
    """An input or output."""
    dims = b"".join(_part(1, _integer(1, size)) for size in shape)
    return _part(1, name) + _part(2, _part(1, _integer(1, kind) + _part(2, dims)))


def node(operation: str, inputs: Sequence[str], output: str, attribute: bytes = b"") -> bytes:
    """One operation of one output."""
    attributes = _part(5, attribute) if attribute else b""
    return b"".join(_part(1, one) for one in inputs) + _part(2, output) + _part(4, operation) + attributes


def graph(
    nodes: Sequence[bytes], constants: Sequence[bytes], inputs: Sequence[bytes], outputs: Sequence[bytes]
) -> bytes:
    """A graph from its parts."""
    parts = [(1, nodes), (5, constants), (11, inputs), (12, outputs)]
    return _part(2, "g") + b"".join(_part(field, one) for field, some in parts for one in some)


def model(of: bytes) -> bytes:
    """A whole file."""
    return _integer(1, 8) + _part(7, of) + _part(8, _part(1, "") + _integer(2, 17))


def logistic(weights: Sequence[float], bias: float, shape: Sequence[int]) -> bytes:
    """sigmoid(weights x + bias) of an input of some shape, flattened."""
    return model(
        graph(
            [
                node("Flatten", ["x"], "flat"),
                node("MatMul", ["flat", "w"], "product"),
                node("Add", ["product", "b"], "sum"),
                node("Sigmoid", ["sum"], "p"),
            ],
            [floats("w", (len(weights), 1), weights), floats("b", (1,), [bias])],
            [told("x", FLOAT, shape)],
            [told("p", FLOAT, (1, 1))],
        )
    )


def linear(weights: Sequence[float], outputs: int = 1) -> bytes:
    """Weights times x, repeated for so many outputs: no probability."""
    repeated = [weight for weight in weights for _ in range(outputs)]
    return model(
        graph(
            [node("MatMul", ["x", "w"], "y")],
            [floats("w", (len(weights), outputs), repeated)],
            [told("x", FLOAT, (1, len(weights)))],
            [told("y", FLOAT, (1, outputs))],
        )
    )


def endless(columns: int) -> bytes:
    """A network that computes 2^62 times in a circle before it says anything."""
    body = graph(
        [node("Identity", ["on"], "on_still"), node("Sigmoid", ["state"], "state_next")],
        [],
        [told("round", INT64, ()), told("on", BOOL, ()), told("state", FLOAT, (1, columns))],
        [told("on_still", BOOL, ()), told("state_next", FLOAT, (1, columns))],
    )
    attribute = _part(1, "body") + _part(6, body) + _integer(20, 5)
    return model(
        graph(
            [
                node("Loop", ["rounds", "", "x"], "last", attribute),
                node("ReduceMean", ["last"], "p"),
            ],
            [tensor("rounds", INT64, (), struct.pack("<q", 1 << 62))],
            [told("x", FLOAT, (1, columns))],
            [told("p", FLOAT, (1, 1))],
        )
    )


def enormous(columns: int, gigabytes: int = 32) -> bytes:
    """A network that takes so much for a moment."""
    return model(
        graph(
            [
                node("Expand", ["x", "shape"], "wide"),
                node("ReduceMean", ["wide"], "mean"),
                node("Sigmoid", ["mean"], "p"),
            ],
            [tensor("shape", INT64, (2,), struct.pack("<2q", (gigabytes << 28) // columns, columns))],
            [told("x", FLOAT, (1, columns))],
            [told("p", FLOAT, (1, 1))],
        )
    )
