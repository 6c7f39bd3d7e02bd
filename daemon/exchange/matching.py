"""One market's book of individual orders: price, then time. A bid at p meets an ask at p or below.

Both sides are kept on their own price scale, as the venue shows them: an ask at YES price p is a NO bid
at 1 - p. So the best price is the highest on either side, and an order at own price w meets the other
side's levels at own prices of 1 - w or more. Trades are at the resting order's price.

The book answers what *would* happen (`plan`) and is told what did (`rest`, `shrink`, `take_depth`); the
money in between belongs to the accounts, which may refuse a step (see `execution`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from daemon.core.book import Ladder
from daemon.core.commands import TimeInForce
from daemon.core.events import Level, OrderStatus
from daemon.core.units import PRICE_ONE, BookSide, Money, Ns, Price, Qty, Side
from daemon.exchange.facts import OrderState, SelfTradePrevention, UpdateReason


def outcome(side: BookSide) -> Side:
    """Return the outcome that an order of this direction buys."""
    return "yes" if side == "bid" else "no"


def own_price(side: BookSide, price: Price) -> Price:
    """Return a YES price on the scale of the outcome that is bought; its own inverse."""
    return price if side == "bid" else PRICE_ONE - price


def owner_of(account: str) -> str:
    """Return whose an account is: a subaccount is named "owner#number", an owner's primary one "owner".

    An order meets *itself* when both sides have one owner, in whichever subaccounts (the sheet doesn't say;
    the rulebook forbids trading with oneself).
    """
    return account.partition("#")[0]


class Order:
    """One order. filled + remaining + canceled == initial, always."""

    __slots__ = (
        "account",
        "accumulator",
        "cancel_on_pause",
        "canceled",
        "client_order_id",
        "created_at",
        "exchange_index",
        "expires_at",
        "filled",
        "front",
        "initial",
        "maker_cost",
        "maker_fees",
        "order_group_id",
        "order_id",
        "owner",
        "post_only",
        "price",
        "queued_at",
        "reason",
        "remaining",
        "self_trade_prevention",
        "side",
        "status",
        "taker_cost",
        "taker_fees",
        "ticker",
        "time_in_force",
        "updated_at",
    )

    def __init__(
        self,
        order_id: str,
        account: str,
        client_order_id: str,
        ticker: str,
        exchange_index: int,
        side: BookSide,
        price: Price,
        qty: Qty,
        time_in_force: TimeInForce,
        self_trade_prevention: SelfTradePrevention,
        created_at: Ns,
    ) -> None:
        self.order_id = order_id
        self.account = account
        self.owner = owner_of(account)
        self.client_order_id = client_order_id
        self.ticker = ticker
        self.exchange_index = exchange_index
        self.side: BookSide = side
        self.price = price
        self.initial = qty
        self.filled: Qty = 0
        self.remaining = qty
        self.canceled: Qty = 0
        self.status: OrderStatus = "resting"
        self.time_in_force: TimeInForce = time_in_force
        self.self_trade_prevention: SelfTradePrevention = self_trade_prevention
        self.post_only = False
        self.cancel_on_pause = False
        self.expires_at: Ns | None = None
        self.taker_cost: Money = 0
        self.maker_cost: Money = 0
        self.taker_fees: Money = 0
        self.maker_fees: Money = 0
        self.accumulator: Money = 0
        self.created_at = created_at
        self.updated_at = created_at
        self.reason: UpdateReason | None = None
        self.order_group_id: str | None = None
        self.queued_at: Ns | None = created_at
        """When it last went to the back of a level."""
        self.front: Qty = 0
        """Recorded size ahead of it at its price (`shadow` only)."""

    @property
    def own_price(self) -> Price:
        """The price on the scale of the outcome that is bought."""
        return self.price if self.side == "bid" else PRICE_ONE - self.price

    def state(self) -> OrderState:
        """Return the order as it stands, as a value."""
        return OrderState(
            self.order_id,
            self.account,
            self.client_order_id,
            self.ticker,
            self.exchange_index,
            self.side,
            self.price,
            self.initial,
            self.filled,
            self.remaining,
            self.canceled,
            self.status,
            self.time_in_force,
            self.self_trade_prevention,
            self.post_only,
            self.cancel_on_pause,
            self.expires_at,
            self.taker_cost,
            self.maker_cost,
            self.taker_fees,
            self.maker_fees,
            self.accumulator,
            self.created_at,
            self.updated_at,
            self.reason,
            self.order_group_id,
            self.queued_at,
        )

    @classmethod
    def from_state(cls, state: OrderState) -> Order:
        """Return the order that had this state."""
        order = cls.__new__(cls)
        for name in OrderState.__struct_fields__:
            setattr(order, name, getattr(state, name))
        order.owner = owner_of(order.account)
        order.front = 0
        return order


class Trade(NamedTuple):
    """A step of a plan: so much meets this maker, or the depth of a tape (None), at its own price."""

    maker: Order | None
    level: Price
    """The level on the maker's own scale."""
    price: Price
    qty: Qty


class Pull(NamedTuple):
    """A step of a plan: this own resting order is cancelled and matching goes on."""

    maker: Order


