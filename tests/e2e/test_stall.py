"""A stream that stands still while its pings go on, against a sandbox that does just that.

The venue's and Kraken's: each is asked in the stream, is given up by name, and is whole again afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.units import SECOND
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.session import Session
from daemon.kraken.session import Session as KrakenSession
from daemon.shell.stream import Conversation, run_feed
from tests.e2e.venue_rig import EVENT, SandboxProcess

LIMIT_S = 2
TICKER = f"{EVENT}-M0"


class Followed:
    """A feed of the sandbox, everything it told so far, and the operator."""

    def __init__(self, sandbox: SandboxProcess, admin: aiohttp.ClientSession) -> None:
        self.events: list[e.Event] = []
        self._sandbox = sandbox
        self._admin = admin

    async def call(self, path: str, **body: object) -> None:
        async with self._admin.post(self._sandbox.ready["admin_url"] + path, json=body) as reply:
            assert reply.status == 200, await reply.text()

    async def until(self, happened: Callable[[list[e.Event]], bool], since: int = 0) -> None:
        async with asyncio.timeout(30):
            while not happened(self.events[since:]):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def of(self, kind: type[e.Event], since: int) -> list[Any]:
        return [event for event in self.events[since:] if type(event) is kind]


@asynccontextmanager
async def following(folder: Path, stream: str) -> AsyncIterator[Followed]:
    """Follow one of the sandbox's streams with the daemon's own session and shell."""
    sandbox = SandboxProcess(folder)
    try:
        await sandbox.start()
        async with aiohttp.ClientSession() as admin:
            followed = Followed(sandbox, admin)
            await followed.call("/markets", series_ticker="KXTEST", event_ticker=EVENT, ticker=TICKER)
            session: Conversation
            ready, signer = sandbox.ready, None
            if stream == "kalshi":
                session = Session(is_first=False, silence_max=LIMIT_S * SECOND)
                session.watch([TICKER])
                signer = Signer(ready["key_id"], load_private_key(Path(ready["private_key_path"])))
                url = ready["ws_url"]
            else:
                session = KrakenSession(silence_max=LIMIT_S * SECOND)
                url = ready["reference_ws_url"]
            feed = asyncio.create_task(
                run_feed(
                    url, signer, session, time.time_ns, followed.events.extend, backoff=Backoff(lambda: 0.1)
                )
            )
            try:
                yield followed
            finally:
                feed.cancel()
                with suppress(asyncio.CancelledError):
                    await feed
    finally:
        sandbox.end()


@pytest.mark.parametrize(
    ("stream", "kind"), [("kalshi", e.BookSnapshotReceived), ("kraken", e.ReferencePriceReceived)]
)
async def test_a_stalled_stream_is_noticed_and_made_anew(
    tmp_path: Path, stream: str, kind: type[e.Event]
) -> None:
    """While its pings are answered: not heard, dropped as stalled; whole again when the stall is over."""
    async with following(tmp_path, stream) as followed:
        await followed.until(lambda events: kind in {type(event) for event in events})
        await followed.call("/faults", kind="stall", stream=stream)
        began = len(followed.events)
        await followed.until(lambda events: e.FeedDropped in {type(event) for event in events}, began)
        (dropped,) = followed.of(e.FeedDropped, began)
        assert dropped.reason.startswith("stalled"), dropped.reason
        # One tick may tell of what had come before; none after that.
        assert len(followed.of(e.FeedHeard, began)) <= 1
        await followed.call("/faults/clear")
        healed = len(followed.events)
        await followed.until(lambda events: kind in {type(event) for event in events}, healed)


async def test_a_quiet_stream_that_answers_is_kept(tmp_path: Path) -> None:
    """No news for several times the limit: the venue's answers are sign enough, and are told."""
    async with following(tmp_path, "kalshi") as followed:
        await followed.until(lambda events: e.BookSnapshotReceived in {type(event) for event in events})
        since = len(followed.events)
        await asyncio.sleep(3 * LIMIT_S)
        assert [] == followed.of(e.FeedDropped, since)
        assert len(followed.of(e.FeedHeard, since)) >= 2
