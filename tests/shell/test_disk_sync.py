"""The syncing thread: every ask is answered in the loop that asked, by a sync that began after it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.shell.disk_sync import DiskSync, Synced

HANG_S = 60


class Told:
    """What was told, and a wait for as many as are expected."""

    def __init__(self) -> None:
        self.syncs: list[Synced] = []
        self.threads: list[str] = []
        self._came = asyncio.Event()

    def take(self, sync: Synced) -> None:
        """Note one sync and where it was told of."""
        self.syncs.append(sync)
        self.threads.append(threading.current_thread().name)
        self._came.set()

    async def count(self, wanted: int) -> None:
        """Return once so many were told."""
        async with asyncio.timeout(HANG_S):
            while len(self.syncs) < wanted:
                self._came.clear()
                await self._came.wait()


@contextmanager
def syncing(path: Path, end: Callable[[], int], told: Told) -> Iterator[DiskSync]:
    """A thread over a real file, closed at the end."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    disk = DiskSync(fd, end, told.take)
    try:
        yield disk
    finally:
        disk.close()
        os.close(fd)


async def test_an_ask_is_answered_in_the_loop(tmp_path: Path) -> None:
    """The answer says how far the file was written when the sync began, and comes in the loop's thread."""
    told = Told()
    with syncing(tmp_path / "file", lambda: 7, told) as disk:
        disk.ask()
        await told.count(1)
        disk.ask()
        await told.count(2)
    assert [(7, None), (7, None)] == [(sync.end, sync.failure) for sync in told.syncs]
    assert all(sync.seconds >= 0 for sync in told.syncs)
    assert {threading.current_thread().name} == set(told.threads)


async def test_asks_during_a_sync_are_one(tmp_path: Path) -> None:
    """However often it is asked before the answer, the disk works once."""
    told = Told()
    with syncing(tmp_path / "file", lambda: 1, told) as disk:
        for _ in range(5):
            disk.ask()
        await told.count(1)
        await asyncio.sleep(0.02)
    assert 1 == len(told.syncs)


async def test_a_failure_is_told(tmp_path: Path) -> None:
    """What the disk refuses is an answer with its reason, and the next ask is answered too."""
    told = Told()
    reading, writing = os.pipe()  # a pipe refuses to sync
    disk = DiskSync(writing, lambda: 0, told.take)
    for count in (1, 2):
        disk.ask()
        await told.count(count)
    disk.close()
    os.close(reading)
    os.close(writing)
    assert ["[Errno 22] Invalid argument"] * 2 == [sync.failure for sync in told.syncs]


async def test_closing_hands_over_what_was_not_told(tmp_path: Path) -> None:
    """A sync that ends while the loop is busy closing is returned, not lost, and not told afterwards."""
    told = Told()
    reading, writing = os.pipe()
    disk = DiskSync(writing, lambda: 3, told.take)
    disk.ask()
    time.sleep(0.05)  # noqa: ASYNC251 - the loop is kept from hearing of it
    last = disk.close()
    await asyncio.sleep(0.01)
    os.close(reading)
    os.close(writing)
    assert last is not None
    assert (3, "[Errno 22] Invalid argument") == (last.end, last.failure)
    assert [] == told.syncs


def test_another_loop_takes_over(tmp_path: Path) -> None:
    """An answer that the last loop never heard is heard by the next one: nobody waits for ever."""
    told = Told()
    with syncing(tmp_path / "file", lambda: 1, told) as disk:

        async def ask_and_leave() -> None:
            disk.ask()

        async def ask_and_wait() -> None:
            disk.ask()
            await told.count(1)

        asyncio.run(ask_and_leave())
        asyncio.run(ask_and_wait())
        assert 1 <= len(told.syncs) <= 2


def test_unasked_it_closes_without_a_sync(tmp_path: Path) -> None:
    """Without a loop and without an ask there is nothing to wait for."""
    fd = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    told = Told()
    assert DiskSync(fd, lambda: 0, told.take).close() is None
    assert [] == told.syncs
    os.close(fd)


async def test_the_disk_begins_while_the_loop_goes_on(tmp_path: Path) -> None:
    """Once begun it needs no sleeping loop: the thread is at work while the loop computes."""
    began: list[float] = []

    def end() -> int:
        began.append(time.perf_counter())
        return 0

    told = Told()
    waits = []
    with syncing(tmp_path / "file", end, told) as disk:
        for count in range(1, 22):
            asked_at = time.perf_counter()
            disk.begin()
            while time.perf_counter() - asked_at < 0.003:
                pass  # less than the interpreter's own switch interval: nothing else would let the thread in
            free_at = time.perf_counter()
            await told.count(count)
            waits.append(began[-1] < free_at)
    assert sum(waits) > 10, "in most rounds the sync began before the loop was done computing"
