"""Kraken's candles into the store, from the sandbox's own Kraken: once each, and gaps are said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from daemon.core.units import HOUR, MINUTE, SECOND
from daemon.kraken.candles import Candle, Past
from daemon.kraken.rest import ROWS_MAX, KrakenRest, ReadFailed, ReadRefused
from daemon.lab.ingest.coverage import Coverage, Covered
from daemon.lab.ingest.kraken import ingest_kraken, symbol_of
from daemon.lab.store import STATE_FOLDER, open_store
from daemon.lab.store_writer import Added
from tests.lab.ingest.past_venue import PastFlow
from tests.sandbox.running import Client, running


@asynccontextmanager
async def kraken(folder: Path) -> AsyncIterator[tuple[Client, KrakenRest]]:
    async with (
        asyncio.timeout(20),
        running(folder, PastFlow) as client,
        KrakenRest(client.ready.reference_rest_url) as rest,
    ):
        yield client, rest


async def test_finished_candles_are_read_once(tmp_path: Path) -> None:
    """Each is known at its end; the running one is left; again, nothing is new."""
    async with kraken(tmp_path / "venue") as (client, rest):
        now = client.sandbox.venue.clock.now
        with open_store(tmp_path / "store", may_create=True) as store:
            told = await ingest_kraken(rest, store, "BTC/USD", 1, now)
            assert ((), True) == (told.gaps, told.added.new >= 59)
            rows = store.rows("SELECT * FROM ohlc ORDER BY began_at").to_pylist()
            assert {("BTC/USD", 1, 60 * SECOND)} == {
                (row["pair"], row["period_min"], row["known_at"] - row["began_at"]) for row in rows
            }
            assert rows[-1]["known_at"] <= now()
            assert all(row["low"] <= row["close"] <= row["high"] for row in rows)
            again = await ingest_kraken(rest, store, "BTC/USD", 1, now)
            assert again.added.new <= 1
            assert 0 == again.added.contradicted
            hours = await ingest_kraken(rest, store, "BTC/USD", 60, now)
            assert hours.added.new >= 1


async def test_what_nobody_tells_any_more_is_said(tmp_path: Path) -> None:
    """A reading of long ago, and this one: between them is a gap, which the next run says again."""
    async with kraken(tmp_path / "venue") as (client, rest):
        now = client.sandbox.venue.clock.now
        with open_store(tmp_path / "store", may_create=True) as store:
            old = (now() - 40 * HOUR) // HOUR * HOUR // SECOND
            path = store.root / STATE_FOLDER / "kraken" / "BTCUSD.jsonl"
            Coverage(path).add([Covered("ohlc/1/BTC/USD", old, old + 3600)])
            for _ in range(2):
                ((since, until),) = (await ingest_kraken(rest, store, "BTC/USD", 1, now)).gaps
                assert old + 3600 == since
                assert since < until < now() // SECOND


class ScriptedRest(KrakenRest):
    """Answers what it is told to; of the wire, `KrakenRest`'s own tests speak."""

    def __init__(self, *answers: Past | ReadFailed | ReadRefused) -> None:
        super().__init__("http://127.0.0.1:1")
        self.answers = list(answers)

    async def ohlc(self, _symbol: str, _period: int, _since: int | None) -> Past:
        answer = self.answers.pop(0)
        if isinstance(answer, Past):
            return answer
        raise answer


def past(*minutes: int, until: int) -> Past:
    return Past(tuple(Candle(at * MINUTE, 1, 1, 1, 1, 1) for at in minutes), until * MINUTE)


async def test_quiet_minutes_are_no_gap(tmp_path: Path) -> None:
    """Those that the newest rows must have told had no trade; what lies before them is unknown."""
    with open_store(tmp_path, may_create=True) as store:
        rest = ScriptedRest(past(2, 3, until=5), past(9, until=20), Past((), 0), past(2000, until=2001))

        async def gaps(now: int) -> tuple[tuple[int, int], ...]:
            return (await ingest_kraken(rest, store, "A/B", 1, lambda: now * MINUTE)).gaps

        assert [(), (), ()] == [await gaps(now) for now in (5, 20, 21)]
        assert ((20 * 60, (2001 - ROWS_MAX + 1) * 60),) == await gaps(2001)


async def test_what_goes_by_is_asked_again(tmp_path: Path) -> None:
    """What is refused for good is not."""
    with open_store(tmp_path, may_create=True) as store:
        rest = ScriptedRest(ReadFailed("busy"), past(1, until=2), ReadRefused("unknown pair"))
        assert Added(1, 0) == (await ingest_kraken(rest, store, "A/B", 1, lambda: 2 * MINUTE)).added
        with pytest.raises(ReadRefused, match="unknown pair"):
            await ingest_kraken(rest, store, "A/B", 1, lambda: 2 * MINUTE)


def test_a_pair_has_one_name() -> None:
    """The newer one; what is none is said."""
    assert ["BTC/USD"] * 3 == [symbol_of(pair) for pair in ("BTC/USD", "XBT/USD", "xbt/usd")]
    for wrong in ("BTCUSD", "BTC/USD/X", "BTC/", "../x"):
        with pytest.raises(ValueError, match="is not a pair such as BTC/USD"):
            symbol_of(wrong)
