"""The features of the book's shape at one instant: prices, sizes and their imbalance."""

# `Statistic` documents the hooks once for all overrides, and most features of one instant need no `now`.
# ruff: noqa: ARG002, D102

from __future__ import annotations

from daemon.core.features.definition import Family
from daemon.core.features.statistic import AT_ONCE, Statistic
from daemon.core.units import PRICE_ONE, Ns

_DEPTH_LEVELS = 5


class Spread(Statistic):
    """Best ask minus best bid; negative for the instants in which the venue shows a crossed book."""

    families = (Family(name="spread", unit="$", source="book", warm_up=AT_ONCE),)

    def get(self, now: Ns) -> float | None:
        top = self._inputs.top
        return None if top.double_mid is None else (top.ask - top.bid) / PRICE_ONE


class Mid(Statistic):
    """The middle of best bid and best ask."""

    families = (Family(name="mid", unit="$", source="book", warm_up=AT_ONCE),)

    def get(self, now: Ns) -> float | None:
        double_mid = self._inputs.top.double_mid
        return None if double_mid is None else double_mid / (2 * PRICE_ONE)


class WeightedMid(Statistic):
    """The mid weighted by the opposite sizes: nearer to the ask when more is bid."""

    families = (Family(name="weighted_mid", unit="$", source="book", warm_up=AT_ONCE),)

    def get(self, now: Ns) -> float | None:
        top = self._inputs.top
        if top.double_mid is None:
            return None
        size = top.bid_size + top.ask_size
        return (top.bid * top.ask_size + top.ask * top.bid_size) / (PRICE_ONE * size)


class TopImbalance(Statistic):
    """(bid size - ask size) / (bid size + ask size) at the best prices."""

    families = (Family(name="top_imbalance", unit="1", source="book", warm_up=AT_ONCE),)

    def get(self, now: Ns) -> float | None:
        top = self._inputs.top
        if top.double_mid is None:
            return None
        return (top.bid_size - top.ask_size) / (top.bid_size + top.ask_size)


class DepthImbalance(Statistic):
    """The imbalance of the summed sizes of the best five prices of each side; None if both are empty."""

    families = (Family(name="depth_imbalance_5", unit="1", source="book", warm_up=AT_ONCE),)

    def get(self, now: Ns) -> float | None:
        book = self._inputs.book
        if book is None:
            return None
        bids, asks = book.yes.depth(_DEPTH_LEVELS), book.no.depth(_DEPTH_LEVELS)
        return (bids - asks) / (bids + asks) if bids + asks else None
