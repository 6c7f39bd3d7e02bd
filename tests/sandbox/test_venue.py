"""Tests of the joined world."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daemon.core.units import MONEY_ONE
from daemon.sandbox.state import Store
from daemon.sandbox.venue import IdSource, Venue
from tests.sandbox.running import running
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


async def test_a_market_that_is_long_over_is_forgotten(tmp_path: Path) -> None:
    """As a restart would: from lists, candles, trades and disk; what names it can still be read."""
    async with asyncio.timeout(60), running(tmp_path, speed=None) as client:
        venue = client.sandbox.venue
        venue.tell([*venue.exchange.change_event_fees(SETTLED.rpartition("-")[0], None, venue.clock.now())])
        assert 200 == (await client.call("GET", f"/markets/{SETTLED}"))[0]
        # A close that is moved ahead leaves the old one behind in whatever watches it.
        await client.admin("/markets", ticker="EARLY", closes_in_ms=3 * 86_400_000)
        await client.admin("/markets/close", ticker="EARLY")
        await client.admin("/markets/determine", ticker="EARLY", result="yes")
        await client.admin("/markets/settle", ticker="EARLY")
        for days in (1, 1, 2):
            await client.admin("/clock/advance", ms=days * 86_400_000, step_ms=60_000)
        assert [OPEN] == list(venue.exchange.markets)
        assert 404 == (await client.call("GET", f"/markets/{SETTLED}"))[0]
        status, found = await client.call("GET", "/events/fee_changes")
        assert (200, "KXBTC15M") == (status, found["event_fee_changes"][0]["series_ticker"])
        for path in ("/series", "/events", "/markets", "/markets/trades", "/portfolio/positions"):
            assert 200 == (await client.call("GET", path))[0]
        assert [OPEN] == [record.spec.ticker for record in venue.store.load().markets]
