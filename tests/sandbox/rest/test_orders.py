"""Tests of the REST writes over the wire: statuses, codes and the four error shapes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from daemon.core.units import MINUTE
from daemon.sandbox.limits import BASIC, Tier
from tests.sandbox.contract import Contract
from tests.sandbox.running import running
from tests.sandbox.scripted import OPEN
from tests.sandbox.wire import order_terms

ORDERS = "/portfolio/events/orders"


async def test_a_recorded_maker_and_taker_reply_have_these_shapes(tmp_path: Path) -> None:
    """A resting order has no averages, a filled one has; keys are alphabetical, the line ends."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        status, text = await client.text("POST", ORDERS, order_terms(client_order_id="one"))
        assert (201, "\n") == (status, text[-1])
        maker = json.loads(text)
        assert ["client_order_id", "fill_count", "order_id", "remaining_count", "ts_ms"] == list(maker)
        status, taker = await client.call("POST", ORDERS, order_terms(price="0.6000", count="1"))
        assert ("0.0168", "0.6000") == (taker["average_fee_paid"], taker["average_fill_price"])


async def test_refusals_have_status_code_and_shape(tmp_path: Path) -> None:
    """Nested for orders, flat for bodies, with the venue's codes."""

    def nested(code: str, details: str | None = None) -> dict[str, Any]:
        found = {"code": code, "message": code.replace("_", " ")}
        return {"error": found | ({"details": details} if details else {})}

    async with asyncio.timeout(20), running(tmp_path) as client:
        assert 201 == (await client.call("POST", ORDERS, order_terms(client_order_id="used")))[0]
        go = "json: cannot unmarshal number into Go struct field CreateOrderV2Request.count of type string"
        for terms, expected in (
            (order_terms(client_order_id="used"), (409, nested("order_already_exists"))),
            (order_terms(price="0.3550"), (400, nested("invalid_price"))),
            (
                order_terms(price="0.35001"),
                (400, nested("invalid_order", "invalid price: invalid dollar precision: -5")),
            ),
            (order_terms(count="0.00"), (400, nested("invalid_order_size"))),
            (order_terms(count="1000000.00"), (400, nested("insufficient_balance"))),
            (
                order_terms(price="0.6000", post_only=True),
                (400, nested("invalid_order", "post only cross")),
            ),
            (order_terms(ticker="NOWHERE"), (404, nested("market_not_found"))),
            (
                order_terms(client_order_id="a.b"),
                (400, nested("invalid_parameters", "invalid client_order_id")),
            ),
            (
                order_terms(time_in_force="fill_or_kill"),
                (400, nested("invalid_order", "fill or kill insufficient volume")),
            ),
            (order_terms(side=None), (400, nested("invalid_parameters", "side is required"))),
            (
                order_terms(exchange_index=0),
                (400, nested("invalid_parameters", f"{OPEN} is not on exchange_index 0")),
            ),
            (
                order_terms(count=10),
                (400, {"code": "bad_request", "message": "bad request", "details": go}),
            ),
        ):
            assert expected == await client.call("POST", ORDERS, terms)


async def test_a_second_cancel_is_not_found(tmp_path: Path) -> None:
    """The first tells what it took out; the second and one of an unknown order look the same."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        _, placed = await client.call("POST", ORDERS, order_terms())
        path = f"{ORDERS}/{placed['order_id']}"
        assert "10.00" == (await client.call("DELETE", path))[1]["reduced_by"]
        expected = (404, {"error": {"code": "not_found", "message": "not found"}})
        assert expected == await client.call("DELETE", path)
        assert expected == await client.call("DELETE", f"{ORDERS}/nothing")


async def test_cancel_all_answers_without_a_body(tmp_path: Path) -> None:
    """204, and nothing rests any more."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        await client.call("POST", ORDERS, order_terms())
        assert (204, "") == await client.text("DELETE", ORDERS)
        _, found = await client.call("GET", "/portfolio/orders", query="?status=resting")
        assert [] == found["orders"]


