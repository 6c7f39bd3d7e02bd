"""Tests of the historical tier over the wire: each thing is on one side of the cutoff."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daemon.core.units import DAY, SECOND
from daemon.sandbox.cutoff import CutoffRule
from tests.sandbox.contract import Contract
from tests.sandbox.running import Client, running
from tests.sandbox.scripted import OPEN, SETTLED
from tests.sandbox.wire import order_terms

OLD = CutoffRule(0, 0, SECOND)
SPAN = "?start_ts=0&end_ts=4000000000&period_interval=60"


async def names_of(client: Client, path: str, kind: str, name: str) -> list[str]:
    status, body = await client.call("GET", path)
    assert 200 == status
    return [found[name] for found in body[kind]]


async def test_an_archived_market_is_historical_and_nothing_else(tmp_path: Path) -> None:
    """List, single read and candles move together when the cutoff passes its settlement."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        assert [] == await names_of(client, "/historical/markets", "markets", "ticker")
        assert 404 == (await client.call("GET", f"/historical/markets/{SETTLED}"))[0]
        client.sandbox.venue.chronicle.cutoff = OLD
        assert [SETTLED] == await names_of(client, "/historical/markets", "markets", "ticker")
        assert [OPEN] == await names_of(client, "/markets", "markets", "ticker")
        status, body = await client.call("GET", f"/historical/markets/{SETTLED}")
        assert 200 == status
        contract.check("GetMarketResponse", body)
        path = f"/historical/markets/{SETTLED}/candlesticks"
        status, body = await client.call("GET", path, query=SPAN)
        assert (200, SETTLED) == (status, body["ticker"])
        contract.check("GetMarketCandlesticksHistoricalResponse", body)
        for path in (f"/markets/{SETTLED}", f"/markets/{SETTLED}/orderbook"):
            assert 404 == (await client.call("GET", path))[0]
        assert 404 == (await client.call("GET", f"/historical/markets/{OPEN}/candlesticks", query=SPAN))[0]


async def test_a_trade_is_on_one_side_of_the_cutoff(tmp_path: Path) -> None:
    """Live until it is older, historical from then on."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        for rule, live, old in ((CutoffRule(), ["past-trade"], []), (OLD, [], ["past-trade"])):
            client.sandbox.venue.chronicle.cutoff = rule
            assert live == await names_of(client, "/markets/trades", "trades", "trade_id")
            assert old == await names_of(client, "/historical/trades", "trades", "trade_id")


async def test_the_cutoffs_are_told(tmp_path: Path) -> None:
    """Four instants, midnights by default."""
    contract = Contract()
    async with asyncio.timeout(20), running(tmp_path) as client:
        _, body = await client.call("GET", "/historical/cutoff")
        contract.check("GetHistoricalCutoffResponse", body)
        assert [True] * 4 == [text.endswith("T00:00:00Z") for text in body.values()]


async def test_what_the_account_did_moves_over_too(tmp_path: Path) -> None:
    """Ended orders, fills and settled positions; a resting order and an open position stay live."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        venue = client.sandbox.venue
        orders = "/portfolio/events/orders"
        _, taken = await client.call(
            "POST", orders, order_terms(price="0.6000", time_in_force="immediate_or_cancel")
        )
        _, resting = await client.call("POST", orders, order_terms())
        ended, rests = taken["order_id"], resting["order_id"]

        async def seen(tier: str) -> tuple[list[str], int, int]:
            ids = await names_of(client, f"/{tier}/orders", "orders", "order_id")
            fills = await names_of(client, f"/{tier}/fills", "fills", "order_id")
            positions = await names_of(client, f"/{tier}/positions", "market_positions", "ticker")
            return ids, len(fills), len(positions)

        assert (([rests, ended], 1, 1), ([], 0, 0)) == (await seen("portfolio"), await seen("historical"))
        venue.chronicle.cutoff = CutoffRule(-DAY, -DAY, SECOND)
        assert (([rests], 0, 1), ([ended], 1, 0)) == (await seen("portfolio"), await seen("historical"))
        assert 404 == (await client.call("GET", f"/portfolio/orders/{ended}"))[0]
        assert 200 == (await client.call("GET", f"/portfolio/orders/{rests}"))[0]
        now = venue.clock.now()
        venue.tell([*venue.exchange.move_close(OPEN, now, now), *venue.exchange.advance(now)])
        venue.tell([*venue.exchange.determine(OPEN, "yes", 10_000, now), *venue.exchange.settle(OPEN, now)])
        assert (([], 0, 0), ([rests, ended], 1, 1)) == (await seen("portfolio"), await seen("historical"))
