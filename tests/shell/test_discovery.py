"""Discovery over a real server: what is listed, subscribed, left and dropped; what failures cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from daemon.config_tables import Markets
from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.markets import Fees
from daemon.core.units import HOUR, MINUTE, SECOND, Ns
from daemon.kalshi.rest import Rest
from daemon.kalshi.session import Session
from daemon.shell.discovery import (
    CATEGORY_SERIES_PER_LOOK,
    FEES_EVERY,
    HURRIED_EVERY,
    LISTINGS_PER_TURN,
    Discovery,
)
from daemon.shell.fee_calendar import AHEAD, HOLD
from daemon.shell.feeds import Feeds
from daemon.shell.loop import Inbox
from daemon.shell.selection import FAILURES_MAX, OVER_FOR
from tests.core.worlds import T0
from tests.shell.listed_venue import Listed, Listing, instant
from tests.shell.orders import until
from tests.shell.venue import Answer, Request, Venue, serving

TEST_WITHIN_S = 20.0
EVERY: Ns = 5 * SECOND
AHEAD_OF_OPEN: Ns = 2 * MINUTE
NOW_15M = Listed("KXBTC15M", "A")
NEXT_15M = Listed("KXBTC15M", "B", 10 * MINUTE, 25 * MINUTE)


class Rig:
    def __init__(self, rest: Rest, venue: Venue, markets: Markets) -> None:
        self.venue, self.listing = venue, Listing(venue)
        self.events: list[e.Event] = []
        self.feeds = Feeds(
            Session("kalshi"),
            Inbox(),
            now=self.now,
            backoff=lambda: Backoff(lambda: 1.0),
            silence_s=5.0,
        )
        self.discovery = Discovery(rest, self.feeds, markets, now=self.now, emit=self.events.append)

    def now(self) -> Ns:
        return self.listing.at

    async def refresh(self, after: Ns = 0) -> list[e.Event]:
        """Refresh at T0 + after; returns what was told."""
        self.listing.at = T0 + after
        self.events.clear()
        await self.discovery.refresh_if_due()
        return list(self.events)

    def asked(self, name: str) -> list[Request]:
        return [request for request in self.venue.requests if request.name == name]


@asynccontextmanager
async def rig(**markets: Any) -> AsyncIterator[Rig]:
    named = {"series": ["KXBTC15M"], **markets}
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        rest = Rest(venue.url, None, lambda: T0)
        try:
            yield Rig(rest, venue, Markets(**named))
        finally:
            await rest.close()


def listed(events: list[e.Event]) -> list[str]:
    return [event.spec.ticker for event in events if isinstance(event, e.MarketListed)]


def dropped(events: list[e.Event]) -> list[str]:
    return [event.ticker for event in events if isinstance(event, e.MarketDropped)]


async def test_an_open_market_is_listed_and_subscribed() -> None:
    """With its times; its past is the backfill's to read."""
    async with rig() as subject:
        subject.listing.list(NOW_15M)
        (told,) = await subject.refresh()
        assert isinstance(told, e.MarketListed)
        assert ("KXBTC15M-A-1", T0 - 5 * MINUTE, T0 + 10 * MINUTE) == (
            told.spec.ticker,
            told.spec.open_at,
            told.spec.close_at,
        )
        assert ("KXBTC15M-A-1",) == subject.feeds.watched
        assert 1 == subject.discovery.watched_count


async def test_the_next_market_comes_in_shortly_before_it_opens() -> None:
    """Not earlier than the look-ahead, and both are watched for a while."""
    async with rig() as subject:
        subject.listing.list(NOW_15M, NEXT_15M)
        assert ["KXBTC15M-A-1"] == listed(await subject.refresh())
        assert [] == listed(await subject.refresh(10 * MINUTE - AHEAD_OF_OPEN - SECOND))
        assert ["KXBTC15M-B-1"] == listed(await subject.refresh(10 * MINUTE - AHEAD_OF_OPEN + EVERY))
        assert ("KXBTC15M-A-1", "KXBTC15M-B-1") == subject.feeds.watched


async def test_a_market_is_told_again_only_when_it_changed() -> None:
    """Its status changes when it opens: listed anew, still subscribed once."""
    async with rig() as subject:
        subject.listing.list(NEXT_15M)
        assert ["KXBTC15M-B-1"] == listed(await subject.refresh(9 * MINUTE))
        assert [] == await subject.refresh(9 * MINUTE + EVERY)
        (changed,) = await subject.refresh(10 * MINUTE + EVERY)
        assert isinstance(changed, e.MarketListed)
        assert "active" == changed.spec.status
        assert ("KXBTC15M-B-1",) == subject.feeds.watched


