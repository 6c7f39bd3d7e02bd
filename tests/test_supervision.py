"""What the service supervisor reads of a real engine's beliefs, and of a real daemon."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.strategy import Target
from daemon.supervision import status_line, supervised
from tests.core.worlds import NOW, TICKER, Scripted, trading


def test_the_status_says_mode_phase_books_orders_and_positions() -> None:
    """In the order of what a person asks first; whether the money is real comes before all."""
    engine = trading(Scripted())
    engine.decide(NOW)
    assert "PAPER · demo, trading; 1 of 1 books, 0 open orders, 0 positions" == status_line(engine, "demo")
    assert status_line(engine, "live").startswith("LIVE · real money, trading")


def test_a_halt_says_why() -> None:
    """`systemctl status` is where its owner looks first."""
    engine = trading(Scripted())
    engine.handle(e.HaltRequested("the model looks wrong", NOW, "cli"))
    engine.decide(NOW)
    assert status_line(engine, "demo").startswith("PAPER · demo, halted: the model looks wrong; ")


def test_an_order_that_is_on_its_way_counts() -> None:
    """What may rest is said, known or not."""
    strategy = Scripted()
    engine = trading(strategy)
    strategy.targets = (Target("bid", 3_900, 100, "rest", "test"),)
    engine.handle(e.BookDeltaReceived(TICKER, "yes", 3_900, 100, NOW, NOW))
    engine.decide(NOW)
    assert "1 open orders" in status_line(engine, "demo")


def test_nobody_is_told_where_nobody_supervises(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal there is no such task."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    engine = trading(Scripted())
    assert {} == supervised(engine, None, "demo", lambda: None, lambda: NOW)  # type: ignore[arg-type]
