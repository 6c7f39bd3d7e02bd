"""The notes at the foot of the screen: none when all is well, and one line for each thing that isn't."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.units import HOUR, MINUTE, SECOND
from daemon.shell.notes import notes_of
from daemon.shell.notices import Notices
from daemon.shell.notifications import Notifications
from daemon.shell.samples import Sources
from tests.core.worlds import CONFIG, T0, TICKER, Scripted, engine, spec
from tests.shell.beliefs import LATER, lived
from tests.shell.standing import standing
from tests.shell.test_notifications import HALT, Taker

NEWS = e.ReferencePriceReceived("kraken", "BTC/USD", 84_000_000_000, LATER, LATER)
INDEX = e.ReferencePriceReceived("cfbenchmarks", "BRTI", 84_000_000_000, LATER, LATER)


def told(*events: e.Event) -> Engine:
    """A daemon that lived and whose reference is well, and what it is told besides."""
    subject = lived()
    for event in (e.FeedConnected("kraken", LATER), NEWS, INDEX, *events):
        subject.handle(event)
    return subject


def notes(subject: Engine, folder: Path, at: int = LATER) -> tuple[str, ...]:
    with standing(subject, folder) as sources:
        return notes_of(sources, at)


def test_when_all_is_well_there_is_none(tmp_path: Path) -> None:
    """With a maintenance planned that is further off than an hour."""
    windows = ((LATER + 2 * HOUR, LATER + 4 * HOUR),)
    status = e.ExchangeStatusTold(True, True, (), None, LATER)
    assert () == notes(told(status, e.MaintenancePlanned(windows, LATER)), tmp_path)


DRIFT = [e.FrameRefused("kalshi", "new", LATER)] * (CONFIG.limits.refused_per_minute_max + 1)
NOTES: dict[str, tuple[list[e.Event], str]] = {
    "halt": ([e.HaltRequested("operator", LATER, "cli")], "halted by cli: operator"),
    "strategy": (
        [e.StrategySwitched("scripted", False, "3 of 200 calls took more than 5 ms", LATER, "too slow")],
        "strategy scripted is off (too slow): 3 of 200 calls took more than 5 ms",
    ),
    "breaker": (
        [e.VenueFailed("probe", "HTTP 503", LATER)] * CONFIG.failures_max,
        "breaker open: failures of the account: probe was not answered: HTTP 503",
    ),
    "pause": (
        [e.ExchangeStatusTold(False, False, (), LATER + HOUR, LATER)],
        "the exchange is paused, back at {hour} UTC",
    ),
    "trading": ([e.ExchangeStatusTold(True, False, (), None, LATER)], "trading is paused"),
    "ahead": (
        [e.MaintenancePlanned(((LATER + HOUR, LATER + 3 * HOUR),), LATER)],
        "maintenance at {hour} UTC, in 60 min",
    ),
    "on": ([e.MaintenancePlanned(((LATER, LATER + HOUR),), LATER)], "maintenance until {hour} UTC"),
    "quiet": (
        [e.ChannelQuieted("kalshi", "trade", 6 * MINUTE, LATER)],
        "connection kalshi: trade fell silent, against its habit, for 6 min",
    ),
    "drift": ([*DRIFT], "schema drift: more than 20 frames in a minute can't be read"),
    "audit": ([e.BookAudited(TICKER, False, LATER)], f"{TICKER} differed from the venue's REST book"),
    "kraken": ([e.FeedDropped("kraken", "cut", LATER)], "reference: cfbenchmarks, kraken is down"),
    "status": (
        [e.ReferenceStatusTold("kraken", "maintenance", False, LATER)],
        "reference: cfbenchmarks, kraken does not trade",
    ),
}


def test_a_wish_to_flatten_is_told_until_nothing_is_held(tmp_path: Path) -> None:
    """Below the halt that it implies; and that it is done."""
    wish = e.FlattenRequested("away", 500, LATER)
    halted = "halted by cli: flatten: away"
    assert (halted, "flattening: closing all positions") == notes(told(wish), tmp_path / "held")
    flat = engine(Scripted())
    flat.handle(wish)
    assert (halted, "flat: nothing is held") == notes(flat, tmp_path / "flat")[:2]


@pytest.mark.parametrize(("events", "expected"), NOTES.values(), ids=NOTES)
def test_each_thing_has_its_line(events: list[e.Event], expected: str, tmp_path: Path) -> None:
    """What it is, and until when where that is known."""
    hour = f"{(LATER + HOUR) // HOUR % 24:02d}:{(LATER + HOUR) // MINUTE % 60:02d}"
    assert (expected.format(hour=hour),) == notes(told(*events), tmp_path)


def test_a_connection_is_named_with_what_ails_it(tmp_path: Path) -> None:
    """One of several, where the head of the screen shows the worst only."""
    subject = told(e.MarketRouted("OTHER", "kalshi-2", LATER), e.FeedDropped("kalshi-2", "cut", LATER))
    assert ("connection kalshi-2 is down",) == notes(subject, tmp_path / "down")
    later = LATER + CONFIG.limits.feed_silent_max + SECOND
    subject = told(e.FeedHeard("kraken", later))
    assert "connection kalshi is silent" in notes(subject, tmp_path / "silent", later)


def test_a_silent_reference_is_told_from_a_lost_one(tmp_path: Path) -> None:
    """Which source is believed instead, and where there is none, all that is wrong."""
    later = LATER + CONFIG.reference.stale_max + SECOND
    index = e.ReferencePriceReceived("cfbenchmarks", "BRTI", 84_000_000_000, later, later)
    subject = told(e.FeedHeard("kalshi", later), index)
    assert ("reference: cfbenchmarks, kraken is silent",) == notes(subject, tmp_path / "silent", later)
    back = later + SECOND
    subject.handle(e.FeedHeard("kraken", back))
    subject.handle(e.FeedHeard("kalshi", back))
    assert ("reference: cfbenchmarks, kraken has yet to settle",) == notes(subject, tmp_path / "back", back)
    subject = lived()
    expected = ("reference: none, kraken is not connected, cfbenchmarks is down",)
    subject.handle(INDEX)
    subject.handle(e.FeedDropped("kalshi", "cut", LATER))
    assert expected == notes(subject, tmp_path / "none")[-1:]


def test_markets_that_wait_are_named_while_they_are_few(tmp_path: Path) -> None:
    """By name up to three, by number from four on."""
    subject = engine(Scripted(), msgspec.structs.replace(CONFIG, is_backfilled=True))
    subject.handle(e.MarketListed(spec(), T0))
    assert f"{TICKER} not traded before the past is read" in notes(subject, tmp_path / "one")
    for number in range(3):
        subject.handle(e.MarketListed(spec(f"KXBTC15M-X-{number}"), T0))
    assert "4 markets not traded before the past is read" in notes(subject, tmp_path / "four")


def _limit_reads(sources: Sources) -> None:
    assert sources.gate is not None
    sources.gate.limited = 3


def _limit_orders(sources: Sources) -> None:
    sources.metrics.orders_limited = 1_200


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (_limit_reads, "3 reads refused by the venue for want of tokens (429)"),
        (_limit_orders, "1,200 order requests refused by the venue for want of tokens (429)"),
    ],
)
def test_what_the_venue_limits_is_told(
    limit: Callable[[Sources], None], expected: str, tmp_path: Path
) -> None:
    """It should never happen: the token budgets are ours to keep."""
    with standing(told(), tmp_path) as sources:
        limit(sources)
        assert (expected,) == notes_of(sources, LATER)
        assert () == notes_of(msgspec.structs.replace(sources, gate=None), LATER) or limit is _limit_orders


def test_markets_without_a_connection_are_told(tmp_path: Path) -> None:
    """The venue let us have no further one."""
    with standing(told(), tmp_path) as sources:
        sources.feeds._routes.waiting["KXFULL"] = None
        assert ("KXFULL without a connection: none has room",) == notes_of(sources, LATER)


def test_a_notification_that_did_not_arrive_is_told(tmp_path: Path) -> None:
    """Until the next one does: nobody should wait for word that can't come."""
    queue = Notifications({"line 2": Taker(False)})
    notices = Notices(["halt"], "sandbox", queue)
    queue.put(HALT)
    queue.close()
    with standing(told(), tmp_path) as sources:
        found = notes_of(msgspec.structs.replace(sources, notices=notices), LATER)
    assert ("notification: halt did not reach line 2, tried 2 times",) == found
