"""The one gate: every limit by name, and the only maker of an `Approved`.

A proposal becomes a command only through `Risk.approve`, which either returns an `Approved` or the name
of the refusal. Nothing else constructs one (a test reads the whole tree for it). Two kinds of checks:

* `vouch`: is what the decision rests on to be trusted (connection, lag, clocks, book, market)? It is
  asked at the decision and again by the queue at the moment of sending.
* the limits: would the order, added to everything that may still trade, break one? Worst case first: a
  binary market ends YES or NO, and every open order is taken to fill where that hurts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

import msgspec

from daemon.core.book import Book
from daemon.core.breaker import BreakerState
from daemon.core.fees import trade_fee
from daemon.core.lag import TransportLag
from daemon.core.ledger import Position
from daemon.core.markets import MarketSpec
from daemon.core.orders import Order, Proposal, ProposeAmend, ProposeCancel, ProposePlace, Stake
from daemon.core.strategy import Target
from daemon.core.units import PRICE_ONE, Money, Ns, Price, PriceGrid, Qty

Refusal: TypeAlias = Literal[
    "not_reconciled",
    "halted",
    "stopping",
    "breaker_open",
    "feed_down",
    "feed_silent",
    "transport_lag",
    "clock_skew",
    "exchange_paused",
    "trading_paused",
    "maintenance",
    "schema_drift",
    "not_watched",
    "not_backfilled",
    "book_unsynced",
    "book_unchanged",
    "market_not_open",
    "close_too_near",
    "order_unknown",
    "off_grid",
    "qty_out_of_range",
    "price_too_far",
    "self_cross",
    "position_limit",
    "market_loss_limit",
    "total_loss_limit",
    "daily_loss_limit",
    "cash_short",
    "order_rate_limit",
]
"""Every reason for which *we* say no. What the venue says is a rejection."""

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The named limits, in core units. `app` builds them from `config.toml`."""

    order_qty_max: Qty
    position_qty_max: Qty
    market_loss_max: Money
    total_loss_max: Money
    daily_loss_max: Money
    price_away_max: Price
    orders_per_minute_max: int
    close_guard: Ns
    feed_silent_max: Ns
    transport_lag_max: Ns
    clock_offset_max: Ns
    refused_per_minute_max: int = 20


class Approved(msgspec.Struct, frozen=True):
    """A proposal that passed. Only this module makes one; only one of these becomes a command."""

    proposal: Proposal


class FeedHealth:
    """What we know of one of the venue's connections: up or not, when it was last heard, how late it is."""

    __slots__ = ("has_trade_hole", "heard_at", "is_connected", "lag", "traded_at")

    def __init__(self) -> None:
        self.is_connected = False
        self.heard_at: Ns | None = None
        self.lag = TransportLag()
        self.has_trade_hole = False
        """Whether trades are missing and none came since: the next one proves that the stream goes on."""
        self.traded_at: Ns = 0
        """When it brought its last public trade: none was missed before that. 0 before the first one."""

    def vouch(self, limits: Limits, now: Ns) -> Refusal | None:
        """Return why the connection is not to be trusted; None when it is."""
        if not self.is_connected or self.heard_at is None:
            return "feed_down"
        if now - self.heard_at > limits.feed_silent_max:
            return "feed_silent"
        if self.lag.lag is not None and self.lag.lag > limits.transport_lag_max:
            return "transport_lag"
        if self.lag.offset is not None and abs(self.lag.offset) > limits.clock_offset_max:
            return "clock_skew"
        return None


def vouch_market(
    spec: MarketSpec, book: Book, book_changed_max: Ns | None, limits: Limits, now: Ns
) -> Refusal | None:
    """Return why this market may not be traded at this instant; None when it may."""
    if not book.is_synced:
        return "book_unsynced"
    if book_changed_max is not None:
        age = book.age(now)
        if age is None or age > book_changed_max:
            return "book_unchanged"
    if spec.status != "active" or not spec.open_at <= now < spec.close_at:
        return "market_not_open"
    if spec.close_at - now < limits.close_guard:
        return "close_too_near"
    return None


def worst_loss(position: Position | None, stakes: Iterable[Stake]) -> Money:
    """Return the most that a market can lose from here, in Money, not below 0.

    `stakes` are what may still trade. Whatever the result, those that lose by it are taken as filled
    and the others as not.
    """
    cost = position.cost if position is not None else 0
    if_yes = (position.value(PRICE_ONE) if position is not None else 0) - cost
    if_no = (position.value(0) if position is not None else 0) - cost
    for side, price, qty in stakes:
        if side == "bid":
            if_no -= qty * price
        else:
            if_yes -= qty * (PRICE_ONE - price)
    return max(0, -min(if_yes, if_no))


class MarketRisk(msgspec.Struct, frozen=True):
    """What the limits of one proposal are checked against, gathered by the engine."""

    spec: MarketSpec
    grid: PriceGrid
    book: Book
    position: Position | None
    open_orders: tuple[Order, ...]
    """All of ours in this market that may still trade, of every strategy."""
    book_changed_max: Ns | None
    feed: FeedHealth
    """The connection over which its book comes."""
    refusal: Refusal | None
    """A reason that stops every new order in this market now (a pause, a backfill); None when none does."""


