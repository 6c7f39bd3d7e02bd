"""The venue as the ingest reads it, against a real sandbox: pages, both tiers, and the budget."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.core.units import HOUR, MINUTE, SECOND
from daemon.kalshi.errors import Refused
from daemon.lab.ingest import venue as module
from daemon.sandbox.cutoff import CutoffRule
from tests.lab.ingest.past_venue import PAST, SERIES, TRADES, past_venue

ALL = (0, 4_000_000_000)


async def test_candles_are_the_same_in_both_tiers(tmp_path: Path) -> None:
    """Many live markets in one answer, one archived at a time; each tier lacks what is in the other."""
    async with past_venue(tmp_path) as (client, venue):
        live = await venue.candle_rows(SERIES, [*PAST, "KXNOWHERE"], ALL, 1)
        assert set(PAST) == set(live)
        with pytest.raises(Refused, match="not_found"):
            await venue.past_candle_rows(SERIES, PAST[0], ALL, 1)
        client.sandbox.venue.chronicle.cutoff = CutoffRule(HOUR, HOUR, SECOND)
        assert {} == await venue.candle_rows(SERIES, PAST, ALL, 1)
        past = {name: await venue.past_candle_rows(SERIES, name, ALL, 1) for name in PAST}
        assert live == past
        assert [15] * 3 == [len(rows) for rows in past.values()]


async def test_trades_come_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first, each with what the store wants of it, until the cursor is empty."""
    monkeypatch.setattr(module, "PAGE_TRADES", 15)
    async with past_venue(tmp_path) as (_, venue):
        sizes: list[int] = []
        times: list[int] = []
        cursor = ""
        while not sizes or cursor:
            rows, cursor = await venue.trade_rows(SERIES, PAST[0], ALL, cursor, is_historical=False)
            sizes.append(len(rows))
            times += [row["traded_at"] for row in rows]
        assert [15, 15, TRADES - 30] == sizes
        assert sorted(times, reverse=True) == times
        assert (SERIES, 500, "yes") == (rows[0]["series_ticker"], rows[0]["qty"], rows[0]["taker_side"])
        assert rows[0]["known_at"] == rows[0]["traded_at"]


async def test_reads_keep_within_the_budget(tmp_path: Path) -> None:
    """Many at once wait for their turn: the venue never has to say that it is too much."""
    async with past_venue(tmp_path) as (_, venue):
        await asyncio.gather(*(venue.candle_rows(SERIES, PAST, ALL, 60) for _ in range(30)))
        assert venue.gate is not None
        assert {"limited": 0, "passed": 30} == {
            "limited": venue.gate.limited,  # type: ignore[attr-defined]
            "passed": venue.gate.passed["market"],  # type: ignore[attr-defined]
        }


async def test_only_markets_of_the_span_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those open at some time within it, a few at a time, each with its event's title; of both tiers."""
    monkeypatch.setattr(module, "MARKETS_AT_ONCE", 2)
    async with past_venue(tmp_path) as (client, venue):
        hour = client.sandbox.venue.clock.now() // HOUR * HOUR
        begin = hour - 3 * HOUR
        for since, until, expected in (
            (begin, begin + 1, [PAST[1]]),
            (begin - 1, begin, []),
            (begin + 15 * MINUTE, begin + HOUR, []),
            (begin + 15 * MINUTE - 1, begin + HOUR + 1, [PAST[1], PAST[2]]),
            (0, hour - HOUR, list(PAST)),
        ):
            listed = await venue.markets_within(SERIES, since, until, is_historical=False)
            assert expected == sorted((one.market.spec.ticker for one in listed), reverse=True)
            assert {"BTC price up in next 15 mins?"} >= {one.event_title for one in listed}
        client.sandbox.venue.chronicle.cutoff = CutoffRule(HOUR, HOUR, SECOND)
        past = await venue.markets_within(SERIES, begin, begin + 1, is_historical=True)
        assert [(PAST[1], "yes")] == [(one.market.spec.ticker, one.market.result) for one in past]
        assert {} == venue.markets_refused
