"""The reference price's lookalike: Kraken's WebSocket v2 at `/v2` and its REST candles, of our own prints.

Channels `trade`, `ticker` and `ohlc`; others are refused in the shape of Kraken's errors. Each symbol of a
request is answered on its own. Source: protocol sheet 8.1; wordings that it leaves open are named here.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeAlias

import msgspec
from aiohttp import WSMsgType, web

from daemon.core.units import MINUTE
from daemon.sandbox.flow import SpotPrinted
from daemon.sandbox.reference import rest
from daemon.sandbox.reference.requests import Request, Topic, decode_request, topic_of
from daemon.sandbox.reference.rows import ohlc_row, stamp, ticker_row, trade_row
from daemon.sandbox.reference.spot_bars import Quote, SpotBars
from daemon.sandbox.sockets import Socket, close_all
from daemon.sandbox.venue import Venue

PATH: Final = "/v2"
HEARTBEAT_S: Final = 1.0
IDLE_BEATS_MAX: Final = 60
"""Seconds after which a connection without any subscription is closed (documented as about a minute)."""
SNAPSHOT_TRADES: Final = 50
SNAPSHOT_CANDLES: Final = 10
"""How many Kraken sends is not documented; ten were recorded."""
DEFAULT_SYMBOL: Final = "BTC/USD"
"""Known before it was ever traded."""

Follow: TypeAlias = tuple[Topic, str]
"""A channel with its settings, and a symbol."""

_encode = msgspec.json.Encoder().encode


class _Client:
    """One reader, and what it follows."""

    def __init__(self, socket: Socket, connection_id: int) -> None:
        self.socket = socket
        self.connection_id = connection_id
        self.follows: dict[Follow, None] = {}
        self.was_written = False
        self.idle_beats = 0

    def send(self, body: bytes) -> None:
        self.was_written = True
        self.socket.write([body])


class ReferenceFeed:
    """All readers of the reference price."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._clients: dict[_Client, None] = {}
        self._connections = 0
        self._system = "online"
        self._bars: dict[str, SpotBars] = {DEFAULT_SYMBOL: SpotBars()}
        past = venue.flow.history().spot
        for spot in past:
            self._series(spot.symbol).add(spot)
        begun_at = past[-1].at if past else 0
        for spot in venue.spots:
            if spot.at > begun_at:
                self._series(spot.symbol).add(spot)
        venue.on_spot = self.print

    def _series(self, symbol: str) -> SpotBars:
        return self._bars.setdefault(symbol, SpotBars())

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        return [web.get(PATH, self.connect), web.get(rest.PATH, self.ohlc)]

    @property
    def count(self) -> int:
        """How many readers are connected."""
        return len(self._clients)

    async def ohlc(self, request: web.Request) -> web.Response:
        """Answer a request for candles."""
        body = rest.ohlc_body(self._bars, request.query, self._venue.clock.now())
        return web.Response(body=_encode(body), content_type="application/json")

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one reader until it goes."""
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        self._connections += 1
        # Kraken's connection ids don't fit a double, which careless readers learn here.
        client = _Client(Socket(request, response), (1 << 62) + self._connections)
        self._venue.on_socket(client.socket, "kraken")
        self._clients[client] = None
        self._send_status(client)
        heartbeat = asyncio.create_task(self._heartbeat(client))
        try:
            async for message in response:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    self._receive(client, message.data)
        finally:
            heartbeat.cancel()
            del self._clients[client]
        return response

    def set_system(self, system: str) -> None:
        """Let Kraken's trading system be online, in maintenance, cancel_only or post_only; all are told."""
        self._system = system
        for client in self._clients:
            self._send_status(client)

    def _send_status(self, client: _Client) -> None:
        status = {
            "api_version": "v2",
            "connection_id": client.connection_id,
            "system": self._system,
            "version": "2.0.10",
        }
        client.send(_encode({"channel": "status", "data": [status], "type": "update"}))

    async def _heartbeat(self, client: _Client) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            client.idle_beats = 0 if client.follows else client.idle_beats + 1
            if client.idle_beats >= IDLE_BEATS_MAX:
                await client.socket.response.close()
                return
            if client.follows and not client.was_written:
                client.send(b'{"channel":"heartbeat"}')
            client.was_written = False

    # --- prints ------------------------------------------------------------------------------

    def print(self, spot: SpotPrinted) -> None:
        """Tell a trade, and what it changes, to whoever follows."""
        series = self._series(spot.symbol)
        before = series.quote
        series.add(spot)
        told: dict[Follow, bytes | None] = {}
        for client in self._clients:
            for follow in client.follows:
                topic, symbol = follow
                if symbol != spot.symbol:
                    continue
                if follow not in told:
                    told[follow] = self._update(topic, spot, series, before)
                body = told[follow]
                if body is not None:
                    client.send(body)

    def _update(
        self, topic: Topic, spot: SpotPrinted, series: SpotBars, before: Quote | None
    ) -> bytes | None:
        """Return what a print tells on a channel; None for nothing."""
        match topic.channel:
            case "trade":
                return self._message(topic, [trade_row(spot)], "update")
            case "ticker":
                now = series.quote
                is_moved = before is None or now is None or (before.bid, before.ask) != (now.bid, now.ask)
                if topic.event_trigger == "bbo" and not is_moved:
                    return None
                row = ticker_row(series)
                return None if row is None else self._message(topic, [row], "update")
            case _:
                [running] = series.bars(topic.interval * MINUTE, 1)
                return self._message(topic, [ohlc_row(spot.symbol, running, topic.interval)], "update")

    def _message(self, topic: Topic, rows: list[dict[str, Any]], kind: str) -> bytes:
        body: dict[str, Any] = {"channel": topic.channel, "type": kind, "data": rows}
        if topic.channel == "ohlc":
            body["timestamp"] = stamp(self._venue.clock.now(), 9)
        return _encode(body)

    # --- requests ----------------------------------------------------------------------------

    def _receive(self, client: _Client, text: str | bytes) -> None:
        now = stamp(self._venue.clock.now())
        request = decode_request(text)
        if request is None:
            client.send(
                _encode({"error": "Malformed request", "success": False, "time_in": now, "time_out": now})
            )
            return
        stamps: dict[str, Any] = {"time_in": now, "time_out": now}
        if request.req_id is not None:
            stamps["req_id"] = request.req_id
        match request.method:
            case "ping":
                client.send(_encode({"method": "pong", **stamps}))
            case "subscribe" | "unsubscribe":
                self._follow(client, request, stamps)
            case _:
                error = {"error": "Unsupported method", "method": request.method, "success": False}
                client.send(_encode({**error, **stamps}))

    def _follow(self, client: _Client, request: Request, stamps: dict[str, Any]) -> None:
        asked = topic_of(request.params)
        if isinstance(asked, str):
            error = {"error": asked, "method": request.method, "success": False}
            client.send(_encode({**error, **stamps}))
            return
        for symbol in asked.symbols:
            refusal = self._refusal(symbol)
            if refusal is not None:
                error = {"error": refusal, "method": request.method, "success": False, "symbol": symbol}
                client.send(_encode({**error, **stamps}))
            elif request.method == "subscribe":
                self._subscribe(client, asked.topic, symbol, stamps, has_snapshot=asked.has_snapshot)
            else:
                self._unsubscribe(client, asked.topic, symbol, stamps)

    def _refusal(self, symbol: str) -> str | None:
        if symbol in self._bars:
            return None
        is_spelled = "/" in symbol and symbol == symbol.upper()
        return f"Currency pair not {'supported' if is_spelled else 'in ISO 4217-A3 format'} {symbol}"

    def _subscribe(
        self, client: _Client, topic: Topic, symbol: str, stamps: dict[str, Any], *, has_snapshot: bool
    ) -> None:
        # One kind of ticker for each symbol: a second subscribe replaces its trigger.
        for follow in [one for one in client.follows if one[1] == symbol and one[0].key == topic.key]:
            del client.follows[follow]
        client.follows[topic, symbol] = None
        result = {**topic.granted(), "snapshot": has_snapshot, "symbol": symbol}
        if topic.channel == "ohlc":
            result["warnings"] = ["timestamp is deprecated, use interval_begin"]
        answer = {"method": "subscribe", "result": result, "success": True, **stamps}
        client.send(_encode(answer))
        rows = self._snapshot(topic, symbol) if has_snapshot else []
        if rows:
            client.send(self._message(topic, rows, "snapshot"))

    def _unsubscribe(self, client: _Client, topic: Topic, symbol: str, stamps: dict[str, Any]) -> None:
        follows = [one for one in client.follows if one[1] == symbol and one[0].key == topic.key]
        for follow in follows:
            del client.follows[follow]
        answer: dict[str, Any] = {"method": "unsubscribe"}
        if follows:
            answer |= {"result": {**topic.granted(), "symbol": symbol}, "success": True}
        else:
            answer |= {"error": "Subscription Not Found", "success": False, "symbol": symbol}
        client.send(_encode({**answer, **stamps}))

    def _snapshot(self, topic: Topic, symbol: str) -> list[dict[str, Any]]:
        series = self._bars[symbol]
        match topic.channel:
            case "trade":
                spots = [spot for spot in self._venue.spots if spot.symbol == symbol]
                return [trade_row(spot) for spot in spots[-SNAPSHOT_TRADES:]]
            case "ticker":
                row = ticker_row(series)
                return [] if row is None else [row]
            case _:
                bars = series.bars(topic.interval * MINUTE, SNAPSHOT_CANDLES)
                return [ohlc_row(symbol, bar, topic.interval) for bar in bars]

    # --- ends --------------------------------------------------------------------------------

    async def drained(self) -> None:
        """Wait until every reader has taken what was written."""
        for client in list(self._clients):
            await client.socket.drained()

    async def close(self, message: bytes) -> None:
        """Close all connections with code 1001."""
        await close_all([client.socket for client in self._clients], message)