class AccountRisk(msgspec.Struct, frozen=True):
    """What the limits are checked against across markets, gathered by the engine."""

    refusal: Refusal | None
    """A reason that stops every new order now (not reconciled, halted, stopping); None when none does."""
    breaker: BreakerState
    is_trial_out: bool
    """Whether a new order is in flight: a half-open breaker lets one out at a time."""
    private_feed: FeedHealth
    """The connection over which our orders and fills come."""
    cash_free: Money
    """Cash less what open orders may still take."""
    loss_elsewhere: Money
    """Sum of the worst losses of all other markets."""
    pnl_today: Money
    """Realised and marked P&L since the day (UTC) began."""
    orders_last_minute: int


class Risk:
    """The gate. Holds the limits and nothing else: everything it judges is given to it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def approve(
        self, proposal: Proposal, market: MarketRisk, account: AccountRisk, now: Ns
    ) -> Approved | Refusal:
        """Return the proposal as `Approved`, or the first reason against it. Cancels always pass."""
        if isinstance(proposal, ProposeCancel):
            return self.approve_cancel(proposal)
        refusal = (
            account.refusal
            or self._vouch(market, account, now)
            or self._limits_of_order(proposal, market)
            or self._limits_of_exposure(proposal, market, account)
        )
        return refusal or Approved(proposal)

    @staticmethod
    def approve_cancel(proposal: ProposeCancel) -> Approved:
        """Return the cancel as `Approved`: taking an order out only reduces risk, whatever the weather."""
        return Approved(proposal)

    def _vouch(self, market: MarketRisk, account: AccountRisk, now: Ns) -> Refusal | None:
        if account.breaker == "open" or (account.breaker == "half_open" and account.is_trial_out):
            return "breaker_open"
        if any(order.state == "unknown" for order in market.open_orders):
            return "order_unknown"
        return (
            market.refusal
            or account.private_feed.vouch(self.limits, now)
            or market.feed.vouch(self.limits, now)
            or vouch_market(market.spec, market.book, market.book_changed_max, self.limits, now)
        )

    def _limits_of_order(self, proposal: ProposePlace | ProposeAmend, market: MarketRisk) -> Refusal | None:
        target, limits, book = proposal.target, self.limits, market.book
        if not market.grid.contains(target.price):
            return "off_grid"
        if not 1 <= target.qty <= limits.order_qty_max:
            return "qty_out_of_range"
        # A fat finger is measured from the far side of the book, where a sane price never goes beyond.
        reference = book.ask if target.side == "bid" else book.bid
        if reference is None:
            reference = book.bid if target.side == "bid" else book.ask
        if reference is None or abs(target.price - reference) > limits.price_away_max:
            return "price_too_far"
        for order in market.open_orders:
            if order.side != target.side and (
                order.price <= target.price if target.side == "bid" else order.price >= target.price
            ):
                return "self_cross"
        return None

    def _limits_of_exposure(
        self, proposal: ProposePlace | ProposeAmend, market: MarketRisk, account: AccountRisk
    ) -> Refusal | None:
        limits, target, position = self.limits, proposal.target, market.position
        replaced = proposal.client_order_id if isinstance(proposal, ProposeAmend) else None
        # Until an amend is answered either terms may trade: both count.
        stakes = [order.stake for order in market.open_orders]
        stakes.append((target.side, target.price, target.qty))
        held = position.qty if position is not None else 0
        same_side = target.qty + sum(
            order.exposed
            for order in market.open_orders
            if order.side == target.side and order.client_order_id != replaced
        )
        reach = held + same_side if target.side == "bid" else held - same_side
        # What only gives up a part of the position is never refused for losses: it is the way out of them.
        is_reducing = same_side <= (-held if target.side == "bid" else held)
        if not is_reducing:
            if abs(reach) > limits.position_qty_max:
                return "position_limit"
            loss = worst_loss(position, stakes)
            if loss > limits.market_loss_max:
                return "market_loss_limit"
            if loss + account.loss_elsewhere > limits.total_loss_max:
                return "total_loss_limit"
            if account.pnl_today <= -limits.daily_loss_max:
                return "daily_loss_limit"
        if self.cash_needed(target, market) > account.cash_free:
            return "cash_short"
        if account.orders_last_minute >= limits.orders_per_minute_max:
            return "order_rate_limit"
        return None

    @staticmethod
    def cash_needed(target: Target, market: MarketRisk) -> Money:
        """Return the cash that the order may take at most, its taker fee included."""
        held = market.position.qty if market.position is not None else 0
        releasing = max(0, -held if target.side == "bid" else held)
        opening = max(0, target.qty - releasing)
        price = target.price if target.side == "bid" else PRICE_ONE - target.price
        return opening * price + trade_fee(
            market.spec.fees, target.price, target.qty, is_taker=target.style == "take"
        )
