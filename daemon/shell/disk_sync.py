"""The thread that waits for the disk: one fdatasync at a time, asked for and told of in the event loop.

A thread that is woken finds the interpreter's lock taken by the loop, which woke it: it would begin its sync
only when the loop next sleeps. So `begin` lets go of the lock until the disk is at work, some 30 us, and what
the loop does after that costs an order nothing.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

BEGINS_WITHIN_S = 0.0003
"""How long the loop stands still for the thread at most, should the machine keep that one waiting."""


class Synced(NamedTuple):
    """How a sync ended: up to where it covers the file, why it failed (None: it did not), seconds it took."""

    end: int
    failure: str | None
    seconds: float


class DiskSync:
    """Syncs one file on demand. All methods belong to the event loop's thread.

    Args:
        fd: the open file; whoever opened it closes it, after `close`.
        end: the offset up to which it is written now; asked in the thread, just before a sync.
        tell: takes how each sync ended, in the loop that asked last. Not after `close`.
    """

    def __init__(self, fd: int, end: Callable[[], int], tell: Callable[[Synced], None]) -> None:
        self._fd = fd
        self._end = end
        self._tell = tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_asked = False
        self._is_closing = False
        self._outcome: Synced | None = None
        self._is_at_work = threading.Lock()
        self._is_at_work.acquire()
        self._asks = os.eventfd(0, os.EFD_CLOEXEC)
        self._answers = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._sync_on_demand, name="journal-sync", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Let a sync begin, in a running loop. While one is under way this does nothing."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            loop.add_reader(self._answers, self._take_answer)
        if not self._is_asked:
            self._is_asked = True
            os.eventfd_write(self._asks, 1)

    def begin(self) -> None:
        """Let a sync begin, in a running loop, and return once the disk is at work on it."""
        if not self._is_asked:
            self._is_at_work.acquire(blocking=False)  # what the last one said, unless that was heard
            self.ask()
            self._is_at_work.acquire(timeout=BEGINS_WITHIN_S)

    def close(self) -> Synced | None:
        """Wait for the sync under way and end the thread; return that sync if it was not told of yet."""
        self._is_closing = True
        os.eventfd_write(self._asks, 1)
        self._thread.join()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._answers)
        os.close(self._asks)
        os.close(self._answers)
        return self._outcome

    def _sync_on_demand(self) -> None:
        while os.eventfd_read(self._asks) and not self._is_closing:
            if self._is_at_work.locked():
                self._is_at_work.release()
            end = self._end()  # before the sync: what is written during it may or may not be covered
            started_at = time.perf_counter()
            failure: str | None = None
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                failure = str(error)
            self._outcome = Synced(end, failure, time.perf_counter() - started_at)
            os.eventfd_write(self._answers, 1)

    def _take_answer(self) -> None:
        os.eventfd_read(self._answers)
        outcome, self._outcome = self._outcome, None
        assert outcome is not None, "the thread rings when a sync has ended"
        self._is_asked = False
        self._tell(outcome)
