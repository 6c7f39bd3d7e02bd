"""What we send."""

from __future__ import annotations

import json

from msgspec import structs

from daemon.core.commands import AmendOrder, PlaceOrder, ProbeOrder
from daemon.core.units import SECOND
from daemon.kalshi.encode import (
    encode_amend,
    encode_place,
    encode_probe,
    encode_subscribe,
    encode_unsubscribe,
    encode_update,
)

PLACE = PlaceOrder(
    "id-1", "KXBTC15M-A", "bid", 3500, 1000, "good_till_canceled", True, 2, "s", "why", 0, 1, None
)
AMEND = AmendOrder("id-1", "o-1", "KXBTC15M-A", "ask", 9960, 5, 2, "s", "why", 0, 1, None)


def test_a_new_order_is_all_strings() -> None:
    """Price and count are strings with four and two decimals; the shard is named; a pause takes it out."""
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
        "cancel_order_on_pause": True,
    } == json.loads(encode_place(PLACE))


def test_a_resting_order_names_its_group_and_its_last_second() -> None:
    """The expiry is in whole seconds, never later than decided; what does not rest has none, and no pause."""
    order = structs.replace(PLACE, expires_at=1_900_000_000 * SECOND + 999, order_group_id="g-1")
    told = json.loads(encode_place(order))
    assert (1_900_000_000, "g-1") == (told["expiration_time"], told["order_group_id"])
    taker = json.loads(encode_place(structs.replace(PLACE, time_in_force="immediate_or_cancel")))
    assert taker.keys().isdisjoint({"expiration_time", "order_group_id", "cancel_order_on_pause"})


def test_a_probe_can_not_rest() -> None:
    """It carries the id of the order in doubt, is immediate or cancel, and in no group."""
    assert {
        "ticker": "KXBTC15M-A",
        "client_order_id": "id-1",
        "side": "bid",
        "count": "1.00",
        "price": "0.0100",
        "time_in_force": "immediate_or_cancel",
        "self_trade_prevention_type": "taker_at_cross",
        "post_only": False,
        "exchange_index": 2,
    } == json.loads(encode_probe(ProbeOrder("id-1", "KXBTC15M-A", "bid", 100, 100, 2, 0)))


def test_an_amend_may_move_the_expiry() -> None:
    """Only when it is told one: without, the venue keeps what it has."""
    amended = json.loads(encode_amend(structs.replace(AMEND, expires_at=1_900_000_000 * SECOND)))
    assert 1_900_000_000 == amended["expiration_time"]
    assert "expiration_time" not in json.loads(encode_amend(AMEND))


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
