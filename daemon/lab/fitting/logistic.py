"""The logistic baseline: a line through standardised features, served as a network of one layer (ONNX).

Every feature is required: rows that lack one are left out, in fitting as in serving.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

from daemon.lab.fitting.rows import FitRows, Floats, NotFitted, check_outcomes

OPSET, FORMAT = 17, 8
"""What onnxruntime has understood since 2022."""


@dataclass(frozen=True)
class FittedLogistic:
    """P = sigmoid(intercept + weights x), in the features' own units."""

    names: tuple[str, ...]
    intercept: float
    weights: Floats

    def predict(self, rows: FitRows) -> Floats:
        """Return P(YES), shape (rows,); NaN where a feature is missing."""
        x = np.column_stack([rows.column(name) for name in self.names])
        return np.asarray(1 / (1 + np.exp(-(self.intercept + x @ self.weights))), dtype=np.float64)

    @property
    def content(self) -> bytes:
        """What `model.onnx` holds: doubles, the same bytes for the same weights."""
        width = len(self.names)
        graph = helper.make_graph(
            [
                helper.make_node("MatMul", ["x", "w"], ["product"]),
                helper.make_node("Add", ["product", "b"], ["sum"]),
                helper.make_node("Sigmoid", ["sum"], ["p"]),
            ],
            "logistic",
            [helper.make_tensor_value_info("x", TensorProto.DOUBLE, (1, width))],
            [helper.make_tensor_value_info("p", TensorProto.DOUBLE, (1, 1))],
            [
                helper.make_tensor("w", TensorProto.DOUBLE, (width, 1), self.weights.tolist()),
                helper.make_tensor("b", TensorProto.DOUBLE, (1,), [self.intercept]),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))


def fit_logistic(rows: FitRows, names: tuple[str, ...], strength: float = 1.0) -> FittedLogistic:
    """Return the baseline over some features.

    Args:
        rows: to fit.
        names: the features; rows that lack one are left out.
        strength: of the L2 penalty on standardised weights, against the sum of row weights; above 0.

    Raises:
        NotFitted: no such feature, one that never varies, outcomes that are all the same, or no penalty.
    """
    if not strength > 0:
        raise NotFitted(f"strength is {strength}, where a number above 0 is allowed: without, it may not end")
    x = np.column_stack([rows.column(name) for name in names])
    known = ~np.isnan(x).any(axis=1)
    x, y, weight = x[known], rows.y[known], rows.weight[known]
    check_outcomes(y)
    if still := [name for name, one in zip(names, x.T, strict=True) if one.min() == one.max()]:
        raise NotFitted(f"{still[0]}: the same in all {len(y)} rows: a line has no slope there")
    mean = np.average(x, axis=0, weights=weight)
    spread = np.sqrt(np.average(np.square(x - mean), axis=0, weights=weight))
    line = LogisticRegression(C=1 / strength, solver="newton-cholesky", tol=1e-10, max_iter=1_000)
    line.fit((x - mean) / spread, y, sample_weight=weight)
    weights = np.asarray(line.coef_[0], dtype=np.float64) / spread
    return FittedLogistic(names, float(line.intercept_[0] - weights @ mean), weights)
