"""Discovery over a real server: what is listed, warmed up, subscribed and dropped; what failures cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.units import HOUR, MINUTE, SECOND, Ns
from daemon.kalshi.rest import Rest
from daemon.kalshi.session import Session
from daemon.kraken.session import Session as ReferenceSession
from daemon.shell.discovery import BACKFILL, OVER_FOR, Discovery
from daemon.shell.feeds import Feeds
from daemon.shell.loop import Inbox
from tests.core.worlds import T0
from tests.shell.orders import until
from tests.shell.venue import Answer, Request, Venue, serving

TEST_WITHIN_S = 20.0
EVERY: Ns = 5 * SECOND
AHEAD: Ns = 2 * MINUTE
NOW_15M = ("KXBTC15M", "A", -5 * MINUTE, 10 * MINUTE)
"""Series, name, opens and closes from T0."""
NEXT_15M = ("KXBTC15M", "B", 10 * MINUTE, 25 * MINUTE)


def instant(at: Ns) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Exchange:
    """The venue's listing, in the test's hands."""

    def __init__(self, venue: Venue) -> None:
        self.markets: list[tuple[str, str, Ns, Ns]] = []
        self.strike: str | None = "84000.00"
        self.at: Ns = T0
        venue.bodies["/markets"] = self._listing
        for series in ("KXBTC15M", "KXBTCD"):
            venue.bodies[f"/series/{series}"] = {
                "series": {"ticker": series, "fee_type": "quadratic", "fee_multiplier": 1}
            }
        self._venue = venue

    def list(self, *markets: tuple[str, str, Ns, Ns]) -> None:
        self.markets = list(markets)
        for series, name, *_ in markets:
            event = f"{series}-{name}"
            self._venue.bodies[f"/events/{event}"] = {
                "event": {"event_ticker": event, "series_ticker": series}
            }
            self._venue.bodies[f"/series/{series}/markets/{event}-1/candlesticks"] = self._candles

    def _listing(self, query: dict[str, str]) -> object:
        listed = []
        for series, name, opens, closes in self.markets:
            status = "unopened" if self.at < T0 + opens else "open" if self.at < T0 + closes else "closed"
            if (series, status) != (query["series_ticker"], query["status"]):
                continue
            listed.append(
                {
                    "ticker": f"{series}-{name}-1",
                    "event_ticker": f"{series}-{name}",
                    "open_time": instant(T0 + opens),
                    "close_time": instant(T0 + closes),
                    "status": "active" if status == "open" else "initialized",
                    "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
                    "strike_type": "greater_or_equal",
                    "floor_strike": 84_000,
                    "exchange_index": 2,
                }
            )
        return {"markets": listed, "cursor": ""}

    def _candles(self, query: dict[str, str]) -> object:
        quote = {"yes_bid": {"close_dollars": "0.4000"}, "yes_ask": {"close_dollars": "0.4200"}}
        ends = range(int(query["start_ts"]) // 60 * 60 + 60, int(query["end_ts"]) + 1, 60)
        return {"candlesticks": [{"end_period_ts": end, "volume_fp": "1.00", **quote} for end in ends]}


class Rig:
    def __init__(self, rest: Rest, venue: Venue, series: list[str]) -> None:
        self.venue, self.exchange = venue, Exchange(venue)
        self.events: list[e.Event] = []
        self.session = Session("kalshi")
        feeds = Feeds(
            self.session,
            ReferenceSession(("BTC/USD",)),
            Inbox(),
            now=self.now,
            backoff=lambda: Backoff(lambda: 1.0),
            silence_s=5.0,
        )
        self.discovery = Discovery(
            rest,
            feeds,
            series=series,
            roll_ahead=AHEAD,
            every=EVERY,
            now=self.now,
            emit=self.events.append,
        )

    def now(self) -> Ns:
        return self.exchange.at

    async def refresh(self, after: Ns = 0) -> list[e.Event]:
        """Refresh at T0 + after; returns what was told."""
        self.exchange.at = T0 + after
        self.events.clear()
        await self.discovery.refresh_if_due()
        return list(self.events)

    def asked(self, name: str) -> list[Request]:
        return [request for request in self.venue.requests if request.name == name]


@asynccontextmanager
async def rig(*series: str) -> AsyncIterator[Rig]:
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        rest = Rest(venue.url, None, lambda: T0)
        try:
            yield Rig(rest, venue, list(series or ("KXBTC15M",)))
        finally:
            await rest.close()


def listed(events: list[e.Event]) -> list[str]:
    return [event.spec.ticker for event in events if isinstance(event, e.MarketListed)]


async def test_an_open_market_is_listed_warmed_up_and_subscribed() -> None:
    """In this order, so that the past is in the features before the stream goes on."""
    async with rig() as subject:
        subject.exchange.list(NOW_15M)
        told = await subject.refresh()
        first, *candles = told
        assert isinstance(first, e.MarketListed)
        assert ("KXBTC15M-A-1", T0 - 5 * MINUTE, T0 + 10 * MINUTE) == (
            first.spec.ticker,
            first.spec.open_at,
            first.spec.close_at,
        )
        ends = [candle.ended_at for candle in candles if isinstance(candle, e.CandleBackfilled)]
        assert [T0 - minute * MINUTE for minute in (4, 3, 2, 1, 0)] == ends
        assert len(candles) == len(ends)
        assert ("KXBTC15M-A-1",) == subject.session.watched


async def test_the_backfill_goes_back_no_farther_than_needed() -> None:
    """A market that has been open for hours is warmed up with its last minutes."""
    async with rig("KXBTCD") as subject:
        subject.exchange.list(("KXBTCD", "H", -3 * HOUR, HOUR))
        await subject.refresh()
        (asked,) = subject.asked("candlesticks")
        assert ((T0 - BACKFILL) // SECOND, T0 // SECOND) == (
            int(asked.query["start_ts"]),
            int(asked.query["end_ts"]),
        )


async def test_the_next_market_comes_in_shortly_before_it_opens() -> None:
    """Not earlier than the look-ahead, without a past to backfill, and both are watched for a while."""
    async with rig() as subject:
        subject.exchange.list(NOW_15M, NEXT_15M)
        assert ["KXBTC15M-A-1"] == listed(await subject.refresh())
        assert [] == listed(await subject.refresh(10 * MINUTE - AHEAD - SECOND))
        backfills = len(subject.asked("candlesticks"))
        assert ["KXBTC15M-B-1"] == listed(await subject.refresh(10 * MINUTE - AHEAD + EVERY))
        assert backfills == len(subject.asked("candlesticks"))
        assert ("KXBTC15M-A-1", "KXBTC15M-B-1") == subject.session.watched


async def test_a_market_is_told_again_only_when_it_changed() -> None:
    """Its status changes when it opens: listed anew, not warmed up again, still subscribed once."""
    async with rig() as subject:
        subject.exchange.list(NEXT_15M)
        assert ["KXBTC15M-B-1"] == listed(await subject.refresh(9 * MINUTE))
        assert [] == await subject.refresh(9 * MINUTE + EVERY)
        (changed,) = await subject.refresh(10 * MINUTE + EVERY)
        assert isinstance(changed, e.MarketListed)
        assert "active" == changed.spec.status
        assert ("KXBTC15M-B-1",) == subject.session.watched


async def test_a_market_is_dropped_a_while_after_its_close() -> None:
    """Its result and settlement still come in; then it is unsubscribed and dropped, once."""
    async with rig() as subject:
        subject.exchange.list(NOW_15M)
        await subject.refresh()
        assert [] == await subject.refresh(10 * MINUTE + OVER_FOR)
        at = 10 * MINUTE + OVER_FOR + EVERY
        assert [e.MarketDropped("KXBTC15M-A-1", T0 + at)] == await subject.refresh(at)
        assert () == subject.session.watched
        assert [] == await subject.refresh(at + EVERY)


async def test_it_asks_when_it_is_due_and_not_before() -> None:
    """By the clock in force, a tape's included; `hurry` makes it due and forgets the fees."""
    async with rig() as subject:
        subject.exchange.list(NOW_15M)
        await subject.refresh()
        asked = len(subject.asked("markets"))
        await subject.refresh(EVERY - 1)
        assert asked == len(subject.asked("markets"))
        await subject.refresh(EVERY)
        assert 2 * asked == len(subject.asked("markets"))
        fees = len(subject.asked("KXBTC15M"))
        subject.discovery.hurry()
        await subject.refresh(EVERY + 1)
        assert 3 * asked == len(subject.asked("markets"))
        assert fees + 1 == len(subject.asked("KXBTC15M"))


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (Answer(500, "oops"), [e.VenueFailed]),
        (Answer(failure="reset"), [e.VenueFailed]),
        (Answer(200, "?"), [e.VenueFailed]),
        (Answer(401, '{"error":{"code":"authentication_error"}}'), []),
    ],
    ids=["500", "reset", "garbage", "401"],
)
async def test_a_failed_listing_is_told_and_tried_again(answer: Answer, kinds: list[type[e.Event]]) -> None:
    """What is watched stays watched; the next time that is due brings what was missed."""
    async with rig() as subject:
        subject.exchange.list(NOW_15M)
        subject.venue.behave = {"markets": answer}
        assert kinds == [type(event) for event in await subject.refresh()]
        subject.venue.behave = {}
        assert ["KXBTC15M-A-1"] == listed(await subject.refresh(EVERY))


