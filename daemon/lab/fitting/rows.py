"""The rows that a model is fitted to: features, label, weight, and when and with whom each was decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from daemon.lab.folds import Labels, Rows, Span, span_of

Floats: TypeAlias = NDArray[np.float64]


class NotFitted(ValueError):
    """Rows or settings that nothing can be fitted with; says which, where, and what is allowed."""


@dataclass(frozen=True)
class FitRows:
    """Labelled rows, made by `fit_rows`.

    `x` is of shape (rows, features) in the order of `names`, NaN for unknown; `y` (label) and `weight` are of
    shape (rows,). `span.group` numbers the independent outcomes.
    """

    names: tuple[str, ...]
    x: Floats
    y: Floats
    weight: Floats
    span: Span

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.y)

    @property
    def outcomes(self) -> int:
        """How many independent outcomes there are: groups that share no event and no settlement."""
        return len(np.unique(self.span.group))

    def only(self, rows: Rows) -> FitRows:
        """Return the rows of these numbers, in this order; their groups keep their numbers."""
        span = Span(self.span.at[rows], self.span.label_at[rows], self.span.group[rows])
        return FitRows(self.names, self.x[rows], self.y[rows], self.weight[rows], span)

    def column(self, name: str) -> Floats:
        """Return one feature, shape (rows,). Raises NotFitted when there is no such feature."""
        if name not in self.names:
            raise NotFitted(f"no feature {name!r} in the rows; there are: {', '.join(self.names)}")
        found: Floats = self.x[:, self.names.index(name)]
        return found


def fit_rows(
    names: tuple[str, ...],
    x: ArrayLike,
    y: ArrayLike,
    at: ArrayLike,
    label_at: ArrayLike,
    *labels: Labels,
    weight: ArrayLike | None = None,
) -> FitRows:
    """Return checked rows.

    Args:
        names: of the features.
        x: shape (rows, features); NaN is unknown, infinity is refused.
        y: the label, known in every row.
        at: when each row was decided, Ns.
        label_at: when its label was known, Ns.
        labels: events and settlements, each of shape (rows,).
        weight: what each row counts, above 0; None for 1 each. Weights that sum to the number of independent
            outcomes make what is fitted as sure as it may be.

    Raises:
        NotFitted: shapes that don't go together, a label or weight that is unknown, an infinite feature.
        NotFolded: as `folds.span_of`.
    """
    features, label = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    counts = np.ones(len(label)) if weight is None else np.asarray(weight, dtype=np.float64)
    if features.shape != (len(label), len(names)) or counts.shape != label.shape:
        raise NotFitted(
            f"x is of shape {features.shape} and weight of {counts.shape}, where"
            f" {(len(label), len(names))} and {label.shape} are allowed"
        )
    if len(set(names)) != len(names):
        raise NotFitted("names: a feature is named twice")
    _refuse(~np.isfinite(label), "y", label, "a known label")
    _refuse(~(np.isfinite(counts) & (counts > 0)), "weight", counts, "a number above 0")
    for place, name in enumerate(names):
        _refuse(np.isinf(features[:, place]), name, features[:, place], "a finite number, or NaN for unknown")
    return FitRows(names, features, label, counts, span_of(at, label_at, *labels))


def _refuse(wrong: NDArray[np.bool_], name: str, values: Floats, allowed: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise NotFitted(f"{name}[{row}] is {values[row]}, where {allowed} is allowed")


def check_outcomes(y: Floats) -> None:
    """Refuse labels that are no outcomes of YES and NO, or only one of them. Raises NotFitted."""
    _refuse((y != 0) & (y != 1), "y", y, "1 for YES or 0 for NO")
    if not y.size or y.min() == y.max():
        raise NotFitted(f"y: {len(y)} rows, none of them YES or none NO: nothing to tell apart")
