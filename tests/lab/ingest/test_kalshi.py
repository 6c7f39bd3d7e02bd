"""A series into the store, from a real sandbox over loopback: whole, once, and on after whatever stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.core.units import DAY, HOUR, MINUTE, SECOND, Ns
from daemon.kalshi.errors import Refused, Transient
from daemon.lab.ingest import kalshi as module
from daemon.lab.ingest import venue as pages
from daemon.lab.ingest.kalshi import WHATS, Request, Tally, ingest_kalshi
from daemon.lab.ingest.venue import ResearchRest
from daemon.lab.store import Store, open_store
from daemon.sandbox.cutoff import CutoffRule
from tests.lab.ingest.past_venue import PAST, SERIES, TRADES, past_venue, ticker_of
from tests.sandbox.running import Client
from tests.sandbox.scripted import OPEN

TABLES = ("events", "markets", "settlements", "candles", "trades")


def everything(client: Client, **changes: Any) -> Request:
    """Return a request for the last day, up to an instant that doesn't move."""
    until = clock(client)() // SECOND * SECOND - 2 * MINUTE
    return Request(**{"series": SERIES, "since": until - DAY, "until": until, **changes})


def clock(client: Client) -> Callable[[], Ns]:
    return client.sandbox.venue.clock.now


def store_in(folder: Path) -> Store:
    return open_store(folder, may_create=True)


async def ingested(client: Client, venue: ResearchRest, store: Store, request: Request) -> Tally:
    return await ingest_kalshi(venue, store, request, now=clock(client))


def files_of(store: Store) -> dict[str, bytes]:
    """Return every file of the store but its lock, by path."""
    paths = (path for path in sorted(store.root.rglob("*")) if path.is_file() and path.name != "lock")
    return {path.relative_to(store.root).as_posix(): path.read_bytes() for path in paths}


def counted(store: Store, table: str) -> int:
    found: int = store.rows(f"SELECT count(*) AS n FROM {table}").column("n")[0].as_py()
    return found


async def test_a_series_is_read_whole_and_once(tmp_path: Path) -> None:
    """All kinds of rows; again, nothing is asked for but the lists, and no byte changes."""
    async with past_venue(tmp_path / "venue") as (client, venue):
        request = everything(client)
        with store_in(tmp_path / "store") as store:
            told: list[tuple[int, int]] = []
            tally = await ingest_kalshi(
                venue, store, request, now=clock(client), progress=lambda *pair: told.append(pair)
            )
            assert {} == tally.left_out
            assert (0, told[-1][1]) == told[0]
            assert told[-1][0] == told[-1][1]
            assert [3, 3, 3, 3 * TRADES] == [
                counted(store, name) for name in ("events", "markets", "settlements", "trades")
            ]
            by_period = "SELECT period_min, count(*) FROM candles GROUP BY 1 ORDER BY 1"
            assert [(1, 45), (60, 3)] == [tuple(row.values()) for row in store.rows(by_period).to_pylist()]
            before, reads = files_of(store), venue.gate.passed["market"]  # type: ignore[union-attr]
            again = await ingested(client, venue, store, request)
            assert 0 == sum(one.new + one.contradicted for one in again.added.values())
            assert before == files_of(store)
            # The cutoff and two lists, for series and events are remembered by the client.
            assert venue.gate.passed["market"] - reads <= 3  # type: ignore[union-attr]
            assert 0 == venue.gate.limited  # type: ignore[union-attr]


async def test_both_tiers_say_the_same(tmp_path: Path) -> None:
    """Archived or live, or a part of each: the store has the same rows."""
    async with past_venue(tmp_path / "venue") as (client, venue):
        request, found = everything(client), []
        for number, ages in enumerate((60 * DAY, HOUR, 3 * HOUR)):
            client.sandbox.venue.chronicle.cutoff = CutoffRule(ages, ages, SECOND)
            with store_in(tmp_path / f"store{number}") as store:
                await ingested(client, venue, store, request)
                found.append(store.sha256s(*TABLES))
        assert found[0] == found[1] == found[2]


