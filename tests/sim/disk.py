"""The journal of a simulated life: real records in memory, synced when the virtual disk has got round to it.

It has the interface of `shell.journal.Journal`, whose syncing has a thread. What is left after a crash is
what was synced, and any part of what was not, torn wherever it may be: the real reader reads it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from daemon.core.records import frame
from daemon.shell.journal import JournalHeader, Record

_ENCODER = msgspec.msgpack.Encoder()


class SimJournal:
    """One life's journal.

    Args:
        header: the first record.
        rng: how long each sync takes.
        on_append: takes each batch and the offset behind it.
    """

    def __init__(
        self, header: JournalHeader, rng: random.Random, on_append: Callable[[Sequence[Record], int], None]
    ) -> None:
        self.path = Path(f"{header.epoch}.journal")
        self._written = bytearray(frame(_ENCODER.encode(header)))
        self.synced_end = len(self._written)
        self._rng = rng
        self._on_append = on_append
        self._syncing: asyncio.Future[None] | None = None
        self._syncing_to = 0
        self.bytes_total = self.synced_end
        self.batches_total = 0

    @property
    def end(self) -> int:
        """The offset behind the last record written."""
        return len(self._written)

    def append(self, batch: Sequence[Record]) -> int:
        """Write a batch as one record and return the offset behind it."""
        assert batch, "an empty batch is no record"
        self._written += frame(_ENCODER.encode(batch))
        self.batches_total += 1
        self.bytes_total = len(self._written)
        self._on_append(batch, len(self._written))
        return len(self._written)

    async def synced(self, offset: int) -> None:
        """Wait until the disk has everything up to `offset`. Waiters share syncs."""
        assert offset <= len(self._written), f"offset {offset} is not written yet"
        while self.synced_end < offset:
            if self._syncing is None:
                loop = asyncio.get_running_loop()
                self._syncing = loop.create_future()
                self._syncing_to = len(self._written)
                takes_s = self._rng.choice((0.0002, 0.0002, 0.0005, 0.002, 0.008))
                loop.call_later(takes_s, self._take_sync)
            await asyncio.shield(self._syncing)

    def _take_sync(self) -> None:
        assert self._syncing is not None, "only a sync under way ends"
        self.synced_end = max(self.synced_end, self._syncing_to)
        syncing, self._syncing = self._syncing, None
        if not syncing.done():
            syncing.set_result(None)

    def close(self) -> None:
        """Sync what is written."""
        self.synced_end = len(self._written)

    def survivors(self) -> bytes:
        """Return what a crash at this instant leaves on the disk."""
        kind = self._rng.choice(("killed", "power cut", "torn"))
        if kind == "killed":
            return bytes(self._written)
        end = self.synced_end if kind == "power cut" else self._rng.randint(self.synced_end, self.end)
        return bytes(self._written[:end])
