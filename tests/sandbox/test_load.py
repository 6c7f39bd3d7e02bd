"""Load through the normal path: what is said to be sent is what a client received."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from daemon.sandbox.flows.still import StillFlow
from daemon.sandbox.load import BookLoad
from tests.sandbox.running import Client, receive_until, running, until
from tests.sandbox.wire import subscribe


async def make(client: Client, count: int) -> list[str]:
    """Make markets of one event and return their tickers."""
    made = await client.admin("/markets", event_ticker="KXLOAD-1", series_ticker="KXLOAD", count=count)
    return list(made["tickers"])


async def test_every_message_of_a_load_arrives_and_is_counted(tmp_path: Path) -> None:
    """The last number that the sandbox tells of the subscription is the last received; none is missing."""
    async with asyncio.timeout(30), running(tmp_path, StillFlow) as client:
        tickers = await make(client, 20)
        async with client.socket() as socket:
            await socket.send_json(subscribe(1, "orderbook_delta", market_tickers=tickers))
            snapshots = await receive_until(socket, lambda frame: frame.get("seq") == 20)
            assert 21 == len(snapshots)
            begun = await client.admin("/load/start", event_ticker="KXLOAD-1", per_s=2000, seconds=0.5)
            assert {"markets": 20, "messages": 1000} == {key: begun[key] for key in ("markets", "messages")}
            frames = await receive_until(socket, lambda frame: frame.get("seq") == 1020)
            assert [*range(21, 1021)] == [frame["seq"] for frame in frames]
            await until(lambda: not client.sandbox._loads.is_running)
            found = await client.admin("/load")
            report = found["load"]
            assert (1000, 1000, False) == (report["messages"], report["sent"], report["is_running"])
            (standing,) = found["subscriptions"]
            assert (1, "orderbook_delta", 1020) == (standing["sid"], standing["channel"], standing["seq"])


def test_a_load_follows_from_its_seed(tmp_path: Path) -> None:
    """The same seed moves the same levels of the same markets by the same counts; another doesn't."""

    async def books(folder: str, seed: int) -> dict[str, Any]:
        async with asyncio.timeout(20), running(tmp_path / folder, StillFlow) as client:
            tickers = await make(client, 3)
            load = BookLoad(client.sandbox.venue, tickers, seed)
            assert 300 == load.send(300)
            markets = client.sandbox.venue.exchange.markets
            return {ticker: markets[ticker].book.levels("yes") for ticker in tickers}

    found = [json.dumps(asyncio.run(books(folder, seed))) for folder, seed in (("a", 1), ("b", 1), ("c", 2))]
    assert found[0] == found[1]
    assert found[0] != found[2]


async def test_a_load_ends_when_told(tmp_path: Path) -> None:
    """And another may begin; two at once may not."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        await make(client, 1)
        await client.admin("/load/start", event_ticker="KXLOAD-1", per_s=10, seconds=100)
        body = {"event_ticker": "KXLOAD-1"}
        assert 409 == (await client.admin_call("POST", "/load/start", body))[0]
        status, stopped = await client.admin_call("POST", "/load/stop")
        assert (200, False) == (status, stopped["load"]["is_running"])
        assert 200 == (await client.admin_call("POST", "/load/start", body))[0]
