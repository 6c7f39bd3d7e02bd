"""What one proposal is judged on: what we believe of its market and of the account, and what it would add.

The engine gathers the beliefs; `Weight` adds the proposal to them, worst case first: every open order of
ours is taken to fill where that hurts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from daemon.core.book import Book
from daemon.core.breakers import Opened
from daemon.core.commands import Purpose
from daemon.core.ledger import Position
from daemon.core.markets import MarketSpec
from daemon.core.orders import Order, ProposeAmend, ProposePlace, Stake
from daemon.core.risk.refusals import Refusal
from daemon.core.risk.vouching import FeedHealth
from daemon.core.risk.worst_case import Contingency, Results, worst_event_loss, worst_results
from daemon.core.units import PRICE_ONE, BookSide, Money, Ns, PriceGrid, Qty

Entry: TypeAlias = ProposePlace | ProposeAmend
"""A proposal that may add to what can be lost: all but cancels."""


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
    close_guard: Ns | None = None
    """The strategy's own; None for the one of the limits."""
    entry_refusal: Refusal | None = None
    """A reason that stops what enters a position and not what reduces one; None when none does."""
    entry_words: str | None = None
    """That reason's particulars, where it has any."""
    is_ladder: bool = False
    """Whether its strike is of the number that all markets of its event are about."""
    score: float | None = None
    """The model's P(YES); None where there is none."""
    recent_orders: tuple[tuple[Ns, Order], ...] = ()
    """Those of ours here that were placed within the last minute, and when.

    Those that ended without a trade are among them only while the same order again would be a duplicate.
    """


class StrategyRisk(msgspec.Struct, frozen=True):
    """What a strategy's own limits are checked against, gathered by the engine. None is off."""

    capital: Money | None
    """The most that it may have at stake."""
    share: Position | None
    """What it holds in this market."""
    staked_elsewhere: Money
    """What its shares of all other markets cost and its orders there may cost."""
    daily_loss_max: Money | None
    loss_today: Money
    """Marked, since the day (UTC) began; a profit is negative."""
    held: Qty = 0
    """What it may give up here whatever its limits say: its own share and what is nobody's, signed."""


class AccountRisk(msgspec.Struct, frozen=True):
    """What the limits are checked against across markets, gathered by the engine."""

    refusal: Refusal | None
    """A reason that stops every new order now (not reconciled, halted, stopping); None when none does."""
    breaker: Opened | None
    """What keeps the order from leaving if it enters a position; None when none does."""
    breaker_of_reducing: Opened | None
    """Likewise if it only gives up a part of one."""
    private_feed: FeedHealth
    """The connection over which our orders and fills come."""
    cash_free: Money
    """Cash less what open orders may still take."""
    loss_elsewhere: Money
    """Sum of the worst losses of all other events."""
    pnl_today: Money
    """Realised and marked P&L since the day (UTC) began."""
    orders_last_minute: int
    event_markets: tuple[Contingency, ...] = ()
    """The other markets of this event in which something is held or may trade."""
    event_realized: Money = 0
    """What this event's markets have earned already, this one's included; a loss is negative."""
    event_reach: Qty = 0
    """The largest positions that all others of this event may come to, together; and so on."""
    series_reach: Qty = 0
    settlement_reach: Qty = 0
    total_reach: Qty = 0
    exposure_elsewhere: Money = 0
    """What all other markets' positions cost and orders may cost."""
    open_orders: int = 0
    """Ours that may still trade, in all markets."""
    requests_last_minute: int = 0
    reducing_last_minute: int = 0
    """Those among them that gave up a part of a position, cancels apart."""
    drawdown: Money = 0
    """The highest equity of this run less the equity now."""
    losing_streak: int = 0
    strategy: StrategyRisk | None = None
    """Its own limits; None where the strategy has none."""


def reach(held: Qty, bids: Qty, asks: Qty) -> Qty:
    """Return the largest position, of either side, that what may still trade can lead to."""
    return max(abs(held + bids), abs(held - asks))


def stake_cost(stake: Stake) -> Money:
    """Return what a stake takes at most, as if it closed nothing."""
    side, price, qty = stake
    return qty * (price if side == "bid" else PRICE_ONE - price)


def exposure(position: Position | None, stakes: Sequence[Stake]) -> Money:
    """Return what a market's position has cost, and what all that may still trade in it may cost.

    What only closes costs nothing: of the closing side the dearest contracts count, beyond what is held.
    """
    held, cost = (0, 0) if position is None else (position.qty, position.cost)
    closing: BookSide = "ask" if held > 0 else "bid"
    cost += sum(stake_cost(stake) for stake in stakes if stake[0] != closing)
    closers = sorted((stake_cost((side, price, 1)), qty) for side, price, qty in stakes if side == closing)
    opening = sum(qty for _, qty in closers) - abs(held)
    for each, qty in reversed(closers):
        if opening <= 0:
            break
        cost += each * min(qty, opening)
        opening -= qty
    return cost


class Weight:
    """One proposal added to its market: what could come of it. Built once for all checks."""

    __slots__ = ("added", "held", "own_cost", "purpose", "reach", "results", "stakes", "strategy_stakes")

    def __init__(self, proposal: Entry, market: MarketRisk) -> None:
        target = proposal.target
        replaced = proposal.client_order_id if isinstance(proposal, ProposeAmend) else None
        self.stakes: list[Stake] = []
        self.strategy_stakes: list[Stake] = []
        """Those among them that are the same strategy's."""
        self.added: Stake = (target.side, target.price, target.qty)
        """What is new: the order, or an amended one at the worse of its two terms."""
        self.own_cost: Money = 0
        """What the order that is amended takes already."""
        for order in market.open_orders:
            stake = order.stake
            if order.client_order_id != replaced:
                self.stakes.append(stake)
                if order.strategy == proposal.strategy:
                    self.strategy_stakes.append(stake)
                continue
            # Until an amend is answered either terms may be in force. What has traded of it and is not
            # booked yet comes on top of what shall rest.
            unbooked = max(0, order.filled - order.booked)
            price = max(stake[1], target.price) if target.side == "bid" else min(stake[1], target.price)
            self.added = (target.side, price, max(stake[2], target.qty + unbooked))
            self.own_cost = stake_cost(stake)
        self.stakes.append(self.added)
        self.strategy_stakes.append(self.added)
        self.held: Qty = market.position.qty if market.position is not None else 0
        bids = sum(qty for side, _, qty in self.stakes if side == "bid")
        asks = sum(qty for side, _, qty in self.stakes if side == "ask")
        self.reach = reach(self.held, bids, asks)
        closes = asks <= self.held if target.side == "ask" else bids <= -self.held
        # Everything on its side taken together gives up no more than what is held.
        self.purpose: Purpose = "reduce" if closes else "enter"
        self.results: Results = worst_results(market.position, self.stakes)

    def gives_up_own(self, held: Qty) -> bool:
        """Whether all of the same strategy's on the order's side together gives up no more than `held`."""
        side = self.added[0]
        qty = sum(one for on, _, one in self.strategy_stakes if on == side)
        return qty <= (held if side == "ask" else -held)

    def event_loss(self, market: MarketRisk, account: AccountRisk) -> Money:
        """Return the worst case of the event with the order in it."""
        this = Contingency(market.spec, market.is_ladder, self.results)
        return worst_event_loss((this, *account.event_markets), account.event_realized)

    def exposure(self, market: MarketRisk) -> Money:
        """Return what the market's position costs, and what all orders in it may cost."""
        return exposure(market.position, self.stakes)
