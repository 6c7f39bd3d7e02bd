"""Tests of orders meeting the book where the money has the last word."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.exchange import facts as f
from daemon.exchange.execution import Telling
from tests.exchange.venues import SHARD, T0, TICKER, exchange_of, placed, shown


def test_a_maker_that_cannot_pay_is_cancelled_and_matching_goes_on() -> None:
    """An empty purse ends the resting order (MarginCancel); the taker meets the next one."""
    exchange = exchange_of()
    poor = placed(exchange, "a", "ask", 5000, 100)
    placed(exchange, "b", "ask", 5100, 100)
    exchange.accounts["a"].cash[SHARD] = 0
    taken = placed(exchange, "sim:x", "bid", 5100, 100)
    assert ("executed", 510_000) == (taken.status, taken.taker_cost)
    ended = exchange.find("a", poor.order_id)
    assert ended is not None
    assert ("canceled", "MarginCancel", 0) == (ended.status, ended.reason, ended.filled)
    assert {} == shown(exchange)


def test_a_maker_reached_by_a_tape_that_cannot_pay_is_cancelled() -> None:
    """The recorded market fills nobody who can't pay."""
    exchange = exchange_of(is_shadow=True)
    order = placed(exchange, "a", "bid", 5000, 100)
    exchange.accounts["a"].cash[SHARD] = 0
    exchange.apply_delta(TICKER, "no", 5000, 100, T0)
    ended = exchange.find("a", order.order_id)
    assert ended is not None
    assert "MarginCancel" == ended.reason


def test_the_house_is_told_nothing_and_keeps_nothing() -> None:
    """Its orders make public facts only, and are forgotten when they end."""
    exchange = exchange_of()
    placed(exchange, "sim:x", "ask", 5000, 100)
    found, facts = exchange.cancel("sim:x", next(iter(exchange.accounts["sim:x"].orders)), T0)
    assert 100 == found
    assert [f.LevelChanged(TICKER, "no", 5000, -100, T0, None, None)] == facts
    assert {} == exchange.accounts["sim:x"].orders


def test_a_position_is_told_once_a_call_as_it_ends() -> None:
    """Three fills of one order make one position fact, the last."""
    exchange = exchange_of()
    for price in (5000, 5100, 5200):
        placed(exchange, "sim:x", "ask", price, 100)
    placed(exchange, "a", "bid", 5200, 300)
    holding = exchange.accounts["a"].holdings[TICKER]
    telling = Telling()
    for fill in exchange.accounts["a"].fills[:]:
        telling.fill(exchange.accounts["a"], fill)
    assert holding.told("a", TICKER, T0) == telling.facts()[3]
    assert 5 == len(telling.facts())


@pytest.mark.parametrize(("prevention", "own_status"), [("maker", "canceled"), ("taker_at_cross", "resting")])
def test_a_fok_that_meets_an_own_order_is_handled_as_ioc(prevention: str, own_status: str) -> None:
    """It fills what it can, whichever of the two orders gives way."""
    exchange = exchange_of()
    placed(exchange, "b", "ask", 5000, 40)
    own = placed(exchange, "a", "ask", 5000, 30)
    terms: dict[str, Any] = {"time_in_force": "fill_or_kill", "self_trade_prevention": prevention}
    found = placed(exchange, "a", "bid", 5000, 100, **terms)
    assert ("canceled", 40, 0, 60) == (found.status, found.filled, found.remaining, found.canceled)
    order = exchange.find("a", own.order_id)
    assert order is not None
    assert own_status == order.status
    placed(exchange, "b", "ask", 4900, 40)
    assert "executed" == placed(exchange, "a", "bid", 5000, 40, **terms).status