async def test_a_market_is_dropped_a_while_after_its_close() -> None:
    """Its result and settlement still come in; then it is unsubscribed and dropped, once."""
    async with rig() as subject:
        subject.listing.list(NOW_15M)
        await subject.refresh()
        assert [] == await subject.refresh(10 * MINUTE + OVER_FOR)
        at = 10 * MINUTE + OVER_FOR + EVERY
        assert [e.MarketDropped("KXBTC15M-A-1", T0 + at)] == await subject.refresh(at)
        assert () == subject.feeds.watched
        assert [] == await subject.refresh(at + EVERY)


async def test_a_market_that_fails_the_filter_is_left_when_it_keeps_failing() -> None:
    """A spread that flickers drops nothing; one that stays wide does, and the market may come back."""
    async with rig(spread_max_cents=5) as subject:
        wide = msgspec.structs.replace(NOW_15M, bid="0.3000")
        look = iter(range(100))
        for bids in ([NOW_15M], [wide] * (FAILURES_MAX - 1), [NOW_15M], [wide] * (FAILURES_MAX - 1)):
            for market in bids:
                subject.listing.list(market)
                assert [] == dropped(await subject.refresh(next(look) * EVERY))
        assert ["KXBTC15M-A-1"] == dropped(await subject.refresh(next(look) * EVERY))
        assert () == subject.feeds.watched
        assert [] == await subject.refresh(next(look) * EVERY)
        subject.listing.list(NOW_15M)
        assert ["KXBTC15M-A-1"] == listed(await subject.refresh(next(look) * EVERY))
        assert ("KXBTC15M-A-1",) == subject.feeds.watched


async def test_a_paused_market_is_looked_up_by_its_name() -> None:
    """No list of open markets has it any more: its new status is told, and it stays watched."""
    async with rig() as subject:
        subject.listing.list(NOW_15M)
        await subject.refresh()
        subject.listing.list(msgspec.structs.replace(NOW_15M, is_paused=True))
        (paused,) = await subject.refresh(EVERY)
        assert isinstance(paused, e.MarketListed)
        assert "inactive" == paused.spec.status
        subject.listing.list(NOW_15M)
        assert ["KXBTC15M-A-1"] == listed(await subject.refresh(2 * EVERY))


async def test_events_and_tickers_can_be_named_too() -> None:
    """All markets of a named event, and single ones; each is listed once however often it is named."""
    daily = [Listed("KXBTCD", "H", closes=HOUR, number=number) for number in (1, 2)]
    others = [Listed("KXETH", "E", closes=HOUR, number=number) for number in (1, 2)]
    async with rig(events=["KXBTCD-H"], tickers=["KXETH-E-2", "KXBTC15M-A-1"]) as subject:
        subject.listing.list(NOW_15M, *daily, *others)
        expected = ["KXBTC15M-A-1", "KXBTCD-H-1", "KXBTCD-H-2", "KXETH-E-2"]
        assert expected == listed(await subject.refresh())
        assert [] == await subject.refresh(EVERY)


async def test_a_category_is_all_its_series_some_at_a_time() -> None:
    """The first look reads them all; later ones a few each, in turn: the read budget has other work."""
    names = [f"KX{number:03}" for number in range(2 * CATEGORY_SERIES_PER_LOOK)]
    async with rig(series=[], categories=["Crypto"]) as subject:
        subject.listing.categories["Crypto"] = names
        subject.listing.list(*(Listed(name, "A") for name in names))
        assert [f"{name}-A-1" for name in names] == listed(await subject.refresh())
        seen = []
        for look in (1, 2):
            subject.venue.requests.clear()
            assert [] == await subject.refresh(look * EVERY)
            seen.append({request.query["series_ticker"] for request in subject.asked("markets")})
        assert set(names) == seen[0] | seen[1]
        assert [CATEGORY_SERIES_PER_LOOK] * 2 == [len(part) for part in seen]


