"""What the venue's connections and the references tell of the markets that we watch: books, trades, prices.

Every market comes over one connection, whose health each of its messages refreshes. What a connection kept
from us is marked as unknown, market by market, until it is told again.
"""

from __future__ import annotations

from collections.abc import Iterable

from daemon.core import events as e
from daemon.core.connections import Connections
from daemon.core.features.event_inputs import Events
from daemon.core.market import Market
from daemon.core.own_orders import OrderBeliefs
from daemon.core.reference import References
from daemon.core.units import Ns


class StreamBeliefs(OrderBeliefs):
    """The watched markets with their streams; our own orders in the base."""

    def __init__(
        self,
        client_order_id_prefix: str,
        connections: Connections,
        references: References,
        *,
        audit_differences_max: int,
        is_backfilled: bool,
    ) -> None:
        super().__init__(client_order_id_prefix)
        self.markets: dict[str, Market] = {}
        self.events = Events()
        """What the markets of each event share."""
        self.listings_changed = 0
        """How often a market came or went: who keeps an index of them looks here."""
        self.connections = connections
        self.references = references
        self.audit_differences_max = audit_differences_max
        self._is_backfilled = is_backfilled

    def touch_all(self) -> None:
        """Mark every market for the next decision."""
        self.touched.update(dict.fromkeys(self.markets))

    def touch_engaged(self) -> None:
        """Mark the markets in which we hold something, or have asked for something."""
        self.touched.update({order.ticker: None for order in self.orders.values()})
        self.touched.update({ticker: None for ticker, one in self.ledger.positions.items() if one.qty})

    def touch_due(self, tickers: Iterable[str], since: Ns) -> None:
        """Mark markets for the next decision, but those that are gone, or were decided after an instant."""
        for ticker in tickers:
            market = self.markets.get(ticker)
            if market is not None and market.decided_at <= since:
                self.touched[ticker] = None

    def forget_unwatched(self) -> None:
        """Drop the markets that are no longer watched, and in which we hold and have asked for nothing."""
        engaged = {order.ticker: None for order in self.orders.values()}
        for ticker, market in list(self.markets.items()):
            if market.is_unwatched and ticker not in engaged and not self.ledger.position_qty(ticker):
                del self.markets[ticker]
                self.listings_changed += 1
                self.touched.pop(ticker, None)
                market.spot.tickers.pop(ticker, None)
                self.events.forget(market.spec.event_ticker, ticker)

    # --- connections ---------------------------------------------------------------------------

    def change_feed(self, event: e.FeedConnected | e.FeedDropped) -> None:
        """Take a venue connection's coming or going: what came over it is observed, or lost, from here on."""
        feed, at = self.connections.change(event), event.received_at
        for ticker, market in self.markets.items():
            if market.feed is not feed:
                continue
            self.touched[ticker] = None
            if isinstance(event, e.FeedConnected):
                market.features.on_stream_begun(at)
                # What isn't open yet has no past that we could have missed.
                market.is_backfill_due = market.is_backfill_due and at >= market.spec.open_at
            else:
                self.stop_stream(market, "feed dropped", at)
                market.is_backfill_due = self._is_backfilled

    def stop_stream(self, market: Market, reason: str, at: Ns) -> None:
        """A market's book and trades come no more, until they come again from the start."""
        self.counts["books_lost"] += market.lose_book(reason, at)
        market.features.on_stream_ended(market.feed.heard_at or 0)

    def lose_trades(self, event: e.TradesLost) -> None:
        """Trades of any of a connection's markets may be missing."""
        feed = self.connections.of(event.feed)
        feed.has_trade_hole = True
        for ticker, market in self.markets.items():
            if market.feed is feed:
                market.features.on_trades_lost(event.received_at, feed.traded_at)
                self.touched[ticker] = None

    def apply_reference(
        self, event: e.ReferencePriceReceived | e.ReferenceCandleClosed | e.ReferenceStatusTold
    ) -> None:
        """Take what a source tells of an underlying or of itself; what nobody asked for is counted."""
        match event:
            case e.ReferencePriceReceived():
                tickers = self.references.on_price(event)
            case e.ReferenceCandleClosed():
                tickers = self.references.on_candle(event)
            case e.ReferenceStatusTold():
                tickers = self.references.on_status(event)
        if tickers is None:
            self.counts["unused_references"] += 1
        else:
            self.touched.update(tickers)

    # --- market data ---------------------------------------------------------------------------

    def apply_delta(self, event: e.BookDeltaReceived) -> None:
        """Change one level of a book."""
        market = self.markets.get(event.ticker)
        if market is None:
            self.connections.of_market(event.ticker).heard_at = event.received_at
            self.counts["unwatched_deltas"] += 1
            return
        feed = market.feed
        feed.heard_at = event.received_at
        if event.sent_at is not None:
            feed.lag.observe(event.received_at, event.sent_at)
        book = market.book
        was_synced = book.is_synced
        book.apply_delta(event)
        if was_synced:
            prices = (book.yes if event.side == "yes" else book.no).prices
            is_behind = event.price < prices[-1] if prices else False
            market.features.on_book(book, event.received_at, event.delta, event.side, is_behind)
            self.touched[event.ticker] = None
            if not book.is_synced:
                self.counts["books_lost"] += 1

    def apply_snapshot(self, event: e.BookSnapshotReceived) -> None:
        """Replace a book."""
        market = self.markets.get(event.ticker)
        feed = self.connections.of_market(event.ticker) if market is None else market.feed
        feed.heard_at = event.received_at
        if event.sent_at is not None:
            feed.lag.observe(event.received_at, event.sent_at)
        if market is None:
            self.counts["unwatched_snapshots"] += 1
            return
        if market.book.is_synced:
            # A second snapshot replaces a book that was right: windows over the change go on.
            self.counts["resnapshots"] += 1
        market.book.apply_snapshot(event)
        # Counted like any other loss, for that is what makes the shell ask for another one.
        self.counts["books_lost"] += not market.book.is_synced
        market.features.on_book(market.book, event.received_at)
        self.touched[event.ticker] = None

    def apply_trade(self, event: e.TradePrinted) -> None:
        """Take a public trade."""
        market = self.markets.get(event.ticker)
        feed = self.connections.of_market(event.ticker) if market is None else market.feed
        feed.heard_at = event.received_at
        if feed.has_trade_hole:
            # Nothing was missed between the gap and this one, or another gap would have been told.
            feed.has_trade_hole = False
            for other in self.markets.values():
                if other.feed is feed:
                    other.features.on_trades_resumed()
        feed.traded_at = event.received_at
        if market is not None:
            market.features.on_trade(event)
            self.touched[event.ticker] = None

    def apply_past(
        self,
        event: e.MarketRouted
        | e.BookLost
        | e.BookAudited
        | e.CandleBackfilled
        | e.TradesBackfilled
        | e.MarketBackfilled
        | e.DailyBarRead,
    ) -> None:
        """Take what is told of one market's stream and of what it missed."""
        market = self.markets.get(event.ticker)
        if isinstance(event, e.MarketRouted):
            feed = self.connections.route(event)
            if market is not None:
                self.stop_stream(market, "routed to another connection", event.received_at)
                market.feed = feed
                market.is_backfill_due |= self._is_backfilled and event.received_at >= market.spec.open_at
        if market is None:
            return
        self.touched[event.ticker] = None
        match event:
            case e.BookLost():
                self.counts["books_lost"] += market.lose_book(event.reason, event.received_at)
            case e.BookAudited():
                self.counts["audits"] += 1
                self.counts["audit_differences"] += not event.is_equal
                if market.take_audit(event, self.audit_differences_max):
                    self.counts["audit_failures"] += 1
                    self.counts["books_lost"] += market.lose_book("audit", event.received_at)
            case e.CandleBackfilled():
                market.features.on_candle(event)
            case e.TradesBackfilled():
                market.features.on_trades_backfilled(event)
            case e.MarketBackfilled():
                market.is_backfill_due = False
            case e.DailyBarRead():
                market.features.on_daily_bar(event)
