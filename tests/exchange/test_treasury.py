"""Tests of subaccounts, transfers, netting and allocations."""

from __future__ import annotations

from daemon.core.units import MONEY_ONE, Money
from daemon.exchange import facts as f
from daemon.exchange.accounts import SUBACCOUNT_MAX, subaccount_name, subaccount_number
from daemon.exchange.cash_facts import CashChanged, CashDeposited, CashTransferred
from daemon.exchange.exchange import Exchange
from daemon.exchange.requests import NewOrder, Refused
from tests.exchange.venues import CASH, CLOSED, SHARD, T0, TICKER, exchange_of, placed, refused, shown

USED = "0a0a0a0a-0000-4000-8000-000000000001"


def with_subaccount(cash: Money = 100 * MONEY_ONE) -> Exchange:
    """Return an exchange where "a#1" holds so much of "a"'s cash."""
    exchange = exchange_of()
    assert 1 == exchange.treasury.open_subaccount("a", T0)[0]
    exchange.treasury.transfer(("a", SHARD), ("a#1", SHARD), cash, T0)
    return exchange


def test_names_and_numbers_of_subaccounts_are_each_others_inverse() -> None:
    """The primary one has the owner's bare name."""
    assert ["a", "a#1", "a#63"] == [subaccount_name("a", number) for number in (0, 1, 63)]
    assert [0, 1, 63] == [subaccount_number(name) for name in ("a", "a#1", "a#63")]


def test_an_owner_has_sixty_three_subaccounts_at_most() -> None:
    """Numbered as they are opened; the next one is refused."""
    exchange = exchange_of()
    numbers = [exchange.treasury.open_subaccount("a", T0)[0] for _ in range(SUBACCOUNT_MAX)]
    assert list(range(1, SUBACCOUNT_MAX + 1)) == numbers
    refusal = Refused("invalid_parameters", "at most 63 subaccounts")
    assert (refusal, []) == exchange.treasury.open_subaccount("a", T0)
    assert 64 == len(exchange.treasury.subaccounts("a"))


def test_each_subaccount_has_cash_and_positions_of_its_own() -> None:
    """What one has doesn't pay for the other's orders, nor does its position close the other's."""
    exchange = with_subaccount(MONEY_ONE)
    assert ("insufficient_balance", None) == refused(exchange, "a#1", "bid", 5000, 300)
    placed(exchange, "sim:x", "ask", 5000, 100)
    placed(exchange, "a#1", "bid", 5000, 100)
    assert (100, 0) == (exchange.accounts["a#1"].qty(TICKER), exchange.accounts["a"].qty(TICKER))
    expected = ("invalid_order", "reduce_only order would not reduce a position")
    assert expected == refused(
        exchange, "a", "ask", 5000, 100, reduce_only=True, time_in_force="immediate_or_cancel"
    )


def test_client_order_ids_are_used_once_in_all_of_an_owners_accounts() -> None:
    """So that one of them always means one order."""
    exchange = with_subaccount()
    placed(exchange, "a", "bid", 4000, 100, client_order_id="once")
    assert ("order_already_exists", None) == refused(
        exchange, "a#1", "bid", 4000, 100, client_order_id="once"
    )


def test_an_owner_does_not_trade_with_itself_across_subaccounts() -> None:
    """Self-trade prevention is the owner's: the arriving order ends, the resting one stays."""
    exchange = with_subaccount()
    placed(exchange, "a", "ask", 5000, 100)
    order = placed(exchange, "a#1", "bid", 5000, 100)
    assert ("canceled", "SelfTradeCancel") == (order.status, order.reason)
    assert {("no", 5000): 100} == shown(exchange)


def test_a_transfer_moves_what_no_order_reserves() -> None:
    """Told as a transfer and as the cash of both sides; more than is free is refused."""
    exchange = exchange_of()
    exchange.treasury.open_subaccount("a", T0)
    placed(exchange, "a", "bid", 5000, 100_000)
    free = CASH - 500 * MONEY_ONE
    source, target = ("a", SHARD), ("a#1", SHARD)
    refusal = Refused("insufficient_balance")
    assert (refusal, []) == exchange.treasury.transfer(source, target, free + 1, T0)
    moved, facts = exchange.treasury.transfer(source, target, free, T0, USED)
    assert isinstance(moved, str)
    assert [
        CashTransferred(moved, USED, "a", "a#1", SHARD, SHARD, free, T0),
        CashChanged("a", SHARD, CASH - free, T0),
        CashChanged("a#1", SHARD, free, T0),
    ] == facts


def test_a_used_transfer_id_is_refused_for_ever() -> None:
    """Whatever it was used for: between subaccounts, or between shards."""
    exchange = exchange_of()
    exchange.treasury.open_subaccount("a", T0)
    exchange.treasury.transfer(("a", SHARD), ("a#1", SHARD), 100, T0, USED)
    again, facts = exchange.treasury.transfer(("a", SHARD), ("a", 0), 100, T0, USED)
    assert (Refused("transfer_already_applied"), []) == (again, facts)
    other, _ = exchange.treasury.transfer(("b", SHARD), ("b", 0), 100, T0, USED)
    assert isinstance(other, str)


def test_transfers_that_move_nothing_or_to_others_are_refused() -> None:
    """No amount, nowhere else, another owner's account, an unknown shard."""
    exchange = with_subaccount()
    for source, target, amount in (
        (("a", SHARD), ("a#1", SHARD), 0),
        (("a", SHARD), ("a", SHARD), 100),
        (("a", SHARD), ("b", SHARD), 100),
        (("a", SHARD), ("a#9", SHARD), 100),
        (("a", SHARD), ("a", 7), 100),
    ):
        outcome, facts = exchange.treasury.transfer(source, target, amount, T0)
        assert isinstance(outcome, Refused)
        assert ("invalid_parameters", []) == (outcome.code, facts)


