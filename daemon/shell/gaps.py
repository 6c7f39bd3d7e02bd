"""What the stream kept from us: which market's past is to be read over REST, from when, up to when. Pure.

A market has a gap from its listing on, and again from before its connection dropped or lost trades. A gap
ends when the stream is known to be subscribed again, which a book snapshot shows; only then is its end
known, and it can be read. Whatever breaks the stream while a gap is being read starts that over: the
reading carries the market's `round`, and one of an earlier round counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.core import events as e
from daemon.core.connections import FIRST_FEED
from daemon.core.markets import MarketSpec
from daemon.core.units import MINUTE, SECOND, Ns

LENGTH: Ns = 20 * MINUTE
"""How far back a market's past is read at least; further where a feature looks further."""
SUBSCRIBED_WITHIN: Ns = SECOND
"""The trades of a market are subscribed this long after its book's snapshot, at the latest: both
subscriptions are sent together. Skew between the exchange's clock and ours is within it too."""
TOGETHER: Ns = SECOND // 2
"""Gaps end at whole multiples of this: markets that come back one after the other are read together."""
SLACK: Ns = 5 * SECOND
"""Trades are read again from this long before the last moment at which the stream was surely whole."""


class Gap(msgspec.Struct, frozen=True):
    """One market's missing past: the candles before `until`, and if `has_trades` the trades since `since`."""

    ticker: str
    spec: MarketSpec
    since: Ns
    until: Ns
    has_trades: bool
    attempts: int
    """How often it was tried before."""
    round: int
    """Which break of the stream it belongs to."""


