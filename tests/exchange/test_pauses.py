"""Tests of pauses and maintenance, on the whole exchange."""

from __future__ import annotations

import pytest

from daemon.core.units import MINUTE
from daemon.exchange import facts as f
from daemon.exchange.pauses import SHARDS, Pause
from daemon.exchange.requests import Amendment, Refused
from tests.exchange.venues import SHARD, T0, TICKER, exchange_of, placed, refused, shown


def test_a_pause_of_trading_lets_cancels_through_and_nothing_new() -> None:
    """New and amended orders are refused, a decrease and a cancel aren't; other shards go on."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 4000, 300)
    assert [f.PauseChanged(SHARD, False, True, None, T0)] == exchange.pause(T0, exchange_index=SHARD)
    assert ("trading_is_paused", None) == refused(exchange, "a", "bid", 4000, 100)
    amended, _ = exchange.amend(Amendment("a", order.order_id, TICKER, "bid", 4100, 300), T0)
    assert Refused("trading_is_paused") == amended
    decreased, _ = exchange.decrease("a", order.order_id, 100, T0, is_target=False)
    assert isinstance(decreased, f.OrderState)
    assert 200 == exchange.cancel("a", order.order_id, T0)[0]
    assert [False, True] == [exchange.pauses.is_trading_active(shard) for shard in (SHARD, 0)]


def test_a_pause_of_the_exchange_refuses_everything() -> None:
    """Cancels, groups and transfers too; after it all goes on, and what rested still rests."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 4000, 300)
    exchange.pause(T0, is_trading_only=False)
    assert ("exchange_is_paused", None) == refused(exchange, "a", "bid", 4000, 100)
    expected = Refused("exchange_is_paused")
    assert expected == exchange.cancel("a", order.order_id, T0)[0]
    assert (0, []) == exchange.cancel_all("a", T0)
    assert expected == exchange.order_groups.create("a", SHARD, 100, T0)[0]
    assert expected == exchange.treasury.transfer(("a", SHARD), ("a", 0), 100, T0)[0]
    assert len(SHARDS) == len(exchange.resume(T0))
    assert {("yes", 4000): 300} == shown(exchange)
    assert 300 == exchange.cancel("a", order.order_id, T0)[0]


def test_what_asked_to_go_on_a_pause_goes() -> None:
    """`cancel_order_on_pause` ends an order for HaltCancel; the others stay, and keep their place."""
    exchange = exchange_of()
    placed(exchange, "a", "bid", 4000, 100)
    going = placed(exchange, "a", "bid", 4100, 100, cancel_on_pause=True)
    facts = exchange.pause(T0)
    assert [(going.order_id, "HaltCancel")] == [
        (fact.order.order_id, fact.order.reason) for fact in facts if isinstance(fact, f.OrderChanged)
    ]
    assert {("yes", 4000): 100} == shown(exchange)


def test_a_pause_again_tells_nothing() -> None:
    """Only changes are told; a resume of what isn't paused is none."""
    exchange = exchange_of()
    exchange.pause(T0)
    assert [] == exchange.pause(T0)
    exchange.resume(T0)
    assert [] == exchange.resume(T0)


def test_maintenance_begins_and_ends_by_the_clock() -> None:
    """The announced end is shown; a pause of trading made besides outlasts it."""
    exchange = exchange_of()
    start, end = T0 + MINUTE, T0 + 2 * MINUTE
    assert [f.MaintenanceScheduled(start, end, T0)] == exchange.schedule_maintenance(start, end, T0)
    exchange.pause(T0, exchange_index=0)
    assert ((start, end),) == exchange.pauses.windows
    exchange.advance(start)
    assert Pause(is_exchange_paused=True, resumes_at=end) == exchange.pauses.of(SHARD)
    assert [] == exchange.advance(end - 1)
    exchange.advance(end)
    assert Pause() == exchange.pauses.of(SHARD)
    assert Pause(is_trading_paused=True) == exchange.pauses.of(0)
    assert () == exchange.pauses.windows


def test_a_window_slept_through_leaves_nothing_paused() -> None:
    """A clock that jumps over the window begins and ends nothing; one that woke up inside still ends it."""
    exchange = exchange_of()
    exchange.schedule_maintenance(T0 + 1, T0 + 2, T0)
    assert [] == exchange.advance(T0 + 3)
    exchange.schedule_maintenance(T0 + 4, T0 + 8, T0 + 3)
    exchange.advance(T0 + 6)
    exchange.advance(T0 + 9)
    assert all(exchange.pauses.is_trading_active(shard) for shard in SHARDS)


def test_a_window_must_lie_ahead() -> None:
    """One that ends before it starts, or is over, is a mistake of whoever schedules it."""
    exchange = exchange_of()
    for start, end in ((T0 + 2, T0 + 1), (T0 - 2, T0)):
        with pytest.raises(ValueError, match="no window ahead"):
            exchange.schedule_maintenance(start, end, T0)


def test_a_tape_fills_nobody_while_paused() -> None:
    """The recording goes on; our orders wait, and are reached when trading goes on."""
    exchange = exchange_of(is_shadow=True)
    exchange.apply_snapshot(TICKER, ((4000, 500),), ((5000, 500),), T0)
    placed(exchange, "a", "bid", 4500, 100)
    exchange.pause(T0)
    exchange.apply_print(TICKER, "t", 4400, 500, "no", T0)
    exchange.apply_delta(TICKER, "no", 5600, 100, T0)
    assert 0 == exchange.accounts["a"].qty(TICKER)
    exchange.resume(T0)
    exchange.apply_delta(TICKER, "no", 5600, 100, T0)
    assert 100 == exchange.accounts["a"].qty(TICKER)
