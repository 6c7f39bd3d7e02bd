"""The shadow account's lists: filtered as Kalshi's are, and as things stand when the question arrives."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.core.units import QTY_ONE, SECOND
from daemon.kalshi.errors import Transient
from tests.exchange.venues import TICKER
from tests.shell.shadow.paper import cancel_command, place_command
from tests.shell.shadow.test_venue import paper


async def test_orders_are_filtered_by_status(tmp_path: Path) -> None:
    """Newest first; what is resting is not among the ended."""
    async with paper(tmp_path, latency=0) as (venue, _):
        first = await venue.place(place_command("kd-1-1"))
        second = await venue.place(place_command("kd-1-2"))
        await venue.cancel(cancel_command(first.order_id))
        assert [second.order_id] == [order.order_id for order in await venue.orders()]
        assert [first.order_id] == [order.order_id for order in await venue.orders("canceled")]


async def test_fills_are_filtered_by_time(tmp_path: Path) -> None:
    """Oldest first, each with its exact fee."""
    async with paper(tmp_path, latency=0) as (venue, _):
        bought = await venue.place(place_command("kd-1-1", price=4_200))
        await venue.place(place_command("kd-1-2", price=4_200))
        one, other = await venue.fills()
        assert (bought.order_id, QTY_ONE, QTY_ONE) == (one.order_id, one.qty, other.qty)
        assert one.sent_at is not None
        again = await venue.fills(one.sent_at // SECOND)
        assert [one.trade_id, other.trade_id] == [fill.trade_id for fill in again]
        assert () == await venue.fills(one.sent_at // SECOND + 2)
        assert [] == await venue.settlements()
        assert () == await venue.cash_flows()


async def test_the_queue_is_that_of_the_shadow_book(tmp_path: Path) -> None:
    """What the level showed stands before the first of ours, and that before the second; no more is told."""
    async with paper(tmp_path, latency=0) as (venue, _):
        first = await venue.place(place_command("kd-1-1"))
        second = await venue.place(place_command("kd-1-2"))
        ahead = await venue.queue_positions([TICKER, "ANOTHER"])
        assert {first.order_id, second.order_id} == set(ahead)
        assert ahead[first.order_id] > 0
        assert QTY_ONE == ahead[second.order_id] - ahead[first.order_id]


async def test_what_is_the_venues_to_say_is_asked_of_it(tmp_path: Path) -> None:
    """Whether it trades, and how markets ended: nobody listens here, so nobody answers."""
    async with paper(tmp_path, latency=0) as (venue, _):
        with pytest.raises(Transient):
            await venue.status()
        with pytest.raises(Transient):
            await venue.outcomes(tickers=[TICKER], status=None)
