"""Candles of the spot price, made from its prints: minutes, kept for a week, and whatever merges from them.

A minute without prints has no bar. Pure: told the time.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from daemon.core.units import DAY, MINUTE, Money, Ns
from daemon.sandbox.flow import SpotPrinted

MINUTES_KEPT: Final = 7 * 24 * 60
TICK: Final[Money] = 100_000
"""The price step of BTC/USD: ten cents."""


class Bar(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One period with at least one print; `turnover_e8` is price times size, summed."""

    began_at: Ns
    open: Money
    high: Money
    low: Money
    close: Money
    volume_e8: int
    turnover_e8: int
    trades: int

    @property
    def vwap(self) -> Money:
        """The volume-weighted price, rounded half up."""
        return (2 * self.turnover_e8 + self.volume_e8) // (2 * self.volume_e8)


class Quote(msgspec.Struct, frozen=True):
    """The best prices of the spot market, as far as its prints show them."""

    bid: Money
    ask: Money
    bid_qty_e8: int
    ask_qty_e8: int


class Day(msgspec.Struct, frozen=True):
    """The last 24 hours: one bar, and the price they began with."""

    bar: Bar
    first: Money


def _joined(one: Bar, other: Bar) -> Bar:
    return Bar(
        one.began_at,
        one.open,
        max(one.high, other.high),
        min(one.low, other.low),
        other.close,
        one.volume_e8 + other.volume_e8,
        one.turnover_e8 + other.turnover_e8,
        one.trades + other.trades,
    )


class SpotBars:
    """The bars of one symbol, its last print and its quote."""

    def __init__(self) -> None:
        self._minutes: deque[Bar] = deque(maxlen=MINUTES_KEPT)
        self.last: SpotPrinted | None = None
        self.quote: Quote | None = None

    def add(self, spot: SpotPrinted) -> None:
        """Take a print; they come in the order of their time."""
        began_at = spot.at - spot.at % MINUTE
        price, qty = spot.price, max(1, spot.qty_e8)
        bar = Bar(began_at, price, price, price, price, qty, price * qty, 1)
        if self._minutes and self._minutes[-1].began_at >= began_at:
            self._minutes[-1] = _joined(self._minutes[-1], bar)
        else:
            self._minutes.append(bar)
        self.last = spot
        self._quote(spot)

    def _quote(self, spot: SpotPrinted) -> None:
        """A buyer lifted the ask, a seller hit the bid; the other side gives way where it would cross."""
        before = self.quote
        qty = max(1, spot.qty_e8)
        if spot.is_buy:
            bid = spot.price - TICK if before is None else min(before.bid, spot.price - TICK)
            self.quote = Quote(bid, spot.price, qty if before is None else before.bid_qty_e8, qty)
        else:
            ask = spot.price + TICK if before is None else max(before.ask, spot.price + TICK)
            self.quote = Quote(spot.price, ask, qty, qty if before is None else before.ask_qty_e8)

    def bars(self, period: Ns, count: int) -> list[Bar]:
        """Return the newest bars of a period of whole minutes, oldest first; the last one may still run."""
        merged: list[Bar] = []
        for minute in reversed(self._minutes):
            began_at = minute.began_at - minute.began_at % period
            if merged and merged[-1].began_at == began_at:
                later = merged[-1]
                merged[-1] = msgspec.structs.replace(_joined(minute, later), began_at=began_at)
            elif len(merged) == count:
                break
            else:
                merged.append(msgspec.structs.replace(minute, began_at=began_at))
        return merged[::-1]

    def day(self, now: Ns) -> Day | None:
        """Return the last 24 hours; None without a print in them."""
        found: Bar | None = None
        for minute in reversed(self._minutes):
            if minute.began_at <= now - DAY:
                break
            found = minute if found is None else _joined(minute, found)
        return None if found is None else Day(found, found.open)