async def test_v1_mutations_are_gone(tmp_path: Path) -> None:
    """410 on every one of them; the reads still live there."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        for method, path in (
            ("POST", "/portfolio/orders"),
            ("DELETE", "/portfolio/orders/some"),
            ("POST", "/portfolio/orders/some/amend"),
            ("POST", "/portfolio/orders/batched"),
        ):
            status, body = await client.call(method, path, {})
            assert (410, "deprecated_v1_order_endpoint") == (status, body["error"]["code"])


async def test_a_batch_must_fit_the_bucket_whole(tmp_path: Path) -> None:
    """What doesn't fit is refused whole with the string shape, and nothing of it happened."""
    async with asyncio.timeout(20), running(tmp_path, tier=BASIC) as client:
        batch = {"orders": [order_terms() for _ in range(11)]}
        expected = (429, {"error": "too many requests"})
        assert expected == await client.call("POST", f"{ORDERS}/batched", batch)
        _, found = await client.call("GET", "/portfolio/orders")
        assert [] == found["orders"]


async def test_an_amend_mismatch_is_refused(tmp_path: Path) -> None:
    """Ticker and side must be the order's."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        _, placed = await client.call("POST", ORDERS, order_terms())
        terms = {"ticker": OPEN, "side": "ask", "price": "0.3600", "count": "8.00"}
        status, body = await client.call("POST", f"{ORDERS}/{placed['order_id']}/amend", terms)
        assert (400, "order_side_mismatch") == (status, body["error"]["code"])


async def test_a_body_needs_its_content_type(tmp_path: Path) -> None:
    """Without it the flat error of the venue."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        status, body = await client.call("POST", ORDERS)
        expected = (400, {"code": "invalid_content_type", "message": "invalid_content_type"})
        assert expected == (status, body)


async def test_a_batch_answers_each_entry_for_itself(tmp_path: Path) -> None:
    """In the order of the request; of creates and of cancels."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        entries = [order_terms(client_order_id="a"), order_terms(client_order_id="b", price="0.3550")]
        status, made = await client.call("POST", f"{ORDERS}/batched", {"orders": entries})
        contract.check("BatchCreateOrdersV2Response", made)
        error = {"code": "invalid_price", "message": "invalid price"}
        assert (201, {"client_order_id": "b", "error": error}) == (status, made["orders"][1])
        ids = [{"order_id": made["orders"][0]["order_id"], "exchange_index": 2}, {"order_id": "nothing"}]
        status, gone = await client.call("DELETE", f"{ORDERS}/batched", {"orders": ids})
        contract.check("BatchCancelOrdersV2Response", gone)
        error = {"code": "not_found", "message": "not found"}
        assert {"order_id": "nothing", "reduced_by": "0.00", "error": error} == gone["orders"][1]
        assert (200, "10.00") == (status, gone["orders"][0]["reduced_by"])


async def test_a_batch_draws_on_the_unscoped_bucket(tmp_path: Path) -> None:
    """Whatever shards it names: the shard's own is still full after it, and auto-routing finds one empty."""
    slow = Tier("slow", 200, 1, 100)
    async with asyncio.timeout(20), running(tmp_path, tier=slow) as client:
        batch = {"orders": [order_terms() for _ in range(10)]}
        assert 201 == (await client.call("POST", f"{ORDERS}/batched", batch))[0]
        assert 429 == (await client.call("POST", f"{ORDERS}/batched", batch))[0]
        for _ in range(9):
            assert 201 == (await client.call("POST", ORDERS, order_terms()))[0]
        assert 429 == (await client.call("POST", ORDERS, order_terms(exchange_index=None)))[0]


async def test_an_order_is_not_found_on_another_shard_or_in_another_market(tmp_path: Path) -> None:
    """A wrong shard is 404, a wrong market a mismatch; left to the venue (-1) it is found."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        _, placed = await client.call("POST", ORDERS, order_terms())
        path = f"{ORDERS}/{placed['order_id']}"
        assert 404 == (await client.call("DELETE", path, query="?exchange_index=0"))[0]
        body = {"reduce_by": "1.00", "exchange_index": 1}
        assert 404 == (await client.call("POST", f"{path}/decrease", body))[0]
        status, refused = await client.call("DELETE", path, query="?market_ticker=OTHER")
        assert (400, "order_ticker_mismatch") == (status, refused["error"]["code"])
        assert 200 == (await client.call("DELETE", path, query="?exchange_index=-1"))[0]


async def test_amends_and_decreases_answer_what_is_left(tmp_path: Path) -> None:
    """The count of an amend is the total; an expiry of 0 is taken away; a decrease names one of two ways."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        soon = client.sandbox.venue.clock.now() // 10**9 + 600
        _, placed = await client.call("POST", ORDERS, order_terms(expiration_time=soon))
        path = f"{ORDERS}/{placed['order_id']}"
        terms = {"ticker": OPEN, "side": "bid", "price": "0.3600", "count": "8.00", "expiration_time": 0}
        status, amended = await client.call("POST", f"{path}/amend", terms)
        contract.check("AmendOrderV2Response", amended)
        assert (200, "8.00") == (status, amended["remaining_count"])
        _, order = await client.call("GET", f"/portfolio/orders/{placed['order_id']}")
        contract.check("GetOrderResponse", order)
        assert "expiration_time" not in order["order"]
        _, decreased = await client.call("POST", f"{path}/decrease", {"reduce_to": "3.00"})
        contract.check("DecreaseOrderV2Response", decreased)
        assert "3.00" == decreased["remaining_count"]
        for wrong in ({}, {"reduce_to": "1.00", "reduce_by": "1.00"}, {"reduce_by": "0.00"}):
            assert 400 == (await client.call("POST", f"{path}/decrease", wrong))[0], wrong


