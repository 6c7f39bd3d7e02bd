"""Tests of the bodies of an account."""

from __future__ import annotations

from daemon.exchange.facts import OrderState, PaidOut
from daemon.exchange.order_group import OrderGroup
from daemon.sandbox.read_side import ReadSide
from daemon.sandbox.rest import portfolio_bodies as bodies
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
    placed(exchange, "sim:x", "ask", 5000, 100)
    placed(exchange, "a", "bid", 5000, 100)
    exchange.accounts["a"].cash[SHARD] = 98_018_600
    body = bodies.balance_body(ReadSide(exchange, "a").accounts["a"], exchange.markets, None, T0)
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


def test_an_order_and_a_fill_carry_their_subaccount_and_group() -> None:
    """The number in the account's name; a group only where there is one."""
    exchange = exchange_of()
    exchange.treasury.open_subaccount("a", T0)
    exchange.treasury.transfer(("a", SHARD), ("a#1", SHARD), 10_000_000, T0)
    group, _ = exchange.order_groups.create("a#1", SHARD, 1000, T0)
    assert isinstance(group, OrderGroup)
    placed(exchange, "sim:x", "ask", 5000, 100)
    order = placed(exchange, "a#1", "bid", 5000, 100, order_group_id=group.order_group_id)
    body = bodies.order_body(order, "user")
    assert (1, group.order_group_id) == (body["subaccount_number"], body["order_group_id"])
    assert 1 == bodies.fill_body(exchange.accounts["a#1"].fills[0])["subaccount_number"]
    assert "order_group_id" not in bodies.order_body(placed(exchange, "a", "bid", 4000, 100), "user")


def test_resting_orders_are_worth_what_they_would_cost() -> None:
    """An ask at 0.70 costs 0.30 a contract; by shard, and in cents together."""
    exchange = exchange_of()
    placed(exchange, "a", "bid", 4000, 150)
    placed(exchange, "a", "ask", 7000, 100)
    body = bodies.resting_value_body([*ReadSide(exchange, "a").accounts.values()])
    assert {
        "resting_order_value_breakdown": [{"balance": "0.9000", "exchange_index": SHARD}],
        "total_resting_order_value": 90,
    } == body


def test_pairs_are_worth_their_dollar_in_the_portfolio() -> None:
    """Held without netting, they count in full whatever the last price is."""
    exchange = exchange_of()
    exchange.treasury.set_netting("a", False, T0)
    for side, other, price in (("bid", "ask", 5000), ("ask", "bid", 6000)):
        placed(exchange, "sim:x", other, price, 100)  # type: ignore[arg-type]
        placed(exchange, "a", side, price, 100)  # type: ignore[arg-type]
    view = ReadSide(exchange, "a").accounts["a"]
    assert 100 == bodies.balance_body(view, exchange.markets, None, T0)["portfolio_value"]
