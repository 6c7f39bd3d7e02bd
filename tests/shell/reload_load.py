"""A daemon that is reloaded while ticks come, held against a twin that never is, its journal and a replay."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np

from daemon.core import events as e
from daemon.core.units import MILLISECOND
from daemon.shell.journal import read_journal
from daemon.shell.replay import replay
from tests.core.worlds import NOW, TICKER
from tests.shell.reload_rig import START, Daemon


class Load(msgspec.Struct, frozen=True):
    """What came of it. What has grown is counted from the end of the first fifth, when all was made once."""

    changes: int
    messages: int
    decisions: int
    objects_grown: int
    bytes_grown: int


def ticks() -> Iterator[e.Event]:
    """Levels that come and go, and a trade now and then, so far apart that the windows are soon full."""
    number = 0
    while True:
        number += 1
        at = NOW + number * 20 * MILLISECOND
        if number % 7 == 0:
            yield e.TradePrinted(TICKER, f"t{number}", 4_100, 100 + number % 50, "yes", at, at)
        else:
            price, delta = 3_000 + 100 * (number // 2 % 8), 300 if number % 2 else -300
            yield e.BookDeltaReceived(TICKER, "yes" if number // 20 % 2 else "no", price, delta, at, at)


class Feed:
    """Tells the daemon and a twin, which is never reloaded, the same; keeps a digest of all that was told."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon, self.twin = daemon, daemon.fresh()
        for event in START:
            self.twin.handle(event)
        self.told, self.digest = 0, hashlib.sha256()

    async def run(self) -> None:
        """Tell, until cancelled, twenty at a time."""
        for event in ticks():
            self.digest.update(msgspec.msgpack.encode(event))
            self.told += 1
            self.daemon.at = event.received_at
            self.twin.handle(event)
            self.daemon.inbox.put(event)
            if self.told % 20 == 0:
                await asyncio.sleep(0)

    def compare(self) -> None:
        """Hold the market's book and all its windows against the twin's."""
        twin, ours = (one.state.markets[TICKER] for one in (self.twin, self.daemon.engine))
        assert (twin.book.yes.prices, twin.book.no.prices) == (ours.book.yes.prices, ours.book.no.prices)
        np.testing.assert_array_equal(twin.features.row(self.daemon.at), ours.features.row(self.daemon.at))


def _told(path: Path) -> tuple[int, str]:
    """How many ticks a journal holds, and their digest."""
    number, digest = 0, hashlib.sha256()
    for batch in read_journal(path):
        for record in batch:
            if isinstance(record, e.BookDeltaReceived | e.TradePrinted):
                number += 1
                digest.update(msgspec.msgpack.encode(record))
    return number, digest.hexdigest()


def _used() -> tuple[int, int]:
    """Objects that the collector knows, and bytes in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(gc.get_objects()), pages * os.sysconf("SC_PAGE_SIZE")


async def reload_under_load(
    daemon: Daemon, change: Callable[[Daemon, int], Awaitable[None]], times: int
) -> Load:
    """Change the configuration so many times while ticks come.

    Fails where a message is lost, a window is another than without reloads, the market is not the same
    object, or a replay of the journal decides otherwise.
    """
    await daemon.settled()
    feed, before, market = Feed(daemon), (0, 0), daemon.engine.state.markets[TICKER]
    task = asyncio.create_task(feed.run())
    for number in range(times):
        if number == times // 5:
            before = _used()
        await change(daemon, number)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await daemon.settled()
    objects, in_memory = _used()
    assert daemon.engine.state.markets[TICKER] is market, "the market is the same object"
    feed.compare()
    assert (feed.told, feed.digest.hexdigest()) == _told(daemon.journal.path), "no message is lost"
    again = replay(daemon.fresh(), read_journal(daemon.journal.path))
    assert again.is_identical, again.differences
    return Load(times, feed.told, again.decisions, objects - before[0], in_memory - before[1])