def subscribed_by(seen_at: Ns) -> Ns:
    """Return when a market's trades are subscribed at the latest, if its stream was seen at this time."""
    return -(-(seen_at + SUBSCRIBED_WITHIN) // TOGETHER) * TOGETHER


class _Market(msgspec.Struct):
    spec: MarketSpec
    feed: e.Feed = FIRST_FEED
    whole_until: Ns | None = None
    """Where the gap in the trades begins; 0 when nothing is known at all, None when there is no gap."""
    is_waiting: bool = True
    """Whether the stream is broken, and no snapshot has shown it subscribed since."""
    has_lost_book: bool = False
    until: Ns = 0
    due_at: Ns | None = None
    attempts: int = 0
    round: int = 0


class Gaps:
    """The gaps of all watched markets. Told events in the core's order, and what became of each reading.

    Args:
        silence: how long a connection may have been dead before its drop is told.
        length: how far back trades are read.
    """

    def __init__(self, silence: Ns, length: Ns = LENGTH) -> None:
        self._silence = silence
        self._length = length
        self._markets: dict[str, _Market] = {}
        self._due: dict[str, None] = {}
        self._traded_at: dict[e.Feed, Ns] = {}

    def bound_silence(self, silence: Ns) -> None:
        """Reckon with this silence too, and never with less than before.

        A connection that died under a longer one may yet be told to be down; reading too much harms nobody.
        """
        self._silence = max(self._silence, silence)

    def __len__(self) -> int:
        """Return how many markets are not whole."""
        return sum(market.whole_until is not None for market in self._markets.values())

    def apply(self, event: e.Event) -> None:
        """Take in one event that the core handled."""
        match event:
            case e.TradePrinted():
                market = self._markets.get(event.ticker)
                if market is not None:
                    self._traded_at[market.feed] = event.received_at
            case e.BookSnapshotReceived() | e.BookLost() | e.MarketRouted():
                market = self._markets.get(event.ticker)
                if market is not None:
                    self._apply_stream(event, market)
            case e.MarketListed():
                market = self._markets.setdefault(event.spec.ticker, _Market(event.spec, whole_until=0))
                market.spec = event.spec
            case e.MarketDropped():
                self._markets.pop(event.ticker, None)
                self._due.pop(event.ticker, None)
            case e.FeedDropped():
                for ticker, market in self._of(event.feed):
                    self._break(ticker, market, event.received_at - self._silence - SLACK)
            case e.TradesLost():
                self._apply_trades_lost(event)

    def take_due(self, now: Ns, count_max: int | None = None) -> list[Gap]:
        """Return the gaps that can be read now, the market that closes first being the first.

        Each is returned once, until `retry`, or until its market's stream breaks again. What is beyond
        `count_max` stays due.
        """
        due = [
            (market.spec.close_at, ticker, market)
            for ticker in self._due
            if (market := self._markets[ticker]).due_at is not None and market.due_at <= now
        ]
        gaps = []
        for _, ticker, market in sorted(due, key=lambda row: row[:2])[:count_max]:
            del self._due[ticker]
            market.due_at = None
            since = market.until if market.whole_until is None else market.whole_until
            gaps.append(
                Gap(
                    ticker,
                    market.spec,
                    max(since, market.until - self._length),
                    market.until,
                    market.whole_until is not None,
                    market.attempts,
                    market.round,
                )
            )
        return gaps

    def due_count(self, now: Ns) -> int:
        """Return how many gaps can be read now."""
        dues = (self._markets[ticker].due_at for ticker in self._due)
        return sum(due_at is not None and due_at <= now for due_at in dues)

    def has_due(self, now: Ns) -> bool:
        """Whether a gap can be read now."""
        return any((at := self._markets[ticker].due_at) is not None and at <= now for ticker in self._due)

    def is_current(self, gap: Gap) -> bool:
        """Whether the stream has not broken since this gap was returned, and its market is still watched."""
        market = self._markets.get(gap.ticker)
        return market is not None and market.round == gap.round

    def retry(self, gap: Gap, at: Ns) -> None:
        """Read a gap again from this time on; nothing happens if it is no longer current."""
        if self.is_current(gap):
            market = self._markets[gap.ticker]
            market.attempts += 1
            self._schedule(gap.ticker, market, at)

    def close(self, gap: Gap, *, is_whole: bool) -> None:
        """End the reading of a gap; one that couldn't be filled is part of the market's next one."""
        if self.is_current(gap):
            market = self._markets[gap.ticker]
            if is_whole:
                market.whole_until = None
            market.attempts = 0

    def _apply_stream(
        self, event: e.BookSnapshotReceived | e.BookLost | e.MarketRouted, market: _Market
    ) -> None:
        match event:
            case e.MarketRouted():
                market.feed = event.feed
                self._break(event.ticker, market, event.received_at - SLACK)
            case e.BookLost():
                market.has_lost_book = True
            case e.BookSnapshotReceived():
                if market.is_waiting:
                    market.is_waiting = False
                    market.until = subscribed_by(event.received_at)
                    self._schedule(event.ticker, market, market.until)
                elif market.has_lost_book and market.due_at is None:
                    # The trades went on, but the book's past is gone with the book: its candles are read
                    # again, and what was being read of the trades with them.
                    market.round += 1
                    market.until = event.received_at
                    self._schedule(event.ticker, market, event.received_at)
                market.has_lost_book = False

    def _apply_trades_lost(self, event: e.TradesLost) -> None:
        # The numbers show a gap only with the frame that follows it: the lost ones may be as old as the
        # last one that came.
        since = self._traded_at.get(event.feed, 0) - SLACK
        for ticker, market in self._of(event.feed):
            is_subscribed = not market.is_waiting
            self._break(ticker, market, since)
            if is_subscribed:
                market.is_waiting = False
                market.until = subscribed_by(event.received_at)
                self._schedule(ticker, market, market.until)

    def _of(self, feed: e.Feed) -> Iterable[tuple[str, _Market]]:
        return [(ticker, market) for ticker, market in self._markets.items() if market.feed == feed]

    def _break(self, ticker: str, market: _Market, whole_until: Ns) -> None:
        """Begin a gap, or let the one that is open already go on."""
        if market.whole_until is None:
            market.whole_until = max(0, whole_until)
        market.whole_until = min(market.whole_until, max(0, whole_until))
        market.is_waiting = True
        market.due_at = None
        self._due.pop(ticker, None)
        market.attempts = 0
        market.round += 1

    def _schedule(self, ticker: str, market: _Market, at: Ns) -> None:
        market.due_at = at
        self._due[ticker] = None
