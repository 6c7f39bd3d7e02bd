"""A market's books as matrices: sizes by event and price, from a snapshot and cumulated deltas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROWS = 4_096
"""So many events at once: a matrix of them and some hundred prices is some tens of megabytes."""
DEPTH = 5


@dataclass
class Side:
    """One side after each event, on its own price scale: what a bid is to YES."""

    best: Ints
    best_size: Ints
    second: Ints
    """The next best price; 0 where there is none."""
    depth: Ints
    """The summed size of the best five prices."""
    farthest: Ints
    """The worst of the best five prices."""
    is_impossible: Bools
    """Whether the event took away more than there was."""


def side_after(levels: dict[int, int], prices: Ints, deltas: Ints) -> Side:
    """Return a side after each event; an event that isn't of this side has a delta of 0.

    Args:
        levels: the snapshot's sizes by price.
        prices: of each event; shape (events,).
        deltas: of each event; shape (events,).
    """
    known = np.unique(np.concatenate([np.array(sorted(levels), dtype=np.int64), prices[deltas != 0]]))[::-1]
    carried = np.array([levels.get(int(price), 0) for price in known], dtype=np.int64)
    parts = [
        _chunk(known, carried_to, prices[at : at + ROWS], deltas[at : at + ROWS])
        for at, carried_to in _carried(known, carried, prices, deltas)
    ]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Side(*columns)


def _carried(known: Ints, sizes: Ints, prices: Ints, deltas: Ints) -> list[tuple[int, Ints]]:
    """Return the sizes with which each chunk begins."""
    chunks = []
    places = np.searchsorted(-known, -prices)
    for at in range(0, max(1, len(prices)), ROWS):
        chunks.append((at, sizes))
        mine = deltas[at : at + ROWS] != 0
        sizes = sizes.copy()
        np.add.at(sizes, places[at : at + ROWS][mine], deltas[at : at + ROWS][mine])
    return chunks


def _chunk(known: Ints, sizes: Ints, prices: Ints, deltas: Ints) -> tuple[NDArray[Any], ...]:
    if not len(known):
        none = np.zeros(len(prices), dtype=np.int64)
        return none, none, none, none, none, none.astype(bool)
    changes = np.zeros((len(prices), len(known)), dtype=np.int64)
    mine = np.flatnonzero(deltas)
    changes[mine, np.searchsorted(-known, -prices[mine])] = deltas[mine]
    matrix = np.cumsum(changes, axis=0) + sizes
    is_level = matrix > 0
    rank = np.cumsum(is_level, axis=1)
    within = is_level & (rank <= DEPTH)
    of_rank = [is_level & (rank == place) for place in (1, 2)]
    best, second = (np.where(mask, known, 0).max(axis=1) for mask in of_rank)
    best_size = np.where(of_rank[0], matrix, 0).max(axis=1)
    depth = np.where(within, matrix, 0).sum(axis=1)
    farthest = np.where(within, known, 10_001).min(axis=1)
    is_impossible: Bools = np.min(matrix, axis=1) < 0
    return best, best_size, second, depth, farthest, is_impossible
