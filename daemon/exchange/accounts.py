"""Accounts: cash by shard, signed positions, what resting orders reserve, exact fees, settlement.

Fully collateralised, no leverage: buying YES at P pays P, selling YES that isn't held is buying NO and pays
1 - P; opposite holdings net to 1 $ a pair. A resting order reserves its worst case: what of it would
*open* costs its own price. Per side, held contracts cover the best-priced orders first, because price
priority fills those first. Fees are reserved for takers at entry, and for makers where makers pay
(protocol sheet 6.3; 11, row 14).
"""

from __future__ import annotations

from collections.abc import Iterable

from daemon.core.fees import charge, rate, trade_fee
from daemon.core.ledger import Position
from daemon.core.markets import Fees
from daemon.core.units import PRICE_ONE, Money, Ns, Price, Qty
from daemon.exchange.facts import Filled, PaidOut, PositionChanged
from daemon.exchange.matching import Order


class Holding(Position):
    """A position, and what the venue's list says besides."""

    __slots__ = ("exchange_index", "traded", "updated_at", "volume")

    def __init__(self, exchange_index: int) -> None:
        super().__init__()
        self.exchange_index = exchange_index
        self.volume: Qty = 0
        """Contracts traded in this market."""
        self.traded: Money = 0
        """Their cost, each on the scale of the outcome that was bought."""
        self.updated_at: Ns = 0

    def told(self, account: str, ticker: str, at: Ns) -> PositionChanged:
        """Return the position as a fact."""
        return PositionChanged(
            account,
            ticker,
            self.exchange_index,
            self.qty,
            self.cost,
            self.realized,
            self.fees,
            self.volume,
            self.traded,
            at,
        )


def reserve(qty: Qty, orders: Iterable[Order], fees: Fees) -> Money:
    """Return the worst-case cash that resting orders of one market need, given the signed position."""
    total = 0
    pays_maker_fee = rate(fees, is_taker=False) > 0
    bids: list[Order] = []
    asks: list[Order] = []
    for order in orders:
        (bids if order.side == "bid" else asks).append(order)
    for side, held in ((bids, -qty), (asks, qty)):
        if len(side) > 1:
            side.sort(key=lambda order: -order.own_price)
        cover = max(0, held)
        for order in side:
            closing = min(cover, order.remaining)
            cover -= closing
            opening = order.remaining - closing
            total += opening * order.own_price
            if pays_maker_fee and opening:
                # What closes pays its fee from its proceeds, which are always more.
                total += trade_fee(fees, order.price, opening, is_taker=False)
    return total


class Account:
    """One account. The house's own ones are neither checked nor told, and keep no history."""

    def __init__(self, name: str, *, is_house: bool = False) -> None:
        self.name = name
        self.is_house = is_house
        self.cash: dict[int, Money] = {}
        """By shard. Never below zero, but for the house."""
        self.holdings: dict[str, Holding] = {}
        self.resting: dict[str, dict[str, Order]] = {}
        self.orders: dict[str, Order] = {}
        """Every order ever, by id, oldest first; the house's only while they rest."""
        self.client_order_ids: dict[str, str] = {}
        """Every client order id ever used, and its order."""
        self.fills: list[Filled] = []
        self.settlements: list[PaidOut] = []
        self._reserved: dict[str, tuple[int, Money]] = {}

    def deposit(self, exchange_index: int, amount: Money) -> None:
        """Put cash on a shard."""
        self.cash[exchange_index] = self.cash.get(exchange_index, 0) + amount

    def holding(self, ticker: str, exchange_index: int) -> Holding:
        """Return the holding in a market, made on first use."""
        found = self.holdings.get(ticker)
        if found is None:
            found = self.holdings[ticker] = Holding(exchange_index)
        return found

    def qty(self, ticker: str) -> Qty:
        """Return the signed position in a market."""
        found = self.holdings.get(ticker)
        return found.qty if found is not None else 0

    def reserved(self, exchange_index: int) -> Money:
        """Return what resting orders reserve on a shard."""
        return sum([money for shard, money in self._reserved.values() if shard == exchange_index])

    def available(self, exchange_index: int) -> Money:
        """Return the cash of a shard that no order reserves."""
        return self.cash.get(exchange_index, 0) - self.reserved(exchange_index)

    def reserve_again(self, ticker: str, exchange_index: int, fees: Fees) -> None:
        """Compute a market's reservation anew, after its orders or its position changed."""
        if self.is_house:
            return
        orders = self.resting.get(ticker)
        if orders:
            self._reserved[ticker] = (exchange_index, reserve(self.qty(ticker), orders.values(), fees))
        else:
            self._reserved.pop(ticker, None)

    def affords(self, order: Order, taken: Qty, fees: Fees, instead_of: Order | None = None) -> bool:
        """Whether cash covers the worst case with this order, of which `taken` would trade at once."""
        if self.is_house:
            return True
        ticker, shard = order.ticker, order.exchange_index
        others = [other for other in self.resting.get(ticker, {}).values() if other is not instead_of]
        needed = reserve(self.qty(ticker), [*others, order], fees)
        if taken:
            held = -self.qty(ticker) if order.side == "bid" else self.qty(ticker)
            proceeds = min(taken, max(0, held)) * (PRICE_ONE - order.own_price)
            needed += max(0, trade_fee(fees, order.price, taken, is_taker=True) - proceeds)
        elsewhere = self.reserved(shard) - self._reserved.get(ticker, (shard, 0))[1]
        return needed + elsewhere <= self.cash.get(shard, 0)

    def cash_after(self, order: Order, price: Price, qty: Qty, fees: Fees, *, is_taker: bool) -> Money:
        """Return the shard's cash as it would be after a fill: what decides whether it can happen."""
        held = self.qty(order.ticker)
        bought = order.side == "bid"
        closing = min(qty, max(0, -held if bought else held))
        own = price if bought else PRICE_ONE - price
        cash = closing * (PRICE_ONE - own) - (qty - closing) * own
        fee, _ = charge(order.accumulator, cash, trade_fee(fees, price, qty, is_taker=is_taker))
        return self.cash.get(order.exchange_index, 0) + cash - fee

    def apply_fill(
        self, order: Order, price: Price, qty: Qty, fees: Fees, at: Ns, *, is_taker: bool
    ) -> Money:
        """Book one fill of an order on cash, position and the order itself; return its fee.

        The order's `remaining` is the book's to change.
        """
        holding = self.holding(order.ticker, order.exchange_index)
        own = price if order.side == "bid" else PRICE_ONE - price
        revenue = holding.trade(qty if order.side == "bid" else -qty, price)
        fee, order.accumulator = charge(
            order.accumulator, revenue, trade_fee(fees, price, qty, is_taker=is_taker)
        )
        self.deposit(order.exchange_index, revenue - fee)
        holding.fees += fee
        holding.volume += qty
        holding.traded += qty * own
        holding.updated_at = at
        order.filled += qty
        order.updated_at = at
        if is_taker:
            order.taker_cost += qty * own
            order.taker_fees += fee
        else:
            order.maker_cost += qty * own
            order.maker_fees += fee
        return fee

    def apply_settlement(self, ticker: str, price: Price, at: Ns) -> Money:
        """Pay a position out at what one YES contract is worth; return the payout."""
        holding = self.holdings.get(ticker)
        if holding is None or not holding.qty:
            return 0
        payout = holding.value(price)
        holding.realized += payout - holding.cost
        holding.qty = holding.cost = 0
        holding.updated_at = at
        self.deposit(holding.exchange_index, payout)
        return payout