class Plan(NamedTuple):
    """What an incoming order would do now: its steps in order, and whether an own order stops it."""

    steps: tuple[Trade | Pull, ...]
    filled: Qty
    is_self_crossed: bool

    @property
    def meets_itself(self) -> bool:
        """Whether it meets an own order, which stops it or is pulled."""
        return self.is_self_crossed or any(isinstance(step, Pull) for step in self.steps)


_NOTHING = Plan((), 0, False)


class MatchingBook:
    """Resting orders of one market in price–time priority."""

    is_shadow = False

    def __init__(self, ticker: str) -> None:
        self.ticker = ticker
        self.shown: dict[Side, Ladder] = {"yes": Ladder(), "no": Ladder()}
        """What the public sees, per side on its own scale."""
        self._queues: dict[Side, dict[Price, dict[str, Order]]] = {"yes": {}, "no": {}}

    # --- what is there -----------------------------------------------------------------------

    def levels(self, side: Side) -> tuple[Level, ...]:
        """Return one side's levels, ascending on its own scale: the best is last."""
        ladder = self.shown[side]
        sizes = ladder.sizes
        return tuple([(price, sizes[price]) for price in ladder.prices])

    @property
    def bid(self) -> Price | None:
        """The best YES bid; None when there is none."""
        prices = self.shown["yes"].prices
        return prices[-1] if prices else None

    @property
    def ask(self) -> Price | None:
        """The best YES ask; None when there is none."""
        prices = self.shown["no"].prices
        return PRICE_ONE - prices[-1] if prices else None

    def size(self, side: Side, price: Price) -> Qty:
        """Return the shown size at a price of one side's own scale."""
        return self.shown[side].sizes.get(price, 0)

    def ahead(self, order: Order) -> Qty:
        """Return how many contracts stand before a resting order at its price."""
        total = order.front
        for other in self._queues[outcome(order.side)][order.own_price].values():
            if other is order:
                return total
            total += other.remaining
        raise AssertionError(f"order {order.order_id} does not rest here")

    def orders(self) -> list[Order]:
        """Return the resting orders, bids first, worst price first, in time order."""
        return [
            order
            for side in self._queues.values()
            for price in sorted(side)
            for order in side[price].values()
        ]

    # --- what would happen -------------------------------------------------------------------

    def crosses(self, side: BookSide, price: Price) -> bool:
        """Whether an order would trade on arrival."""
        prices = self.shown["no" if side == "bid" else "yes"].prices
        return bool(prices) and prices[-1] >= PRICE_ONE - own_price(side, price)

    def plan(
        self,
        side: BookSide,
        price: Price,
        qty: Qty,
        account: str,
        self_trade_prevention: SelfTradePrevention,
    ) -> Plan:
        """Return what an incoming order would do. Changes nothing."""
        if not self.crosses(side, price):
            return _NOTHING
        limit = PRICE_ONE - own_price(side, price)
        steps: list[Trade | Pull] = []
        left = qty
        owner = owner_of(account)
        other: Side = "no" if side == "bid" else "yes"
        for level in reversed(self.shown[other].prices):
            if level < limit or not left:
                break
            yes_price = PRICE_ONE - level if other == "no" else level
            for maker, size in self._makers(other, level):
                if not left:
                    break
                if maker is not None and maker.owner == owner:
                    if self_trade_prevention == "taker_at_cross":
                        return Plan(tuple(steps), qty - left, True)
                    steps.append(Pull(maker))
                    continue
                taken = min(left, size)
                left -= taken
                steps.append(Trade(maker, level, yes_price, taken))
        return Plan(tuple(steps), qty - left, False)

    def _makers(self, side: Side, level: Price) -> Iterator[tuple[Order | None, Qty]]:
        """Yield who is to be met at a level, first come first served."""
        for order in self._queues[side].get(level, {}).values():
            yield order, order.remaining

    # --- what did happen ---------------------------------------------------------------------

    def rest(self, order: Order) -> None:
        """Put an order at the back of its level."""
        side, level = outcome(order.side), order.own_price
        self._queues[side].setdefault(level, {})[order.order_id] = order
        self._show(side, level, order.remaining)

    def shrink(self, order: Order, qty: Qty) -> None:
        """Take so much off a resting order, in place; all of it takes the order out."""
        side, level = outcome(order.side), order.own_price
        assert 0 < qty <= order.remaining, f"shrinking {order.remaining} by {qty}"
        order.remaining -= qty
        if not order.remaining:
            queue = self._queues[side][level]
            del queue[order.order_id]
            if not queue:
                del self._queues[side][level]
        self._show(side, level, -qty)

    def take_depth(self, side: Side, level: Price, qty: Qty) -> None:
        """Take so much from depth that belongs to nobody: here there is none."""
        raise AssertionError(f"{self.ticker}: no depth without orders, {qty} at {side} {level}")

    def _show(self, side: Side, level: Price, delta: Qty) -> None:
        is_possible = self.shown[side].add(level, delta)
        assert is_possible, f"{self.ticker}: level {side} {level} by {delta}"
