"""The shadow account's calls: the delay of a wire, private events, and the venue's own answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from daemon.core import events as e
from daemon.core.units import MILLISECOND, QTY_ONE, SECOND, Ns
from daemon.kalshi.errors import Refused
from daemon.kalshi.http import Leave
from daemon.kalshi.rest import ReadingRest
from daemon.shell.shadow.venue import ShadowVenue
from tests.exchange.venues import TICKER
from tests.kalshi.venue import serving
from tests.shell.shadow.paper import (
    CASH,
    amend_command,
    cancel_command,
    delta,
    place_command,
    probe_command,
    snapshot,
    spec,
)

LATENCY: Ns = 20 * MILLISECOND


def told_of_market() -> list[e.Event]:
    """An open market and its book, as of now."""
    now = time.time_ns()
    listed = spec(open_at=now - SECOND, close_at=now + 3_600 * SECOND)
    return [e.MarketListed(listed, now), snapshot(at=now)]


@asynccontextmanager
async def paper(
    folder: Path, latency: Ns = LATENCY, url: str = "http://127.0.0.1:1"
) -> AsyncIterator[tuple[ShadowVenue, list[e.Event]]]:
    """A running shadow account on one open market, and the private events that it told."""
    told: list[e.Event] = []
    async with asyncio.timeout(30), ReadingRest(url, None, time.time_ns) as rest:
        venue = ShadowVenue.open(folder, rest, cash=CASH, latency=latency, now=time.time_ns, emit=told.append)
        venue.on_batch(told_of_market())
        running = asyncio.ensure_future(venue.run())
        try:
            yield venue, told
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            venue.close()


async def heard(told: list[e.Event], count: int) -> list[e.Event]:
    """Wait until so many private events came."""
    async with asyncio.timeout(10):
        while len(told) < count:  # noqa: ASYNC110 - the subject tells a list
            await asyncio.sleep(0.005)
    return told


async def test_an_order_is_answered_and_its_fill_is_told(tmp_path: Path) -> None:
    """Accepted as the venue answers; the update and the fill come as private events, update first."""
    async with paper(tmp_path) as (venue, told):
        answer = await venue.place(place_command(price=4_200))
        assert ("place", "kd-1-1", QTY_ONE, 0) == (
            answer.action, answer.client_order_id, answer.filled, answer.remaining,
        )  # fmt: skip
        update, fill = await heard(told, 2)
        assert isinstance(update, e.OrderUpdated)
        assert isinstance(fill, e.OrderFilled)
        assert (answer.order_id, "executed") == (update.order_id, update.status)
        assert ("kd-1-1", 4_200, QTY_ONE, True) == (
            fill.client_order_id, fill.price, fill.qty, fill.is_taker,
        )  # fmt: skip
        assert fill.sent_at is not None
        assert fill.received_at - fill.sent_at >= LATENCY
        (listed,) = await venue.fills()
        assert (fill.trade_id, None) == (listed.trade_id, listed.client_order_id)
        (position,) = await venue.positions()
        assert (TICKER, QTY_ONE) == (position.ticker, position.qty)
        assert (CASH - 42 * 10_000 - fill.fee, {}) == await venue.cash()


async def test_an_order_meets_the_book_as_it_is_when_it_arrives(tmp_path: Path) -> None:
    """What was there at the decision has gone meanwhile: nothing is filled."""
    async with paper(tmp_path, latency=100 * MILLISECOND) as (venue, _):
        sending = asyncio.ensure_future(venue.place(place_command(price=4_200, tif="immediate_or_cancel")))
        await asyncio.sleep(0.02)
        venue.on_batch([delta("no", 5_800, -300, time.time_ns())])
        assert 0 == (await sending).filled


async def test_what_waits_for_leave_sets_out_when_it_is_given(tmp_path: Path) -> None:
    """As on the wire: made ready, it has not left, and an order that is never let go never was."""
    async with paper(tmp_path) as (venue, told):
        leave = Leave()
        waiting = asyncio.create_task(venue.place(place_command("kd-1"), leave))
        given_up = asyncio.create_task(venue.place(place_command("kd-2"), Leave()))
        await asyncio.sleep(5 * LATENCY / SECOND)
        assert (False, [], ()) == (waiting.done(), told, await venue.orders())
        given_up.cancel()
        leave.give(time.time_ns())
        assert "kd-1" == (await waiting).client_order_id
        assert ["kd-1"] == [order.client_order_id for order in await venue.orders()]


async def test_refusals_are_the_venues_words(tmp_path: Path) -> None:
    """An id that was used, an order that is gone, a market that nobody knows."""
    async with paper(tmp_path, latency=0) as (venue, _):
        first = await venue.place(place_command())
        with pytest.raises(Refused) as again:
            await venue.place(place_command())
        assert (409, "order_already_exists") == (again.value.status, again.value.code)
        with pytest.raises(Refused) as probed:
            await venue.probe(probe_command())
        assert "order_already_exists" == probed.value.code
        assert 0 == (await venue.probe(probe_command("kd-1-2"))).filled
        cancelled = await venue.cancel(cancel_command(first.order_id))
        assert ("cancel", QTY_ONE, None) == (cancelled.action, cancelled.reduced_by, cancelled.filled)
        with pytest.raises(Refused, match="404 not_found"):
            await venue.cancel(cancel_command(first.order_id))


async def test_orders_are_changed_and_batched_as_at_the_venue(tmp_path: Path) -> None:
    """Amended, several at once with one that is refused, all taken out."""
    async with paper(tmp_path, latency=0) as (venue, _):
        orders = [place_command(f"kd-1-{n}", qty=5 * QTY_ONE) for n in (1, 2, 2)]
        first, second, third = await venue.place_many(orders)
        assert isinstance(first, e.OrderAccepted)
        assert isinstance(second, e.OrderAccepted)
        assert isinstance(third, Refused)
        amended = await venue.amend(amend_command(first.order_id, price=3_900, qty=4 * QTY_ONE))
        assert ("amend", 4 * QTY_ONE) == (amended.action, amended.remaining)
        assert [3_900, 4_000] == sorted(order.price for order in await venue.orders())
        gone, kept = await venue.cancel_many([cancel_command(first.order_id), cancel_command("none")])
        assert isinstance(gone, e.OrderAccepted)
        assert isinstance(kept, Refused)
        await venue.cancel_many([cancel_command(second.order_id)])
        assert () == await venue.orders()
        assert {first.order_id, second.order_id} == {
            order.order_id for order in await venue.ended_orders(TICKER)
        }


async def test_a_group_takes_its_orders_with_it(tmp_path: Path) -> None:
    """Made, limited, triggered, reset, deleted, as the second line asks."""
    async with paper(tmp_path, latency=0) as (venue, _):
        group_id = await venue.create_order_group(100 * QTY_ONE, exchange_index=2)
        await venue.limit_order_group(group_id, 50 * QTY_ONE, exchange_index=2)
        await venue.trigger_order_group(group_id, exchange_index=2)
        triggered = await venue.order_group(group_id)
        assert (False, 50 * QTY_ONE) == (triggered.is_auto_cancel_enabled, triggered.limit)
        await venue.reset_order_group(group_id, exchange_index=2)
        assert (await venue.order_group(group_id)).is_auto_cancel_enabled
        await venue.delete_order_group(group_id, exchange_index=2)
        with pytest.raises(Refused, match="not_found"):
            await venue.order_group(group_id)


async def test_a_new_life_finds_cash_and_position_and_no_resting_order(tmp_path: Path) -> None:
    """Its ids never come twice."""
    async with paper(tmp_path, latency=0) as (venue, _):
        bought = await venue.place(place_command(price=4_200))
        await venue.place(place_command("kd-1-2"))
        before = await venue.cash(), await venue.positions()
    async with paper(tmp_path, latency=0) as (venue, _):
        assert before == (await venue.cash(), await venue.positions())
        assert () == await venue.orders()
        again = await venue.place(place_command("kd-2-1"))
        assert again.order_id != bought.order_id
        assert ["kd-1-2"] == [order.client_order_id for order in await venue.orders("canceled")]


async def test_nothing_of_it_reaches_the_venue_but_a_question(tmp_path: Path) -> None:
    """Orders, cancels, groups, lists: no request. Whether the exchange trades is its own word."""
    async with serving() as real:
        real.answer("GET", "/exchange/status", 200, b'{"exchange_active": true, "trading_active": true}')
        async with paper(tmp_path, 0, real.url) as (venue, _):
            await venue.place(place_command(price=4_200))
            await venue.create_order_group(QTY_ONE, exchange_index=2)
            await venue.orders()
            assert [] == real.requests
            assert (await venue.status()).is_trading
        assert [("GET", "/trade-api/v2/exchange/status", b"")] == real.requests