async def test_pauses_are_conflicts(tmp_path: Path) -> None:
    """409 with its own code: while trading is paused cancels pass, while the exchange is nothing does."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        venue = client.sandbox.venue
        _, kept = await client.call("POST", ORDERS, order_terms())
        _, going = await client.call("POST", ORDERS, order_terms(cancel_order_on_pause=True))
        venue.tell([*venue.exchange.pause(venue.clock.now())])
        status, body = await client.call("POST", ORDERS, order_terms())
        assert (409, "trading_is_paused") == (status, body["error"]["code"])
        _, found = await client.call("GET", "/portfolio/orders", query="?status=resting")
        assert [kept["order_id"]] == [order["order_id"] for order in found["orders"]]
        assert going["order_id"] != kept["order_id"]
        venue.tell([*venue.exchange.pause(venue.clock.now(), is_trading_only=False)])
        for method, path, terms in (
            ("POST", ORDERS, order_terms()),
            ("DELETE", f"{ORDERS}/{kept['order_id']}", None),
            ("POST", "/portfolio/order_groups/create", {"contracts_limit": 1, "exchange_index": 2}),
        ):
            status, body = await client.call(method, path, terms)
            assert (409, "exchange_is_paused") == (status, body["error"]["code"])
        venue.tell([*venue.exchange.resume(venue.clock.now())])
        assert 200 == (await client.call("DELETE", f"{ORDERS}/{kept['order_id']}"))[0]


async def test_the_reach_of_a_cancel_all_is_switchable(tmp_path: Path) -> None:
    """Chosen as none; with the minute that the venue allows itself, what comes after it is cancelled too."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        assert 204 == (await client.text("DELETE", ORDERS))[0]
        _, placed = await client.call("POST", ORDERS, order_terms())
        assert "10.00" == placed["remaining_count"]
        client.sandbox.venue.exchange.cancel_all_reach = MINUTE
        assert 204 == (await client.text("DELETE", ORDERS))[0]
        _, placed = await client.call("POST", ORDERS, order_terms())
        assert ("0.00", "0.00") == (placed["fill_count"], placed["remaining_count"])


async def test_a_shard_below_minus_one_and_a_year_beyond_all_are_refused(tmp_path: Path) -> None:
    """Nothing is guessed from them, and the exchange holds nothing that it could not write down."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        for terms in (order_terms(exchange_index=-5), order_terms(expiration_time=2**62)):
            status, body = await client.call("POST", ORDERS, terms)
            assert (400, "invalid_parameters") == (status, body["error"]["code"])
        assert (201, 201) == (
            (await client.call("POST", ORDERS, order_terms(exchange_index=-1)))[0],
            (await client.call("POST", ORDERS, order_terms(exchange_index=None)))[0],
        )


async def test_a_cancel_all_that_cannot_be_carried_out_says_so(tmp_path: Path) -> None:
    """A kill switch that did nothing, because the exchange is paused, doesn't answer that it did."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        venue = client.sandbox.venue
        assert 201 == (await client.call("POST", ORDERS, order_terms()))[0]
        venue.tell([*venue.exchange.pause(venue.clock.now(), is_trading_only=False, exchange_index=2)])
        status, body = await client.call("DELETE", ORDERS)
        assert (409, "exchange_is_paused") == (status, body["error"]["code"])
        venue.tell([*venue.exchange.resume(venue.clock.now())])
        venue.tell([*venue.exchange.pause(venue.clock.now())])
        assert 204 == (await client.call("DELETE", ORDERS))[0]
        assert not venue.account.resting
