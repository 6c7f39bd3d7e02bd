"""Tests of the clock channel's own manners; the lockstep is `test_pump`'s."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.sandbox.running import running
from tests.sandbox.taped import START, TapedFlow


async def test_the_time_is_told_on_connect(tmp_path: Path) -> None:
    """At once, without a signature, so that a client can sign by it."""
    async with (
        asyncio.timeout(20),
        running(tmp_path, TapedFlow) as client,
        client.http.ws_connect(client.ready.clock_ws_url) as socket,
    ):
        assert {"now_ns": START} == json.loads(await socket.receive_str(timeout=5))


async def test_what_is_no_answer_ends_the_connection(tmp_path: Path) -> None:
    """A follower that talks nonsense is closed with 1007, and nobody waits for it any more."""
    async with (
        asyncio.timeout(20),
        running(tmp_path, TapedFlow) as client,
        client.http.ws_connect(client.ready.clock_ws_url) as socket,
    ):
        await socket.receive_str(timeout=5)
        await socket.send_str("nonsense")
        async for _ in socket:
            pass
        assert 1007 == socket.close_code
