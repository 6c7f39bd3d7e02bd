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


async def test_candles_and_tickers_follow_the_prints(tmp_path: Path) -> None:
    """The running candle whole with every print; a bbo ticker only when the best prices move."""
    async with (
        asyncio.timeout(20),
        running(tmp_path) as client,
        client.http.ws_connect(client.ready.reference_ws_url) as socket,
    ):
        await socket.send_json(follow("subscribe", "ohlc", "BTC/USD", interval=1440))
        await socket.send_json(follow("subscribe", "ticker", "BTC/USD", event_trigger="bbo"))
        frames = await receive_until(
            socket, lambda frame: (frame.get("channel"), frame.get("type")) == ("ticker", "snapshot")
        )
        [granted] = [frame["result"] for frame in frames if frame.get("result", {}).get("interval")]
        assert (1440, True, ["timestamp is deprecated, use interval_begin"]) == (
            granted["interval"],
            granted["snapshot"],
            granted["warnings"],
        )
        venue = client.sandbox.venue
        for number, price in ((2, 84_100), (3, 84_100), (4, 84_200)):
            venue.tell([SpotPrinted("BTC/USD", price * MONEY_ONE, 1, True, number, venue.clock.now())])
        frames = await receive_until(
            socket, lambda frame: "data" in frame and frame["data"][0].get("last") == 84_200.0
        )
        updates = [frame for frame in frames if frame.get("type") == "update"]
        assert ["ohlc", "ticker", "ohlc", "ohlc", "ticker"] == [frame["channel"] for frame in updates]
        candle = updates[-2]["data"][0]
        assert (84_200.0, 84_200.0, 1440) == (candle["high"], candle["close"], candle["interval"])


async def test_who_leaves_a_channel_is_told_nothing_more(tmp_path: Path) -> None:
    """Leaving what one doesn't follow is an error."""
    async with (
        asyncio.timeout(20),
        running(tmp_path) as client,
        client.http.ws_connect(client.ready.reference_ws_url) as socket,
    ):
        answers = []
        for request in (
            follow("unsubscribe", "trade", "BTC/USD"),
            follow("subscribe", "trade", "BTC/USD", "btcusd"),
            follow("unsubscribe", "trade", "BTC/USD"),
        ):
            await socket.send_json(request)
            wanted = 2 if request["method"] == "subscribe" else 1
            for _ in range(wanted):
                [*_, answer] = await receive_until(socket, lambda frame: "method" in frame)
                answers.append((answer["success"], answer.get("error")))
        assert [
            (False, "Subscription Not Found"),
            (True, None),
            (False, "Currency pair not in ISO 4217-A3 format btcusd"),
            (True, None),
        ] == answers
        venue = client.sandbox.venue
        venue.tell([SpotPrinted("BTC/USD", 84_100 * MONEY_ONE, 1, True, 2, venue.clock.now())])
        await socket.send_json({"method": "ping"})
        assert ["pong"] == [
            frame.get("method") for frame in await receive_until(socket, lambda frame: "channel" not in frame)
        ]


async def test_a_status_reaches_everyone(tmp_path: Path) -> None:
    """Maintenance is said, and the connection stays."""
    async with (
        asyncio.timeout(20),
        running(tmp_path) as client,
        client.http.ws_connect(client.ready.reference_ws_url) as socket,
    ):
        await receive_until(socket, lambda frame: frame.get("channel") == "status")
        client.sandbox._reference.set_system("maintenance")
        [status] = await receive_until(socket, lambda frame: frame.get("channel") == "status")
        assert "maintenance" == status["data"][0]["system"]
        assert status["data"][0]["connection_id"] > 2**53


async def test_candles_are_served_over_rest(tmp_path: Path) -> None:
    """Beside the stream, without a signature; errors have status 200."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        base = client.ready.reference_rest_url
        async with client.http.get(f"{base}/OHLC", params={"pair": "XBTUSD", "interval": "1"}) as reply:
            body = await reply.json()
            assert (200, [], "84000.0") == (reply.status, body["error"], body["result"]["XXBTZUSD"][0][1])
        async with client.http.get(f"{base}/OHLC", params={"pair": "NOPE"}) as reply:
            assert (200, ["EQuery:Unknown asset pair"]) == (reply.status, (await reply.json())["error"])