async def test_a_market_that_is_archived_meanwhile_is_found_there(tmp_path: Path) -> None:
    """The lists said that it was live; its candles come from the other tier."""
    async with past_venue(tmp_path / "venue") as (client, venue):
        asked = venue.candle_rows

        async def archive_first(*words: Any) -> Any:
            client.sandbox.venue.chronicle.cutoff = CutoffRule(HOUR, 60 * DAY, SECOND)
            return await asked(*words)

        venue.candle_rows = archive_first  # type: ignore[assignment, method-assign]
        with store_in(tmp_path / "store") as store:
            await ingested(client, venue, store, everything(client, what=frozenset({"candles"})))
            assert 48 == counted(store, "candles")


async def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    """Of markets that were open within the span, no candle or trade outside it; no kind that wasn't named."""
    async with past_venue(tmp_path / "venue") as (client, venue):
        begin = clock(client)() // HOUR * HOUR - 3 * HOUR
        span = {"since": begin + 5 * MINUTE, "until": begin + 10 * MINUTE}
        with store_in(tmp_path / "store") as store:
            await ingested(client, venue, store, everything(client, periods=(1,), **span))
            assert [ticker_of(3)] == store.rows("SELECT ticker FROM markets").column(0).to_pylist()
            ends = store.rows("SELECT ended_at FROM candles ORDER BY 1").column(0).to_pylist()
            assert [begin + minute * MINUTE for minute in range(5, 11)] == ends
            (row,) = store.rows("SELECT min(traded_at) AS a, max(traded_at) AS b FROM trades").to_pylist()
            assert span["since"] <= row["a"] <= row["b"] <= span["until"]
        with store_in(tmp_path / "bare") as store:
            await ingested(client, venue, store, everything(client, what=frozenset({"markets"})))
            assert [3, 0, 0] == [counted(store, name) for name in ("markets", "candles", "trades")]


async def test_the_open_market_has_no_end_and_no_running_candle(tmp_path: Path) -> None:
    """Its book is that of the moment, best level first; what can still change is left for the next time."""
    async with past_venue(tmp_path / "venue") as (client, venue):
        request = everything(client, until=None, what=frozenset(WHATS))
        with store_in(tmp_path / "store") as store:
            await ingested(client, venue, store, request)
            market = store.rows("SELECT * FROM markets WHERE ticker = ?", [OPEN]).to_pylist()[0]
            assert (False, market["open_at"]) == (market["was_over"], market["known_at"])
            assert [] == store.rows("SELECT * FROM settlements WHERE ticker = ?", [OPEN]).to_pylist()
            assert [] == store.rows("SELECT * FROM candles WHERE ended_at > ?", [clock(client)()]).to_pylist()
            levels = store.rows(
                "SELECT side, level, price, qty FROM books WHERE level = 0 ORDER BY side"
            ).to_pylist()
            assert [("no", 0, 4000, 10_000), ("yes", 0, 4000, 10_000)] == [
                tuple(row.values()) for row in levels
            ]


async def test_a_series_is_told_again_only_when_it_says_otherwise(tmp_path: Path) -> None:
    """Each version has the instant at which it was read; the same one twice is one."""
    async with past_venue(tmp_path / "venue") as (client, venue):
        request = everything(client, what=frozenset({"markets"}))
        with store_in(tmp_path / "store") as store:
            for multiplier in (1_000_000, 1_000_000, 500_000):
                newest = store.rows("SELECT max(known_at) AS at FROM series").column("at")[0].as_py()
                if multiplier == 500_000:
                    row = store.rows("SELECT * FROM series").to_pylist()[0]
                    store.add("series", [{**row, "fee_multiplier_ppm": multiplier, "known_at": newest + 1}])
                await ingested(client, venue, store, request)
            multipliers = (
                store.rows("SELECT fee_multiplier_ppm FROM series ORDER BY known_at").column(0).to_pylist()
            )
            assert [1_000_000, 500_000, 1_000_000] == multipliers


