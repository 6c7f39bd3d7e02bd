"""Tests of the reference price's lookalike over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from daemon.core.units import MONEY_ONE
from daemon.sandbox.flow import SpotPrinted
from tests.sandbox.running import receive_until, running


def follow(method: str, channel: str, *symbols: str, **params: Any) -> dict[str, Any]:
    return {"method": method, "params": {"channel": channel, "symbol": list(symbols), **params}, "req_id": 7}


async def test_a_reader_gets_status_reply_snapshot_and_updates(tmp_path: Path) -> None:
    """In Kraken's shapes; prices are JSON numbers."""
    async with (
        asyncio.timeout(20),
        running(tmp_path) as client,
        client.http.ws_connect(client.ready.reference_ws_url) as socket,
    ):
        [status] = await receive_until(socket, lambda frame: "data" in frame)
        assert ("status", "online") == (status["channel"], status["data"][0]["system"])
        await socket.send_json(follow("subscribe", "trade", "BTC/USD", snapshot=True))
        [reply] = await receive_until(socket, lambda frame: frame.get("method") == "subscribe")
        assert (True, 7, "BTC/USD") == (reply["success"], reply["req_id"], reply["result"]["symbol"])
        [*_, snapshot] = await receive_until(socket, lambda frame: frame.get("type") == "snapshot")
        assert [84_000.0] == [row["price"] for row in snapshot["data"]]
        venue = client.sandbox.venue
        spot = SpotPrinted("BTC/USD", 84_100 * MONEY_ONE + 500_000, 150, False, 2, venue.clock.now())
        venue.tell([spot])
        [*_, update] = await receive_until(socket, lambda frame: frame.get("type") == "update")
        row = update["data"][0]
        assert (84_100.5, "sell", 2) == (row["price"], row["side"], row["trade_id"])


async def test_pings_and_errors_are_answered(tmp_path: Path) -> None:
    """Pong with the request's id; unknown symbols, channels and methods are refused by name."""
    async with (
        asyncio.timeout(20),
        running(tmp_path) as client,
        client.http.ws_connect(client.ready.reference_ws_url) as socket,
    ):
        await receive_until(socket, lambda frame: frame.get("channel") == "status")
        answers = []
        for request in (
            {"method": "ping", "req_id": 101},
            follow("subscribe", "trade", "XBT/USDT"),
            follow("subscribe", "book", "BTC/USD"),
            {"method": "dance"},
        ):
            await socket.send_json(request)
            [answer] = await receive_until(socket, lambda frame: "channel" not in frame)
            answers.append((answer.get("method"), answer.get("error")))
        assert [
            ("pong", None),
            ("subscribe", "Currency pair not supported XBT/USDT"),
            ("subscribe", "Subscription book not supported"),
            ("dance", "Unsupported method"),
        ] == answers


async def test_silence_is_filled_with_heartbeats(tmp_path: Path) -> None:
    """Once subscribed, a second without a message brings a heartbeat."""
    async with (
        asyncio.timeout(20),
        running(tmp_path) as client,
        client.http.ws_connect(client.ready.reference_ws_url) as socket,
    ):
        await socket.send_json(follow("subscribe", "trade", "BTC/USD"))
        [*_, last] = await receive_until(socket, lambda frame: frame.get("channel") == "heartbeat")
        assert {"channel": "heartbeat"} == last
