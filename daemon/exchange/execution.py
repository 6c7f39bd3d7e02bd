"""Orders meeting the book: plan, check the money, book it on both sides, and tell what happened.

Money is checked for a taker's worst case on arrival, so a fill can only be refused for the dust that fee
rounding takes (less than 0.0001 $ a fill). Then the order that can't pay is cancelled (`MarginCancel`)
and matching goes on without it: no account ever goes below zero.
"""

from __future__ import annotations

from collections.abc import Callable

from daemon.core.units import Ns, Price, Qty
from daemon.exchange.accounts import Account
from daemon.exchange.facts import Fact, Filled, LevelChanged, OrderChanged, Traded, UpdateReason
from daemon.exchange.market import Market
from daemon.exchange.matching import Order, Pull, Trade, outcome
from daemon.exchange.shadow import ShadowBook


class Telling:
    """The facts of one call, collected by kind and told in the venue's order."""

    def __init__(self) -> None:
        self._orders: list[Fact] = []
        self._fills: list[Fact] = []
        self._positions: dict[tuple[str, str], Fact] = {}
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

    def public(self, fact: Fact) -> None:
        """Tell everyone."""
        self._public.append(fact)

    def facts(self) -> list[Fact]:
        """Return all of it: orders, fills, positions, then levels and trades."""
        return [*self._orders, *self._fills, *self._positions.values(), *self._public]


class Execution:
    """What changes books, orders and accounts together."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self.accounts: dict[str, Account] = {}
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

    def shrink(self, market: Market, order: Order, qty: Qty, telling: Telling, now: Ns) -> None:
        """Take so much off a resting order in its place, and off what it reserves."""
        account = self.accounts[order.account]
        market.book.shrink(order, qty)
        if not order.remaining:
            resting = account.resting[order.ticker]
            del resting[order.order_id]
            if not resting:
                del account.resting[order.ticker]
        account.reserve_again(order.ticker, order.exchange_index, market.spec.fees)
        self._tell_level(order, -qty, telling, now)

    def _tell_level(self, order: Order, delta: Qty, telling: Telling, now: Ns) -> None:
        account = self.accounts[order.account]
        told = (None, None) if account.is_house else (account.name, order.client_order_id)
        telling.public(LevelChanged(order.ticker, outcome(order.side), order.own_price, delta, now, *told))

    # --- trades ------------------------------------------------------------------------------

    def take(self, market: Market, order: Order, telling: Telling, now: Ns) -> bool:
        """Match an arriving order; return whether an own order or an empty purse stopped it."""
        while order.remaining:
            plan = market.book.plan(
                order.side, order.price, order.remaining, order.account, order.self_trade_prevention
            )
            for step in plan.steps:
                if isinstance(step, Pull):
                    maker = step.maker
                    self.cancel(market, maker, maker.remaining, "SelfTradeCancel", telling, now)
                elif not self._affords(market, order, step.price, step.qty, is_taker=True):
                    order.reason = "MarginCancel"
                    return True
                elif not self._meet(market, order, step, telling, now):
                    break
            else:
                if plan.is_self_crossed:
                    order.reason = "SelfTradeCancel"
                return plan.is_self_crossed
        return False

    def _meet(self, market: Market, order: Order, step: Trade, telling: Telling, now: Ns) -> bool:
        """Trade with one maker; False if the maker couldn't pay and was cancelled instead."""
        maker = step.maker
        trade_id = self._new_id()
        if maker is None:
            side = outcome("ask" if order.side == "bid" else "bid")
            market.book.take_depth(side, step.level, step.qty)
            telling.public(LevelChanged(market.ticker, side, step.level, -step.qty, now, None, None))
        else:
            if not self._affords(market, maker, step.price, step.qty, is_taker=False):
                self.cancel(market, maker, maker.remaining, "MarginCancel", telling, now)
                return False
            self._fill_maker(market, maker, step.price, step.qty, trade_id, telling, now)
        order.remaining -= step.qty
        self._fill(market, order, step.price, step.qty, trade_id, telling, now, is_taker=True)
        market.traded(step.price, step.qty)
        taker_side = outcome(order.side)
        telling.public(Traded(market.ticker, trade_id, step.price, step.qty, taker_side, now))
        return True

    def reach(self, market: Market, telling: Telling, now: Ns) -> None:
        """Fill resting orders that a tape's levels reach, until none is left."""
        book = market.book
        assert isinstance(book, ShadowBook)
        while (found := book.reached()) is not None:
            maker, qty, level = found
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
        if self._affords(market, maker, maker.price, qty, is_taker=False):
            self._fill_maker(market, maker, maker.price, qty, self._new_id(), telling, now)
        else:
            self.cancel(market, maker, maker.remaining, "MarginCancel", telling, now)

    def _fill_maker(
        self, market: Market, maker: Order, price: Price, qty: Qty, trade_id: str, telling: Telling, now: Ns
    ) -> None:
        self.shrink(market, maker, qty, telling, now)
        self._fill(market, maker, price, qty, trade_id, telling, now, is_taker=False)
        maker.reason = "Trade"
        self._close_if_done(maker, "executed")
        telling.order(self.accounts[maker.account], maker, now)

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
        before = account.qty(order.ticker)
        fee = account.apply_fill(order, price, qty, market.spec.fees, now, is_taker=is_taker)
        self.fees_total += fee
        after = account.qty(order.ticker)
        market.open_interest += max(0, after) - max(0, before)
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
                after,
                now,
            ),
        )

    def _affords(self, market: Market, order: Order, price: Price, qty: Qty, *, is_taker: bool) -> bool:
        account = self.accounts[order.account]
        if account.is_house:
            return True
        return account.cash_after(order, price, qty, market.spec.fees, is_taker=is_taker) >= 0
