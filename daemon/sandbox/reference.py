"""The reference price's lookalike: Kraken's WebSocket v2 at `/v2`, as far as a reader of BTC/USD goes.

Channels `trade` and `ticker`; others are refused in the shape of Kraken's errors. Prices and sizes are JSON
numbers. Source: protocol sheet 8.1.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from daemon.core.units import MICROSECOND
from daemon.sandbox.bodies import time_text
from daemon.sandbox.flow import SpotPrinted
from daemon.sandbox.sockets import Socket, close_all
from daemon.sandbox.venue import Venue

PATH = "/v2"
HEARTBEAT_S = 1.0
SNAPSHOT_TRADES = 50
CHANNELS = ("trade", "ticker")

_encode = msgspec.json.Encoder().encode


class _Request(msgspec.Struct):
    method: str
    params: dict[str, Any] = {}
    req_id: int | None = None


_decoder = msgspec.json.Decoder(_Request)


def trade_row(spot: SpotPrinted) -> dict[str, Any]:
    """Return a spot trade as a row of the trade channel."""
    return {
        "ord_type": "market",
        "price": spot.price / 1_000_000,
        "qty": spot.qty_e8 / 100_000_000,
        "side": "buy" if spot.is_buy else "sell",
        "symbol": spot.symbol,
        "timestamp": time_text(spot.at // MICROSECOND * MICROSECOND),
        "trade_id": spot.trade_id,
    }


def ticker_row(spot: SpotPrinted) -> dict[str, Any]:
    """Return a spot trade as the ticker would show it; what we don't simulate is left out."""
    price = spot.price / 1_000_000
    return {
        "last": price,
        "symbol": spot.symbol,
        "timestamp": time_text(spot.at // MICROSECOND * MICROSECOND),
    }


class _Client:
    """One reader, and what it follows."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.channels: dict[tuple[str, str], None] = {}
        self.was_written = False


class ReferenceFeed:
    """All readers of the reference price."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._clients: dict[_Client, None] = {}
        self._connections = 0
        venue.on_spot = self.print

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoint."""
        return [web.get(PATH, self.connect)]

    @property
    def count(self) -> int:
        """How many readers are connected."""
        return len(self._clients)

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one reader until it goes."""
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        self._connections += 1
        client = _Client(Socket(request, response))
        self._clients[client] = None
        status = {
            "api_version": "v2",
            "connection_id": (1 << 62) + self._connections,
            "system": "online",
            "version": "2.0.10",
        }
        self._send(client, {"channel": "status", "data": [status], "type": "update"})
        heartbeat = asyncio.create_task(self._heartbeat(client))
        try:
            async for message in response:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    self._receive(client, message.data)
        finally:
            heartbeat.cancel()
            del self._clients[client]
        return response

    async def _heartbeat(self, client: _Client) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            if client.channels and not client.was_written:
                self._send(client, {"channel": "heartbeat"})
            client.was_written = False

    def _send(self, client: _Client, body: dict[str, Any]) -> None:
        client.was_written = True
        client.socket.write([_encode(body)])

    def print(self, spot: SpotPrinted) -> None:
        """Tell a trade to whoever follows."""
        told: dict[str, bytes] = {}
        for client in self._clients:
            for channel in CHANNELS:
                if (channel, spot.symbol) not in client.channels:
                    continue
                body = told.get(channel)
                if body is None:
                    row = trade_row(spot) if channel == "trade" else ticker_row(spot)
                    body = told[channel] = _encode({"channel": channel, "data": [row], "type": "update"})
                client.was_written = True
                client.socket.write([body])

    def _receive(self, client: _Client, text: str | bytes) -> None:
        now = time_text(self._venue.clock.now() // MICROSECOND * MICROSECOND)
        try:
            request = _decoder.decode(text)
        except msgspec.MsgspecError as exc:
            self._send(client, {"error": f"Malformed request: {exc}", "success": False})
            return
        stamps: dict[str, Any] = {"time_in": now, "time_out": now}
        if request.req_id is not None:
            stamps["req_id"] = request.req_id
        match request.method:
            case "ping":
                self._send(client, {"method": "pong", **stamps})
            case "subscribe" | "unsubscribe":
                self._follow(client, request, stamps)
            case _:
                error = {"error": "Unsupported method", "method": request.method, "success": False}
                self._send(client, {**error, **stamps})

    def _follow(self, client: _Client, request: _Request, stamps: dict[str, Any]) -> None:
        method, params = request.method, request.params
        channel, symbols = params.get("channel"), params.get("symbol")
        if channel not in CHANNELS or not isinstance(symbols, list):
            error = "Symbol(s) missing" if channel in CHANNELS else f"Subscription {channel} not supported"
            self._send(client, {"error": error, "method": method, "success": False, **stamps})
            return
        known = {spot.symbol for spot in self._venue.spots} or {"BTC/USD"}
        for symbol in symbols:
            if symbol not in known:
                text = f"Currency pair not supported {symbol}"
                error_body = {"error": text, "method": method, "success": False, "symbol": symbol}
                self._send(client, {**error_body, **stamps})
                continue
            result: dict[str, Any] = {"channel": channel, "symbol": symbol}
            # Kraken's default differs by channel: a ticker is shown at once, trades only on request.
            snapshot = params.get("snapshot", channel == "ticker")
            if method == "subscribe":
                result["snapshot"] = snapshot
                client.channels[channel, symbol] = None
            else:
                client.channels.pop((channel, symbol), None)
            self._send(client, {"method": method, "result": result, "success": True, **stamps})
            if method == "subscribe" and snapshot is True:
                self._snapshot(client, channel, symbol)

    def _snapshot(self, client: _Client, channel: str, symbol: str) -> None:
        spots = [spot for spot in self._venue.spots if spot.symbol == symbol]
        rows = (
            [trade_row(spot) for spot in spots[-SNAPSHOT_TRADES:]]
            if channel == "trade"
            else [ticker_row(spot) for spot in spots[-1:]]
        )
        if rows:
            self._send(client, {"channel": channel, "data": rows, "type": "snapshot"})

    async def drained(self) -> None:
        """Wait until every reader has taken what was written."""
        for client in list(self._clients):
            await client.socket.drained()

    async def close(self, message: bytes) -> None:
        """Close all connections with code 1001."""
        await close_all([client.socket for client in self._clients], message)