async def test_five_thousand_markets_cost_pages_not_requests_each() -> None:
    """One list of a series, page by page; others run meanwhile, and the second look finds nothing new."""
    async with rig(series=["KXBTCD"]) as subject:
        subject.listing.list(*(Listed("KXBTCD", "H", closes=HOUR, number=number) for number in range(5_000)))
        told_by_turn: set[int] = set()

        async def look_on() -> None:
            while True:
                told_by_turn.add(len(subject.events))
                await asyncio.sleep(0)

        looking = asyncio.create_task(look_on())
        told = await subject.refresh()
        looking.cancel()
        assert 5_000 == len(listed(told)) == len(subject.feeds.watched)
        assert 6 == len(subject.asked("markets"))
        assert 5_000 // LISTINGS_PER_TURN <= len(told_by_turn)
        assert [] == await subject.refresh(EVERY)


async def test_it_asks_when_it_is_due_and_not_before() -> None:
    """By the clock in force, a tape's included."""
    async with rig() as subject:
        subject.listing.list(NOW_15M)
        await subject.refresh()
        asked = len(subject.asked("markets"))
        await subject.refresh(EVERY - 1)
        assert asked == len(subject.asked("markets"))
        await subject.refresh(EVERY)
        assert 2 * asked == len(subject.asked("markets"))


async def test_a_hurried_look_comes_at_once_and_reads_the_fees_anew() -> None:
    """But not faster than once a second, however often the venue tells of changes."""
    async with rig() as subject:
        subject.listing.list(NOW_15M)
        await subject.refresh()
        asked, fees = len(subject.asked("markets")), len(subject.asked("KXBTC15M"))
        subject.discovery.hurry()
        await subject.refresh(HURRIED_EVERY - 1)
        assert asked == len(subject.asked("markets"))
        subject.listing.fees["KXBTC15M"] = {"fee_type": "quadratic", "fee_multiplier": 2}
        (told,) = await subject.refresh(HURRIED_EVERY)
        assert isinstance(told, e.MarketListed)
        assert Fees("quadratic", 2_000_000) == told.spec.fees
        assert fees + 1 == len(subject.asked("KXBTC15M"))
        subject.discovery.hurry(are_fees_doubted=False)
        assert [] == await subject.refresh(2 * HURRIED_EVERY)
        assert fees + 1 == len(subject.asked("KXBTC15M"))


async def test_news_of_our_series_make_it_look_at_once() -> None:
    """A named one, or one of our categories; others are nothing to us, and the fees are not read anew."""
    names = [f"KX{number:03}" for number in range(2 * CATEGORY_SERIES_PER_LOOK)]
    async with rig(categories=["Crypto"]) as subject:
        subject.listing.categories["Crypto"] = names
        subject.listing.list(*(Listed(name, "A") for name in names))
        await subject.refresh()
        subject.listing.list(*(Listed(name, "A") for name in names), NOW_15M, Listed(names[-1], "B"))
        subject.discovery.look_at(("KXETH",))
        assert [] == await subject.refresh(HURRIED_EVERY)
        subject.discovery.look_at(("KXETH", names[-1]))
        told = listed(await subject.refresh(HURRIED_EVERY))
        assert {"KXBTC15M-A-1", f"{names[-1]}-B-1"} == set(told)
        subject.listing.list(NOW_15M, Listed("KXBTC15M", "C"))
        subject.discovery.look_at(("KXBTC15M",))
        assert ["KXBTC15M-C-1"] == listed(await subject.refresh(2 * HURRIED_EVERY))
        assert 1 == len(subject.asked("KXBTC15M"))


def change_at(at: Ns, fee_type: str = "quadratic", multiplier: int = 2) -> dict[str, object]:
    return {
        "series_ticker": "KXBTC15M",
        "fee_type": fee_type,
        "fee_multiplier": multiplier,
        "scheduled_ts": instant(T0 + at),
    }


async def test_a_scheduled_fee_change_is_in_force_at_its_time() -> None:
    """A moment ahead, though the venue lists the old fees from a cache for a while; then its word counts."""
    at = 2 * MINUTE
    async with rig() as subject:
        subject.listing.list(NOW_15M, Listed("KXBTC15M", "C"))
        subject.listing.fees["KXBTC15M-C"] = {"fee_type": "quadratic", "fee_multiplier": 3}
        subject.listing.fee_changes = [change_at(at)]
        assert 2 == len(listed(await subject.refresh()))
        assert [] == await subject.refresh(at - AHEAD - 1)
        (told,) = await subject.refresh(at - AHEAD)
        assert isinstance(told, e.MarketListed)
        assert ("KXBTC15M-A-1", Fees("quadratic", 2_000_000)) == (told.spec.ticker, told.spec.fees)
        subject.listing.fee_changes = []
        assert [] == await subject.refresh(at + EVERY)
        subject.listing.fees["KXBTC15M"] = {"fee_type": "quadratic", "fee_multiplier": 2}
        assert [] == await subject.refresh(at + HOLD)


