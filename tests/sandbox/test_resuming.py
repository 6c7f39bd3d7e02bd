"""Tests of a restart: it forgets nothing of the owner's."""

from __future__ import annotations

from pathlib import Path

from daemon.core.units import MINUTE, MONEY_ONE
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact, MarketCreated, OrderChanged
from daemon.exchange.order_group import OrderGroup
from daemon.exchange.requests import Amendment, NewOrder, Refused
from daemon.sandbox.read_side import ReadSide
from daemon.sandbox.resuming import FORGET_AFTER, resume_accounts
from daemon.sandbox.state import Store
from tests.exchange.venues import CASH, CLOSED, SHARD, T0, TICKER, exchange_of, placed, refused, shown
from tests.sandbox.test_read_side import assert_same

USED = "0a0a0a0a-0000-4000-8000-000000000001"


def lived(exchange: Exchange) -> tuple[list[Fact], OrderGroup]:
    """Let an owner do a bit of everything; return the facts and a group that was triggered."""
    treasury, groups = exchange.treasury, exchange.order_groups
    facts = treasury.open_subaccount("a", T0)[1]
    facts += treasury.transfer(("a", SHARD), ("a#1", SHARD), 50 * MONEY_ONE, T0, USED)[1]
    facts += treasury.set_netting("a#1", False, T0)[1]
    facts += treasury.allocate("a", {0: 10, SHARD: 90}, "max", T0)[1]
    facts += exchange.treasury.deposit("a", 0, 700, T0)
    group, told = groups.create("a", SHARD, 100, T0)
    assert isinstance(group, OrderGroup)
    facts += told
    exchange.place(NewOrder("sim:x", TICKER, "ask", 5000, 500), T0)
    taking = NewOrder("a", TICKER, "bid", 5000, 200, order_group_id=group.order_group_id)
    facts += exchange.place(taking, T0)[1]
    facts += exchange.place(NewOrder("a#1", TICKER, "bid", 5000, 100, client_order_id="mine"), T0)[1]
    facts += exchange.place(NewOrder("a#1", TICKER, "ask", 6000, 100), T0)[1]
    exchange.open_account("sim:y", {}, is_house=True)
    exchange.cancel_all("sim:x", T0)
    facts += exchange.place(NewOrder("sim:y", TICKER, "bid", 6000, 70), T0)[1]
    facts += exchange.place(NewOrder("a", TICKER, "bid", 4000, 300), T0)[1]
    facts += exchange.pause(T0, exchange_index=1)
    facts += exchange.schedule_maintenance(T0 + MINUTE, T0 + 2 * MINUTE, T0)
    return facts, group


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    """Accounts, cash, orders, positions and pairs, groups, transfers, netting, allocation, pauses."""
    exchange = exchange_of()
    store = Store(tmp_path / "state")
    store.set_cash(exchange.accounts["a"])
    facts, group = lived(exchange)
    store.save([*facts], exchange)
    store.close()

    store = Store(tmp_path / "state")
    again = Exchange(lambda: "new")
    account = resume_accounts(store, again, store.load(), "a", {}, T0)
    store.close()
    assert ["a", "a#1"] == [own.name for own in again.treasury.subaccounts("a")]
    assert exchange.accounts["a"].cash == account.cash
    assert_same(ReadSide(again, "a"), exchange)
    assert exchange.order_groups.record(group.order_group_id) == again.order_groups.record(
        group.order_group_id
    )
    assert (
        Refused("transfer_already_applied")
        == again.treasury.transfer(("a", SHARD), ("a#1", SHARD), 1, T0, USED)[0]
    )
    assert ("order_already_exists", None) == refused(again, "a", "bid", 4000, 1, client_order_id="mine")
    assert (exchange.pauses.of(1), exchange.pauses.windows) == (again.pauses.of(1), again.pauses.windows)
    for own in exchange.treasury.subaccounts("a"):
        assert own.reserved(SHARD) == again.accounts[own.name].reserved(SHARD)
        assert own.holdings[TICKER].pairs == again.accounts[own.name].holdings[TICKER].pairs
    assert {("yes", 4000): 300, ("no", 4000): 30} == shown(again)


def test_a_first_start_has_the_cash_that_it_is_given(tmp_path: Path) -> None:
    """And keeps it at once: the next start has it without being told."""
    for cash in ({SHARD: CASH}, {}):
        store = Store(tmp_path / "state")
        account = resume_accounts(store, Exchange(lambda: "new"), store.load(), "a", cash, T0)
        store.close()
        assert {SHARD: CASH} == account.cash


def test_markets_long_settled_are_forgotten(tmp_path: Path) -> None:
    """Two days after; orders and settlements in them stay known."""
    exchange = exchange_of()
    store = Store(tmp_path / "state")
    store.set_cash(exchange.accounts["a"])
    facts = exchange.place(NewOrder("a", TICKER, "bid", 4000, 100), T0)[1]
    facts += [
        *exchange.advance(CLOSED),
        *exchange.determine(TICKER, "yes", 10_000, CLOSED),
        *exchange.settle(TICKER, CLOSED),
    ]
    store.save([*facts], exchange)
    for now, markets in ((CLOSED + FORGET_AFTER, [TICKER]), (CLOSED + FORGET_AFTER + 1, [])):
        again = Exchange(lambda: "new")
        account = resume_accounts(store, again, store.load(), "a", {}, now)
        assert (markets, 1) == ([*again.markets], len(account.orders))
    assert () == store.load().markets
    store.close()


def test_an_amended_order_keeps_the_queue_place_that_it_fell_back_to(tmp_path: Path) -> None:
    """The older order that grew is behind the younger one, before the restart and after it."""
    exchange = exchange_of()
    store = Store(tmp_path / "state")
    store.set_cash(exchange.accounts["a"])
    older, younger = (placed(exchange, "a", "bid", 4000, 100, T0 + now) for now in range(2))
    grown = Amendment("a", older.order_id, TICKER, "bid", 4000, 300)
    _, facts = exchange.amend(grown, T0 + 2)
    store.save([OrderChanged(older, T0), OrderChanged(younger, T0), *facts], exchange)
    store.save([*exchange.treasury.deposit("a", SHARD, 1, T0)], exchange)
    store.save([MarketCreated(exchange.markets[TICKER].spec, T0)], exchange)
    again = Exchange(lambda: "new")
    resume_accounts(store, again, store.load(), "a", {}, T0)
    store.close()
    for venue in (exchange, again):
        order = venue.find("a", older.order_id)
        assert order is not None
        assert 100 == venue.markets[TICKER].book.ahead(order)
