"""What is looked after by the clock, and what at once."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.commands import LatchHalt
from daemon.core.engine import Engine
from daemon.core.upkeep import EVERY
from tests.core.worlds import NOW, TICKER, Scripted, trading

DELTA = e.BookDeltaReceived(TICKER, "yes", 3_900, 100, NOW, NOW)


def looks(subject: Engine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the instant of every look."""
    found: list[int] = []
    guards = subject._guards
    before = guards.decide

    def look(now: int, **losses: int) -> object:
        found.append(now)
        return before(now, **losses)

    monkeypatch.setattr(guards, "decide", look)
    return found


def test_a_burst_of_deltas_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Market data alone makes no losses, answers or halts: those are looked for by the clock."""
    subject = trading(Scripted())
    subject.decide(NOW)
    found = looks(subject, monkeypatch)
    for step in range(1, 101):
        subject.handle(DELTA)
        subject.decide(NOW + step * EVERY // 50)
    assert [NOW + EVERY, NOW + 2 * EVERY] == found


def test_what_is_no_market_event_is_looked_at_with_the_next_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer, a fill, a person's word: whatever the time."""
    subject = trading(Scripted())
    subject.decide(NOW)
    found = looks(subject, monkeypatch)
    subject.handle(e.FeedHeard("kalshi", NOW + 1))
    subject.decide(NOW + 1)
    assert [NOW + 1] == found


def test_a_halt_is_latched_with_the_next_decision_in_a_burst_too() -> None:
    """No tick passes between a person's halt and its latch, however near they are."""
    subject = trading(Scripted())
    subject.decide(NOW)
    subject.handle(DELTA)
    subject.handle(e.HaltRequested("enough", NOW + 1, "cli"))
    subject.handle(DELTA)
    assert ["enough"] == [one.reason for one in subject.decide(NOW + 1) if isinstance(one, LatchHalt)]


def test_prices_of_the_underlying_and_trades_are_market_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come as often as deltas do, and say as little of the account."""
    subject = trading(Scripted())
    subject.decide(NOW)
    found = looks(subject, monkeypatch)
    subject.handle(e.ReferencePriceReceived("kraken", "BTC/USD", 84_000_000_000, NOW + 1, NOW + 1))
    subject.handle(e.TradePrinted(TICKER, "t-1", 4_000, 100, "yes", NOW + 1, NOW + 1))
    subject.decide(NOW + 1)
    assert [] == found
    assert 84_000_000_000 == subject.state.reference_price


def test_by_a_reading_of_queues_nothing_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for people: whether one looks must not change when the core looks after itself."""
    subject = trading(Scripted())
    subject.decide(NOW)
    found = looks(subject, monkeypatch)
    subject.handle(e.QueuePlacesRead(NOW, NOW + 1, (e.QueuePlace("v-1", TICKER, 4_000, 100),)))
    assert [] == subject.decide(NOW + 1)
    assert [] == found
