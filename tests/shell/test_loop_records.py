"""The pump and the journal: what is decided is on file, and on its way to the disk, before it is queued."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.core import events as e
from daemon.core.commands import Decided, PlaceOrder
from daemon.core.units import SECOND
from daemon.shell.journal import JournalFailed, Record
from daemon.shell.queue import Queued
from tests.core.worlds import T0, reconciled
from tests.shell.test_loop import START, AtBid, rig, watched


async def test_commands_are_on_file_before_they_are_queued(tmp_path: Path) -> None:
    """The queue is told the offset behind the record that holds the command and its decision."""
    subject = watched(AtBid())
    async with rig(subject, tmp_path) as joined:
        seen: list[tuple[Queued, list[Record]]] = []
        joined.queue.on_put = lambda command, _offset: seen.append((command, joined.records[-2:]))
        offsets: list[int] = []
        joined.pump.turn([*START, reconciled(T0 + 5 * SECOND)])
        joined.at = T0 + 10 * SECOND
        joined.pump.turn([e.FeedHeard("kalshi", joined.at), reconciled(joined.at)])
        ((command, tail),) = seen
        assert isinstance(command, PlaceOrder)
        assert [Decided(joined.at), command] == tail
        joined.queue.on_put = lambda _command, offset: offsets.append(offset)
        joined.pump.turn([e.StopRequested("test", joined.at)])
        assert all(offset == joined.journal.end for offset in offsets)


async def test_the_disk_begins_before_the_queue_has_the_order(tmp_path: Path) -> None:
    """With what is on file then; a decision that sends nothing leaves the disk alone."""
    subject = watched(AtBid())
    async with rig(subject, tmp_path) as joined:
        seen: list[object] = []
        joined.pump._begin_sync = lambda: seen.append(joined.records[-1])
        joined.queue.on_put = lambda _command, _offset: seen.append("queued")
        joined.pump.turn([*START, reconciled(T0 + 5 * SECOND)])
        assert [] == seen
        joined.at = T0 + 10 * SECOND
        joined.pump.turn([e.FeedHeard("kalshi", joined.at), reconciled(joined.at)])
        assert [PlaceOrder, str] == [type(one) for one in seen]


async def test_what_cannot_be_recorded_is_not_handled(tmp_path: Path) -> None:
    """A full disk ends the pump before the core has taken in anything of the batch."""
    subject = watched(AtBid())
    async with rig(subject, tmp_path) as joined:
        handled: list[e.Event] = []
        subject.on_handle = handled.append
        joined.inbox.put(START[0])
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, joined.journal._fd)
        os.close(full)
        with pytest.raises(JournalFailed):
            await joined.pump.run()
        assert [] == handled
        assert [] == joined.venue.requests
