"""The market's own probability: the mid, normalised over an event whose outcomes exclude each other.

A mid in a wide book is no probability: the buckets of one hourly event, most of them offered at a cent with
no bid, have mids that sum to 1.9. Two rules make them sum to 1. Dividing by the sum takes the same share off
the favourite and off the floor offers, and is worse than the raw mid by Brier on recorded hourly events; a
power of the mids takes more off what is cheap, and is better. A judge names the best of them as the market.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from daemon.core.units import PRICE_ONE
from daemon.lab.judging.arrays import Flags, Floats, NotJudged, matched, vector

_POWER_LOG2_MAX = 14.0  # two mids of one price unit below a dollar need a power of 6931
_BISECTIONS = 60
_SUM_TOLERANCE = 1e-6


def mid_of(bid: ArrayLike, ask: ArrayLike) -> Floats:
    """Return the mid as a probability, from YES best prices in Price units; NaN is an empty side.

    An empty bid stands at 0 and an empty ask at 1 $; both empty is unknown, NaN.

    Raises:
        NotJudged: a price outside 0 .. 10000.
    """
    bids = vector(bid, "bid")
    asks = matched(ask, "ask", len(bids))
    for name, prices in (("bid", bids), ("ask", asks)):
        wrong = (prices < 0) | (prices > PRICE_ONE)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise NotJudged(f"{name}[{row}] is {prices[row]}, where 0 .. {PRICE_ONE} is allowed")
    empty = np.isnan(bids) & np.isnan(asks)
    low, high = np.where(np.isnan(bids), 0, bids), np.where(np.isnan(asks), PRICE_ONE, asks)
    return np.where(empty, np.nan, (low + high) / 2 / PRICE_ONE)


def normalised(
    mid: ArrayLike,
    moments: Sequence[object] | NDArray[np.generic],
    is_exhaustive: Flags | None = None,
    rule: Literal["power", "share"] = "power",
) -> Floats:
    """Return mids that sum to 1 over one moment of one event.

    Args:
        mid: shape (rows,), probabilities, NaN where unknown.
        moments: shape (rows,): one label for each event and instant, for all of whose markets rows are given.
        is_exhaustive: rows of events of which exactly one market settles YES; the others (a ladder of
        strikes,
            a market by itself) keep their mid. All rows when None.
        rule: "power" raises the mids of a moment to the power at which they sum to 1, "share" divides by
            their sum.

    Returns:
        Shape (rows,). NaN for all rows of a moment in which one mid is unknown: its share can't be known. So
        for a moment of fewer than 2 markets with a mid inside 0 .. 1 under "power": no power helps there.
    """
    mids = vector(mid, "mid")
    if len(moments) != len(mids):
        raise NotJudged(f"moments: {len(moments)} rows, where the others have {len(mids)}")
    _, index = np.unique(np.asarray(moments), return_inverse=True)
    found = _powers(mids, index) if rule == "power" else _shares(mids, index)
    return found if is_exhaustive is None else np.where(is_exhaustive, found, mids)


def _shares(mids: Floats, index: NDArray[np.intp]) -> Floats:
    sums = np.bincount(index, weights=mids)[index]
    shares: Floats = np.divide(mids, sums, out=np.full(len(mids), np.nan), where=sums > 0)
    return shares


def _powers(mids: Floats, index: NDArray[np.intp]) -> Floats:
    """Bisection for the power of each moment; the sum falls as the power grows."""
    moments = int(index.max()) + 1
    with np.errstate(divide="ignore"):
        logs = np.log(mids)  # of 0 it is -inf, whose power is 0 again; unknown stays unknown
    low, high = np.full(moments, -_POWER_LOG2_MAX), np.full(moments, _POWER_LOG2_MAX)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        sums = np.bincount(index, weights=np.exp(np.exp2(middle)[index] * logs), minlength=moments)
        low, high = np.where(sums > 1, middle, low), np.where(sums > 1, high, middle)
    found = np.exp(np.exp2((low + high) / 2)[index] * logs)
    sums = np.bincount(index, weights=found, minlength=moments)
    # A moment at the end of the search, or with an unknown mid, has no such power.
    return np.where(np.abs(sums - 1)[index] < _SUM_TOLERANCE, found, np.nan)
