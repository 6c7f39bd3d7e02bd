"""Writes: what was done, what was not, and what may have been; against a real HTTP server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder, ProbeOrder
from daemon.core.events import OrderAccepted
from daemon.core.units import MILLISECOND
from daemon.kalshi.errors import Refused, Transient, Unknown
from tests.kalshi.rest.calling import NOW, asked, calling, tell

ORDERS = "/portfolio/events/orders"
PLACE = PlaceOrder("id-1", "KX-A", "bid", 3500, 1000, "good_till_canceled", True, 2, "s", "why", 0, 1, None)
AMEND = AmendOrder("id-1", "o-1", "KX-A", "bid", 3600, 500, 2, "s", "why", 0, 1, None)
CANCEL = CancelOrder("id-1", "o-1", "KX-A", 2, "why", 0)
DONE: dict[str, Any] = {"order_id": "o-1", "fill_count": "1.00", "remaining_count": "9.00", "ts_ms": 5}
GONE: dict[str, Any] = {"order_id": "o-1", "reduced_by": "1.00", "ts_ms": 5}


@pytest.mark.parametrize("status", [200, 201])
async def test_an_accepted_order_says_what_is_filled_and_left(status: int) -> None:
    """201 is documented and 200 was seen: both are a yes."""
    async with calling() as (venue, rest):
        tell(venue, ORDERS, DONE, "POST", status)
        tell(venue, f"{ORDERS}/o-1/amend", DONE, "POST", status)
        expected = OrderAccepted("place", "id-1", "o-1", 100, 900, NOW, 5 * MILLISECOND)
        assert expected == await rest.place(PLACE)
        assert json.loads(venue.requests[-1][2])["price"] == "0.3500"
        assert (await rest.amend(AMEND)).action == "amend"


async def test_a_cancel_names_shard_and_market() -> None:
    """The answer doesn't tell what was filled: None, not 0; it tells how much was taken out."""
    async with calling() as (venue, rest):
        tell(venue, f"{ORDERS}/o-1", GONE, "DELETE")
        expected = OrderAccepted("cancel", "id-1", "o-1", None, 0, NOW, 5 * MILLISECOND, 100)
        assert expected == await rest.cancel(CANCEL)
        assert asked(venue) == [f"{ORDERS}/o-1?exchange_index=2&market_ticker=KX-A"]


async def test_a_decrease_says_what_shall_be_left() -> None:
    """Sent twice by mistake it decreases once, which an amount to decrease by would not."""
    async with calling() as (venue, rest):
        tell(venue, f"{ORDERS}/o-1/decrease", {"order_id": "o-1", "remaining_count": "2.00"}, "POST")
        assert 200 == await rest.decrease("o-1", to=200, ticker="KX-A", exchange_index=2)
        wanted = {"reduce_to": "2.00", "market_ticker": "KX-A", "exchange_index": 2}
        assert wanted == json.loads(venue.requests[-1][2])
        tell(venue, f"{ORDERS}/o-1/decrease", {"order_id": "o-1"}, "POST")
        with pytest.raises(Unknown):
            await rest.decrease("o-1", to=200, ticker="KX-A", exchange_index=2)


def _answers() -> Iterator[tuple[int, bytes, type[Exception]]]:
    yield 409, b'{"error":{"code":"order_already_exists","message":"order already exists"}}', Refused
    yield 400, b'{"code":"bad_request","message":"bad request","details":"json"}', Refused
    yield 410, b'{"error":{"code":"deprecated_v1_order_endpoint"}}', Refused
    yield 425, b"", Transient
    yield 429, b'{"error":"too many requests"}', Transient
    yield 408, b"", Unknown
    yield 500, b"", Unknown
    yield 502, b"<html>bad gateway</html>", Unknown
    yield 503, b'{"error":{"code":"service_unavailable"}}', Unknown
    yield 201, b"not json", Unknown
    yield 201, b'{"order_id":"o-1","fill_co', Unknown
    yield 201, b"", Unknown
    yield 201, b'{"order_id":"o-1"}', Unknown
    yield 201, b'{"order_id":"o-1","fill_count":"x","remaining_count":"1.00"}', Unknown
    yield (
        201,
        b'{"order_id":"o","client_order_id":"another","fill_count":"0.00","remaining_count":"1.00"}',
        Unknown,
    )
    yield 0, b"", Unknown


@pytest.mark.parametrize(("status", "body", "error"), list(_answers()))
async def test_a_write_that_failed_says_how(status: int, body: bytes, error: type[Exception]) -> None:
    """Refused, never happened, or may have happened: the three must not be mixed up."""
    async with calling() as (venue, rest):
        venue.answer("POST", ORDERS, status, body)
        venue.answer("DELETE", f"{ORDERS}/o-1", status, body)
        with pytest.raises(error):
            await rest.place(PLACE)
        if status not in (0, 201):
            with pytest.raises(error):
                await rest.cancel(CANCEL)


