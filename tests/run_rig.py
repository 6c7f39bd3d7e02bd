"""A core with its file and its parts, as a run has them: a part stands still until a test runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.server import serve

from daemon.config import load_config
from daemon.core import events as e
from daemon.core.pacer import Pacer
from daemon.core.units import Ns
from daemon.kalshi.auth import Signer
from daemon.kalshi.costs import RECORDED
from daemon.kalshi.rest import Rest
from daemon.kraken.rest import KrakenRest
from daemon.parts import Outside, Parts
from daemon.run_reloads import ReloadedRun, reloads_of
from daemon.shell.clock import FollowedClock, SystemClock
from daemon.shell.reloads import Reloaded, Reloads
from daemon.shell.store import STORE_NAME, Recorder
from daemon.shell.store.rows import Run
from tests.core.worlds import NOW
from tests.shell.reload_rig import Daemon
from tests.shell.test_feeds import Stream
from tests.shell.test_reloads import running
from tests.shell.venue import Venue, serving

SIGNER = Signer("the-key-id", Ed25519PrivateKey.generate())
TEST_WITHIN_S = 30.0
E = TypeVar("E", e.FeedDropped, e.ChannelQuieted)


class RunningClock(SystemClock):
    """A clock that begins at NOW and goes on by itself; `ahead` sets it forward."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead: Ns = 0
        self._begun_at = super().now()

    def now(self) -> Ns:
        """Return the time since the beginning, after NOW."""
        return NOW + self.ahead + super().now() - self._begun_at


class LivingRun:
    """A run whose configuration is a file. REST is a venue of the test's own, and so is the stream."""

    def __init__(self, daemon: Daemon, rest: Rest, folder: Path, *, is_tape: bool) -> None:
        self.daemon = daemon
        self.clock = RunningClock()
        clock = FollowedClock(NOW) if is_tape else self.clock
        run = Run(NOW, "sandbox", "0", "[]", "", "", "")
        self.recorder = Recorder(
            folder / STORE_NAME, daemon.engine, run, cost=lambda _method, _path: 10, now=clock.now
        )
        config = load_config(daemon.path)
        self.parts = Parts(
            config,
            daemon.engine,
            daemon.journal,
            Outside(rest, Pacer(100, 100, 20), None, KrakenRest("http://127.0.0.1:9"), RECORDED),
            inbox=daemon.inbox,
            clock=clock,
            metrics=daemon.metrics,
            recorder=self.recorder,
        )
        self.run = ReloadedRun(config, str(daemon.path), self.parts, clock)
        self.reloads: Reloads = reloads_of(self.run)
        self.url = ""
        """Of the stream."""
        self.venue: Venue
        self.stream = Stream()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, *parts: Coroutine[None, None, None]) -> None:
        """Run parts until the end."""
        self._tasks += [asyncio.create_task(part) for part in parts]

    async def reload(self, more: str = "", **changes: object) -> Reloaded:
        """Write the file anew, and have it loaded; what loosens is confirmed."""
        self.daemon.write(more, **changes)
        reloaded = await self.reloads.reload("test")
        if reloaded.token is not None:
            reloaded = await self.reloads.reload("test", reloaded.token)
        assert "applied" == reloaded.outcome
        return reloaded

    async def end(self) -> None:
        """Stop the parts; one that had failed fails the test."""
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        self.recorder.close()
        failures = [end for end in ends if isinstance(end, Exception)]
        if failures:
            raise failures[0]


@asynccontextmanager
async def living(
    root: Path,
    first: str = "",
    *,
    is_tape: bool = False,
    is_wide: bool = False,
    within_s: float = TEST_WITHIN_S,
) -> AsyncIterator[LivingRun]:
    """A run whose pump turns; `first` is what its file says at the start, besides the usual."""
    async with (
        running(root, first=first, is_wide=is_wide, within_s=within_s) as daemon,
        serving() as venue,
        AsyncExitStack() as stack,
    ):
        rest = await stack.enter_async_context(Rest(venue.url, SIGNER, lambda: NOW))
        subject = LivingRun(daemon, rest, root, is_tape=is_tape)
        subject.venue = venue
        server = await stack.enter_async_context(
            serve(subject.stream.serve, "127.0.0.1", 0, close_timeout=0.2)
        )
        subject.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/trade-api/ws/v2"
        try:
            yield subject
        finally:
            await subject.end()


def told(subject: LivingRun, kind: type[E]) -> list[E]:
    """What the core was told of a kind."""
    return [event for event in subject.daemon.handled if isinstance(event, kind)]