def test_cash_on_another_shard_does_not_pay() -> None:
    """An order is refused for its shard's cash though the total would do, until the cash is moved there."""
    exchange = exchange_of()
    exchange.treasury.transfer(("a", SHARD), ("a", 0), CASH, T0)
    assert ("insufficient_balance", None) == refused(exchange, "a", "bid", 5000, 100)
    exchange.treasury.transfer(("a", 0), ("a", SHARD), MONEY_ONE, T0)
    placed(exchange, "a", "bid", 5000, 100)


def test_an_allocation_moves_what_is_free() -> None:
    """By percents of the total, at once; what orders reserve stays where it is."""
    exchange = exchange_of()
    assert exchange.treasury.allocate("a", {0: 25, SHARD: 75}, "none", T0)[0] is None
    account = exchange.accounts["a"]
    assert {0: CASH // 4, SHARD: CASH * 3 // 4} == account.cash
    placed(exchange, "a", "bid", 5000, 120_000)
    exchange.treasury.allocate("a", {0: 100}, "none", T0)
    assert {0: CASH - 600 * MONEY_ONE, SHARD: 600 * MONEY_ONE} == account.cash
    assert 3 == len(exchange.treasury.transfers) + 1


def test_percents_add_up_to_a_hundred() -> None:
    """And are of 0 to 100, on shards that there are."""
    exchange = exchange_of()
    for percents in ({0: 99}, {0: 150, 2: -50}, {9: 100}, {}):
        outcome, facts = exchange.treasury.allocate("a", percents, "none", T0)
        assert isinstance(outcome, Refused)
        assert ("invalid_parameters", []) == (outcome.code, facts)


def test_a_deposit_is_told_with_the_cash_it_makes() -> None:
    """The account has it at once."""
    exchange = exchange_of()
    facts = exchange.treasury.deposit("a", 0, 500, T0)
    assert [CashDeposited("id-1", "a", 0, 500, T0), CashChanged("a", 0, 500, T0)] == facts


def without_netting() -> Exchange:
    """Return an exchange where "a", without netting, bought 1 YES at 0.50 and then 1 NO at 0.40."""
    exchange = exchange_of()
    exchange.treasury.set_netting("a", False, T0)
    placed(exchange, "sim:x", "ask", 5000, 100)
    placed(exchange, "a", "bid", 5000, 100)
    placed(exchange, "sim:x", "bid", 6000, 100)
    placed(exchange, "a", "ask", 6000, 100)
    return exchange


def test_without_netting_both_outcomes_are_held_and_paid_in_full() -> None:
    """The pair's dollar comes at settlement, whatever the result: 0.50 and 0.40 are both paid before."""
    exchange = without_netting()
    account = exchange.accounts["a"]
    holding = account.holdings[TICKER]
    assert (0, 100, 100, 100) == (holding.qty, holding.pairs, holding.yes_qty, holding.no_qty)
    paid = CASH - 500_000 - 400_000 - holding.fees
    assert paid == account.cash[SHARD]
    exchange.advance(CLOSED)
    exchange.determine(TICKER, "scalar", 3300, CLOSED)
    facts = exchange.settle(TICKER, CLOSED)
    told = [fact for fact in facts if isinstance(fact, f.PaidOut)]
    assert [(100, 100, MONEY_ONE)] == [(fact.yes_qty, fact.no_qty, fact.payout) for fact in told]
    assert paid + MONEY_ONE == account.cash[SHARD]
    assert 100_000 == holding.realized


def test_netting_turned_on_gives_the_pairs_back() -> None:
    """At once, and told; turning it on again tells nothing."""
    exchange = without_netting()
    before = exchange.accounts["a"].cash[SHARD]
    _, facts = exchange.treasury.set_netting("a", True, T0)
    assert CashChanged("a", SHARD, before + MONEY_ONE, T0) == facts[-1]
    assert 0 == exchange.accounts["a"].holdings[TICKER].pairs
    assert 0 == exchange.markets[TICKER].open_interest
    assert (None, []) == exchange.treasury.set_netting("a", True, T0)


def test_netting_is_not_turned_off_under_orders_that_need_it() -> None:
    """A closing order costs nothing with netting and its price without."""
    exchange = exchange_of()
    placed(exchange, "sim:x", "ask", 5000, 100)
    placed(exchange, "a", "bid", 5000, 100)
    placed(exchange, "a", "ask", 6000, 100)
    exchange.accounts["a"].cash[SHARD] = 0
    assert (Refused("insufficient_balance"), []) == exchange.treasury.set_netting("a", False, T0)
    assert (True, 0) == (exchange.accounts["a"].is_netting, exchange.accounts["a"].reserved(SHARD))


def test_a_new_subaccount_nets_as_the_primary_does() -> None:
    """Its own setting is its own from then on."""
    exchange = exchange_of()
    exchange.treasury.set_netting("a", False, T0)
    exchange.treasury.open_subaccount("a", T0)
    assert not exchange.accounts["a#1"].is_netting
    exchange.treasury.set_netting("a#1", True, T0)
    assert not exchange.accounts["a"].is_netting


def test_facts_of_a_subaccount_carry_its_name() -> None:
    """Orders, fills and positions alike: who listens tells them apart by it."""
    exchange = with_subaccount()
    placed(exchange, "sim:x", "ask", 5000, 100)
    _, facts = exchange.place(NewOrder("a#1", TICKER, "bid", 5000, 100), T0)
    names = {
        fact.order.account if isinstance(fact, f.OrderChanged) else fact.account
        for fact in facts
        if isinstance(fact, f.OrderChanged | f.Filled | f.PositionChanged | CashChanged)
    }
    assert {"a#1"} == names
