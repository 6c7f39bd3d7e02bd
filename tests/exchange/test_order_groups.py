"""Tests of order groups on the whole exchange: what triggers them, what that cancels, what is told."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from daemon.core.commands import TimeInForce
from daemon.core.units import PRICE_ONE, QTY_ONE, SECOND, BookSide, Ns, Qty
from daemon.exchange import facts as f
from daemon.exchange.cash_facts import CashChanged
from daemon.exchange.exchange import Exchange
from daemon.exchange.order_group import WINDOW, OrderGroup
from daemon.exchange.requests import Amendment, NewOrder, Refused
from tests.exchange.venues import CASH, SHARD, T0, TICKER, exchange_of, placed, refused, shown


def group_of(exchange: Exchange, contracts: Qty = 100, account: str = "a", shard: int = SHARD) -> OrderGroup:
    """Return a new group with a limit in hundredths of a contract."""
    group, _ = exchange.order_groups.create(account, shard, contracts, T0)
    assert isinstance(group, OrderGroup)
    return group


def told(facts: list[f.Fact]) -> list[str]:
    """Return what became of groups, and why orders changed, in order."""
    return [
        fact.event_type if isinstance(fact, f.OrderGroupChanged) else str(fact.order.reason)
        for fact in facts
        if isinstance(fact, f.OrderGroupChanged | f.OrderChanged)
    ]


def test_reaching_the_limit_cancels_the_groups_orders_and_no_other() -> None:
    """The fill, then the group's message, then its cancels, all at one instant; other orders stay."""
    exchange = exchange_of()
    name = group_of(exchange, 100).order_group_id
    placed(exchange, "a", "bid", 5000, 100, order_group_id=name)
    placed(exchange, "a", "bid", 4000, 500, order_group_id=name)
    placed(exchange, "a", "bid", 3000, 700)
    _, facts = exchange.place(NewOrder("sim:x", TICKER, "ask", 5000, 100), T0 + 5)
    assert ["Trade", "triggered", "Decrease"] == told(facts)
    assert {T0 + 5} == {fact.at for fact in facts if isinstance(fact, f.OrderGroupChanged | f.OrderChanged)}
    assert {("yes", 3000): 700} == shown(exchange)


def test_no_match_passes_the_limit() -> None:
    """A resting order of 5 contracts in a group of 1 fills for 1; the taker goes on to the next order."""
    exchange = exchange_of()
    name = group_of(exchange, 100).order_group_id
    capped = placed(exchange, "a", "ask", 5000, 500, order_group_id=name)
    placed(exchange, "b", "ask", 5100, 400)
    taken = placed(exchange, "sim:x", "bid", 5100, 500)
    assert (500, 5000 * 100 + 5100 * 400) == (taken.filled, taken.taker_cost)
    ended = exchange.find("a", capped.order_id)
    assert ended is not None
    assert ("canceled", 100, 400) == (ended.status, ended.filled, ended.canceled)


def test_a_taker_is_stopped_at_the_limit_of_its_group() -> None:
    """It fills up to the limit, is cancelled for the rest, and the group is triggered."""
    exchange = exchange_of()
    group = group_of(exchange, 150)
    placed(exchange, "sim:x", "ask", 5000, 1000)
    order = placed(exchange, "a", "bid", 5000, 400, order_group_id=group.order_group_id)
    assert ("canceled", 150, 250, True) == (order.status, order.filled, order.canceled, group.is_triggered)
    assert {("no", 5000): 850} == shown(exchange)


def test_a_triggered_group_refuses_orders_until_it_is_reset() -> None:
    """Also after its window has passed; a reset lets them in, and says so."""
    exchange = exchange_of()
    name = group_of(exchange).order_group_id
    assert ["triggered"] == told(exchange.order_groups.trigger("a", name, T0)[1])
    assert [] == exchange.order_groups.trigger("a", name, T0)[1]
    expected = ("exceeded_order_group_risk_limit", None)
    late = T0 + 2 * WINDOW
    assert expected == refused(exchange, "a", "bid", 4000, 100, late, order_group_id=name)
    assert ["reset"] == told(exchange.order_groups.reset("a", name, late)[1])
    placed(exchange, "a", "bid", 4000, 100, late, order_group_id=name)


def test_the_window_rolls() -> None:
    """What matched 15 seconds ago leaves room again; a moment earlier it didn't."""
    exchange = exchange_of()
    group = group_of(exchange, 100)
    placed(exchange, "sim:x", "ask", 5000, 60)
    placed(exchange, "a", "bid", 5000, 60, order_group_id=group.order_group_id)
    assert (40, 100) == (group.allowance(T0 + WINDOW - 1), group.allowance(T0 + WINDOW))


