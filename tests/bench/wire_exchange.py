"""The exchange's side of the wire-to-wire measurement, in a process of its own.

`python -m tests.bench.wire_exchange` prints its two ports as JSON. It sends book deltas over a WebSocket, at
a pace, to each client in turn, and notes when the first bytes of the order came that a delta caused: one
clock, one process, nothing of the clients' is believed. Each line on stdin, {"names": [...], "per_s": 50,
"ticks": 100}, is a round; its answer is one JSON line: by client, microseconds of each tick.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from daemon.core.units import format_price, format_qty
from tests.bench.order_sink import OrderSink
from tests.bench.walk import TICKER

ANSWER_S = 0.25
"""An order that has not come by then does not come."""


class _Subscribe(msgspec.Struct):
    id: int
    params: dict[str, Any] = {}


class Client:
    """One client's book: what it was told, and when it was told last."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.sent_at = 0
        self.arrived_at: asyncio.Future[int] | None = None
        """When the order came that the last delta caused."""
        self.is_subscribed = asyncio.Event()
        self._seq = 0
        self._sizes = {(side, price): 40_000 for side in ("yes", "no") for price in range(3_000, 4_900, 100)}
        self._chance = random.Random(1)

    def frame(self, kind: str, msg: dict[str, object]) -> bytes:
        """Return the next frame of the book's stream."""
        self._seq += 1
        frame = {
            "type": kind,
            "sid": 1,
            "seq": self._seq,
            "msg": msg,
            "sending_ts_ms": time.time_ns() // 10**6,
        }
        return json.dumps(frame, separators=(",", ":")).encode() + b"\n"

    def snapshot(self) -> bytes:
        """Return the book as it is."""
        levels = {
            f"{side}_dollars_fp": [
                [format_price(price), format_qty(size)]
                for (of, price), size in self._sizes.items()
                if of == side
            ]
            for side in ("yes", "no")
        }
        return self.frame("orderbook_snapshot", {"market_ticker": TICKER, "market_id": "m", **levels})

    def delta(self) -> bytes:
        """Return a change of one of the best levels, in today's format."""
        key = (self._chance.choice(("yes", "no")), self._chance.choice((4_600, 4_700, 4_800)))
        delta = self._chance.randrange(1, 50) * 100 * self._chance.choice((-1, 1))
        delta = abs(delta) if self._sizes[key] + delta <= 0 else delta
        self._sizes[key] += delta
        msg: dict[str, object] = {
            "market_ticker": TICKER, "market_id": "ef0ce114-eb71-419d-9563-c670d1859d5d",
            "price_dollars": format_price(key[1]), "delta_fp": format_qty(delta), "side": key[0],
            "ts": "2026-09-25T19:13:44.342537Z", "ts_ms": time.time_ns() // 10**6,
        }  # fmt: skip
        return self.frame("orderbook_delta", msg)


class Exchange:
    """Both ends of the exchange, and the rounds."""

    def __init__(self) -> None:
        self.clients: dict[str, Client] = {}

    async def talk(self, connection: ServerConnection) -> None:
        """Serve one client, known by its path, until it leaves."""
        assert connection.request is not None
        client = Client(connection)
        self.clients[connection.request.path.strip("/")] = client
        sid = 1
        async for message in _messages_of(connection):
            asked = msgspec.json.decode(message, type=_Subscribe)
            channel = asked.params.get("channels", ["none"])[0]
            told = {"channel": channel, "sid": 1 if channel == "orderbook_delta" else (sid := sid + 1)}
            await connection.send(
                json.dumps({"type": "subscribed", "id": asked.id, "msg": told}).encode(), text=True
            )
            if channel == "orderbook_delta":
                await connection.send(client.snapshot(), text=True)
                client.is_subscribed.set()

    def knows(self, names: list[str]) -> bool:
        """Whether all of these clients have come and subscribed."""
        found = [self.clients.get(name) for name in names]
        return all(client is not None and client.is_subscribed.is_set() for client in found)

    def arrive(self, path: str, at: int) -> None:
        """Take note of an order's first bytes; a path names the client."""
        client = self.clients.get(path)
        if client is not None and client.arrived_at is not None and not client.arrived_at.done():
            client.arrived_at.set_result(at)

    async def round(self, names: list[str], per_s: float, ticks: int) -> dict[str, list[float]]:
        """Tick the clients in turn, each so many times a second; return microseconds from delta to order."""
        loop = asyncio.get_running_loop()
        took: dict[str, list[float]] = {name: [] for name in names}
        began, share = loop.time(), 1 / per_s / len(names)
        for number in range(ticks * len(names)):
            client = self.clients[names[number % len(names)]]
            await asyncio.sleep(max(0.0, began + number * share - loop.time()))
            frame = client.delta()
            client.arrived_at = loop.create_future()
            client.sent_at = time.perf_counter_ns()
            await client.connection.send(frame, text=True)
            try:
                async with asyncio.timeout(ANSWER_S):
                    arrived_at = await client.arrived_at
            except TimeoutError:
                continue
            took[names[number % len(names)]].append((arrived_at - client.sent_at) / 1e3)
        return took


async def _messages_of(connection: ServerConnection) -> AsyncIterator[str | bytes]:
    """Yield what a client says until it is gone, however it goes."""
    with suppress(ConnectionClosed):
        async for message in connection:
            yield message


class _Sink(OrderSink):
    """Tells the exchange when a request begins to come. The path's first part names the client."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        at = time.perf_counter_ns()
        if data.startswith(b"POST "):
            self._exchange.arrive(data[6 : data.index(b"/", 6)].decode(), at)
        super().data_received(data)


async def run() -> None:
    """Listen, say where, and play the rounds that stdin asks for."""
    exchange, loop = Exchange(), asyncio.get_running_loop()
    sink = await loop.create_server(lambda: _Sink(exchange), "127.0.0.1", 0)
    async with serve(exchange.talk, "127.0.0.1", 0, compression=None) as server:
        ports = {"ws": server.sockets[0].getsockname()[1], "http": sink.sockets[0].getsockname()[1]}
        sys.stdout.write(json.dumps(ports) + "\n")
        sys.stdout.flush()
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            async with asyncio.timeout(20):
                while not exchange.knows(asked["names"]):  # noqa: ASYNC110 - once, before anything is measured
                    await asyncio.sleep(0.01)
            took = await exchange.round(asked["names"], asked["per_s"], asked["ticks"])
            sys.stdout.write(json.dumps(took) + "\n")
            sys.stdout.flush()
    sink.close()


if __name__ == "__main__":
    asyncio.run(run())
