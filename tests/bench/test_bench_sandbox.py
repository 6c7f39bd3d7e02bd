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


def _cpu_s(pid: int) -> float:
    """Return the processor seconds that a process has used; 0 where the system doesn't tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _admin(http: aiohttp.ClientSession, ready: dict[str, Any], path: str, body: object) -> Any:
    method = "GET" if body is None else "POST"
    async with http.request(method, f"{ready['admin_url']}{path}", json=body) as reply:
        assert 200 == reply.status, await reply.text()
        return await reply.json()


# --- book messages out ---------------------------------------------------------------------------


class Counter(asyncio.Protocol):
    """A WebSocket client that subscribes, and counts book deltas without decoding them."""

    def __init__(self, request: bytes, command: bytes) -> None:
        self.deltas = 0
        self.snapshots = 0
        self._request, self._command = request, command
        self._tail = b""
        self.last = b""
        """The last bytes that came."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Upgrade, and subscribe in the same breath."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request + _masked(self._command))

    def data_received(self, data: bytes) -> None:
        """Count the deltas of what came; a mark that is cut in two is counted with its end."""
        joined = self._tail + data
        self.deltas += joined.count(_DELTA)
        self.snapshots += joined.count(_SNAPSHOT)
        self._tail = joined[-(len(_SNAPSHOT) - 1) :]
        self.deltas -= self._tail.count(_DELTA)
        self.last = joined[-400:]


_DELTA = b'"type":"orderbook_delta","sid"'
_SNAPSHOT = b'"type":"orderbook_snapshot","'


def _masked(payload: bytes) -> bytes:
    """Return a client's text frame, with a mask of zeros."""
    size = len(payload)
    head = bytes((0x81, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


async def _book_load(
    ready: dict[str, Any], *, clients: int, markets: int, per_s: int, seconds: float
) -> dict[str, float]:
    signer = Signer(ready)
    address = ready["ws_url"].removeprefix("ws://")
    host, _, rest = address.partition("/")
    name, _, port = host.partition(":")
    async with aiohttp.ClientSession() as http:
        made = await _admin(http, ready, "/markets", {"event_ticker": EVENT, "count": markets})
        params = {"channels": ["orderbook_delta"], "market_tickers": made["tickers"], "use_yes_price": True}
        command = json.dumps({"id": 1, "cmd": "subscribe", "params": params}).encode()
        counters = []
        for _ in range(clients):
            fields = {
                "Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
                **signer.headers("GET", f"/{rest}"),
            }  # fmt: skip
            lines = "".join(f"{field}: {value}\r\n" for field, value in fields.items())
            counter = Counter(f"GET /{rest} HTTP/1.1\r\n{lines}\r\n".encode(), command)
            await asyncio.get_running_loop().create_connection(lambda counter=counter: counter, name, int(port))
            counters.append(counter)
        while any(counter.snapshots < markets for counter in counters):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        began_s, cpu_s = time.perf_counter(), _cpu_s(ready["pid"])
        body = {"event_ticker": EVENT, "per_s": per_s, "seconds": seconds}
        messages = (await _admin(http, ready, "/load/start", body))["messages"]
        while any(counter.deltas < messages for counter in counters):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        took_s, used_s = time.perf_counter() - began_s, _cpu_s(ready["pid"]) - cpu_s
        standings = (await _admin(http, ready, "/load", None))["subscriptions"]
    assert [messages] * clients == [counter.deltas for counter in counters]
    assert [messages + markets] * clients == [standing["seq"] for standing in standings]
    return {"messages_per_s": messages / took_s, "cpu_share": used_s / took_s, "messages": messages}


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
    """Send requests over one connection, each after the answer to the one before; return how many were 201."""
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
    return accepted


async def _order_load(ready: dict[str, Any], *, connections: int, orders: int) -> dict[str, float]:
    signer = Signer(ready)
    host = ready["rest_url"].removeprefix("http://").partition("/")[0]
    async with aiohttp.ClientSession() as http:
        made = await _admin(http, ready, "/markets", {"event_ticker": "KXORDERS-1", "count": 10})
        await _admin(http, ready, "/account/tier", {"tier": "unlimited"})
    tickers = made["tickers"]
    each = [
        [_order_request(signer, host, tickers[place % len(tickers)]) for _ in range(orders // connections)]
        for place in range(connections)
    ]
    began_s, cpu_s = time.perf_counter(), _cpu_s(ready["pid"])
    accepted = sum(await asyncio.gather(*(_send_orders(host, requests) for requests in each)))
    took_s, used_s = time.perf_counter() - began_s, _cpu_s(ready["pid"]) - cpu_s
    assert accepted == orders // connections * connections
    return {"orders_per_s": accepted / took_s, "cpu_share": used_s / took_s, "orders": accepted}


def sandbox_rates(
    *, markets: int = 1000, per_s: int = 40_000, seconds: float = 5.0, orders: int = 8000
) -> dict[str, dict[str, float]]:
    """Return what the sandbox carried: `book` out to 4 clients each, `orders` in over 8 connections."""
    with sandbox() as ready:
        book = asyncio.run(_book_load(ready, clients=4, markets=markets, per_s=per_s, seconds=seconds))
    with sandbox() as ready:
        placed = asyncio.run(_order_load(ready, connections=8, orders=orders))
    return {"book": book, "orders": placed}


def test_nothing_is_lost_on_the_way() -> None:
    """Every client got every message of the load, and every signed order was accepted."""
    rates = sandbox_rates(markets=20, per_s=2000, seconds=0.5, orders=80)
    assert (1000, 80) == (rates["book"]["messages"], rates["orders"]["orders"])


if __name__ == "__main__":
    for name, rate in sandbox_rates().items():
        sys.stdout.write(f"{name}: {rate}\n")
