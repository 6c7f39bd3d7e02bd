"""Tests of sandbox time: lockstep with the clock's followers, sessions, and the wall's pace."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType

from daemon.core.units import SECOND
from daemon.sandbox.flow import STEP
from tests.sandbox.running import Client, running, until
from tests.sandbox.scripted import OPEN
from tests.sandbox.taped import SECOND_START, SESSION, START, TapedFlow
from tests.sandbox.wire import order_terms, subscribe


async def follow(client: Client, ticks: list[dict[str, Any]], is_open: asyncio.Event) -> None:
    """Follow the clock, and say seen when allowed to."""
    async with client.http.ws_connect(client.ready.clock_ws_url) as socket:
        async for message in socket:
            tick = json.loads(message.data)
            ticks.append(tick)
            if tick.get("is_ended"):
                return
            await is_open.wait()
            await socket.send_json({"seen_ns": tick["now_ns"]})


async def listen(client: Client) -> list[int]:
    """Follow the book until the connection is cut; return the sequence numbers."""
    async with client.socket() as socket:
        await socket.send_json(subscribe(1, "orderbook_delta", market_tickers=[OPEN]))
        texts = [message.data async for message in socket if message.type is WSMsgType.TEXT]
        seqs = [frame["seq"] for frame in map(json.loads, texts) if "seq" in frame]
        assert 1001 == socket.close_code
    return seqs


async def test_a_tape_plays_session_by_session_in_lockstep(tmp_path: Path) -> None:
    """Recorded gaps stay gaps; each session is a connection of its own; at the end the clock says so."""
    async with asyncio.timeout(30), running(tmp_path, TapedFlow) as client:
        ticks: list[dict[str, Any]] = []
        is_open = asyncio.Event()
        is_open.set()
        clock = asyncio.create_task(follow(client, ticks, is_open))
        expected = [*range(1, 11), *range(14, 24)]
        assert expected == await listen(client)
        async with client.socket() as socket:
            await socket.send_json(subscribe(1, "orderbook_delta", market_tickers=[OPEN]))
            await clock
        assert {"now_ns": START} == ticks[0]
        times = [tick["now_ns"] for tick in ticks]
        assert sorted(times) == times
        steps = {later - earlier for earlier, later in itertools.pairwise(times)}
        assert steps <= {0, STEP, SECOND_START - START - SESSION}
        assert SECOND_START in times
        assert ticks[-1] == {"now_ns": times[-1], "is_ended": True}


async def test_a_tape_waits_for_its_follower(tmp_path: Path) -> None:
    """Nothing moves before someone follows, nor while the follower hasn't seen the last step."""
    async with asyncio.timeout(30), running(tmp_path, TapedFlow) as client:
        clock = client.sandbox.venue.clock
        await asyncio.sleep(0.2)
        assert START == clock.now()
        ticks: list[dict[str, Any]] = []
        is_open = asyncio.Event()
        following = asyncio.create_task(follow(client, ticks, is_open))
        listening = asyncio.create_task(listen(client))
        await until(lambda: clock.now() > START)
        await asyncio.sleep(0.2)
        assert START + STEP == clock.now()
        is_open.set()
        await until(lambda: clock.now() >= START + SECOND)
        for task in (following, listening):
            task.cancel()
        await asyncio.gather(following, listening, return_exceptions=True)


async def test_a_tapes_requests_are_signed_by_tape_time(tmp_path: Path) -> None:
    """The sandbox's clock is the tape's, for signatures too; orders are stamped with it."""
    async with asyncio.timeout(30), running(tmp_path, TapedFlow) as client:
        status, placed = await client.call("POST", "/portfolio/events/orders", order_terms(price="0.5000"))
        assert (201, "10.00", START // 1_000_000) == (status, placed["fill_count"], placed["ts_ms"])


async def test_traders_go_with_the_wall(tmp_path: Path) -> None:
    """The clock channel ticks about every 50 ms and never back."""
    async with (
        asyncio.timeout(30),
        running(tmp_path) as client,
        client.http.ws_connect(client.ready.clock_ws_url) as socket,
    ):
        times = [json.loads(await socket.receive_str(timeout=5))["now_ns"] for _ in range(5)]
        assert sorted(times) == times
        assert times[-1] > times[0]


async def test_time_that_is_moved_by_hand_waits_for_its_followers(tmp_path: Path) -> None:
    """Each step has been seen by every follower of the clock before the next, and before the answer."""
    async with asyncio.timeout(30), running(tmp_path, speed=None) as client:
        began = client.sandbox.venue.clock.now()
        ticks: list[dict[str, Any]] = []
        is_open = asyncio.Event()
        following = asyncio.create_task(follow(client, ticks, is_open))
        await until(lambda: len(ticks) == 1)
        moving = asyncio.create_task(client.admin("/clock/advance", ms=200))
        await asyncio.sleep(0.2)
        assert not moving.done()
        assert client.sandbox.venue.clock.now() <= began + STEP
        is_open.set()
        await moving
        assert [began + step * STEP for step in range(5)] == [tick["now_ns"] for tick in ticks]
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
