"""What may be judged: probabilities in 0 .. 1, outcomes 0 or 1, one length; else an error with the place."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


class NotJudged(ValueError):
    """What was handed in can't be judged; says which argument, where in it, and what is allowed."""


def vector(values: ArrayLike, name: str) -> Floats:
    """Return values as float64 of shape (n,).

    Raises:
        NotJudged: not one-dimensional, or empty.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise NotJudged(f"{name}: {array.ndim} dimensions, where 1 is allowed")
    if not array.size:
        raise NotJudged(f"{name}: no rows, where at least 1 is needed")
    return array


def matched(values: ArrayLike, name: str, rows: int) -> Floats:
    """Return a vector of exactly `rows` values.

    Raises:
        NotJudged: as `vector`, or another length.
    """
    array = vector(values, name)
    if len(array) != rows:
        raise NotJudged(f"{name}: {len(array)} rows, where the others have {rows}")
    return array


def probabilities(values: ArrayLike, name: str) -> Floats:
    """Return a vector of probabilities.

    Raises:
        NotJudged: as `vector`, or a value that is unknown or outside 0 .. 1.
    """
    array = vector(values, name)
    wrong = ~((array >= 0) & (array <= 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise NotJudged(f"{name}[{row}] is {array[row]}, where 0 .. 1 is allowed")
    return array


def outcomes_of(values: ArrayLike, rows: int) -> Floats:
    """Return a vector of outcomes, 1.0 for YES and 0.0 for NO.

    Raises:
        NotJudged: as `matched`, or a value that is neither.
    """
    array = matched(values, "outcomes", rows)
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise NotJudged(f"outcomes[{row}] is {array[row]}, where 0 and 1 are allowed")
    return array


def judged_pair(said: ArrayLike, outcomes: ArrayLike) -> tuple[Floats, Floats]:
    """Return probabilities and outcomes of one length. Raises NotJudged as their own checks do."""
    p = probabilities(said, "said")
    return p, outcomes_of(outcomes, len(p))


def weights_of(weights: ArrayLike | None, rows: int) -> Floats:
    """Return row weights; all 1 when None.

    Raises:
        NotJudged: as `matched`, a weight that is unknown or below 0, or all are 0.
    """
    if weights is None:
        return np.ones(rows)
    array = matched(weights, "weights", rows)
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise NotJudged(f"weights[{row}] is {array[row]}, where numbers from 0 are allowed")
    if not array.sum():
        raise NotJudged("weights: all are 0, where at least one must be above 0")
    return array
