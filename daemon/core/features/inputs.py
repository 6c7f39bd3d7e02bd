"""What one market's features share: its top of book, its streams of changes, mids and trades, its listing.

The mid is kept doubled (bid + ask, in half price units), so that it is an exact integer. A statistic asks
here for what it reads when it is built; what none asked for is not kept.
"""

from __future__ import annotations

from typing import Protocol

from daemon.core.book import Book, Ladder
from daemon.core.features.daily_history import DailyHistory
from daemon.core.features.event_inputs import EventInputs, EventMember
from daemon.core.features.period_mids import MinuteRanges, PeriodMids
from daemon.core.features.reference import ReferenceFeatures
from daemon.core.features.steps import StepStream
from daemon.core.features.totals import AmountStream
from daemon.core.features.trade_tape import TradeTape
from daemon.core.markets import MarketSpec
from daemon.core.units import HOUR, MINUTE, PRICE_ONE, Ns, Price, Qty, Side


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

    def update(self, book: Book, side: Side | None = None) -> bool:
        """Read a synced book's best levels; False if they are as they were.

        `side`: whose ladder alone may have changed since; the other one isn't looked at. None: both may.
        """
        if side is not None and self.is_known:
            return self._update_bid(book.yes) if side == "yes" else self._update_ask(book.no)
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

    def _update_bid(self, ladder: Ladder) -> bool:
        prices = ladder.prices
        bid = prices[-1] if prices else 0
        size = ladder.sizes[bid] if prices else 0
        before, size_before = self.bid, self.bid_size
        if bid == before:
            if size == size_before:
                return False
            self.flow = size - size_before
        else:
            self.bid = bid
            self.flow = size if bid > before else -size_before
        self.bid_size = size
        if bid != before:
            self.double_mid = bid + self.ask if size and self.ask_size else None
        return True

    def _update_ask(self, ladder: Ladder) -> bool:
        prices = ladder.prices
        ask = PRICE_ONE - prices[-1] if prices else PRICE_ONE
        size = ladder.sizes[prices[-1]] if prices else 0
        before, size_before = self.ask, self.ask_size
        if ask == before:
            if size == size_before:
                return False
            self.flow = size_before - size
        else:
            self.ask = ask
            self.flow = -size if ask < before else size_before
        self.ask_size = size
        if ask != before:
            self.double_mid = self.bid + ask if size and self.bid_size else None
        return True


class Reference(Protocol):
    """Where a market's underlying price comes from: of several sources, one is in force at an instant."""

    def in_force(self, now: Ns) -> ReferenceFeatures:
        """Return the features of the source in force; those of no source know nothing."""
        ...

    def index(self, now: Ns) -> ReferenceFeatures | None:
        """Return the features of the settlement index, whether or not it is in force; None unless well."""
        ...


class MarketInputs:
    """Everything that the features of one market read."""

    __slots__ = (
        "book", "daily", "event", "flow", "heard_at", "hours", "member", "messages", "mids", "minutes",
        "ranges", "reference", "releases", "removed", "spec", "spot", "top", "top_changed_at", "trades",
    )  # fmt: skip

    def __init__(
        self, spec: MarketSpec, reference: Reference, event: EventInputs, releases: tuple[Ns, ...]
    ) -> None:
        self.spec = spec
        self.event = event
        """What the markets of its event share."""
        self.member: EventMember | None = None
        """Its own place there; None while no feature reads the event."""
        self.releases = releases
        """When something is released that moves it, in order."""
        self.daily = DailyHistory()
        self.reference = reference
        self.spot = reference.in_force(0)
        """The source in force at the instant of the row that is read: one row never mixes two."""
        self.book: Book | None = None
        """The synced book; None while there is none."""
        self.top = TopOfBook()
        self.heard_at: Ns = 0
        """When the book's last snapshot or delta came; it means something while there is a book."""
        self.top_changed_at: Ns | None = None
        """When the best levels last changed; None while that wasn't seen."""
        self.flow = AmountStream()
        """Order flow at the best levels: see `TopOfBook.flow`."""
        self.messages = AmountStream()
        """One for each snapshot and delta."""
        self.removed = AmountStream()
        """What deltas took away from levels of either side; a snapshot's difference isn't known to be one."""
        self.mids = StepStream()
        self.minutes = PeriodMids(MINUTE)
        self.hours = PeriodMids(HOUR)
        self.ranges = MinuteRanges()
        self.trades = TradeTape()

    def join_event(self) -> None:
        """A feature reads the event: the event is told of this market."""
        if self.member is None:
            self.member = EventMember(self.event, self.spec)

    def begin(self, at: Ns) -> None:
        """The book is there: its streams are observed from here on."""
        self.heard_at = at
        self.top_changed_at = None
        for stream in (self.flow, self.messages, self.removed):
            stream.begin(at)
        self.trades.begin(at)  # a market's two subscriptions are made together

    def end(self) -> None:
        """The book is lost: nothing is known of its past any more."""
        self.book = self.top_changed_at = None
        self.top.forget()
        for stream in (self.flow, self.messages, self.removed, self.mids):
            stream.end()
        for sampled in (self.minutes, self.hours, self.ranges):
            sampled.end()
        if self.member is not None:
            self.member.lose()
