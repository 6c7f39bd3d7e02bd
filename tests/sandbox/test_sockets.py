"""Tests of sockets that don't wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.sandbox import sockets
from daemon.sandbox.flow import Resumed
from tests.sandbox.running import receive_until, running, until
from tests.sandbox.scripted import OPEN, ScriptedFlow
from tests.sandbox.wire import subscribe


async def test_a_client_that_does_not_read_blocks_nobody(tmp_path: Path) -> None:
    """Its subscriptions end when its buffer is full; another client goes on receiving."""
    async with (
        asyncio.timeout(30),
        running(tmp_path) as client,
        client.socket() as slow,
        client.socket() as quick,
    ):
        for socket in (slow, quick):
            await socket.send_json(subscribe(1, "orderbook_delta", market_tickers=[OPEN]))
        await receive_until(quick, lambda frame: frame["type"] == "orderbook_snapshot")
        hub = client.sandbox.venue.hub
        await until(lambda: len(hub._listeners["orderbook_delta"]) == 2)
        # From here on `slow` reads nothing: first its own buffers fill, then the kernel's, then ours.
        sent = 0
        payload = b'{"type":"noise","text":"' + b"x" * 65_000 + b'"}\n'
        stalled = next(iter(client.sandbox._ws._sockets))
        while len(hub._listeners["orderbook_delta"]) == 2:
            stalled.outbox.append(payload)
            client.sandbox._ws.flush()
            sent += len(payload)
            await asyncio.sleep(0)
        assert sent >= sockets.BUFFER_BYTES_MAX
        await quick.send_json({"id": 5, "cmd": "list_subscriptions"})
        [*_, answer] = await receive_until(quick, lambda frame: frame.get("id") == 5)
        assert [{"channel": "orderbook_delta", "sid": 1}] == answer["msg"]


def test_the_flow_is_the_scripted_one() -> None:
    """The tests' flow begins at the wall's time that it was given."""
    assert 5 == ScriptedFlow(Resumed(5, 1, None, ())).start_at


async def test_a_follower_that_does_not_read_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On every kind of stream: what nobody reads is not kept for ever."""
    monkeypatch.setattr(sockets, "WAITING_BYTES_MAX", 1 << 20)
    async with (
        asyncio.timeout(30),
        running(tmp_path) as client,
        client.http.ws_connect(client.ready.clock_ws_url),
    ):
        await until(lambda: client.sandbox._clock.count == 1)
        [follower] = client.sandbox._clock._followers
        while follower.socket.is_open:
            follower.socket.write([b"x" * 65_000])
            assert follower.socket.waiting_bytes < (1 << 20) + 70_000
        await until(lambda: client.sandbox._clock.count == 0)
