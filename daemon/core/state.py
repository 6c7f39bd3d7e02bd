"""Everything that the daemon believes, changed by events and by nothing else.

`State.apply` takes in one fact and never decides. Beliefs are either the venue's word or marked as not
vouched for: an unsynced book, an `unknown` order, an account that is not `is_reconciled`.
"""

from __future__ import annotations

from collections import Counter
from typing import assert_never

import msgspec

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.features import FeatureSet, ReferenceFeatures
from daemon.core.ledger import Ledger
from daemon.core.markets import MarketSpec
from daemon.core.orders import Happening, IllegalHappening, Order
from daemon.core.reconcile import READ_LAG, Reconciliation
from daemon.core.risk import FeedHealth
from daemon.core.scorer import FeatureSchema
from daemon.core.units import MINUTE, Ns, Price, PriceGrid, Qty

TOLD: dict[e.OrderStatus, Happening] = {
    "resting": "told_resting",
    "canceled": "told_canceled",
    "executed": "told_executed",
}
ADOPTED = "adopted"
"""The strategy name of orders from a previous life: they are cancelled, their fills are kept."""


class Market:
    """One watched market: what it is, its book, its features, and its end."""

    __slots__ = ("book", "features", "grid", "is_settled", "settlement_price", "spec")

    def __init__(self, spec: MarketSpec, features: FeatureSet) -> None:
        self.spec = spec
        self.grid = PriceGrid(spec.bands)
        self.book = Book(spec.ticker)
        self.features = features
        self.settlement_price: Price | None = None
        """What one YES contract pays; None until determined."""
        self.is_settled = False