@pytest.mark.parametrize("at", [6, *(pytest.param(at, marks=pytest.mark.full) for at in (2, 3, 9, 11, 12))])
async def test_what_stops_it_loses_nothing(tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled at any page: the next run asks for the rest alone, and ends with the same files."""
    monkeypatch.setattr(pages, "PAGE_TRADES", 10)
    async with past_venue(tmp_path / "venue") as (client, venue):
        request = everything(client)
        with store_in(tmp_path / "whole") as store:
            await ingested(client, venue, store, request)
            whole = store.sha256s(*TABLES)
        with store_in(tmp_path / "store") as store:
            asked = venue.trade_rows
            count = 0
            reading: asyncio.Task[Tally]

            async def stop_at(*words: Any, **named: Any) -> Any:
                nonlocal count
                count += 1
                if count == at:
                    reading.cancel()
                return await asked(*words, **named)

            venue.trade_rows = stop_at  # type: ignore[method-assign]
            reading = asyncio.create_task(ingested(client, venue, store, request))
            with pytest.raises(asyncio.CancelledError):
                await reading
            kept, first = counted(store, "trades"), count
            # Pages that were answered are kept; those in flight, at most four, are not.
            assert kept >= 10 * (first - 4)
            await ingested(client, venue, store, request)
            assert whole == store.sha256s(*TABLES)
            # What was kept is not asked for again but for the second at which it ends.
            assert count - first <= 3 * (TRADES // 10 + 1) - kept // 10 + 3


async def test_a_venue_that_fails_for_a_while_is_asked_again(tmp_path: Path) -> None:
    """A few 500s delay it; one that is refused ends it, and says so."""
    async with past_venue(tmp_path / "venue") as (client, venue):
        with store_in(tmp_path / "store") as store:
            await client.admin("/faults", kind="http_500", path="*/markets/trades", next=2)
            await ingested(client, venue, store, everything(client))
            assert 3 * TRADES == counted(store, "trades")
        with store_in(tmp_path / "other") as store, pytest.raises(Refused, match="not_found"):
            await ingested(client, venue, store, everything(client, series="KXNOWHERE"))


@pytest.mark.parametrize("is_told", [True, False])
async def test_more_than_the_venue_gives_at_once_is_asked_in_halves(
    tmp_path: Path, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it refuses, or leaves some out: an answer as long as they may be is not believed."""
    monkeypatch.setattr(module, "CANDLES_MAX", 16)
    async with past_venue(tmp_path / "venue") as (client, venue):
        asked, sizes = venue.candle_rows, []

        async def at_most_16(series: str, tickers: list[str], *words: Any) -> Any:
            sizes.append(len(tickers))
            if is_told and len(tickers) > 1:
                raise Refused(400, "http_400", "too many candles")
            found = await asked(series, tickers, *words)
            return {name: rows[: 16 - 15 * place] for place, (name, rows) in enumerate(found.items())}

        venue.candle_rows = at_most_16  # type: ignore[assignment, method-assign]
        with store_in(tmp_path / "store") as store:
            await ingested(client, venue, store, everything(client, periods=(1,)))
            assert ([3, 1, 2, 1, 1], 45) == (sizes, counted(store, "candles"))


async def test_a_cursor_that_repeats_is_no_endless_loop(tmp_path: Path) -> None:
    """It is said, and what was read is kept."""
    async with past_venue(tmp_path / "venue") as (client, venue):

        async def same_page(*_words: Any, **_named: Any) -> Any:
            return [], "again"

        venue.trade_rows = same_page  # type: ignore[method-assign]
        with store_in(tmp_path / "store") as store, pytest.raises(Transient, match="the cursor repeats"):
            await ingested(client, venue, store, everything(client))
        with store_in(tmp_path / "store") as store:
            assert 3 == counted(store, "markets")
            assert set(PAST) == set(store.rows("SELECT ticker FROM markets").column(0).to_pylist())
