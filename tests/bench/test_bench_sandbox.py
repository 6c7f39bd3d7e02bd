"""What the sandbox carries, so that it is not the bottleneck of a test: book messages out, signed orders in.

The sandbox is a process of its own on one core; clients only count, and sign beforehand, so that what is
measured is the sandbox. `sandbox_rates` is also what `make bench` calls. In the gate it runs once, small,
for correctness: figures depend on the machine.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT = Path(__file__).parents[2]
PREFIX = "/trade-api/v2"
ORDERS = f"{PREFIX}/portfolio/events/orders"
EVENT = "KXLOAD-1"


@contextmanager
def sandbox() -> Iterator[dict[str, Any]]:
    """Run a still sandbox as a process, and give its ready line with the process's id."""
    command = [sys.executable, "-m", "daemon", "sandbox", "--world", "still", "--cash", "1000000"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        command += ["--state", folder]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd=ROOT
        ) as process:
            try:
                assert process.stdout is not None
                yield json.loads(process.stdout.readline())
            finally:
                process.terminate()
                process.wait(15)


class Signer:
    """Signs requests with the sandbox's Ed25519 key."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self._key_id = ready["key_id"]
        key = serialization.load_pem_private_key(Path(ready["private_key_path"]).read_bytes(), None)
        assert isinstance(key, Ed25519PrivateKey)
        self._key = key

    def headers(self, method: str, path: str) -> dict[str, str]:
        """Return the three headers, stamped now."""
        stamp = str(time.time_ns() // 1_000_000)
        signature = self._key.sign(f"{stamp}{method}{path}".encode())
        return {
            "KALSHI-ACCESS-KEY": self._key_id,
            "KALSHI-ACCESS-TIMESTAMP": stamp,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }


def cpu_s(pid: int) -> float:
    """Return the processor seconds that a process has used; 0 where the system doesn't tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rates(count: int, took_s: float, used_s: float) -> dict[str, float]:
    """Return how many, how many a second, and how many a second of the sandbox's one core.

    The last one is what travels: on a machine with other work the sandbox doesn't get a whole core.
    """
    return {"count": count, "per_s": count / took_s, "per_core_s": count / used_s if used_s else 0.0}


async def _admin(http: aiohttp.ClientSession, ready: dict[str, Any], path: str, body: object) -> Any:
    method = "GET" if body is None else "POST"
    async with http.request(method, f"{ready['admin_url']}{path}", json=body) as reply:
        assert 200 == reply.status, await reply.text()
        return await reply.json()


# --- book messages out ---------------------------------------------------------------------------


class Counter(asyncio.BufferedProtocol):
    """A WebSocket client that subscribes, and counts book deltas without decoding them."""

    def __init__(self, request: bytes, command: bytes) -> None:
        self.deltas = 0
        self.snapshots = 0
        self._request, self._command = request, command
        self._buffer = bytearray(1 << 20)
        self._tail = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Upgrade, and subscribe in the same breath."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request + _masked(self._command))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's form
        """Return where to put what comes."""
        return memoryview(self._buffer)

    def buffer_updated(self, nbytes: int) -> None:
        """Count the deltas of what came; a mark that is cut in two is counted with its end."""
        joined = self._tail + self._buffer[:nbytes]
        self.deltas += joined.count(_DELTA)
        self.snapshots += joined.count(_SNAPSHOT)
        # Both marks are of one length, so the kept end holds no whole one.
        self._tail = joined[1 - len(_DELTA) :]

    def close(self) -> None:
        """Go."""
        assert self._transport is not None, "never connected"
        self._transport.abort()


_DELTA = b'"type":"orderbook_del'
_SNAPSHOT = b'"type":"orderbook_sna'


