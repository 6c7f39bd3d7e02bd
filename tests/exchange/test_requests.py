"""Tests of what may be asked of the exchange."""

from __future__ import annotations

from daemon.exchange.requests import NewOrder, Refused


def test_an_order_rests_unless_it_says_otherwise() -> None:
    """The defaults are those of the venue's plain limit order."""
    order = NewOrder("a", "T", "bid", 4000, 100)
    assert ("good_till_canceled", "taker_at_cross", "", False) == (
        order.time_in_force,
        order.self_trade_prevention,
        order.client_order_id,
        order.post_only,
    )


def test_refusals_are_values() -> None:
    """Two refusals for the same reason are the same."""
    assert Refused("invalid_price") == Refused("invalid_price", None)
