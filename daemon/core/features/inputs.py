"""What one market's features share: its top of book, its mids at whole minutes, its listing.

The mid is kept doubled (bid + ask, in half price units), so that it is an exact integer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from daemon.core.book import Book
from daemon.core.events import CandleBackfilled
from daemon.core.features.reference import ReferenceFeatures
from daemon.core.features.trade_tape import TradeTape
from daemon.core.markets import MarketSpec
from daemon.core.units import MINUTE, PRICE_ONE, Ns, Price, Qty

MINUTES_KEPT = 7
"""Whole minutes of the past that are remembered: what five minutes' features can reach back to."""


class TopOfBook:
    """The best levels after the last change, and the order flow that the change was.

    An absent bid stands at 0 with size 0, an absent ask at one dollar with size 0, so that a side's
    coming and going is order flow like any other.
    """

    __slots__ = ("ask", "ask_size", "bid", "bid_size", "double_mid", "flow", "is_known")

    def __init__(self) -> None:
        self.bid: Price = 0
        self.ask: Price = PRICE_ONE
        self.bid_size: Qty = 0
        self.ask_size: Qty = 0
        self.double_mid: int | None = None
        """Bid plus ask; None while a side is missing or the book unsynced."""
        self.flow: Qty = 0
        """Order flow of the last change: positive when buyers gained."""
        self.is_known = False

    def forget(self) -> None:
        """The book is lost: nothing is known of its top."""
        self.bid, self.ask, self.bid_size, self.ask_size = 0, PRICE_ONE, 0, 0
        self.double_mid, self.flow, self.is_known = None, 0, False

    def update(self, book: Book) -> bool:
        """Read a synced book's best levels; False if they are as they were."""
        prices = book.yes.prices
        if prices:
            bid = prices[-1]
            bid_size = book.yes.sizes[bid]
        else:
            bid = bid_size = 0
        prices = book.no.prices
        if prices:
            best = prices[-1]
            ask_size = book.no.sizes[best]
            ask = PRICE_ONE - best
        else:
            ask, ask_size = PRICE_ONE, 0
        if not self.is_known:
            self.is_known = True
            self.flow = 0
        elif bid == self.bid and ask == self.ask and bid_size == self.bid_size and ask_size == self.ask_size:
            return False
        else:
            self.flow = (
                (bid_size if bid >= self.bid else 0)
                - (self.bid_size if bid <= self.bid else 0)
                - (ask_size if ask <= self.ask else 0)
                + (self.ask_size if ask >= self.ask else 0)
            )
        self.bid, self.ask, self.bid_size, self.ask_size = bid, ask, bid_size, ask_size
        self.double_mid = bid + ask if bid_size and ask_size else None
        return True


class MinuteMids:
    """The doubled mid in force at whole minutes: sampled from the live book, or backfilled from candles.

    Live samples win over candles, for they are what the live windows saw. Only candles of one minute
    that end on a whole minute count, and only finished ones.
    """

    __slots__ = ("_double_mid", "_known", "_next", "revision")

    def __init__(self) -> None:
        self._known: dict[int, int | None] = {}
        self._double_mid: int | None = None
        self._next: int | None = None
        self.revision = 0
        """Grows with every change, so that readers can keep what they computed."""

    @property
    def known(self) -> Mapping[int, int | None]:
        """Doubled mids by whole minutes since the epoch; None where the quotes had a side missing."""
        return self._known

    def end(self) -> None:
        """Forget everything: the book is lost."""
        self._known.clear()
        self._double_mid = None
        self._next = None
        self.revision += 1

    def add(self, at: Ns, double_mid: int | None) -> None:
        """The live mid steps to a value (None: a side is missing) at this instant."""
        if self._next is None:
            self._next = -(-at // MINUTE)
        else:
            self.sample(at)
        self._double_mid = double_mid

    def sample(self, now: Ns) -> None:
        """Take the samples of the whole minutes that lie before `now`."""
        first = self._next
        if first is None or now <= first * MINUTE:
            return
        last = (now - 1) // MINUTE
        for minute in range(max(first, last - MINUTES_KEPT + 1), last + 1):
            self._known[minute] = self._double_mid
        self._next = last + 1
        self._prune()

    def on_candle(self, candle: CandleBackfilled) -> None:
        """Take a past minute's closing quotes, unless the live book knows that minute."""
        minute, rest = divmod(candle.ended_at, MINUTE)
        if candle.period != MINUTE or rest or candle.ended_at > candle.received_at:
            return
        if minute in self._known or (self._next is not None and minute >= self._next):
            return
        bid, ask = candle.bid, candle.ask
        self._known[minute] = None if bid is None or ask is None else bid + ask
        self._prune()

    def _prune(self) -> None:
        oldest = max(self._known) - MINUTES_KEPT
        if len(self._known) > MINUTES_KEPT:
            for minute in [minute for minute in self._known if minute <= oldest]:
                del self._known[minute]
        self.revision += 1


class Reference(Protocol):
    """Where a market's underlying price comes from: of several sources, one is in force at an instant."""

    def in_force(self, now: Ns) -> ReferenceFeatures:
        """Return the features of the source in force; those of no source know nothing."""
        ...


class MarketInputs:
    """Everything that the features of one market read."""

    __slots__ = ("book", "minutes", "reference", "spec", "spot", "top", "trades")

    def __init__(self, spec: MarketSpec, reference: Reference) -> None:
        self.spec = spec
        self.reference = reference
        self.spot = reference.in_force(0)
        """The source in force at the instant of the row that is read: one row never mixes two."""
        self.book: Book | None = None
        """The synced book; None while there is none."""
        self.top = TopOfBook()
        self.minutes = MinuteMids()
        self.trades = TradeTape()
