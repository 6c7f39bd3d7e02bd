"""Everything that the daemon believes, changed by events and by nothing else.

`State.apply` takes in one fact and never decides. Beliefs are either the venue's word or marked as not
vouched for: an unsynced book, an `unknown` order, an account that is not `is_reconciled`.
"""

from __future__ import annotations

from collections.abc import Sequence

from daemon.core import events as e
from daemon.core.account_beliefs import AccountBeliefs, keep_latest
from daemon.core.breakers import Keys
from daemon.core.connections import FIRST_FEED, Connections
from daemon.core.exchange_status import ExchangeStatus
from daemon.core.features.releases import Release, instants_of
from daemon.core.market import Market
from daemon.core.markets import MarketStatus
from daemon.core.order_groups import OrderGroups
from daemon.core.reference import ReferenceConfig, References
from daemon.core.risk import FeedHealth, Limits, Refusal
from daemon.core.scorer import FeatureSchema
from daemon.core.switches import Switches
from daemon.core.units import Money, Ns

DIFFERENCES_MAX = 2


class State(AccountBeliefs):
    """The beliefs: account, exchange, markets' lives and the operator's word here; the rest in the bases."""

    def __init__(
        self,
        schema: FeatureSchema,
        client_order_id_prefix: str,
        *,
        private_feed: e.Feed = FIRST_FEED,
        reference: ReferenceConfig | None = None,
        audit_differences_max: int = DIFFERENCES_MAX,
        is_backfilled: bool = False,
        releases: Sequence[Release] = (),
    ) -> None:
        """Build without any belief.

        Args:
            schema: the features that every market keeps up to date.
            client_order_id_prefix: what our orders' ids begin with, in every life.
            private_feed: the connection that carries our orders and fills.
            reference: the sources of the underlyings' prices; None for the shipped ones.
            audit_differences_max: so many unequal audits of a book in a row, and it is lost.
            is_backfilled: whether the shell reads what we missed of a market, so that it has to be
                awaited: `MarketBackfilled` ends the waiting.
            releases: what is published when, by series.
        """
        super().__init__(
            client_order_id_prefix,
            Connections(private_feed),
            References(reference or ReferenceConfig()),
            audit_differences_max=audit_differences_max,
            is_backfilled=is_backfilled,
        )
        self._schema = schema
        self._releases = tuple(releases)
        self.exchange = ExchangeStatus()
        self.halt_reason: str | None = None
        self.halt_by = ""
        """Who halted; empty while nothing is halted."""
        self.stop_reason: str | None = None
        self.flatten: e.FlattenRequested | None = None
        """The wish to close all positions, until a person resumes."""
        self.order_groups = OrderGroups()
        """The venue's second line by shard: what rests there is put into it."""
        self.switches = Switches()
        """Which strategies are off."""

    # --- what is asked of it -------------------------------------------------------------------

    @property
    def feeds(self) -> dict[e.Feed, FeedHealth]:
        """The venue's connections by name."""
        return self.connections.feeds

    @property
    def feed(self) -> FeedHealth:
        """The venue's connection that is worst off: what one lamp for all of them shows."""
        return self.connections.worst()

    @property
    def quiet_channels(self) -> dict[tuple[e.Feed, str], Ns]:
        """Channels that are silent against their history, by (connection, channel), and for how long."""
        return self.connections.quiet_channels

    @property
    def reference_price(self) -> Money | None:
        """The first underlying's price as of the last word of its sources; None when none is well."""
        return self.references.price()

    def reference_source(self, symbol: str, now: Ns | None = None) -> str | None:
        """Return the source in force for a symbol, None when none is well; now, or as of their last word."""
        return self.references.source(symbol, self.references.heard_at() if now is None else now)

    def refusal(self, market: Market, limits: Limits, now: Ns) -> Refusal | None:
        """Return why nothing new may be sent to a market though its connections are well; None if it may."""
        if market.is_unwatched or market.is_backfill_due:
            return market.refusal
        return self.exchange.refusal(market.spec.exchange_index, now) or self.connections.drift(limits, now)

    def vouch(self, market: Market, limits: Limits, now: Ns) -> Refusal | None:
        """Return why nothing new may be sent to a market whatever its book says; None when it may."""
        return self.vouch_feeds(market, limits, now) or self.refusal(market, limits, now)

    def vouch_feeds(self, market: Market, limits: Limits, now: Ns) -> Refusal | None:
        """Return why a market's connection, or that of our orders, is not to be trusted; None if both are."""
        private, feed = self.connections.private, market.feed
        if feed is private:
            return feed.vouch(limits, now)
        return private.vouch(limits, now) or feed.vouch(limits, now)

    def is_exchange_paused(self, ticker: str, now: Ns) -> bool:
        """Whether the venue takes nothing at all for a market now, not even cancels."""
        market = self.markets.get(ticker)
        shard = None if market is None else market.spec.exchange_index
        return self.exchange.pause(shard, now) == "exchange_paused"

    @property
    def is_flat(self) -> bool:
        """Whether nothing is held and nothing of ours may still trade."""
        return not self.orders and not any(one.qty for one in self.ledger.positions.values())

    def keys_of(self, ticker: str, strategy: str) -> Keys:
        """Return what an order in a market, of a strategy, belongs to."""
        market = self.markets.get(ticker)
        return Keys(ticker, None if market is None else market.spec.event_ticker, strategy)

    # --- intake --------------------------------------------------------------------------------

    def apply(self, event: e.Event) -> None:  # noqa: C901 - one flat table of facts
        """Take in one fact."""
        match event:
            case e.BookDeltaReceived():
                self.apply_delta(event)
            case e.BookSnapshotReceived():
                self.apply_snapshot(event)
            case e.TradePrinted():
                self.apply_trade(event)
            case e.ReferencePriceReceived() | e.ReferenceCandleClosed() | e.ReferenceStatusTold():
                self.apply_reference(event)
            case e.FeedHeard() | e.FeedConnected() | e.FeedDropped():
                self._apply_connection(event)
            case e.TradesLost() | e.FrameRefused() | e.ChannelQuieted():
                self._apply_connection(event)
            case (
                e.MarketRouted()
                | e.BookLost()
                | e.BookAudited()
                | e.CandleBackfilled()
                | e.TradesBackfilled()
                | e.MarketBackfilled()
                | e.DailyBarRead()
            ):
                self.apply_past(event)
            case e.MarketListed():
                self._list(event)
            case (
                e.MarketStatusChanged()
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
            case e.AccountDoubted():
                self.order_groups.doubt()
                self.apply_account(event)
            case e.VenueFailed() | e.VenueAnswered() | e.QueuePlacesRead():
                pass  # the breakers', which the engine keeps; and what only `explain` reads
            case e.ModelSwapped() | e.StrategySwitched() | e.ConfigChanged():
                self._apply_switch(event)
            case e.ExchangeStatusTold() | e.MaintenancePlanned():
                self._apply_exchange(event)
            case e.HaltRequested() | e.ResumeRequested() | e.StopRequested() | e.FlattenRequested():
                self._apply_word(event)
            case e.ReadingRequested():
                self.is_reading_due = True
            case e.OrderGroupTold():
                self.order_groups.apply(event)
                self.touch_all()
            case _:
                self.apply_account(event)  # which knows all that are left

    def _apply_switch(self, event: e.ModelSwapped | e.StrategySwitched | e.ConfigChanged) -> None:
        """Take a switch; models and the configuration are the engine's. Each may change decisions."""
        if isinstance(event, e.StrategySwitched):
            self.switches.apply(event)
        self.touch_all()

    def _apply_word(
        self, event: e.HaltRequested | e.ResumeRequested | e.StopRequested | e.FlattenRequested
    ) -> None:
        """Take a person's or a guard's word."""
        match event:
            case e.HaltRequested():
                self.halt(event.reason, event.by)
            case e.ResumeRequested():
                self.halt_reason = self.flatten = None
                self.halt_by = ""
                self.order_groups.resume()
            case e.FlattenRequested():
                self.flatten = event
                self.halt(f"flatten: {event.reason}", event.by)
            case e.StopRequested():
                self.stop_reason = event.reason
        self.touch_all()

    def halt(self, reason: str, by: str) -> None:
        """Stop everything new until a person resumes. The words of the halt that is in force stay."""
        if self.halt_reason is None:
            self.halt_reason, self.halt_by = reason, by
            self.touch_all()

    def _apply_answer(
        self, event: e.OrderAccepted | e.OrderRejected | e.OrderUnknown | e.OrderDropped
    ) -> None:
        if isinstance(event, e.OrderRejected):
            order = self.orders.get(event.client_order_id)
            market = None if order is None else self.markets.get(order.ticker)
            shard = None if market is None else market.spec.exchange_index
            self.order_groups.reject(event.code, shard, event.received_at)
            if self.exchange.suppose(event.code, shard, event.received_at):
                self.counts["pauses_met"] += 1
                self.touch_all()
        elif isinstance(event, e.OrderUnknown):
            self.is_reading_due = True
        elif isinstance(event, e.OrderAccepted):
            self.account.hear_answer(event)
        self.apply_answer(event)

    # --- the venue -----------------------------------------------------------------------------

    def _apply_exchange(self, event: e.ExchangeStatusTold | e.MaintenancePlanned) -> None:
        if isinstance(event, e.MaintenancePlanned):
            self.exchange.plan(event)
        elif self.exchange.tell(event):
            self.counts["exchange_status_changes"] += 1
            self.is_reading_due = True  # a pause may end orders, and resuming may let others trade
        else:
            return
        self.touch_all()

    def _apply_connection(
        self,
        event: e.FeedHeard
        | e.FeedConnected
        | e.FeedDropped
        | e.TradesLost
        | e.FrameRefused
        | e.ChannelQuieted,
    ) -> None:
        is_venue = self.connections.is_venue(event.feed)
        match event:
            case e.FeedHeard():
                if is_venue:
                    self.connections.hear(event)
                self.references.on_heard(event)
            case e.FeedConnected() | e.FeedDropped():
                kind = "connects" if isinstance(event, e.FeedConnected) else "drops"
                self.counts[f"{event.feed}_{kind}"] += 1
                if is_venue:
                    self.change_feed(event)
                if event.feed == self.connections.private_feed:
                    # Fills, and a group's end, may have been missed while the stream was down.
                    self.order_groups.doubt()
                    self.doubt(event.received_at)
                self.touched.update(self.references.on_connection(event))
            case e.TradesLost():
                self.counts["trades_lost" if is_venue else "reference_trades_lost"] += 1
                if is_venue:
                    self.lose_trades(event)
            case e.FrameRefused():
                self.counts["frames_refused" if is_venue else "reference_frames_refused"] += 1
                if is_venue:
                    self.connections.refuse(event)
            case e.ChannelQuieted():
                self.counts["channels_quieted"] += event.silent_for is not None
                self.connections.quiet(event)

    # --- markets -------------------------------------------------------------------------------

    def _apply_market(
        self,
        event: e.MarketStatusChanged
        | e.MarketCloseMoved
        | e.MarketGridChanged
        | e.MarketStrikeSet
        | e.MarketDetermined
        | e.MarketSettled
        | e.MarketDropped,
    ) -> None:
        market = self.markets.get(event.ticker)
        if market is None:
            self.counts["unwatched_market_events"] += 1
            return
        self.touched[event.ticker] = None
        match event:
            case e.MarketSettled():
                self.settle(market, event.received_at)
            case e.MarketDetermined():
                self.determine(market, event)
            case e.MarketDropped():
                market.is_unwatched = True
                self.listings_changed += 1
                self.stop_stream(market, "not watched", event.received_at)
                self.connections.forget_market(event.ticker)
                self.forget_unwatched()
            case _:
                was = market.spec.status
                market.change(event)
                self._meet_reactivation(market, was, event.received_at)

    def _list(self, event: e.MarketListed) -> None:
        spec = event.spec
        keep_latest(self.ledger.shards, spec.ticker, spec.exchange_index)
        self.touched[spec.ticker] = None
        market = self.markets.get(spec.ticker)
        if market is None:
            spot = self.references.of_series(spec.series_ticker)
            spot.tickers[spec.ticker] = None
            feed = self.connections.of_market(spec.ticker)
            releases = instants_of(self._releases, spec.series_ticker)
            event_inputs = self.events.of(spec.event_ticker)
            market = Market(spec, self._schema, spot, feed, event_inputs, releases)
            self.markets[spec.ticker] = market
            self.listings_changed += 1
        else:
            was = market.spec.status
            market.relist(spec)
            self._meet_reactivation(market, was, event.received_at)
            if not market.is_unwatched:
                return
            market.is_unwatched = False
            self.listings_changed += 1
            market.feed = self.connections.of_market(spec.ticker)
        market.is_backfill_due = self._is_backfilled and event.received_at >= spec.open_at

    def _meet_reactivation(self, market: Market, was: MarketStatus, at: Ns) -> None:
        """The venue cancels whatever rests when a market is activated again: ask what is left."""
        is_reactivated = was == "inactive" and market.spec.status == "active"
        if is_reactivated and self.open_orders(market.spec.ticker):
            self.counts["reactivations_met"] += 1
            self.doubt(at)
