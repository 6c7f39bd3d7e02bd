"""What we send."""

from __future__ import annotations

import json

from daemon.core.commands import AmendOrder, PlaceOrder
from daemon.kalshi.encode import (
    encode_amend,
    encode_place,
    encode_subscribe,
    encode_unsubscribe,
    encode_update,
)

PLACE = PlaceOrder(
    "id-1", "KXBTC15M-A", "bid", 3500, 1000, "good_till_canceled", True, 2, "s", "why", 0, 1, None
)
AMEND = AmendOrder("id-1", "o-1", "KXBTC15M-A", "ask", 9960, 5, 2, "s", "why", 0, 1, None)


def test_a_new_order_is_all_strings() -> None:
    """Price and count are strings with four and two decimals; the shard is named."""
    assert {
        "ticker": "KXBTC15M-A",
        "client_order_id": "id-1",
        "side": "bid",
        "count": "10.00",
        "price": "0.3500",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "post_only": True,
        "exchange_index": 2,
    } == json.loads(encode_place(PLACE))


def test_an_amend_gives_price_and_total_count() -> None:
    """An amend names the order's own market and side, and the total count."""
    assert {
        "ticker": "KXBTC15M-A",
        "client_order_id": "id-1",
        "side": "ask",
        "count": "0.05",
        "price": "0.9960",
        "exchange_index": 2,
    } == json.loads(encode_amend(AMEND))


def test_the_book_is_asked_for_on_its_own_scale_explicitly() -> None:
    """`use_yes_price` false stands in every subscribe to the book, and in no other."""
    book = json.loads(encode_subscribe(1, ["orderbook_delta"], ["A"]))
    assert {
        "id": 1,
        "cmd": "subscribe",
        "params": {"channels": ["orderbook_delta"], "market_tickers": ["A"], "use_yes_price": False},
    } == book
    assert {"channels": ["fill"]} == json.loads(encode_subscribe(2, ["fill"], []))["params"]


def test_index_values_are_asked_for_by_index() -> None:
    """The index channel knows no markets."""
    command = json.loads(encode_subscribe(3, ["cfbenchmarks_value"], [], ["BRTI"]))
    assert {"channels": ["cfbenchmarks_value"], "index_ids": ["BRTI"]} == command["params"]


def test_updates_name_one_sid() -> None:
    """update_subscription and unsubscribe as documented."""
    assert {
        "id": 3,
        "cmd": "update_subscription",
        "params": {"sid": 1, "action": "get_snapshot", "market_tickers": ["B"]},
    } == json.loads(encode_update(3, 1, "get_snapshot", ["B"]))
    assert {"id": 4, "cmd": "unsubscribe", "params": {"sids": [2]}} == json.loads(encode_unsubscribe(4, 2))
