"""Tests of the joined world."""

from __future__ import annotations

from pathlib import Path

from daemon.core.units import MONEY_ONE
from daemon.sandbox.state import Store
from daemon.sandbox.venue import IdSource, Venue
from tests.sandbox.scripted import OPEN, SETTLED, ScriptedFlow
from tests.sandbox.taped import START, TapedFlow


def test_ids_follow_from_seed_life_and_count() -> None:
    """The same again in the same life of the same seed, others in the next."""
    one, same, next_life = IdSource(1, 1), IdSource(1, 1), IdSource(1, 2)
    first = one()
    assert (first, 36) == (same(), len(first))
    assert first != one()
    assert first != next_life()


def test_the_past_is_there_from_the_start(tmp_path: Path) -> None:
    """Settled markets, trades, spot prices and the open book, before the port opens."""
    store = Store(tmp_path / "state")
    venue = Venue(store, ScriptedFlow, seed=1, cash={2: MONEY_ONE})
    markets = venue.exchange.markets
    assert ("finalized", "active") == (markets[SETTLED].status, markets[OPEN].status)
    assert (1, 1, 4000) == (len(venue.spots), len(venue.chronicle.trades), markets[OPEN].book.bid)
    store.close()


def test_a_tape_forgets_the_account_of_the_run_before(tmp_path: Path) -> None:
    """Each replay begins with its own cash at its own time."""
    for cash in (5, 7):
        store = Store(tmp_path / "state")
        venue = Venue(store, TapedFlow, seed=1, cash={2: cash})
        assert ({2: cash}, START) == (venue.account.cash, venue.clock.now())
        store.close()
