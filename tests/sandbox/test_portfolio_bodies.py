"""Tests of the bodies of an account."""

from __future__ import annotations

from daemon.exchange.facts import OrderState, PaidOut
from daemon.sandbox import portfolio_bodies as bodies
from tests.exchange.venues import SHARD, T0, TICKER, exchange_of, placed


def test_an_asks_average_price_is_the_yes_price() -> None:
    """An ask's cost is on the NO scale, its average fill price isn't."""
    exchange = exchange_of()
    placed(exchange, "sim:x", "bid", 6000, 100)
    order = placed(exchange, "a", "ask", 5000, 100)
    assert ("0.6000", "0.0168") == (
        bodies.placed_body(order, T0)["average_fill_price"],
        bodies.placed_body(order, T0)["average_fee_paid"],
    )
    assert "0.400000" == bodies.order_body(order, "user")["taker_fill_cost_dollars"]


def test_optional_fields_appear_only_when_set() -> None:
    """Expiration and cancel-on-pause."""
    exchange = exchange_of()
    order = placed(exchange, "a", "bid", 4000, 100)
    assert not {"expiration_time", "cancel_order_on_pause"} & set(bodies.order_body(order, "user"))
    dated = placed(exchange, "a", "bid", 4000, 100, expires_at=T0 + 10**9, cancel_on_pause=True)
    assert isinstance(dated, OrderState)
    assert {"expiration_time", "cancel_order_on_pause"} <= set(bodies.order_body(dated, "user"))


def test_the_balance_is_truncated_to_cents() -> None:
    """98.0186 $ are 9801 cents; positions are marked at the last price."""
    exchange = exchange_of()
    account = exchange.accounts["a"]
    account.cash[SHARD] = 98_018_600
    placed(exchange, "sim:x", "ask", 5000, 100)
    placed(exchange, "a", "bid", 5000, 100)
    account.cash[SHARD] = 98_018_600
    body = bodies.balance_body(account, exchange.markets, None, T0)
    assert (9801, "98.0186", 50) == (body["balance"], body["balance_dollars"], body["portfolio_value"])


def test_a_settlements_revenue_is_in_cents() -> None:
    """One YES contract that won: 100 cents, value 100."""
    paid = PaidOut("a", TICKER, "E", SHARD, "yes", 10_000, 100, 600_000, 0, 0, 1_000_000, 16_800, T0)
    body = bodies.settlement_body(paid)
    assert (100, 100, "1.00", "0.00", "0.016800") == (
        body["revenue"],
        body["value"],
        body["yes_count_fp"],
        body["no_count_fp"],
        body["fee_cost"],
    )
