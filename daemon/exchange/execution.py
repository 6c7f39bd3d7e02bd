"""Orders meeting the book: plan, check the money, book it on both sides, and tell what happened.

Money is checked for a taker's worst case on arrival, so a fill can only be refused for the dust that fee
rounding takes (less than 0.0001 $ a fill). Then the order that can't pay is cancelled (`MarginCancel`)
and matching goes on without it: no account ever goes below zero. A match that would pass an order group's
limit is cut to what is left of it, and triggers the group.
"""

from __future__ import annotations

from collections.abc import Callable

from daemon.core.units import Ns, Price, Qty
from daemon.exchange.accounts import Account
from daemon.exchange.cash_facts import CashChanged
from daemon.exchange.facts import (
    Fact,
    Filled,
    LevelChanged,
    OrderChanged,
    OrderGroupChanged,
    Traded,
    UpdateReason,
)
from daemon.exchange.market import Market
from daemon.exchange.matching import Order, Pull, Trade, outcome
from daemon.exchange.order_group import OrderGroup
from daemon.exchange.shadow import ShadowBook

GROUP_CANCEL: UpdateReason = "Decrease"
"""Why a group's orders go: the venue has no word of its own for it (sheet 2.7), and says this of cancels."""


MARKS_OWN_FILLS = True
"""Whether the level's change by a fill of a resting order names its owner's order, as one by a create, an
amend or a cancel does (sheet 11, row 11)."""
QTY_ANY: Qty = 1 << 62
"""More than any order has."""


class Telling:
    """The facts of one call, collected by kind and told in the venue's order."""

    def __init__(self) -> None:
        self._orders: list[Fact] = []
        self._fills: list[Fact] = []
        self._positions: dict[tuple[str, str], Fact] = {}
        self._cash: dict[tuple[str, int], Fact] = {}
        self._public: list[Fact] = []

    def order(self, account: Account, order: Order, at: Ns) -> None:
        """Tell how an order stands now."""
        if not account.is_house:
            self._orders.append(OrderChanged(order.state(), at))

    def fill(self, account: Account, fact: Filled) -> None:
        """Tell a fill, keep it in the account's history, and tell the position it left."""
        if not account.is_house:
            self._fills.append(fact)
            account.fills.append(fact)
            holding = account.holdings[fact.ticker]
            self._positions[account.name, fact.ticker] = holding.told(account.name, fact.ticker, fact.at)
            self.cash(account, fact.exchange_index, fact.at)

    def group(self, fact: OrderGroupChanged) -> None:
        """Tell what became of a group, before the cancels that follow from it."""
        self._orders.append(fact)

    def cash(self, account: Account, exchange_index: int, at: Ns) -> None:
        """Tell an account's cash on a shard."""
        held = account.cash.get(exchange_index, 0)
        self._cash[account.name, exchange_index] = CashChanged(account.name, exchange_index, held, at)

    def public(self, fact: Fact) -> None:
        """Tell everyone."""
        self._public.append(fact)

    def facts(self) -> list[Fact]:
        """Return all of it: orders and groups, fills, positions, cash, then levels and trades."""
        return [
            *self._orders,
            *self._fills,
            *self._positions.values(),
            *self._cash.values(),
            *self._public,
        ]


