"""The weekly series' past: the same in every life, of one piece whatever is asked, and over the wire."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.units import DAY, HOUR, MINUTE, PRICE_ONE, SECOND, Ns
from daemon.sandbox.chronicle import merge
from daemon.sandbox.flow import Archive
from daemon.sandbox.flows.economics import KEPT_FOR, SERIES, EconomicsArchive
from daemon.sandbox.flows.traders import TradersFlow
from tests.sandbox.contract import Contract
from tests.sandbox.running import Client, running

NOW: Ns = 1_795_219_200 * SECOND
WEEK = 7 * DAY


def archive(seed: int = 1, now: Ns = NOW) -> tuple[EconomicsArchive, list[str]]:
    made = EconomicsArchive(seed)
    return made, list(made.markets(now))


def test_it_is_an_archive() -> None:
    """The sandbox knows it by its protocol only."""
    made: Archive = EconomicsArchive(1)
    assert SERIES == made.listing


def test_every_life_has_the_same_past() -> None:
    """Started three weeks later it tells the same of what both know; another seed tells another."""
    (one, early), (other, late) = archive(), archive(now=NOW + 3 * WEEK)
    assert early[15:] == late[:-15]
    assert one.trades_of(early[-1]) == other.trades_of(early[-1])
    strange, names = archive(seed=2)
    assert strange.trades_of(names[-1]) != one.trades_of(early[-1])


def test_an_event_is_told_of_from_its_settlement_on() -> None:
    """Not a moment before, and for as long as the past is kept."""
    made, names = archive()
    last = made.markets(NOW)[names[-1]]
    assert last.settled_at is not None
    assert last.ticker not in EconomicsArchive(1).markets(last.settled_at - 1)
    assert last.ticker in EconomicsArchive(1).markets(last.settled_at)
    settled = [market.settled_at for market in made.markets(NOW).values()]
    assert all(at is not None and NOW - KEPT_FOR <= at <= NOW for at in settled)
    assert 40 * 5 == len(names)


def test_a_number_settles_its_whole_ladder() -> None:
    """YES up to a strike, NO from there on; of an event all say the same number."""
    made, names = archive()
    markets = made.markets(NOW)
    for first in range(0, len(names), 5):
        event = [markets[name] for name in names[first : first + 5]]
        assert 1 == len({market.expiration_value for market in event})
        results = [market.result == "yes" for market in event]
        assert sorted(results, reverse=True) == results
        assert [PRICE_ONE if market.result == "yes" else 0 for market in event] == [
            market.settlement_price for market in event
        ]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 199), st.integers(0, 36 * 24), st.integers(0, 50))
def test_candles_of_all_lengths_are_of_one_piece(place: int, from_hour: int, hours: int) -> None:
    """Any span of minutes makes its hours, and hours the days; a span is a part of the whole."""
    made, names = archive()
    name = names[place]
    open_at = made.markets(NOW)[name].spec.open_at // DAY * DAY
    whole = made.candles(name, 0, NOW, HOUR)
    begin = open_at + from_hour * HOUR
    end = begin + hours * HOUR
    some = [candle for candle in whole if begin < candle.ended_at <= end]
    assert some == made.candles(name, begin + 1, end, HOUR)
    assert some == merge(made.candles(name, begin + 1, end, MINUTE), HOUR)
    assert merge(whole, DAY) == made.candles(name, 0, NOW, DAY)


def test_candles_hold_the_trades() -> None:
    """Volume and turnover are those of the prints, each at a quote that stood; what was counted is told."""
    made, names = archive()
    market = made.markets(NOW)[names[-3]]
    trades = made.trades_of(market.ticker)
    assert trades
    candles = made.candles(market.ticker, 0, NOW, MINUTE)
    assert all(a.ended_at + MINUTE == b.ended_at for a, b in pairwise(candles))
    assert sum(one.qty for one in trades) == sum(one.volume for one in candles) == market.volume
    assert sum(one.price * one.qty for one in trades) == sum(one.turnover for one in candles)
    assert (trades[-1].price, candles[-1].open_interest) == (market.last, market.open_interest)
    by_end = {candle.ended_at: candle for candle in candles}
    for one in trades:
        candle = by_end[-(-one.at // MINUTE) * MINUTE]
        quotes = candle.ask if one.taker_side == "yes" else candle.bid
        assert quotes.low <= one.price <= quotes.high
        assert market.spec.open_at < one.at < market.spec.close_at


def test_what_stood_before_is_found() -> None:
    """The last minute and the last price before an instant; nothing before the open, nothing of others."""
    made, names = archive()
    market = made.markets(NOW)[names[-1]]
    trades = made.trades_of(market.ticker)
    assert trades
    last = made.latest_before(market.ticker, NOW)
    assert last == made.candles(market.ticker, 0, NOW, MINUTE)[-1]
    assert trades[-1].price == made.last_price_before(market.ticker, NOW)
    opened = market.spec.open_at
    assert [None, None] == [
        made.latest_before(market.ticker, opened + 1),
        made.last_price_before(market.ticker, opened + 1),
    ]
    assert [None, [], None, None] == [
        made.trades_of("KXOTHER"),
        made.candles("KXOTHER", 0, NOW, DAY),
        made.latest_before("KXOTHER", NOW),
        made.last_price_before("KXOTHER", NOW),
    ]


async def pages(client: Client, path: str, kind: str, query: str) -> list[dict[str, object]]:
    """Return all that a list holds, page by page."""
    found: list[dict[str, object]] = []
    cursor = ""
    while True:
        status, body = await client.call("GET", path, query=f"?limit=1000&{query}&cursor={cursor}")
        assert 200 == status, body
        found += body[kind]
        cursor = body["cursor"]
        if not cursor:
            return found


async def test_rest_serves_the_whole_past_in_two_tiers(tmp_path: Path) -> None:
    """Each market and each trade is in one tier; candles of a day by either tier's names, by the contract."""
    contract, ours = Contract(), f"series_ticker={SERIES.ticker}"
    async with asyncio.timeout(30), running(tmp_path, TradersFlow) as client:
        live = await pages(client, "/markets", "markets", ours)
        old = await pages(client, "/historical/markets", "markets", ours)
        assert live
        assert old
        assert (200, 200) == (len(live) + len(old), len({str(one["ticker"]) for one in (*live, *old)}))
        for tier, one, name in (("", live[-1], "volume_fp"), ("/historical", old[0], "volume")):
            path = f"{tier or f'/series/{SERIES.ticker}'}/markets/{one['ticker']}/candlesticks"
            span = "?start_ts=0&end_ts=4000000000&period_interval=1440"
            status, body = await client.call("GET", path, query=span)
            assert (200, 36) == (status, len(body["candlesticks"]))
            shape = "Historical" if tier else ""
            contract.check(f"GetMarketCandlesticks{shape}Response", body)
            of_it = f"ticker={one['ticker']}"
            traded = [
                *await pages(client, "/markets/trades", "trades", of_it),
                *await pages(client, "/historical/trades", "trades", of_it),
            ]
            total = sum(float(str(trade["count_fp"])) for trade in traded)
            assert total == sum(float(candle[name]) for candle in body["candlesticks"])
            assert total == float(str(one["volume_fp"]))
        status, body = await client.call("GET", f"/series/{SERIES.ticker}")
        assert (200, "Economics") == (status, body["series"]["category"])
