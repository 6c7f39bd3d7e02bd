"""A machine that trades on the whole exchange, and keeps its books honest."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from daemon.core.commands import TimeInForce
from daemon.core.units import PRICE_ONE, BookSide, Qty
from daemon.exchange import facts as f
from daemon.exchange.matching import outcome
from daemon.exchange.requests import Amendment, NewOrder, Refused
from tests.exchange.venues import (
    CASH,
    SHARD,
    T0,
    TICKER,
    exchange_of,
    rebuilt,
    shown,
    spec_of,
)


class ExchangeMachine(RuleBasedStateMachine):
    """Orders of all kinds, in any order; the books, the money and what was told must agree."""

    ORDERS = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.exchange = exchange_of(fee_type="quadratic_with_maker_fees")
        self.exchange.list_market(spec_of("OTHER"), T0)
        self.told: dict[tuple[str, int], Qty] = {}
        self.now = T0

    def take(self, facts: list[f.Fact]) -> None:
        rebuilt(facts, self.told)

    @rule(
        target=ORDERS,
        account=st.sampled_from(("a", "b", "sim:x")),
        side=st.sampled_from(("bid", "ask")),
        price=st.sampled_from((10, 500, 1000, 4000, 4800, 4900, 5000, 5100, 5200, 6000, 9000, 9990)),
        qty=st.one_of(st.integers(1, 300), st.sampled_from((50_000, 200_000))),
        tif=st.sampled_from(
            ("good_till_canceled", "good_till_canceled", "immediate_or_cancel", "fill_or_kill")
        ),
        prevention=st.sampled_from(("taker_at_cross", "maker")),
        post_only=st.booleans(),
        expires_in=st.one_of(st.none(), st.integers(1, 20)),
    )
    def place(
        self,
        account: str,
        side: BookSide,
        price: int,
        qty: int,
        tif: TimeInForce,
        prevention: f.SelfTradePrevention,
        post_only: bool,
        expires_in: int | None,
    ) -> object:
        expires_at = None if expires_in is None else self.now + expires_in
        request = NewOrder(
            account,
            TICKER,
            side,
            price,
            qty,
            tif,
            prevention,
            "",
            expires_at,
            post_only,
        )
        outcome_, facts = self.exchange.place(request, self.now)
        self.take(facts)
        if isinstance(outcome_, Refused):
            assert [] == facts
            return multiple()
        return (account, outcome_.order_id)

    @rule(order=consumes(ORDERS))
    def cancel(self, order: tuple[str, str]) -> None:
        self.take(self.exchange.cancel(*order, self.now)[1])

    @rule(order=ORDERS, qty=st.integers(0, 300), is_target=st.booleans())
    def decrease(self, order: tuple[str, str], qty: int, is_target: bool) -> None:
        self.take(self.exchange.decrease(*order, qty, self.now, is_target=is_target)[1])

    @rule(order=ORDERS, price=st.sampled_from((4000, 4900, 5000, 5100, 6000)), qty=st.integers(1, 400))
    def amend(self, order: tuple[str, str], price: int, qty: int) -> None:
        found = self.exchange.find(*order)
        if found is not None:
            request = Amendment(*order, TICKER, found.side, price, qty)
            self.take(self.exchange.amend(request, self.now)[1])

    @rule(by=st.integers(1, 10))
    def advance(self, by: int) -> None:
        self.now += by
        self.take(self.exchange.advance(self.now))

    @rule(account=st.sampled_from(("a", "b")))
    def cancel_all(self, account: str) -> None:
        self.take(self.exchange.cancel_all(account, self.now)[1])

    @invariant()
    def the_book_is_never_crossed(self) -> None:
        book = self.exchange.markets[TICKER].book
        assert book.bid is None or book.ask is None or book.bid < book.ask

    @invariant()
    def levels_are_the_sums_of_orders_and_of_what_was_told(self) -> None:
        sums: dict[tuple[str, int], Qty] = {}
        for order in self.exchange.markets[TICKER].book.orders():
            key = (outcome(order.side), order.own_price)
            sums[key] = sums.get(key, 0) + order.remaining
        assert sums == shown(self.exchange)
        assert sums == self.told

    @invariant()
    def quantities_are_conserved(self) -> None:
        for account in self.exchange.accounts.values():
            for order in account.orders.values():
                assert order.initial == order.filled + order.remaining + order.canceled
                assert (order.status == "resting") == (order.remaining > 0)

    @invariant()
    def cash_is_conserved(self) -> None:
        accounts = self.exchange.accounts.values()
        assert 0 == sum(account.qty(TICKER) for account in accounts)
        locked = sum(max(0, account.qty(TICKER)) for account in accounts) * PRICE_ONE
        cash = sum(sum(account.cash.values()) for account in accounts)
        assert 2 * CASH == cash + locked + self.exchange.fees_total
        assert locked == self.exchange.markets[TICKER].open_interest * PRICE_ONE

    @invariant()
    def nobody_owes(self) -> None:
        for name in ("a", "b"):
            account = self.exchange.accounts[name]
            assert account.cash[SHARD] >= 0
            # Rounding may take less than 0.0001 $ a fill that no reservation foresaw.
            assert account.available(SHARD) >= -100 * len(account.fills)


TestExchangeMachine = ExchangeMachine.TestCase
TestExchangeMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
