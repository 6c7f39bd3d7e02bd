"""Sample weights: labels that overlap are partly the same one, and count only once together.

The rows of one settlement are looked at together, whatever their market, for they hang on one number. All
labels of a settlement's result are the same draw: n of them weigh 1/n each. A label over a horizon
weighs the mean, over its span, of one over the number of labels that are open there; such weights add up to
the time that any label covers, in horizons: about the number of independent labels.

Source: López de Prado (2018), Advances in Financial Machine Learning, section 4.4 (average uniqueness).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from daemon.lab.labels import Floats, Ints


def shared_weights(group: Ints, is_labelled: NDArray[np.bool_]) -> Floats:
    """Return 1/n for each of a group's n labelled rows, NaN for the others. Arrays of shape (rows,).

    `group` numbers the groups from 0 on.
    """
    count = np.bincount(group[is_labelled], minlength=int(group.max(initial=-1)) + 1)
    weight = np.full(len(group), np.nan)
    weight[is_labelled] = 1.0 / count[group[is_labelled]]
    return weight


def overlap_weights(group: Ints, begin: Ints, until: Ints, is_labelled: NDArray[np.bool_]) -> Floats:
    """Return the average uniqueness of each labelled row within its group, NaN for the others.

    Args:
        group: shape (rows,), numbers the groups from 0 on.
        begin: when each row's label begins (the row's instant), in ns.
        until: when it ends, after `begin`.
        is_labelled: which rows have a label.
    """
    weight = np.full(len(group), np.nan)
    rows = np.flatnonzero(is_labelled)
    order = rows[np.argsort(group[rows], kind="stable")]
    bounds = np.flatnonzero(np.diff(group[order])) + 1
    for part in np.split(order, bounds):
        if len(part):
            weight[part] = _uniqueness(begin[part], until[part])
    return weight


def _uniqueness(begin: Ints, until: Ints) -> Floats:
    """Return the mean of 1 / (open labels) over each span [begin, until)."""
    assert (begin < until).all(), "a label ends where it begins"
    edges = np.unique(np.concatenate([begin, until]))
    first, last = np.searchsorted(edges, begin), np.searchsorted(edges, until)
    opened = np.bincount(first, minlength=len(edges)) - np.bincount(last, minlength=len(edges))
    is_open = np.cumsum(opened)[:-1]
    # Seconds, so that the sums of a long group keep their digits.
    lengths = np.diff(edges) / 1e9
    share = np.divide(lengths, is_open, out=np.zeros(len(lengths)), where=is_open > 0)
    total = np.concatenate([[0.0], np.cumsum(share)])
    unique: Floats = (total[last] - total[first]) / ((until - begin) / 1e9)
    return unique