def test_a_limit_below_the_window_triggers_at_once() -> None:
    """The change is told, then the trigger, then the cancels; a limit above it changes only the limit."""
    exchange = exchange_of()
    name = group_of(exchange, 1000).order_group_id
    placed(exchange, "sim:x", "ask", 5000, 300)
    placed(exchange, "a", "bid", 5000, 500, order_group_id=name)
    assert ["limit_updated"] == told(exchange.order_groups.set_limit("a", name, 400, T0)[1])
    outcome, facts = exchange.order_groups.set_limit("a", name, 300, T0)
    assert outcome is None
    assert ["limit_updated", "triggered", "Decrease"] == told(facts)


def test_a_deleted_group_takes_its_orders_with_it() -> None:
    """It is gone for orders and calls alike."""
    exchange = exchange_of()
    name = group_of(exchange).order_group_id
    placed(exchange, "a", "bid", 4000, 100, order_group_id=name)
    assert ["deleted", "Decrease"] == told(exchange.order_groups.delete("a", name, T0)[1])
    assert {} == shown(exchange)
    assert ("order_group_not_found", None) == refused(exchange, "a", "bid", 4000, 100, order_group_id=name)
    assert Refused("order_group_not_found") == exchange.order_groups.reset("a", name, T0)[0]


def test_a_group_lives_on_one_shard_and_in_one_account() -> None:
    """Orders of another account, or on another shard, can't use it."""
    exchange = exchange_of()
    expected = ("order_group_not_found", None)
    elsewhere = group_of(exchange, shard=0).order_group_id
    assert expected == refused(exchange, "a", "bid", 4000, 100, order_group_id=elsewhere)
    strange = group_of(exchange, account="b").order_group_id
    assert expected == refused(exchange, "a", "bid", 4000, 100, order_group_id=strange)


def test_limits_are_one_to_a_million_contracts() -> None:
    """On making a group and on changing it."""
    exchange = exchange_of()
    for limit in (0, 99, 1_000_000 * QTY_ONE + 1):
        refusal = Refused("invalid_parameters", "contracts_limit must be 1 to 1000000")
        assert refusal == exchange.order_groups.create("a", SHARD, limit, T0)[0]
        name = group_of(exchange).order_group_id
        assert refusal == exchange.order_groups.set_limit("a", name, limit, T0)[0]


def test_a_fok_order_needs_room_in_the_groups_of_both_sides() -> None:
    """A taker's or a maker's group that is too small for it refuses it whole: nothing has happened."""
    exchange = exchange_of()
    expected = ("invalid_order", "fill or kill insufficient volume")
    small = group_of(exchange, 100).order_group_id
    theirs = group_of(exchange, 100, "b").order_group_id
    placed(exchange, "b", "ask", 5000, 300, order_group_id=theirs)
    assert expected == refused(exchange, "a", "bid", 5000, 200, time_in_force="fill_or_kill")
    placed(exchange, "sim:x", "ask", 5000, 300)
    assert expected == refused(
        exchange, "a", "bid", 5000, 101, time_in_force="fill_or_kill", order_group_id=small
    )
    assert {("no", 5000): 600} == shown(exchange)


def test_an_amend_that_trades_counts() -> None:
    """And is stopped at the limit."""
    exchange = exchange_of()
    group = group_of(exchange, 100)
    order = placed(exchange, "a", "bid", 4000, 300, order_group_id=group.order_group_id)
    placed(exchange, "sim:x", "ask", 5000, 300)
    found, _ = exchange.amend(Amendment("a", order.order_id, TICKER, "bid", 5000, 300), T0)
    assert isinstance(found, f.OrderState)
    assert ("canceled", 100, True) == (found.status, found.filled, group.is_triggered)


def test_a_tape_is_stopped_by_the_limit_too() -> None:
    """Recorded prints and levels fill a group's orders up to the limit and no further."""
    exchange = exchange_of(is_shadow=True)
    exchange.apply_snapshot(TICKER, ((4000, 500),), ((5000, 500),), T0)
    group = group_of(exchange, 100)
    for price in (4500, 4400):
        placed(exchange, "a", "bid", price, 80, order_group_id=group.order_group_id)
    exchange.apply_print(TICKER, "t", 4300, 500, "no", T0)
    assert (100, True, {}) == (
        exchange.accounts["a"].qty(TICKER),
        group.is_triggered,
        exchange.accounts["a"].resting,
    )
    other = group_of(exchange, 100)
    placed(exchange, "a", "bid", 4500, 300, order_group_id=other.order_group_id)
    exchange.apply_delta(TICKER, "no", 5600, 1000, T0)
    assert (200, True) == (exchange.accounts["a"].qty(TICKER), other.is_triggered)


ACCOUNTS = ("a", "a#1", "b")
PRICES = (1000, 4000, 4900, 5000, 5100, 6000, 9000)