async def test_each_order_of_a_batch_has_its_own_end() -> None:
    """Accepted, refused, unreadable: in the order of asking, and none hides another."""
    second, third = (
        PlaceOrder(name, "KX-A", "ask", 3600, 100, "good_till_canceled", True, 2, "s", "why", 0, 1, None)
        for name in ("id-2", "id-3")
    )
    async with calling() as (venue, rest):
        entries = [
            {**DONE, "client_order_id": "id-1"},
            {"client_order_id": "id-2", "error": {"code": "invalid_price", "message": "invalid price"}},
            {"client_order_id": "id-3", "order_id": "o-3", "fill_count": "1.00"},
        ]
        tell(venue, f"{ORDERS}/batched", {"orders": entries}, "POST", 201)
        yes, no, lost = await rest.place_many([PLACE, second, third])
        assert OrderAccepted("place", "id-1", "o-1", 100, 900, NOW, 5 * MILLISECOND) == yes
        assert isinstance(no, Refused)
        assert "invalid_price" == no.code
        assert isinstance(lost, Unknown)
        sent = json.loads(venue.requests[-1][2])["orders"]
        assert ["id-1", "id-2", "id-3"] == [one["client_order_id"] for one in sent]


async def test_a_batch_with_another_number_of_answers_is_unknown() -> None:
    """Which answer is whose can't be said: nothing is believed of any."""
    async with calling() as (venue, rest):
        tell(venue, f"{ORDERS}/batched", {"orders": []}, "POST", 201)
        with pytest.raises(Unknown, match="0 answers to a batch of 1 order"):
            await rest.place_many([PLACE])
        tell(venue, f"{ORDERS}/batched", {"orders": [{**DONE, "client_order_id": "another"}]}, "POST", 201)
        (lost,) = await rest.place_many([PLACE])
        assert isinstance(lost, Unknown)


async def test_a_batch_of_cancels_tells_each() -> None:
    """`not_found` for one is its outcome, not the batch's; each names its shard and market."""
    async with calling() as (venue, rest):
        missing = {"order_id": "o-2", "reduced_by": "0.00", "error": {"code": "not_found"}}
        tell(venue, f"{ORDERS}/batched", {"orders": [GONE, missing]}, "DELETE")
        done, gone = await rest.cancel_many([CANCEL, CancelOrder("id-2", "o-2", "KX-A", 2, "why", 0)])
        assert OrderAccepted("cancel", "id-1", "o-1", None, 0, NOW, 5 * MILLISECOND, 100) == done
        assert isinstance(gone, Refused)
        assert "not_found" == gone.code
        sent = json.loads(venue.requests[-1][2])["orders"]
        assert {"order_id": "o-2", "exchange_index": 2, "market_ticker": "KX-A"} == sent[1]


async def test_a_batch_that_does_not_fit_the_bucket_was_not_done() -> None:
    """429 refuses all of it; an empty batch is not sent at all."""
    async with calling() as (venue, rest):
        venue.answer("POST", f"{ORDERS}/batched", 429, b'{"error":"too many requests"}')
        with pytest.raises(Transient):
            await rest.place_many([PLACE])
        venue.requests.clear()
        assert ([], []) == (await rest.place_many([]), await rest.cancel_many([]))
        assert [] == venue.requests


async def test_a_batch_entry_that_is_the_venues_own_fault_is_unknown() -> None:
    """What would be a 5xx of a single order says as little in a batch: it may rest."""
    async with calling() as (venue, rest):
        failed = {"client_order_id": "id-1", "error": {"code": "internal_error", "message": "internal error"}}
        tell(venue, f"{ORDERS}/batched", {"orders": [failed, {**DONE, "order_id": "o-2"}]}, "POST", 201)
        first, second = await rest.place_many([PLACE, PLACE])
        assert isinstance(first, Unknown)
        assert isinstance(second, OrderAccepted)


async def test_a_probe_sends_the_id_again_as_an_order_that_can_not_rest() -> None:
    """A yes says that the id is used up now; "exists already" that it was before."""
    probe = ProbeOrder("id-1", "KX-A", "bid", 100, 100, 2, 0)
    async with calling() as (venue, rest):
        tell(venue, ORDERS, {**DONE, "fill_count": "0.00", "remaining_count": "0.00"}, "POST", 201)
        accepted = await rest.probe(probe)
        assert ("probe", "id-1", 0, 0) == (
            accepted.action, accepted.client_order_id, accepted.filled, accepted.remaining
        )  # fmt: skip
        body = json.loads(venue.requests[-1][2])
        assert ("id-1", "immediate_or_cancel") == (body["client_order_id"], body["time_in_force"])
        refusal = {"error": {"code": "order_already_exists", "message": "order already exists"}}
        tell(venue, ORDERS, refusal, "POST", 409)
        with pytest.raises(Refused, match="order_already_exists"):
            await rest.probe(probe)
