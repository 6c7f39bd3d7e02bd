"""Progress is what gets done here; never what the venue does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.events import FeedHeard
from daemon.core.units import SECOND, Ns
from daemon.shell.journal import Journal
from daemon.shell.progress import FEED_SILENT_MAX, Progress
from tests.core.worlds import T0, Scripted, snapshot, trading
from tests.shell.test_journal import HEADER


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal on a real disk."""
    journal = Journal.create(tmp_path, HEADER)
    yield journal
    journal.close()


def world(journal: Journal, now: list[Ns], unwell: list[str | None]) -> tuple[Engine, Progress]:
    """An engine that trades one open market, and its progress at `now[0]`."""
    engine = trading(Scripted())
    return engine, Progress(engine.state, journal, lambda: unwell[0], lambda: now[0])


async def test_a_daemon_that_works_is_not_stuck(journal: Journal) -> None:
    """Its data is fresh, its journal is on the disk at each look."""
    _engine, progress = world(journal, [T0], [None])
    for _ in range(3):
        journal.append([FeedHeard("kalshi", 1)])
        assert progress.why_stuck() is None
        await journal.synced(journal.end)


async def test_a_pump_that_does_not_turn_is_no_progress(journal: Journal) -> None:
    """Its own reason is passed on."""
    _engine, progress = world(journal, [T0], ["the pump has not turned for 9 s"])
    assert "the pump has not turned for 9 s" == progress.why_stuck()


async def test_a_disk_that_takes_nothing_between_two_looks_is_no_progress(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync hangs in its thread, the loop does not; it is seen all the same, and when it is over."""
    _engine, progress = world(journal, [T0], [None])
    release = asyncio.Event()
    loop = asyncio.get_running_loop()
    sync = os.fdatasync

    def hang(fd: int) -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", hang)
    journal.append([FeedHeard("kalshi", 1)])
    assert progress.why_stuck() is None
    await asyncio.sleep(0.05)
    assert "the disk has not taken" in (progress.why_stuck() or "")
    release.set()
    await journal.synced(journal.end)
    assert progress.why_stuck() is None


@pytest.mark.parametrize(("silent", "is_stuck"), [(FEED_SILENT_MAX, False), (FEED_SILENT_MAX + SECOND, True)])
async def test_a_connection_believed_in_and_silent_for_long_is_no_progress(
    journal: Journal, silent: Ns, is_stuck: bool
) -> None:
    """While its market is open: somebody should have ended that connection."""
    now = [T0]
    engine, progress = world(journal, now, [None])
    feed = next(iter(engine.state.markets.values())).feed
    assert feed.heard_at is not None
    now[0] = feed.heard_at + silent
    assert is_stuck == ("silent" in (progress.why_stuck() or ""))


async def test_a_venue_that_is_down_is_no_standstill(journal: Journal) -> None:
    """A restart would not bring it back."""
    now = [T0]
    engine, progress = world(journal, now, [None])
    engine.handle(e.FeedDropped("kalshi", "gone", T0))
    now[0] = T0 + 2 * FEED_SILENT_MAX
    assert progress.why_stuck() is None


async def test_closed_markets_may_be_silent(journal: Journal) -> None:
    """The night before the next one opens is no standstill."""
    now = [T0]
    engine, progress = world(journal, now, [None])
    engine.handle(snapshot())
    now[0] = next(iter(engine.state.markets.values())).spec.close_at + FEED_SILENT_MAX
    assert progress.why_stuck() is None