class AccountMachine(RuleBasedStateMachine):
    """Groups, subaccounts, transfers, netting and pauses among orders: limits hold, money is conserved."""

    ORDERS = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.exchange = exchange_of(fee_type="quadratic_with_maker_fees")
        self.exchange.treasury.open_subaccount("a", T0)
        self.exchange.treasury.transfer(("a", SHARD), ("a#1", SHARD), CASH // 100, T0)
        self.now: Ns = T0
        self.groups = [
            (account, group_of(self.exchange, 300, account).order_group_id) for account in ACCOUNTS
        ]
        self.paid_in = 2 * CASH
        self.matches: dict[str, list[tuple[Ns, Qty]]] = {}
        """Told fills by group."""
        self.positions: dict[str, Qty] = {}
        """Told fills by account, signed."""
        self.cash: dict[tuple[str, int], int] = {}

    def take(self, facts: list[f.Fact]) -> None:
        for fact in facts:
            if isinstance(fact, f.Filled):
                signed = fact.qty if fact.side == "bid" else -fact.qty
                self.positions[fact.account] = self.positions.get(fact.account, 0) + signed
                order = self.exchange.find(fact.account, fact.order_id)
                assert order is not None
                if order.order_group_id is not None:
                    self._count(fact, order.order_group_id)
            elif isinstance(fact, CashChanged):
                self.cash[fact.account, fact.exchange_index] = fact.cash
            elif isinstance(fact, f.OrderGroupChanged) and fact.event_type == "reset":
                self.matches.pop(fact.order_group_id, None)

    def _count(self, fill: f.Filled, name: str) -> None:
        matches = self.matches.setdefault(name, [])
        matches.append((fill.at, fill.qty))
        group = self.exchange.order_groups.find(fill.account, name)
        assert group is not None
        assert sum(qty for at, qty in matches if at > fill.at - WINDOW) <= group.limit

    def _group(self, index: int) -> tuple[str, str]:
        return self.groups[index % len(self.groups)]

    @rule(
        target=ORDERS,
        index=st.integers(0, 5),
        side=st.sampled_from(("bid", "ask")),
        price=st.sampled_from(PRICES),
        qty=st.integers(1, 500),
        tif=st.sampled_from(
            ("good_till_canceled", "good_till_canceled", "immediate_or_cancel", "fill_or_kill")
        ),
        prevention=st.sampled_from(("taker_at_cross", "maker")),
        cancel_on_pause=st.booleans(),
    )
    def place(
        self,
        index: int,
        side: BookSide,
        price: int,
        qty: Qty,
        tif: TimeInForce,
        prevention: f.SelfTradePrevention,
        cancel_on_pause: bool,
    ) -> object:
        account, name = self._group(index)
        request = NewOrder(
            account,
            TICKER,
            side,
            price,
            qty,
            tif,
            prevention,
            cancel_on_pause=cancel_on_pause,
            order_group_id=name,
        )
        outcome, facts = self.exchange.place(request, self.now)
        self.take(facts)
        if isinstance(outcome, Refused):
            assert [] == facts
            return multiple()
        assert tif != "fill_or_kill" or outcome.filled == qty or outcome.reason or "SelfTrade" in str(facts)
        return (account, outcome.order_id)

    @rule(
        maker=st.integers(0, 5),
        taker=st.integers(0, 6),
        side=st.sampled_from(("bid", "ask")),
        price=st.sampled_from((4900, 5000, 5100)),
        sizes=st.lists(st.integers(1, 250), min_size=1, max_size=3),
        qty=st.integers(1, 600),
    )
    def trade(self, maker: int, taker: int, side: BookSide, price: int, sizes: list[Qty], qty: Qty) -> None:
        account, name = self._group(maker)
        for size in sizes:
            request = NewOrder(account, TICKER, side, price, size, order_group_id=name)
            self.take(self.exchange.place(request, self.now)[1])
        other: BookSide = "ask" if side == "bid" else "bid"
        account, name = self._group(taker)
        request = NewOrder(account, TICKER, other, price, qty, "immediate_or_cancel", order_group_id=name)
        if taker == 6:
            request = NewOrder("sim:x", TICKER, other, price, qty, "immediate_or_cancel")
        self.take(self.exchange.place(request, self.now)[1])

    @rule(order=ORDERS, price=st.sampled_from(PRICES), qty=st.integers(1, 500))
    def amend(self, order: tuple[str, str], price: int, qty: Qty) -> None:
        found = self.exchange.find(*order)
        assert found is not None
        self.take(self.exchange.amend(Amendment(*order, TICKER, found.side, price, qty), self.now)[1])

    @rule(index=st.integers(0, 5), act=st.sampled_from(("reset", "reset", "trigger", "limit", "replace")))
    def change_group(self, index: int, act: str) -> None:
        groups, group = self.exchange.order_groups, self._group(index)
        match act:
            case "reset":
                self.take(groups.reset(*group, self.now)[1])
            case "trigger":
                self.take(groups.trigger(*group, self.now)[1])
            case "limit":
                self.take(groups.set_limit(*group, 100 + 60 * index, self.now)[1])
            case _:
                self.take(groups.delete(*group, self.now)[1])
                self.groups.remove(group)
                made = group_of(self.exchange, 300, group[0])
                self.groups.append((group[0], made.order_group_id))

    @rule(
        source=st.sampled_from(ACCOUNTS),
        goal=st.sampled_from(ACCOUNTS),
        shards=st.tuples(st.sampled_from((0, SHARD)), st.sampled_from((0, SHARD))),
        amount=st.one_of(st.integers(1, CASH // 100), st.none()),
    )
    def transfer(self, source: str, goal: str, shards: tuple[int, int], amount: int | None) -> None:
        if amount is None:
            amount = self.exchange.accounts[source].cash.get(shards[0], 0)
        self.take(
            self.exchange.treasury.transfer((source, shards[0]), (goal, shards[1]), amount, self.now)[1]
        )

    @rule(percent=st.integers(0, 100))
    def allocate(self, percent: int) -> None:
        percents = {0: 100 - percent, SHARD: percent}
        self.take(self.exchange.treasury.allocate("a", percents, "none", self.now)[1])

    @rule(account=st.sampled_from(ACCOUNTS), is_netting=st.booleans())
    def set_netting(self, account: str, is_netting: bool) -> None:
        self.take(self.exchange.treasury.set_netting(account, is_netting, self.now)[1])

    @rule(amount=st.integers(1, 10**6))
    def deposit(self, amount: int) -> None:
        self.paid_in += amount
        self.take(self.exchange.treasury.deposit("a#1", SHARD, amount, self.now))

    @rule(is_trading_only=st.booleans())
    def blink(self, is_trading_only: bool) -> None:
        self.take(self.exchange.pause(self.now, is_trading_only=is_trading_only))
        request = NewOrder("a", TICKER, "bid", 4000, 100)
        refusal = Refused("trading_is_paused" if is_trading_only else "exchange_is_paused")
        assert (refusal, []) == self.exchange.place(request, self.now)
        self.take(self.exchange.resume(self.now))

    @rule(by=st.sampled_from((1, SECOND, WINDOW - 1)))
    def wait(self, by: Ns) -> None:
        self.now += by
        self.take(self.exchange.advance(self.now))

    @invariant()
    def no_group_matches_past_its_limit(self) -> None:
        for record in self.exchange.order_groups.records():
            group = self.exchange.order_groups.find(record.account, record.order_group_id)
            assert group is not None
            told = self.matches.get(record.order_group_id, [])
            counted = sum(qty for at, qty in told if at > self.now - WINDOW)
            assert counted == group.matched(self.now)
            # A limit may be set below what matched: then it is triggered, as when it is reached.
            assert counted < group.limit or group.is_triggered
            assert not (group.is_triggered and self.exchange.order_groups.orders(group))

    @invariant()
    def no_order_outlives_its_group(self) -> None:
        known = {record.order_group_id for record in self.exchange.order_groups.records()}
        for order in self.exchange.markets[TICKER].book.orders():
            assert order.order_group_id in {None, *known}

    @invariant()
    def positions_are_the_sums_of_fills(self) -> None:
        for name in ACCOUNTS:
            assert self.positions.get(name, 0) == self.exchange.accounts[name].qty(TICKER)

    @invariant()
    def cash_is_conserved_and_told(self) -> None:
        accounts = self.exchange.accounts.values()
        held = [account.holdings[TICKER] for account in accounts if TICKER in account.holdings]
        assert sum(holding.yes_qty for holding in held) == sum(holding.no_qty for holding in held)
        locked = sum(holding.yes_qty for holding in held) * PRICE_ONE
        cash = sum(sum(account.cash.values()) for account in accounts)
        assert self.paid_in == cash + locked + self.exchange.fees_total
        assert locked == self.exchange.markets[TICKER].open_interest * PRICE_ONE
        for (name, shard), told in self.cash.items():
            assert told == self.exchange.accounts[name].cash[shard]

    @invariant()
    def nobody_owes(self) -> None:
        for name in ACCOUNTS:
            account = self.exchange.accounts[name]
            assert min([0, *account.cash.values()]) == 0
            for shard in account.cash:
                # Rounding may take less than 0.0001 $ a fill that no reservation foresaw.
                assert account.available(shard) >= -100 * len(account.fills)


TestAccountMachine = AccountMachine.TestCase
TestAccountMachine.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