class State:
    """The beliefs. `touched` collects the markets that changed since the last decision, in order."""

    def __init__(self, schema: FeatureSchema, client_order_id_prefix: str) -> None:
        self._schema = schema
        self._prefix = client_order_id_prefix
        self.markets: dict[str, Market] = {}
        self.orders: dict[str, Order] = {}
        """By client order id; closed ones leave once all their fills are booked."""
        self._closed_at: dict[str, Ns] = {}
        """When orders of this life left `orders`; kept for a minute, against words that lag behind."""
        self.pending_terms: dict[str, tuple[Price, Qty]] = {}
        """The terms that an unanswered amend asked for, by client order id."""
        self.ledger = Ledger()
        self.feed = FeedHealth()
        self.reference = ReferenceFeatures()
        self.reference_price: int | None = None
        self.is_reference_up = False
        self.touched: dict[str, None] = {}
        self.account = Reconciliation()
        self.last_fill_at: Ns = 0
        self.halt_reason: str | None = None
        self.stop_reason: str | None = None
        self.settlements: dict[str, Price] = {}
        """What one YES contract of a determined market pays; kept when the market is no longer watched."""
        self.counts: Counter[str] = Counter()
        """Plain counts by name, for metrics and summaries."""

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
                self._apply_answer(event)
            case e.OrderUpdated():
                self._apply_update(event)
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
            case e.HaltRequested():
                self.halt_reason = event.reason
                self.touch_all()
            case e.ResumeRequested():
                self.halt_reason = None
                self.touch_all()
            case e.StopRequested():
                self.stop_reason = event.reason
                self.touch_all()
            case _:
                assert_never(event)

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
                self._respec(market, status="determined")
            case e.MarketSettled():
                self._settle(market)
            case e.MarketDropped():
                is_ours = any(order.ticker == event.ticker for order in self.orders.values())
                if not is_ours and self.ledger.position_qty(event.ticker) == 0:
                    del self.markets[event.ticker]
                    self.touched.pop(event.ticker, None)
            case _:
                assert_never(event)

    def _list(self, spec: MarketSpec) -> None:
        market = self.markets.get(spec.ticker)
        if market is None:
            self.markets[spec.ticker] = Market(spec, FeatureSet(self._schema, spec, self.reference))
        else:
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
        self._respec(market, status="finalized")
        if market.settlement_price is None:
            # We missed the result: only the venue's lists can say what was paid.
            self.account.doubt()
            return
        if self.ledger.position_qty(market.spec.ticker):
            self.counts["settled_positions"] += 1
        self.ledger.settle(market.spec.ticker, market.settlement_price)

    # --- orders --------------------------------------------------------------------------------

    def open_orders(self, ticker: str) -> tuple[Order, ...]:
        """Return our orders in a market that may still change the position."""
        return tuple(order for order in self.orders.values() if order.ticker == ticker and not order.is_done)

    def happen(self, order: Order, happening: Happening, at: Ns) -> None:
        """Move an order along the lifecycle; what the table forbids is counted and changes nothing."""
        try:
            order.apply(happening, at)
        except IllegalHappening:
            self.counts["illegal_order_events"] += 1
        self.touched[order.ticker] = None
        if order.is_done:
            self._forget_order(order, at)

    def _forget_order(self, order: Order, at: Ns) -> None:
        """Drop an order that is closed and whose fills are all booked."""
        self.orders.pop(order.client_order_id, None)
        self.pending_terms.pop(order.client_order_id, None)
        closed_at = self._closed_at
        closed_at[order.client_order_id] = at
        while (oldest := next(iter(closed_at))) != order.client_order_id and closed_at[oldest] < at - MINUTE:
            del closed_at[oldest]

    def _apply_answer(
        self, event: e.OrderAccepted | e.OrderRejected | e.OrderUnknown | e.OrderDropped
    ) -> None:
        order = self.orders.get(event.client_order_id)
        if order is None:
            self.counts["answers_to_closed_orders"] += 1
            return
        match event:
            case e.OrderAccepted():
                self._apply_accepted(order, event)
                return
            case e.OrderRejected():
                self.counts[f"rejected_{event.action}"] += 1
                happening = self._rejection(event)
            case e.OrderUnknown():
                self.counts["unknown_outcomes"] += 1
                happening = "outcome_unknown"
            case e.OrderDropped():
                self.counts["queue_drops"] += 1
                drops: dict[e.OrderAction, Happening] = {
                    "place": "place_dropped",
                    "amend": "amend_settled",
                    "cancel": "cancel_dropped",
                }
                happening = drops[event.action]
            case _:
                assert_never(event)
        if happening == "amend_settled":
            self.pending_terms.pop(order.client_order_id, None)
        self.happen(order, happening, event.received_at)

    @staticmethod
    def _rejection(event: e.OrderRejected) -> Happening:
        if event.code == "order_already_exists":
            return "outcome_unknown"  # it arrived, once: the list will show which
        if event.action == "place":
            return "place_rejected"
        if event.code == "not_found":
            return "outcome_unknown"  # a 404 tells cancelled and filled not apart
        return "amend_settled" if event.action == "amend" else "cancel_dropped"

    def _apply_accepted(self, order: Order, event: e.OrderAccepted) -> None:
        order.order_id = event.order_id
        if event.filled is not None:
            order.tell_filled(event.filled)
        if event.action == "cancel":
            if event.reduced_by is not None:
                order.tell_filled(order.qty - event.reduced_by)  # what wasn't cancelled has traded
            self.happen(order, "told_canceled", event.received_at)
            return
        terms = self.pending_terms.pop(order.client_order_id, None)
        if event.action == "amend" and terms is not None:
            order.price, order.qty = terms
        if event.remaining == 0:
            is_whole = order.filled >= order.qty
            self.happen(order, "told_executed" if is_whole else "told_canceled", event.received_at)
        else:
            settled: Happening = "place_accepted" if event.action == "place" else "amend_settled"
            self.happen(order, settled, event.received_at)

    def _apply_update(self, event: e.OrderUpdated) -> None:
        self.feed.heard_at = event.received_at
        order = self.orders.get(event.client_order_id)
        if order is None:
            if event.status == "resting":
                self.adopt_order(
                    e.OrderSnapshot(
                        event.order_id,
                        event.client_order_id,
                        event.ticker,
                        event.side,
                        event.price,
                        event.filled,
                        event.remaining,
                    ),
                    event.received_at,
                )
            return
        order.order_id = event.order_id
        order.tell_filled(event.filled)
        self.take_terms(order, event.price, event.filled + event.remaining, event.status)
        self.happen(order, TOLD[event.status], event.received_at)

    def take_terms(self, order: Order, price: Price, qty: Qty, status: e.OrderStatus) -> None:
        """The venue's terms of a resting order are the truth, unless an amend of ours is on its way."""
        if status == "resting" and order.state not in ("amending", "canceling"):
            order.price, order.qty = price, qty

    def adopt_order(self, told: e.OrderSnapshot, at: Ns) -> None:
        """Take in an order that the venue knows and we don't: of our previous life, or not ours at all.

        `at` is when that was true at the latest. One that we closed just before is told by a list or a
        message that lags behind, and stays closed; told later than that, it lives, and we were wrong.
        """
        closed_at = self._closed_at.get(told.client_order_id)
        if closed_at is not None and at < closed_at + READ_LAG:
            self.counts["late_words"] += 1
            return
        if not told.client_order_id.startswith(self._prefix):
            self.counts["foreign_orders"] += 1
            return
        market = self.markets.get(told.ticker)
        self.orders[told.client_order_id] = Order(
            client_order_id=told.client_order_id,
            ticker=told.ticker,
            side=told.side,
            price=told.price,
            qty=told.filled + told.remaining,
            style="rest",
            strategy=ADOPTED,
            exchange_index=market.spec.exchange_index if market is not None else -1,
            at=at,
            state="resting",
            order_id=told.order_id,
            filled=told.filled,
        )
        self.counts["adopted_orders"] += 1
        self.touched[told.ticker] = None

    def book_fill(self, event: e.OrderFilled) -> None:
        """Book one fill, once, and tell its order."""
        if not self.ledger.apply_fill(event):
            return
        self.counts["fills"] += 1
        self.last_fill_at = max(self.last_fill_at, event.received_at)
        self.touched[event.ticker] = None
        order = self._order_of(event)
        if order is not None:
            order.booked += event.qty
            order.tell_filled(order.booked)
            if order.booked >= order.qty and order.is_open:
                self.happen(order, "told_executed", event.received_at)
            elif order.is_done:
                self._forget_order(order, event.received_at)

    def _order_of(self, event: e.OrderFilled) -> Order | None:
        if event.client_order_id is not None:
            return self.orders.get(event.client_order_id)
        return next((order for order in self.orders.values() if order.order_id == event.order_id), None)
