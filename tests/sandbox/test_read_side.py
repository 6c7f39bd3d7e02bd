"""Tests of what the reads show, and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import SECOND, BookSide, Ns
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact
from daemon.exchange.requests import NewOrder
from daemon.sandbox.read_side import ReadSide
from tests.exchange.venues import CASH, SHARD, T0, TICKER, exchange_of, placed

LAG = SECOND


def test_a_read_is_late_as_a_whole() -> None:
    """Order, fill, position and cash of one trade appear together, `lag` after it and not a moment before."""
    exchange = exchange_of()
    reads = ReadSide(exchange, "a", LAG)
    placed(exchange, "sim:x", "ask", 5000, 100)
    _, facts = exchange.place(NewOrder("a", TICKER, "bid", 5000, 100), T0)
    reads.observe([*facts], T0)
    view = reads.accounts["a"]
    reads.advance(T0 + LAG - 1)
    assert ({}, [], {}, {SHARD: CASH}) == (view.orders, view.fills, view.positions, view.cash)
    reads.advance(T0 + LAG)
    assert (1, 1, 100, exchange.accounts["a"].cash) == (
        len(view.orders),
        len(view.fills),
        view.positions[TICKER].qty,
        view.cash,
    )


def test_a_cancelled_order_still_rests_for_a_while() -> None:
    """As recorded: the cancel is confirmed, the read says `resting`."""
    exchange = exchange_of()
    reads = ReadSide(exchange, "a", LAG)
    _, facts = exchange.place(NewOrder("a", TICKER, "bid", 4000, 100, client_order_id="c"), T0)
    reads.observe([*facts], T0)
    name = next(iter(exchange.accounts["a"].orders))
    reads.observe([*exchange.cancel("a", name, T0 + LAG)[1]], T0 + LAG)
    assert ("resting", [name]) == (reads.accounts["a"].orders[name].status, [*reads.accounts["a"].resting])
    reads.advance(T0 + 2 * LAG)
    assert ("canceled", []) == (reads.accounts["a"].orders[name].status, [*reads.accounts["a"].resting])


def test_the_lag_may_be_changed() -> None:
    """Taken away, everything shows; the freshness that is told follows it."""
    exchange = exchange_of()
    reads = ReadSide(exchange, "a", LAG)
    reads.observe([*exchange.place(NewOrder("a", TICKER, "bid", 4000, 100), T0)[1]], T0)
    assert T0 - LAG == reads.as_of(T0)
    reads.lag = 0
    reads.advance(T0)
    assert (1, T0) == (len(reads.accounts["a"].orders), reads.as_of(T0))


def assert_same(reads: ReadSide, exchange: Exchange) -> None:
    """Fail where the reads don't show what is so."""
    fresh = ReadSide(exchange, "a")
    assert [*fresh.accounts] == [*reads.accounts]
    for name, view in fresh.accounts.items():
        shown = reads.accounts[name]
        assert (view.orders, view.resting, view.fills) == (shown.orders, shown.resting, shown.fills)
        assert (view.positions, view.cash) == (shown.positions, shown.cash)
        assert (view.settlements, view.is_netting) == (shown.settlements, shown.is_netting)
    assert {name: vars(group) for name, group in fresh.groups.items()} == {
        name: vars(group) for name, group in reads.groups.items()
    }
    assert (fresh.transfers, fresh.deposits) == (reads.transfers, reads.deposits)
    assert fresh.allocations == reads.allocations


def happened(exchange: Exchange, act: int, size: int, now: Ns) -> list[Fact]:
    """Let something happen; return what was told of it."""
    treasury, groups = exchange.treasury, exchange.order_groups
    names = [record.order_group_id for record in groups.records()]
    name = names[size % len(names)] if names else None
    side: BookSide = "bid" if size % 2 else "ask"
    price = 4000 + size // 20 * 100
    match act:
        case 0:
            return exchange.place(NewOrder("a", TICKER, side, price, size, order_group_id=name), now)[1]
        case 1:
            return exchange.place(NewOrder("sim:x", TICKER, side, 4500, size), now)[1]
        case 2:
            return exchange.cancel_all("a", now)[1]
        case 3:
            return treasury.open_subaccount("a", now)[1]
        case 4:
            return treasury.transfer(("a", SHARD), ("a#1", 0), size, now)[1]
        case 5:
            return treasury.set_netting("a", bool(size % 3), now)[1]
        case 6:
            return groups.create("a", SHARD, 100 + size, now)[1]
        case 7:
            return groups.reset("a", name or "", now)[1]
        case 8:
            return treasury.allocate("a", {0: 50, SHARD: 50}, "none", now)[1]
        case _:
            return exchange.treasury.deposit("a", 0, size, now)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 400)), max_size=30))
def test_without_a_lag_the_reads_show_what_is_so(acts: list[tuple[int, int]]) -> None:
    """Whatever happens, facts alone make the picture that the exchange itself gives."""
    exchange = exchange_of()
    reads = ReadSide(exchange, "a")
    for now, (act, size) in enumerate(acts, T0):
        reads.observe([*happened(exchange, act, size, now)], now)
        assert_same(reads, exchange)