class Execution:
    """What changes books, orders and accounts together."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self.accounts: dict[str, Account] = {}
        self.markets: dict[str, Market] = {}
        self.groups: dict[str, OrderGroup] = {}
        self.fees_total = 0
        """All fees ever charged, in Money."""
        self._new_id = new_id

    # --- resting orders ----------------------------------------------------------------------

    def rest(self, market: Market, order: Order, telling: Telling, now: Ns) -> None:
        """Put an order (what is left of it) into the book and reserve its cost."""
        account = self.accounts[order.account]
        market.book.rest(order)
        account.resting.setdefault(order.ticker, {})[order.order_id] = order
        account.reserve_again(order.ticker, order.exchange_index, market.spec.fees)
        self._tell_level(order, order.remaining, telling, now)

    def lift(self, market: Market, order: Order, telling: Telling, now: Ns) -> Qty:
        """Take a resting order out of the book, unchanged itself; return what had been resting."""
        qty = order.remaining
        self.shrink(market, order, qty, telling, now)
        order.remaining = qty
        return qty

    def cancel(
        self, market: Market, order: Order, qty: Qty, reason: UpdateReason, telling: Telling, now: Ns
    ) -> None:
        """Cancel so much of a resting order; all of it closes the order."""
        self.shrink(market, order, qty, telling, now)
        self._cancelled(order, qty, reason, now)
        telling.order(self.accounts[order.account], order, now)

    def drop(self, order: Order, reason: UpdateReason | None, now: Ns) -> None:
        """Cancel what is left of an order that isn't in the book."""
        qty, order.remaining = order.remaining, 0
        self._cancelled(order, qty, reason, now)

    def _cancelled(self, order: Order, qty: Qty, reason: UpdateReason | None, now: Ns) -> None:
        order.canceled += qty
        order.reason = reason
        order.updated_at = now
        self._close_if_done(order, "canceled")

    def _close_if_done(self, order: Order, status: str) -> None:
        if order.remaining:
            return
        order.status = "canceled" if status == "canceled" else "executed"
        account = self.accounts[order.account]
        if account.is_house:
            # Nobody asks for the house's past; keeping it would grow without bound.
            account.orders.pop(order.order_id, None)

    def shrink(
        self, market: Market, order: Order, qty: Qty, telling: Telling, now: Ns, *, is_marked: bool = True
    ) -> None:
        """Take so much off a resting order in its place, and off what it reserves."""
        account = self.accounts[order.account]
        market.book.shrink(order, qty)
        if not order.remaining:
            resting = account.resting[order.ticker]
            del resting[order.order_id]
            if not resting:
                del account.resting[order.ticker]
        account.reserve_again(order.ticker, order.exchange_index, market.spec.fees)
        self._tell_level(order, -qty, telling, now, is_marked=is_marked)

    def _tell_level(
        self, order: Order, delta: Qty, telling: Telling, now: Ns, *, is_marked: bool = True
    ) -> None:
        account = self.accounts[order.account]
        is_named = is_marked and not account.is_house
        told = (account.name, order.client_order_id) if is_named else (None, None)
        telling.public(LevelChanged(order.ticker, outcome(order.side), order.own_price, delta, now, *told))

    # --- trades ------------------------------------------------------------------------------

    def take(self, market: Market, order: Order, telling: Telling, now: Ns) -> bool:
        """Match an arriving order; return whether an own order, a purse or a group's limit stopped it."""
        while order.remaining:
            plan = market.book.plan(
                order.side, order.price, order.remaining, order.account, order.self_trade_prevention
            )
            for step in plan.steps:
                if isinstance(step, Pull):
                    maker = step.maker
                    self.cancel(market, maker, maker.remaining, "SelfTradeCancel", telling, now)
                    continue
                qty = min(step.qty, self._allowance(order, now), self._allowance(step.maker, now))
                if not self._affords(market, order, step.price, qty, is_taker=True):
                    order.reason = "MarginCancel"
                    return True
                is_plan_good = self._meet(market, order, step._replace(qty=qty), telling, now)
                if self._trip(order, telling, now):
                    order.reason = GROUP_CANCEL
                    return True
                if not is_plan_good:
                    break
            else:
                if plan.is_self_crossed:
                    order.reason = "SelfTradeCancel"
                return plan.is_self_crossed
        return False

    def _meet(self, market: Market, order: Order, step: Trade, telling: Telling, now: Ns) -> bool:
        """Trade with one maker; False if the plan no longer holds.

        Either the maker couldn't pay and was cancelled instead, or its group was triggered.
        """
        maker = step.maker
        is_plan_good = True
        trade_id = self._new_id()
        if maker is None:
            side = outcome("ask" if order.side == "bid" else "bid")
            market.book.take_depth(side, step.level, step.qty)
            telling.public(LevelChanged(market.ticker, side, step.level, -step.qty, now, None, None))
        else:
            if not self._affords(market, maker, step.price, step.qty, is_taker=False):
                self.cancel(market, maker, maker.remaining, "MarginCancel", telling, now)
                return False
            is_plan_good = not self._fill_maker(market, maker, step.price, step.qty, trade_id, telling, now)
        order.remaining -= step.qty
        self._fill(market, order, step.price, step.qty, trade_id, telling, now, is_taker=True)
        market.traded(step.price, step.qty)
        taker_side = outcome(order.side)
        telling.public(Traded(market.ticker, trade_id, step.price, step.qty, taker_side, now))
        return is_plan_good

    def reach(self, market: Market, telling: Telling, now: Ns) -> None:
        """Fill resting orders that a tape's levels reach, until none is left."""
        book = market.book
        assert isinstance(book, ShadowBook)
        while (found := book.reached()) is not None:
            maker, qty, level = found
            qty = min(qty, self._allowance(maker, now))
            if not self._affords(market, maker, maker.price, qty, is_taker=False):
                self.cancel(market, maker, maker.remaining, "MarginCancel", telling, now)
                continue
            other = outcome("ask" if maker.side == "bid" else "bid")
            assert level is not None
            trade_id = self._new_id()
            book.take_depth(other, level, qty)
            telling.public(LevelChanged(market.ticker, other, level, -qty, now, None, None))
            self._fill_maker(market, maker, maker.price, qty, trade_id, telling, now)
            market.traded(maker.price, qty)
            telling.public(Traded(market.ticker, trade_id, maker.price, qty, other, now))

    def fill_printed(self, market: Market, maker: Order, qty: Qty, telling: Telling, now: Ns) -> None:
        """Fill a resting order from a recorded print (which is told on its own)."""
        if maker.status != "resting":
            return  # an earlier fill of the same print triggered its group
        qty = min(qty, self._allowance(maker, now))
        if self._affords(market, maker, maker.price, qty, is_taker=False):
            self._fill_maker(market, maker, maker.price, qty, self._new_id(), telling, now)
        else:
            self.cancel(market, maker, maker.remaining, "MarginCancel", telling, now)

    def _fill_maker(
        self, market: Market, maker: Order, price: Price, qty: Qty, trade_id: str, telling: Telling, now: Ns
    ) -> bool:
        """Fill a resting order; return whether that triggered its group."""
        self.shrink(market, maker, qty, telling, now, is_marked=MARKS_OWN_FILLS)
        self._fill(market, maker, price, qty, trade_id, telling, now, is_taker=False)
        maker.reason = "Trade"
        self._close_if_done(maker, "executed")
        telling.order(self.accounts[maker.account], maker, now)
        return self._trip(maker, telling, now)

    def _fill(
        self,
        market: Market,
        order: Order,
        price: Price,
        qty: Qty,
        trade_id: str,
        telling: Telling,
        now: Ns,
        *,
        is_taker: bool,
    ) -> None:
        account = self.accounts[order.account]
        holding = account.holding(order.ticker, order.exchange_index)
        before = holding.yes_qty
        fee = account.apply_fill(order, price, qty, market.spec.fees, now, is_taker=is_taker)
        self.fees_total += fee
        market.open_interest += holding.yes_qty - before
        if order.order_group_id is not None:
            self.groups[order.order_group_id].match(qty, now)
        account.reserve_again(order.ticker, order.exchange_index, market.spec.fees)
        telling.fill(
            account,
            Filled(
                account.name,
                trade_id,
                order.order_id,
                order.client_order_id,
                order.ticker,
                order.exchange_index,
                order.side,
                price,
                qty,
                fee,
                is_taker,
                holding.qty,
                now,
            ),
        )

    def _affords(self, market: Market, order: Order, price: Price, qty: Qty, *, is_taker: bool) -> bool:
        account = self.accounts[order.account]
        if account.is_house:
            return True
        return account.cash_after(order, price, qty, market.spec.fees, is_taker=is_taker) >= 0

    # --- order groups ------------------------------------------------------------------------

    def _allowance(self, order: Order | None, now: Ns) -> Qty:
        """Return how much an order may match now as far as its group goes."""
        if order is None or order.order_group_id is None:
            return QTY_ANY
        allowance = self.groups[order.order_group_id].allowance(now)
        assert allowance, f"order {order.order_id} outlived the limit of its group"
        return allowance

    def _trip(self, order: Order, telling: Telling, now: Ns) -> bool:
        """Trigger an order's group if it has reached its limit; return whether it did."""
        if order.order_group_id is None:
            return False
        group = self.groups[order.order_group_id]
        if group.allowance(now):
            return False
        self.trigger(group, telling, now)
        return True

    def trigger(self, group: OrderGroup, telling: Telling, now: Ns) -> None:
        """Let a group in no more orders, and cancel those that rest."""
        group.is_triggered = True
        telling.group(
            OrderGroupChanged(
                group.account, group.order_group_id, "triggered", None, now, group.exchange_index
            )
        )
        self.cancel_group(group, telling, now)

    def cancel_group(self, group: OrderGroup, telling: Telling, now: Ns) -> None:
        """Cancel what rests of a group, in the order of its making within each market."""
        for order in self.resting_of(group):
            self.cancel(self.markets[order.ticker], order, order.remaining, GROUP_CANCEL, telling, now)

    def resting_of(self, group: OrderGroup) -> list[Order]:
        """Return a group's resting orders."""
        return [
            order
            for orders in self.accounts[group.account].resting.values()
            for order in orders.values()
            if order.order_group_id == group.order_group_id
        ]
