"""The far end of an order's way, in a process of its own: notes when a request's first bytes came.

`python -m tests.bench.order_sink` prints its port, answers each POST as an immediate order that filled
nothing, and each GET with the instants by client order id, of `perf_counter_ns`: one clock for all processes.
"""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec

_ORDERS: dict[str, int] = {}


class _Body(msgspec.Struct):
    client_order_id: str


class OrderSink(asyncio.Protocol):
    """One connection. Reads just enough HTTP for what our own client sends."""

    def __init__(self) -> None:
        self._buffer = b""
        self._began_at = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes; answer once a request is whole."""
        if not self._buffer:
            self._began_at = time.perf_counter_ns()
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        length = int(lengths[0].split(b":")[1]) if lengths else 0
        if len(body) < length:
            return
        self._buffer = b""
        assert self._transport is not None
        self._transport.write(self._answer(head, body))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET"):
            reply, status = msgspec.json.encode(_ORDERS), b"200 OK"
        else:
            name = msgspec.json.decode(body, type=_Body).client_order_id
            _ORDERS[name] = self._began_at
            told = {
                "client_order_id": name,
                "order_id": f"id-{name}",
                "fill_count": "0.00",
                "remaining_count": "0.00",
                "ts_ms": time.time_ns() // 1_000_000,
            }
            reply, status = msgspec.json.encode(told), b"201 Created"
        length = str(len(reply)).encode()
        return (
            b"HTTP/1.1 "
            + status
            + b"\r\nContent-Type: application/json\r\nContent-Length: "
            + length
            + b"\r\n\r\n"
        ) + reply


async def serve() -> None:
    """Listen on a free port of loopback, say which, and serve until stdin ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(OrderSink, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
