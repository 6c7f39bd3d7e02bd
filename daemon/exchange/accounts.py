"""Accounts: cash by shard, signed positions, what resting orders reserve, exact fees, settlement.

Fully collateralised, no leverage: buying YES at P pays P, selling YES that isn't held is buying NO and pays
1 - P; opposite holdings net to 1 $ a pair, at once where netting is on and at settlement where it is off
(then they are held as `pairs`, and nothing that closes is any cheaper). A resting order reserves its worst
case: what of it would *open* costs its own price. Per side, held contracts cover the best-priced orders
first, because price priority fills those first. Fees are reserved for takers at entry, and for makers where
makers pay (protocol sheet 6.3; 11, row 14).
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

    __slots__ = ("exchange_index", "pairs", "traded", "updated_at", "volume")

    def __init__(self, exchange_index: int) -> None:
        super().__init__()
        self.exchange_index = exchange_index
        self.pairs: Qty = 0
        """YES and NO held at once, where netting is off: 1 $ each at settlement."""
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
            self.pairs,
        )

    @property
    def yes_qty(self) -> Qty:
        """YES contracts held, those of pairs included."""
        return max(0, self.qty) + self.pairs

    @property
    def no_qty(self) -> Qty:
        """NO contracts held, those of pairs included."""
        return max(0, -self.qty) + self.pairs


SUBACCOUNT_MAX = 63


def subaccount_name(owner: str, number: int) -> str:
    """Return the account's name of an owner's subaccount; 0 is the primary one, the owner's own."""
    return f"{owner}#{number}" if number else owner


def subaccount_number(account: str) -> int:
    """Return the number in an account's name: 0 for a primary one."""
    return int(account.partition("#")[2] or 0)


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
        self.is_netting = True
        self.cancels_until: Ns = 0
        """Until then nothing may come to rest: a cancel-all reaches so far."""
        self._reserved: dict[str, tuple[int, Money]] = {}
        self._reserved_by_shard: dict[int, Money] = {}

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
        return self._reserved_by_shard.get(exchange_index, 0)

    def available(self, exchange_index: int) -> Money:
        """Return the cash of a shard that no order reserves."""
        return self.cash.get(exchange_index, 0) - self.reserved(exchange_index)

    def reserve_again(self, ticker: str, exchange_index: int, fees: Fees) -> None:
        """Compute a market's reservation anew, after its orders or its position changed."""
        if self.is_house:
            return
        orders = self.resting.get(ticker)
        before = self._reserved.pop(ticker, (exchange_index, 0))[1]
        needed = 0
        if orders:
            needed = reserve(self._cover(ticker), orders.values(), fees)
            self._reserved[ticker] = (exchange_index, needed)
        if needed != before:
            self._reserved_by_shard[exchange_index] = self.reserved(exchange_index) + needed - before

    def _cover(self, ticker: str) -> Qty:
        """Return the signed position as far as it makes closing orders cheap."""
        return self.qty(ticker) if self.is_netting else 0

    def affords(self, order: Order, taken: Qty, fees: Fees, instead_of: Order | None = None) -> bool:
        """Whether cash covers the worst case with this order, of which `taken` would trade at once."""
        if self.is_house:
            return True
        ticker, shard = order.ticker, order.exchange_index
        others = [other for other in self.resting.get(ticker, {}).values() if other is not instead_of]
        cover = self._cover(ticker)
        needed = reserve(cover, [*others, order], fees)
        if taken:
            held = -cover if order.side == "bid" else cover
            proceeds = min(taken, max(0, held)) * (PRICE_ONE - order.own_price)
            needed += max(0, trade_fee(fees, order.price, taken, is_taker=True) - proceeds)
        elsewhere = self.reserved(shard) - self._reserved.get(ticker, (shard, 0))[1]
        return needed + elsewhere <= self.cash.get(shard, 0)

    def cash_after(self, order: Order, price: Price, qty: Qty, fees: Fees, *, is_taker: bool) -> Money:
        """Return the shard's cash as it would be after a fill: what decides whether it can happen."""
        held = self._cover(order.ticker)
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
        bought = order.side == "bid"
        closing = 0 if self.is_netting else min(qty, max(0, -holding.qty if bought else holding.qty))
        # Without netting what closes is bought like anything else, and its dollar comes at settlement.
        revenue = holding.trade(qty if bought else -qty, price) - closing * PRICE_ONE
        holding.pairs += closing
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
        if holding is None or not (holding.qty or holding.pairs):
            return 0
        value = holding.value(price)
        payout = value + holding.pairs * PRICE_ONE
        # What pairs earned was realised when they were made.
        holding.realized += value - holding.cost
        holding.qty = holding.cost = holding.pairs = 0
        holding.updated_at = at
        self.deposit(holding.exchange_index, payout)
        return payout

    def give_pairs_back(self, ticker: str, at: Ns) -> Money:
        """Return, and book, the dollars that a market's pairs are worth: netting was turned on."""
        holding = self.holdings[ticker]
        freed = holding.pairs * PRICE_ONE
        holding.pairs = 0
        holding.updated_at = at
        self.deposit(holding.exchange_index, freed)
        return freed