def _masked(payload: bytes) -> bytes:
    """Return a client's text frame, with a mask of zeros."""
    size = len(payload)
    head = bytes((0x81, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


async def _follow(ready: dict[str, Any], signer: Signer, tickers: list[str]) -> Counter:
    """Connect a client that follows the books of markets."""
    host, _, path = ready["ws_url"].removeprefix("ws://").partition("/")
    name, _, port = host.partition(":")
    params = {"channels": ["orderbook_delta"], "market_tickers": tickers, "use_yes_price": True}
    command = json.dumps({"id": 1, "cmd": "subscribe", "params": params}).encode()
    fields = {
        "Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(), **signer.headers("GET", f"/{path}"),
    }  # fmt: skip
    lines = "".join(f"{field}: {value}\r\n" for field, value in fields.items())
    counter = Counter(f"GET /{path} HTTP/1.1\r\n{lines}\r\n".encode(), command)
    await asyncio.get_running_loop().create_connection(lambda: counter, name, int(port))
    return counter


async def _book_load(
    ready: dict[str, Any], *, clients: int, markets: int, per_s: int, seconds: float
) -> dict[str, float]:
    signer = Signer(ready)
    async with aiohttp.ClientSession() as http:
        made = await _admin(http, ready, "/markets", {"event_ticker": EVENT, "count": markets})
        counters = [await _follow(ready, signer, made["tickers"]) for _ in range(clients)]
        while any(counter.snapshots < markets for counter in counters):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        began_s, before_s = time.perf_counter(), cpu_s(ready["pid"])
        body = {"event_ticker": EVENT, "per_s": per_s, "seconds": seconds}
        messages = (await _admin(http, ready, "/load/start", body))["messages"]
        while any(counter.deltas < messages for counter in counters):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        took_s, used_s = time.perf_counter() - began_s, cpu_s(ready["pid"]) - before_s
        standings = (await _admin(http, ready, "/load", None))["subscriptions"]
        for counter in counters:
            counter.close()
        await asyncio.sleep(0)
    assert [messages] * clients == [counter.deltas for counter in counters]
    assert [messages + markets] * clients == [standing["seq"] for standing in standings]
    return _rates(messages, took_s, used_s)


# --- signed orders in ----------------------------------------------------------------------------


def _order_request(signer: Signer, host: str, ticker: str) -> bytes:
    body = json.dumps(
        {
            "ticker": ticker, "side": "bid", "count": "1.00", "price": "0.0100", "exchange_index": 2,
            "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross",
        }
    ).encode()  # fmt: skip
    fields = {
        "Host": host, "Content-Type": "application/json", "Content-Length": str(len(body)),
        **signer.headers("POST", ORDERS),
    }  # fmt: skip
    lines = "".join(f"{field}: {value}\r\n" for field, value in fields.items())
    return f"POST {ORDERS} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def _send_orders(host: str, requests: list[bytes]) -> int:
    """Send requests over one connection, each after the answer to the last; return how many were 201."""
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    accepted = 0
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        accepted += head.startswith(b"HTTP/1.1 201")
        at = head.lower().index(b"content-length:") + len(b"content-length:")
        await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
    writer.close()
    await writer.wait_closed()
    return accepted


async def _order_load(ready: dict[str, Any], *, connections: int, orders: int) -> dict[str, float]:
    signer = Signer(ready)
    host = ready["rest_url"].removeprefix("http://").partition("/")[0]
    async with aiohttp.ClientSession() as http:
        made = await _admin(http, ready, "/markets", {"event_ticker": "KXORDERS-1", "count": 200})
        await _admin(http, ready, "/account/tier", {"tier": "unlimited"})
    tickers = made["tickers"]
    each = [
        [
            _order_request(signer, host, tickers[(place + 8 * n) % len(tickers)])
            for n in range(orders // connections)
        ]
        for place in range(connections)
    ]
    began_s, before_s = time.perf_counter(), cpu_s(ready["pid"])
    accepted = sum(await asyncio.gather(*(_send_orders(host, requests) for requests in each)))
    took_s, used_s = time.perf_counter() - began_s, cpu_s(ready["pid"]) - before_s
    assert accepted == orders // connections * connections
    return _rates(accepted, took_s, used_s)


def sandbox_rates(
    *, markets: int = 1000, per_s: int = 50_000, seconds: float = 2.0, orders: int = 5000
) -> dict[str, dict[str, float]]:
    """Return what the sandbox carried: `book` messages to each of 4 clients, `orders` over 8 connections.

    For each: `count`, `per_s` and `per_core_s`, the last one 0 where the system doesn't tell processor times.
    """
    with sandbox() as ready:
        book = asyncio.run(_book_load(ready, clients=4, markets=markets, per_s=per_s, seconds=seconds))
    with sandbox() as ready:
        placed = asyncio.run(_order_load(ready, connections=8, orders=orders))
    return {"book": book, "orders": placed}


def test_nothing_is_lost_on_the_way() -> None:
    """Every client got every message of the load, and every signed order was accepted."""
    rates = sandbox_rates(markets=20, per_s=2000, seconds=0.5, orders=80)
    assert (1000, 80) == (rates["book"]["count"], rates["orders"]["count"])
