"""Everything that the daemon believes, changed by events and by nothing else.

`State.apply` takes in one fact and never decides. Beliefs are either the venue's word or marked as not
vouched for: an unsynced book, an `unknown` order, an account that is not `is_reconciled`.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.features import FeatureSet, ReferenceFeatures
from daemon.core.markets import MarketSpec
from daemon.core.own_orders import OrderBeliefs
from daemon.core.reconcile import Reconciliation
from daemon.core.risk import FeedHealth
from daemon.core.scorer import FeatureSchema
from daemon.core.units import Ns, Price, PriceGrid


class Market:
    """One watched market: what it is, its book, its features, and its end."""

    __slots__ = ("book", "features", "grid", "is_settled", "is_unwatched", "settlement_price", "spec")

    def __init__(self, spec: MarketSpec, features: FeatureSet) -> None:
        self.spec = spec
        self.grid = PriceGrid(spec.bands)
        self.book = Book(spec.ticker)
        self.features = features
        self.settlement_price: Price | None = None
        """What one YES contract pays; None until determined."""
        self.is_settled = False
        self.is_unwatched = False
        """Whether it is to be forgotten as soon as nothing of ours is left in it."""


class State(OrderBeliefs):
    """The beliefs: markets, connections and the operator's word here, our own orders in the base."""

    def __init__(self, schema: FeatureSchema, client_order_id_prefix: str) -> None:
        super().__init__(client_order_id_prefix)
        self.account = Reconciliation()
        self._schema = schema
        self.markets: dict[str, Market] = {}
        self.feed = FeedHealth()
        self.reference = ReferenceFeatures()
        self.reference_price: int | None = None
        self.is_reference_up = False
        self.halt_reason: str | None = None
        self.stop_reason: str | None = None
        self.settlements: dict[str, Price] = {}
        """What one YES contract of a determined market pays; kept when the market is no longer watched."""

    # --- intake --------------------------------------------------------------------------------

    def apply(self, event: e.Event) -> None:  # noqa: C901 - one flat table of facts
        """Take in one fact."""
        match event:
            case e.BookDeltaReceived():
                self._apply_delta(event)
            case e.BookSnapshotReceived():
                self._apply_snapshot(event)
            case e.TradePrinted():
                self._apply_trade(event)
            case e.ReferencePriceReceived():
                self._apply_reference(event)
            case e.FeedHeard():
                if event.feed == "kalshi":
                    self.feed.heard_at = event.received_at
            case e.FeedConnected() | e.FeedDropped():
                self._apply_connection(event)
            case e.BookLost():
                self._lose_book(event.ticker, event.reason, event.received_at)
            case e.CandleBackfilled():
                market = self.markets.get(event.ticker)
                if market is not None:
                    market.features.on_candle(event)
            case (
                e.MarketListed()
                | e.MarketStatusChanged()
                | e.MarketCloseMoved()
                | e.MarketGridChanged()
                | e.MarketStrikeSet()
                | e.MarketDetermined()
                | e.MarketSettled()
                | e.MarketDropped()
            ):
                self._apply_market(event)
            case e.OrderAccepted() | e.OrderRejected() | e.OrderUnknown() | e.OrderDropped():
                self.apply_answer(event)
            case e.OrderUpdated():
                self.feed.heard_at = event.received_at
                self.apply_update(event)
            case e.OrderFilled():
                self.book_fill(event)
            case e.AccountReconciled():
                self.account.apply(self, event)
                self.touch_all()
            case e.AccountDoubted():
                self.counts["account_doubts"] += 1
                self.account.doubt()
                self.touch_all()
            case e.VenueFailed() | e.VenueAnswered():
                pass  # the breaker's, which the engine keeps
            case e.HaltRequested() | e.ResumeRequested() | e.StopRequested():
                self._apply_word(event)
            case _:
                self._apply_venue(event)

    def _apply_word(self, event: e.HaltRequested | e.ResumeRequested | e.StopRequested) -> None:
        """Take a person's or a guard's word."""
        match event:
            case e.HaltRequested():
                self.halt_reason = event.reason
            case e.ResumeRequested():
                self.halt_reason = None
            case e.StopRequested():
                self.stop_reason = event.reason
        self.touch_all()

    def _apply_venue(
        self,
        event: e.FrameRefused
        | e.ChannelQuieted
        | e.TradesLost
        | e.MarketRouted
        | e.TradesBackfilled
        | e.MarketBackfilled
        | e.BookAudited
        | e.ReferenceCandleClosed
        | e.ReferenceStatusTold
        | e.ExchangeStatusTold
        | e.MaintenancePlanned,
    ) -> None:
        pass

    def touch_all(self) -> None:
        """Mark every market for the next decision."""
        self.touched.update(dict.fromkeys(self.markets))

    # --- market data ---------------------------------------------------------------------------

    def _apply_delta(self, event: e.BookDeltaReceived) -> None:
        feed = self.feed
        feed.heard_at = event.received_at
        if event.sent_at is not None:
            feed.lag.observe(event.received_at, event.sent_at)
        market = self.markets.get(event.ticker)
        if market is None:
            self.counts["unwatched_deltas"] += 1
            return
        book = market.book
        was_synced = book.is_synced
        book.apply_delta(event)
        if was_synced:
            market.features.on_book(book, event.received_at)
            self.touched[event.ticker] = None
            if not book.is_synced:
                self.counts["books_lost"] += 1

    def _apply_snapshot(self, event: e.BookSnapshotReceived) -> None:
        self.feed.heard_at = event.received_at
        if event.sent_at is not None:
            self.feed.lag.observe(event.received_at, event.sent_at)
        market = self.markets.get(event.ticker)
        if market is None:
            self.counts["unwatched_snapshots"] += 1
            return
        if market.book.is_synced:
            # A second snapshot replaces a book that was right: windows over the change go on.
            self.counts["resnapshots"] += 1
        market.book.apply_snapshot(event)
        market.features.on_book(market.book, event.received_at)
        self.touched[event.ticker] = None

    def _apply_trade(self, event: e.TradePrinted) -> None:
        self.feed.heard_at = event.received_at
        market = self.markets.get(event.ticker)
        if market is not None:
            market.features.on_trade(event)
            self.touched[event.ticker] = None

    def _apply_reference(self, event: e.ReferencePriceReceived) -> None:
        self.is_reference_up = True
        self.reference_price = event.price
        self.reference.on_price(event)
        self.touch_all()

    def _apply_connection(self, event: e.FeedConnected | e.FeedDropped) -> None:
        is_up = isinstance(event, e.FeedConnected)
        self.counts[f"{event.feed}_{'connects' if is_up else 'drops'}"] += 1
        if event.feed == "reference":
            self.is_reference_up = is_up
            if not is_up:
                self.reference_price = None
                self.reference.on_lost()
            return
        self.feed.is_connected = is_up
        if is_up:
            self.feed.heard_at = event.received_at
            self.feed.lag.reset()
        else:
            for ticker in self.markets:
                self._lose_book(ticker, "feed dropped", event.received_at)
        # Fills may have been missed while the stream was down: nothing is believed before the lists agree.
        self.account.doubt()
        self.touch_all()

    def _lose_book(self, ticker: str, reason: str, at: Ns) -> None:
        market = self.markets.get(ticker)
        if market is not None:
            self.counts["books_lost"] += market.book.is_synced
            market.book.lose(reason)
            market.features.on_book(market.book, at)
            self.touched[ticker] = None

    # --- markets -------------------------------------------------------------------------------

    def _apply_market(
        self,
        event: e.MarketListed
        | e.MarketStatusChanged
        | e.MarketCloseMoved
        | e.MarketGridChanged
        | e.MarketStrikeSet
        | e.MarketDetermined
        | e.MarketSettled
        | e.MarketDropped,
    ) -> None:
        if isinstance(event, e.MarketListed):
            self._list(event.spec)
            return
        market = self.markets.get(event.ticker)
        if market is None:
            self.counts["unwatched_market_events"] += 1
            return
        self.touched[event.ticker] = None
        match event:
            case e.MarketStatusChanged():
                self._respec(market, status=event.status)
            case e.MarketCloseMoved():
                self._respec(market, close_at=event.close_at)
            case e.MarketGridChanged():
                self._respec(market, bands=event.bands)
            case e.MarketStrikeSet():
                self._respec(market, strike=event.strike)
            case e.MarketDetermined():
                market.settlement_price = self.settlements[event.ticker] = event.settlement_price
                self.unpaid[event.ticker] = None
                self._respec(market, status="determined")
            case e.MarketSettled():
                self._settle(market)
            case e.MarketDropped():
                market.is_unwatched = True
                self.forget_unwatched()
            case _:
                assert_never(event)

    def forget_unwatched(self) -> None:
        """Drop the markets that are no longer watched, and in which we hold and have asked for nothing."""
        engaged = {order.ticker: None for order in self.orders.values()}
        for ticker, market in list(self.markets.items()):
            if market.is_unwatched and ticker not in engaged and not self.ledger.position_qty(ticker):
                del self.markets[ticker]
                self.touched.pop(ticker, None)

    def _list(self, spec: MarketSpec) -> None:
        market = self.markets.get(spec.ticker)
        if market is None:
            self.markets[spec.ticker] = Market(spec, FeatureSet(self._schema, spec, self.reference))
        else:
            market.is_unwatched = False
            market.spec = spec
            market.grid = PriceGrid(spec.bands)
            market.features.on_spec(spec)
        self.touched[spec.ticker] = None

    @staticmethod
    def _respec(market: Market, **changes: object) -> None:
        market.spec = msgspec.structs.replace(market.spec, **changes)
        market.grid = PriceGrid(market.spec.bands)
        market.features.on_spec(market.spec)

    def _settle(self, market: Market) -> None:
        if market.is_settled:
            return
        market.is_settled = True
        self.unpaid.pop(market.spec.ticker, None)
        self._respec(market, status="finalized")
        if market.settlement_price is None:
            # We missed the result: only the venue's lists can say what was paid.
            self.account.doubt()
            return
        if self.ledger.position_qty(market.spec.ticker):
            self.counts["settled_positions"] += 1
        self.ledger.settle(market.spec.ticker, market.settlement_price)
