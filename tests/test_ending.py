"""The end of a run, with the pump, the queue and a venue over real sockets; the engine's clock runs fast."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import structlog.testing

from daemon import ending
from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.strategy import Target
from daemon.core.units import MILLISECOND, SECOND
from daemon.ending import Ending
from tests.core.worlds import CONFIG, NOW, Scripted, trading
from tests.shell.test_loop import Rig, rig

LEAVES = msgspec.structs.replace(CONFIG, cancels_on_exit=False)


def quoting(strategy: Scripted, *, leaves: bool = False) -> Engine:
    """An engine of which one order rests."""
    subject = trading(strategy, LEAVES if leaves else CONFIG)
    strategy.targets = (Target("bid", 4_000, 1_000, "rest", "quote"),)
    subject.decide(NOW)
    (name,) = subject.state.orders
    subject.handle(e.OrderAccepted("place", name, "o1", 0, 1_000, NOW, NOW))
    return subject


@asynccontextmanager
async def ending_of(subject: Engine, folder: Path) -> AsyncIterator[tuple[Rig, Ending]]:
    """A run that goes on until it is asked to end."""
    async with rig(subject, folder) as joined:
        joined.at = NOW + SECOND
        subject.handle(e.FeedHeard("kalshi", joined.at))

        async def tick() -> None:
            while True:
                await asyncio.sleep(0.01)
                joined.at += 50 * MILLISECOND
                joined.inbox.put(e.FeedHeard("kalshi", joined.at))

        ticking = asyncio.create_task(tick())
        try:
            yield joined, Ending(subject, joined.pump, now=joined.now, emit=joined.inbox.put)
        finally:
            ticking.cancel()
            await asyncio.wait({ticking})


async def test_a_stop_cancels_confirms_and_is_confirmed(tmp_path: Path) -> None:
    """Asked for twice, it is one stop, for the first reason."""
    subject = quoting(Scripted())
    async with ending_of(subject, tmp_path) as (joined, end):
        end.ask("SIGINT")
        end.ask("--for 30s")
        assert await end.turn_until_stopped()
        assert "o1" in joined.venue.names
        asked = [record for record in joined.records if isinstance(record, e.StopRequested)]
    assert ["SIGINT"] == [one.reason for one in asked]
    assert ("SIGINT", "stopped", []) == (end.reason, subject.phase, end.lines())


async def test_what_is_to_stay_stays_and_is_named(tmp_path: Path) -> None:
    """No cancel is sent; the log has the order with its ids, market and price."""
    subject = quoting(Scripted(), leaves=True)
    async with ending_of(subject, tmp_path) as (joined, end):
        end.ask("SIGINT")
        with structlog.testing.capture_logs() as lines:
            assert await end.turn_until_stopped()
        assert not [name for name in joined.venue.names if name in ("o1", "all")]
    (line,) = end.lines()
    assert ("o1", "0.4000", "10.00", "resting") == (line.order_id, line.price, line.remaining, line.state)
    assert [[str(line)]] == [told["orders"] for told in lines if told["event"] == "stop.left"]


async def test_a_halt_takes_out_what_was_to_stay(tmp_path: Path) -> None:
    """Whoever halts wants nothing to rest."""
    subject = quoting(Scripted(), leaves=True)
    subject.handle(e.HaltRequested("enough", NOW, "latch"))
    async with ending_of(subject, tmp_path) as (joined, end):
        end.ask("SIGINT")
        assert await end.turn_until_stopped()
        assert "o1" in joined.venue.names
    assert [] == end.lines()


async def test_a_second_signal_leaves_at_once(tmp_path: Path) -> None:
    """Unconfirmed, and what rests is named."""
    subject = quoting(Scripted())
    async with ending_of(subject, tmp_path) as (joined, end):
        joined.venue.held = asyncio.Event()
        end.press("SIGINT")
        asyncio.get_running_loop().call_later(0.3, end.press, "SIGTERM")
        with structlog.testing.capture_logs() as lines:
            assert not await end.turn_until_stopped()
        joined.venue.held.set()
    (told,) = [line for line in lines if line["event"] == "stop.unconfirmed"]
    assert ("a second signal", "SIGINT") == (told["reason"], end.reason)
    assert "o1" in told["orders"][0]


async def test_a_pause_that_holds_all_that_is_left_is_not_waited_for(tmp_path: Path) -> None:
    """No cancel passes it, so none is sent, and the daemon says so at once."""
    subject = quoting(Scripted())
    subject.handle(e.ExchangeStatusTold(False, False, (), None, NOW))
    async with ending_of(subject, tmp_path) as (_joined, end):
        end.ask("SIGINT")
        with structlog.testing.capture_logs() as lines:
            assert not await end.turn_until_stopped()
    (told,) = [line for line in lines if line["event"] == "stop.unconfirmed"]
    assert "paused" in told["reason"]


async def test_a_stop_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue that never answers: it leaves when its time is up."""
    monkeypatch.setattr(ending, "STOP_WITHIN_S", 0.3)
    subject = quoting(Scripted())
    async with ending_of(subject, tmp_path) as (joined, end):
        joined.venue.held = asyncio.Event()
        end.ask("SIGINT")
        with structlog.testing.capture_logs() as lines:
            assert not await end.turn_until_stopped()
        joined.venue.held.set()
    (told,) = [line for line in lines if line["event"] == "stop.unconfirmed"]
    assert "0.3 s" in told["reason"]