@pytest.mark.parametrize(
    ("answer", "fails"), [(Answer(500, "oops"), 1), (Answer(404, '{"error":{"code":"not_found"}}'), 0)]
)
async def test_a_market_without_its_past_is_watched_all_the_same(answer: Answer, fails: int) -> None:
    """Candles are a help, no condition: the market is subscribed, and the failure is told."""
    async with rig() as subject:
        subject.exchange.list(NOW_15M)
        subject.venue.behave = {"candlesticks": answer}
        told = await subject.refresh()
        assert ["KXBTC15M-A-1"] == listed(told)
        assert fails == sum(isinstance(event, e.VenueFailed) for event in told)
        assert ("KXBTC15M-A-1",) == subject.session.watched


async def test_a_series_that_fails_hides_no_other() -> None:
    """A series that the venue doesn't know is told every time, and the others go on."""
    async with rig("KXNONE", "KXBTC15M") as subject:
        subject.exchange.list(("KXNONE", "X", -MINUTE, MINUTE), NOW_15M)
        subject.venue.behave = {"KXNONE-X": Answer(500)}
        told = await subject.refresh()
        assert ["KXBTC15M-A-1"] == listed(told)
        assert 1 == sum(isinstance(event, e.VenueFailed) for event in told)


async def test_it_runs_until_cancelled() -> None:
    """The task looks at the clock a few times a second and refreshes when it is due."""
    async with rig() as subject:
        subject.exchange.list(NOW_15M)
        running = asyncio.create_task(subject.discovery.run())
        await until(lambda: subject.session.watched == ("KXBTC15M-A-1",))
        subject.exchange.at = T0 + EVERY
        await until(lambda: len(subject.asked("markets")) == 4)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