async def test_a_change_that_did_not_come_is_taken_back() -> None:
    """When the hold is over the fees are read anew, and what the venue says then is listed."""
    at = 2 * MINUTE
    async with rig() as subject:
        subject.listing.list(NOW_15M)
        subject.listing.fee_changes = [change_at(at)]
        await subject.refresh()
        assert 1 == len(listed(await subject.refresh(at)))
        (told,) = await subject.refresh(at + HOLD)
        assert isinstance(told, e.MarketListed)
        assert Fees("quadratic", 1_000_000) == told.spec.fees


async def test_fees_that_can_not_be_priced_end_the_watching() -> None:
    """At their time, and for as long as they are in force: no fee is never taken for an unknown one."""
    at = 2 * MINUTE
    async with rig() as subject:
        subject.listing.list(NOW_15M)
        subject.listing.fee_changes = [change_at(at, "flat")]
        await subject.refresh()
        assert ["KXBTC15M-A-1"] == dropped(await subject.refresh(at - AHEAD))
        assert [] == await subject.refresh(at + EVERY)


async def test_fee_changes_are_read_again_after_a_while() -> None:
    """They are announced during the day."""
    async with rig() as subject:
        subject.listing.list(NOW_15M)
        await subject.refresh()
        await subject.refresh(EVERY)
        assert 1 == len(subject.asked("fee_changes"))
        await subject.refresh(FEES_EVERY)
        assert 2 == len(subject.asked("fee_changes"))


async def test_a_watched_market_that_can_not_be_read_any_more_is_left() -> None:
    """An event's new fee that we can't price: the market is dropped, with the others going on."""
    async with rig() as subject:
        subject.listing.list(NOW_15M, Listed("KXBTC15M", "C"))
        await subject.refresh()
        subject.listing.fees["KXBTC15M-C"] = {"fee_type": "flat"}
        subject.discovery.hurry()
        assert ["KXBTC15M-C-1"] == dropped(await subject.refresh(EVERY))
        assert 1 == subject.discovery.refused_count
        assert ("KXBTC15M-A-1",) == subject.feeds.watched


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
        subject.listing.list(NOW_15M)
        subject.venue.behave = {"markets": answer}
        assert kinds == [type(event) for event in await subject.refresh()]
        subject.venue.behave = {}
        assert ["KXBTC15M-A-1"] == listed(await subject.refresh(EVERY))
        subject.venue.behave = {"markets": answer}
        for look in range(2, 2 * FAILURES_MAX):
            assert [] == dropped(await subject.refresh(look * EVERY))
        assert ("KXBTC15M-A-1",) == subject.feeds.watched


async def test_a_series_that_fails_hides_no_other() -> None:
    """A series that the venue doesn't know is told every time, and the others go on."""
    async with rig(series=["KXNONE", "KXBTC15M"]) as subject:
        subject.listing.list(Listed("KXNONE", "X"), NOW_15M)
        subject.venue.behave = {"KXNONE-X": Answer(500)}
        told = await subject.refresh()
        assert ["KXBTC15M-A-1"] == listed(told)
        assert 1 == sum(isinstance(event, e.VenueFailed) for event in told)


async def test_a_category_that_fails_is_asked_again_at_the_next_look() -> None:
    """Its markets come in then; a fee list that fails costs no market."""
    async with rig(series=[], categories=["Crypto"]) as subject:
        subject.listing.categories["Crypto"] = ["KXBTC15M"]
        subject.listing.list(NOW_15M)
        subject.venue.behave = {"series": Answer(503), "fee_changes": Answer(503)}
        assert [e.VenueFailed] * 2 == [type(event) for event in await subject.refresh()]
        subject.venue.behave = {}
        assert ["KXBTC15M-A-1"] == listed(await subject.refresh(EVERY))


async def test_it_runs_until_cancelled() -> None:
    """The task looks at the clock a few times a second and refreshes when it is due."""
    async with rig() as subject:
        subject.listing.list(NOW_15M)
        running = asyncio.create_task(subject.discovery.run())
        await until(lambda: subject.feeds.watched == ("KXBTC15M-A-1",))
        subject.listing.at = T0 + EVERY
        await until(lambda: len(subject.asked("markets")) == 4)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
