"""Backfill over a real server: what is read and told, in which order, and what failures and breaks cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from daemon.core import events as e
from daemon.core.features.reach import reach_of
from daemon.core.units import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Ns
from daemon.kalshi.rest import Rest
from daemon.shell.backfill import (
    BULK_MARKETS_MIN,
    MARKETS_PER_BATCH,
    MARKETS_PER_PAGE,
    RETRY_AFTER,
    TRADES_LAG,
    Backfill,
)
from daemon.shell.gaps import LENGTH, SLACK, SUBSCRIBED_WITHIN
from tests.core.worlds import T0, TICKER, snapshot, spec
from tests.shell.listed_venue import instant
from tests.shell.orders import until
from tests.shell.venue import Answer, Request, Venue, serving

TEST_WITHIN_S = 20.0
SILENCE: Ns = 15 * SECOND
READY: Ns = T0 + SUBSCRIBED_WITHIN  # when a market whose snapshot came at T0 can be read
SOON = "KXBTC15M-SOON-30"


class Rig:
    """A backfill with its clock, its events and the venue's past in the test's hands."""

    def __init__(self, rest: Rest, venue: Venue, names: tuple[str, ...]) -> None:
        self.venue = venue
        self.at, self.backlog = T0, 0
        self.events: list[e.Event] = []
        self.trades: list[tuple[str, str, Ns]] = []
        """Ticker, id and time of the venue's trades, oldest first."""
        self.is_busy = False  # whether the list of all markets' trades has no end
        venue.bodies |= {"/markets/trades": self._trades, "/markets/candlesticks": self._candles}
        self.backfill = Backfill(
            rest, silence=SILENCE, now=lambda: self.at, emit=self.events.append,
            backlog=lambda: self.backlog, reach=reach_of(names),
        )  # fmt: skip

    def _trades(self, query: dict[str, str]) -> object:
        listed = [
            {
                "trade_id": name,
                "ticker": ticker,
                "count_fp": "1.00",
                "yes_price_dollars": "0.4000",
                "taker_outcome_side": "yes",
                "created_time": f"{instant(at)[:-1]}.{at % SECOND // MILLISECOND:03}Z",
            }
            for ticker, name, at in reversed(self.trades)
            if query.get("ticker", ticker) == ticker and at // SECOND >= int(query["min_ts"])
        ]
        is_endless = self.is_busy and "ticker" not in query
        return {"trades": listed, "cursor": f"{query.get('cursor', '')}x" if is_endless else ""}

    def _candles(self, query: dict[str, str]) -> object:
        quote = {"yes_bid": {"close_dollars": "0.4000"}, "yes_ask": {"close_dollars": "0.4200"}}
        period_s = 60 * int(query["period_interval"])
        ends = range(-(-int(query["start_ts"]) // period_s) * period_s, int(query["end_ts"]) + 1, period_s)
        rows = [{"end_period_ts": end, "volume_fp": "1.00", **quote} for end in ends]
        tickers = query["market_tickers"].split(",")
        return {"markets": [{"market_ticker": ticker, "candlesticks": rows} for ticker in tickers]}

    async def read(self, at: Ns) -> list[e.Event]:
        """Read what is due at a time; returns what was told."""
        self.at = at
        self.events.clear()
        await self.backfill.settle()
        return list(self.events)

    def asked(self, name: str) -> list[Request]:
        return [request for request in self.venue.requests if request.name == name]


@asynccontextmanager
async def rig(*names: str) -> AsyncIterator[Rig]:
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        rest = Rest(venue.url, None, lambda: T0)
        try:
            yield Rig(rest, venue, names)
        finally:
            await rest.close()


def trades_in(events: list[e.Event]) -> list[tuple[str, ...]]:
    """The ids of the trades of each backfill told."""
    return [
        tuple(trade.trade_id for trade in event.trades)
        for event in events
        if isinstance(event, e.TradesBackfilled)
    ]


def backfilled(events: list[e.Event]) -> list[str]:
    return [event.ticker for event in events if isinstance(event, e.MarketBackfilled)]


async def test_the_past_is_read_as_far_back_as_features_look() -> None:
    """A week's mean needs hourly candles, an hour's momentum an hour of minutes; others neither."""
    far = ("mean_deviation_7d", "mid_momentum_3600s")
    for names, expected in ((far, (62, 7 * 24 + 1)), (("mid_momentum_300s",), (20, 0))):
        async with rig(*names) as subject:
            subject.backfill.on_batch([e.MarketListed(spec(open_at=T0 - 30 * DAY), T0), snapshot(T0)])
            told = [one.period for one in await subject.read(READY) if isinstance(one, e.CandleBackfilled)]
            assert expected == (told.count(MINUTE), told.count(HOUR))


async def test_a_new_markets_past_is_told_and_then_that_it_is_whole() -> None:
    """Candles since its open, the trades of the longest window up to the subscription, then the word."""
    async with rig() as subject:
        subject.trades = [
            (TICKER, "too old", READY - LENGTH - 1),
            (TICKER, "first", READY - LENGTH),
            (SOON, "another market's", T0 - MINUTE),
            (TICKER, "last", T0),
            (TICKER, "streamed", READY),
        ]
        subject.backfill.on_batch([e.MarketListed(spec(open_at=T0 - 5 * MINUTE), T0), snapshot(T0)])
        assert not await subject.read(READY - 1)
        *candles, trades, word = await subject.read(READY)
        ends = [candle.ended_at for candle in candles if isinstance(candle, e.CandleBackfilled)]
        assert [(T0 - minute * MINUTE) // MINUTE * MINUTE for minute in (4, 3, 2, 1, 0)] == ends
        assert [("first", "last")] == trades_in([trades])
        assert isinstance(trades, e.TradesBackfilled)
        assert (READY - LENGTH, READY) == (trades.since, trades.until)
        assert e.MarketBackfilled(TICKER, READY) == word
        assert subject.backfill.is_idle
        assert 0 == subject.backfill.pending_count


async def test_a_market_that_is_not_open_yet_is_whole_without_asking() -> None:
    """Nothing can have been traded there, and it is ready when it opens."""
    async with rig() as subject:
        subject.backfill.on_batch([e.MarketListed(spec(open_at=T0 + MINUTE), T0), snapshot(T0)])
        told = await subject.read(READY)
        assert [()] == trades_in(told)
        assert [TICKER] == backfilled(told)
        assert [] == subject.venue.requests


async def test_the_market_that_closes_first_is_read_first() -> None:
    """And their candles come in one request."""
    async with rig() as subject:
        listed = [e.MarketListed(spec(), T0), e.MarketListed(spec(SOON, close_at=T0 + MINUTE), T0)]
        subject.backfill.on_batch([*listed, snapshot(T0), snapshot(T0, SOON)])
        assert [SOON, TICKER] == backfilled(await subject.read(READY))
        (asked,) = subject.asked("candlesticks")
        assert f"{SOON},{TICKER}" == asked.query["market_tickers"]


async def test_a_list_that_may_lag_is_read_once_more() -> None:
    """Its newest trade is from just before the gap's end: more may be missing. Nothing is told till then."""
    async with rig() as subject:
        subject.trades = [(TICKER, "seen", T0)]
        subject.backfill.on_batch([e.MarketListed(spec(), T0), snapshot(T0)])
        assert [] == backfilled(await subject.read(READY))
        assert subject.backfill.is_idle
        subject.trades.append((TICKER, "late", T0 + SECOND // 2))
        assert [] == await subject.read(READY + TRADES_LAG - 1)
        told = await subject.read(READY + TRADES_LAG)
        assert [("seen", "late")] == trades_in(told)
        assert [TICKER] == backfilled(told)
        first, second = (request.query["min_ts"] for request in subject.asked("trades"))
        assert first != second, "the second reading must not meet the first one's page in a cache"


@pytest.mark.parametrize(
    "trades",
    [[], [(TICKER, "old", READY - TRADES_LAG)], [(TICKER, "near", T0), (TICKER, "behind", READY)]],
    ids=["none", "old ones", "one behind the gap"],
)
async def test_a_list_that_can_not_lag_is_believed(trades: list[tuple[str, str, Ns]]) -> None:
    """A quiet market's, or one that goes on behind the gap's end: read once."""
    async with rig() as subject:
        subject.trades = trades
        subject.backfill.on_batch([e.MarketListed(spec(), T0), snapshot(T0)])
        assert [TICKER] == backfilled(await subject.read(READY))
        assert 1 == len(subject.asked("trades"))


async def whole(subject: Rig, *tickers: str, is_start: bool = False) -> None:
    """Have these markets listed, subscribed and read; forget what was asked, but at the start."""
    batch: list[e.Event] = []
    for ticker in tickers:
        batch += [
            e.MarketListed(spec(ticker, open_at=T0 - HOUR, close_at=T0 + HOUR), T0),
            snapshot(T0, ticker),
        ]
    subject.backfill.on_batch(batch)
    assert list(tickers) == backfilled(await subject.read(READY))
    if not is_start:
        subject.venue.requests.clear()


async def test_after_a_drop_the_gap_is_read_and_no_more() -> None:
    """From before the silence in which the connection died, up to the new subscription."""
    async with rig() as subject:
        await whole(subject, TICKER)
        dropped = T0 + 10 * MINUTE
        subject.trades = [(TICKER, "before", dropped - MINUTE), (TICKER, "missed", dropped - 5 * SECOND)]
        subject.backfill.on_batch([e.FeedDropped("kalshi", "cut", dropped)])
        assert 1 == subject.backfill.pending_count
        assert [] == await subject.read(dropped + MINUTE)
        subject.backfill.on_batch([e.FeedConnected("kalshi", dropped + MINUTE), snapshot(dropped + MINUTE)])
        told = await subject.read(dropped + 2 * MINUTE)
        assert [("missed",)] == trades_in(told)
        assert [TICKER] == backfilled(told)
        assert (dropped - SILENCE - SLACK) // SECOND == int(subject.asked("trades")[0].query["min_ts"])


async def test_lost_trades_are_read_again() -> None:
    """The connection lives, and its trade stream has a hole: back to the last trade that came."""
    async with rig() as subject:
        await whole(subject, TICKER)
        last, lost = T0 + MINUTE, T0 + 3 * MINUTE
        subject.trades = [(TICKER, "missed", T0 + 2 * MINUTE)]
        streamed = e.TradePrinted(TICKER, "came", 4_000, 100, "yes", last, last)
        subject.backfill.on_batch([streamed, e.TradesLost("kalshi", "gap", lost)])
        told = await subject.read(lost + SUBSCRIBED_WITHIN)
        assert [("missed",)] == trades_in(told)
        assert [TICKER] == backfilled(told)


async def test_a_lost_book_has_its_candles_read_again() -> None:
    """The minutes that its features remember went with it; its trades went on, and are not asked for."""
    async with rig() as subject:
        await whole(subject, TICKER)
        subject.backfill.on_batch([e.BookLost(TICKER, "gap", T0 + MINUTE), snapshot(T0 + 2 * MINUTE)])
        *candles, _ = told = await subject.read(T0 + 2 * MINUTE)
        assert {e.CandleBackfilled} == {type(event) for event in candles}
        assert [TICKER] == backfilled(told)
        assert [] == subject.asked("trades")


async def test_many_short_gaps_are_read_from_one_list() -> None:
    """After a drop of seconds a list of all markets' trades costs less than one for each market."""
    tickers = [f"KXBTCD-H-{number:03}" for number in range(MARKETS_PER_BATCH + BULK_MARKETS_MIN)]
    async with rig() as subject:
        await whole(subject, *tickers)
        dropped = T0 + 10 * MINUTE
        subject.trades = [(ticker, f"of {ticker}", dropped - 8 * SECOND) for ticker in tickers]
        back = [snapshot(dropped + SECOND, ticker) for ticker in tickers]
        subject.backfill.on_batch([e.FeedDropped("kalshi", "cut", dropped), *back])
        told = await subject.read(dropped + 2 * SECOND)
        assert [(f"of {ticker}",) for ticker in tickers] == trades_in(told)
        assert tickers == backfilled(told)
        (asked,) = subject.asked("trades")
        assert "ticker" not in asked.query


async def test_a_whole_market_lists_past_is_read_from_one_list() -> None:
    """At the start nothing is known yet: one list tells of most that there were none."""
    tickers = [f"KXBTCD-H-{number:03}" for number in range(MARKETS_PER_BATCH + BULK_MARKETS_MIN)]
    async with rig() as subject:
        subject.trades = [(tickers[3], "one", T0 - 10 * MINUTE), (tickers[-1], "another", T0 - MINUTE)]
        await whole(subject, *tickers, is_start=True)
        (asked,) = subject.asked("trades")
        assert "ticker" not in asked.query
        told = {
            event.ticker: [trade.trade_id for trade in event.trades]
            for event in subject.events
            if isinstance(event, e.TradesBackfilled) and event.trades
        }
        assert {tickers[3]: ["one"], tickers[-1]: ["another"]} == told


async def test_a_list_with_more_pages_than_it_is_worth_is_left() -> None:
    """Each market's own list is read then, and the other is not begun again for each lot."""
    tickers = [f"KXBTCD-H-{number:03}" for number in range(MARKETS_PER_BATCH + BULK_MARKETS_MIN)]
    async with rig() as subject:
        subject.is_busy = True
        await whole(subject, *tickers, is_start=True)
        whose = [request.query.get("ticker") for request in subject.asked("trades")]
        assert len(tickers) // MARKETS_PER_PAGE == whose.count(None)
        assert set(tickers) == {ticker for ticker in whose if ticker is not None}
        assert 0 == subject.backfill.counts["failures"]


async def test_a_list_of_all_that_may_lag_is_read_once_more_too() -> None:
    """For the whole lot, and the second time it is a new list."""
    tickers = [f"KXBTCD-H-{number:03}" for number in range(BULK_MARKETS_MIN)]
    async with rig() as subject:
        await whole(subject, *tickers)
        dropped = T0 + 10 * MINUTE
        back = [snapshot(dropped + SECOND, ticker) for ticker in tickers]
        subject.backfill.on_batch([e.FeedDropped("kalshi", "cut", dropped), *back])
        subject.trades = [(SOON, "another market's", dropped + SECOND)]
        assert [] == backfilled(await subject.read(dropped + 2 * SECOND))
        subject.trades.append((tickers[0], "late", dropped))
        told = await subject.read(dropped + 2 * SECOND + TRADES_LAG)
        assert [("late",)] + [()] * (len(tickers) - 1) == trades_in(told)
        assert 2 == len(subject.asked("trades"))


async def test_a_market_that_closes_soon_is_not_behind_all_the_others() -> None:
    """It comes back while a thousand are being read: it is in the next lot."""
    tickers = [f"KXBTCD-H-{number:03}" for number in range(3 * MARKETS_PER_BATCH)]
    async with rig() as subject:
        for ticker in tickers:
            listed = e.MarketListed(spec(ticker, close_at=T0 + HOUR), T0)
            subject.backfill.on_batch([listed, snapshot(T0, ticker)])
        subject.venue.held = asyncio.Event()
        reading = asyncio.create_task(subject.read(READY))
        await until(lambda: bool(subject.venue.requests))
        listed = e.MarketListed(spec(SOON, close_at=T0 + MINUTE), T0)
        subject.backfill.on_batch([listed, snapshot(T0, SOON)])
        subject.venue.held.set()
        order = backfilled(await reading)
        assert MARKETS_PER_BATCH == order.index(SOON)
        assert {SOON, *tickers} == set(order)


@pytest.mark.parametrize("name", ["trades", "candlesticks"])
@pytest.mark.parametrize(
    "answer", [Answer(500), Answer(failure="reset"), Answer(429, "{}")], ids=["500", "reset", "429"]
)
async def test_a_failed_reading_is_tried_once_more_and_then_given_up(name: str, answer: Answer) -> None:
    """Without the whole past the windows stay cold, and the market is traded all the same."""
    async with rig() as subject:
        subject.venue.behave = {name: answer}
        subject.backfill.on_batch([e.MarketListed(spec(), T0), snapshot(T0)])
        assert [] == backfilled(await subject.read(READY))
        assert subject.backfill.is_idle
        told = await subject.read(READY + RETRY_AFTER)
        assert [TICKER] == backfilled(told)
        assert [] == trades_in(told)
        assert 2 == subject.backfill.counts["failures"]
        assert 1 == subject.backfill.pending_count


async def test_a_failure_that_passes_costs_only_time() -> None:
    """The second attempt brings all."""
    async with rig() as subject:
        subject.venue.behave = {"trades": Answer(500)}
        subject.backfill.on_batch([e.MarketListed(spec(), T0), snapshot(T0)])
        await subject.read(READY)
        subject.venue.behave = {}
        told = await subject.read(READY + RETRY_AFTER)
        assert ([()], [TICKER]) == (trades_in(told), backfilled(told))


async def test_refused_candles_do_not_keep_the_trades_away() -> None:
    """The venue will say the same again: nothing is retried, and the trades are told."""
    async with rig() as subject:
        subject.venue.behave = {"candlesticks": Answer(400, '{"msg":"no"}')}
        subject.backfill.on_batch([e.MarketListed(spec(), T0), snapshot(T0)])
        told = await subject.read(READY)
        assert [()] == trades_in(told)
        assert [TICKER] == backfilled(told)


async def test_a_drop_in_the_middle_starts_over() -> None:
    """What was being read counts for nothing; the market is whole after the next reading only."""
    async with rig() as subject:
        subject.backfill.on_batch([e.MarketListed(spec(), T0), snapshot(T0)])
        subject.venue.held = asyncio.Event()
        reading = asyncio.create_task(subject.read(READY))
        await until(lambda: bool(subject.venue.requests))
        assert not subject.backfill.is_idle
        subject.backfill.on_batch([e.FeedDropped("kalshi", "cut", READY)])
        subject.venue.held.set()
        assert [] == backfilled(await reading)
        subject.backfill.on_batch([snapshot(READY + MINUTE)])
        assert [TICKER] == backfilled(await subject.read(READY + 2 * MINUTE))


async def test_the_word_waits_for_what_the_core_has_not_handled() -> None:
    """A drop that is on its way is handled first, and the word is not given."""
    async with rig() as subject:
        subject.backlog = 1
        subject.backfill.on_batch([e.MarketListed(spec(), T0), snapshot(T0)])
        reading = asyncio.create_task(subject.read(READY))
        await until(lambda: len(trades_in(subject.events)) == 1)
        assert [] == backfilled(subject.events)
        subject.backfill.on_batch([e.FeedDropped("kalshi", "cut", READY)])
        subject.backlog = 0
        assert [] == backfilled(await reading)


async def test_it_runs_until_cancelled() -> None:
    """The task reads what comes due by the clock that is in force."""
    async with rig() as subject:
        running = asyncio.create_task(subject.backfill.run())
        subject.backfill.on_batch([e.MarketListed(spec(), T0), snapshot(T0)])
        subject.at = READY
        await until(lambda: backfilled(subject.events) == [TICKER])
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
