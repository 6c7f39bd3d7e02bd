"""Daily bars: exact sums of a day's trades, read when the day is over, once, and again when a read failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.state import State
from daemon.core.units import DAY, HOUR, MINUTE, PRICE_ONE, SECOND, Ns
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.rest import Rest
from daemon.shell.daily import ATTEMPTS_MAX, RETRY_AFTER, SETTLED, DailyBars, bars_of
from tests.core.worlds import SCHEMA, TICKER, spec
from tests.sandbox.running import running
from tests.sandbox.scripted import OPEN, ScriptedFlow
from tests.shell.listed_venue import instant
from tests.shell.venue import Answer, Venue, serving

TEST_WITHIN_S = 20.0
TODAY = 20_500
NOON: Ns = TODAY * DAY + 12 * HOUR
NAMES = ("mid", "RET_1")


class Rig:
    """A state with one market, and the venue that knows what was traded in it."""

    def __init__(self, venue: Venue, names: tuple[str, ...]) -> None:
        self.venue, self.at = venue, NOON
        venue.bodies["/markets/trades"] = self._trades
        self.traded: list[tuple[Ns, str, str, str]] = []
        """(when, contracts, YES price, taker's side), oldest first."""
        self.rest = Rest(venue.url, None, lambda: self.at)
        self.state = State(SCHEMA, "kd-")
        self.told: list[e.DailyBarRead] = []
        self.subject = DailyBars(self.rest, self.state, names, now=lambda: self.at, emit=self._take)

    def list(self, open_at: Ns) -> None:
        self.state.apply(e.MarketListed(spec(TICKER, open_at=open_at, close_at=NOON + 90 * DAY), self.at))

    def _take(self, event: e.Event) -> None:
        assert isinstance(event, e.DailyBarRead)
        self.told.append(event)

    def _trades(self, query: dict[str, str]) -> object:
        span = range(int(query["min_ts"]), int(query["max_ts"]) + 1)
        listed: list[dict[str, Any]] = [
            {
                "trade_id": f"t{number}", "ticker": query["ticker"], "count_fp": count,
                "yes_price_dollars": price, "taker_outcome_side": side, "created_time": instant(at),
            }
            for number, (at, count, price, side) in enumerate(self.traded)
            if at // SECOND in span
        ]  # fmt: skip
        return {"trades": listed[::-1], "cursor": ""}


@asynccontextmanager
async def rig(names: tuple[str, ...] = NAMES) -> AsyncIterator[Rig]:
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        subject = Rig(venue, names)
        async with subject.rest:
            yield subject


def bar(day: int, at: Ns, qty: int = 0, turnover: int = 0, yes: int = 0, no: int = 0) -> e.DailyBarRead:
    return e.DailyBarRead(TICKER, day, qty, turnover, yes, no, at)


async def test_the_days_that_are_over_are_read_once() -> None:
    """From the day of the opening to yesterday, in one list; sums are exact, and nothing is read again."""
    async with rig() as subject:
        subject.list((TODAY - 2) * DAY + HOUR)
        before = (TODAY - 2) * DAY
        subject.traded = [
            (before - SECOND, "5.00", "0.9000", "yes"),
            (before + 2 * HOUR, "2.00", "0.4000", "yes"),
            (before + DAY - 1_000, "1.50", "0.3000", "no"),
            (before + DAY, "1.00", "0.5050", "no"),
            (TODAY * DAY, "7.00", "0.1000", "yes"),
        ]
        await subject.subject.read_if_due()
        await subject.subject.read_if_due()
        assert [
            bar(TODAY - 2, NOON, 350, 1_250_000, 800_000, 1_050_000),
            bar(TODAY - 1, NOON, 100, 505_000, 0, 495_000),
        ] == subject.told
        assert ["trades"] == subject.venue.names


async def test_a_day_is_read_when_the_list_has_settled_after_its_midnight() -> None:
    """Not at midnight, for the list may lag; then once, that day alone."""
    async with rig() as subject:
        subject.list(NOON)
        await subject.subject.read_if_due()
        subject.at = (TODAY + 1) * DAY + SETTLED - 1
        await subject.subject.read_if_due()
        assert [] == subject.told
        subject.at += 1
        await subject.subject.read_if_due()
        assert [bar(TODAY, subject.at)] == subject.told


async def test_no_more_days_are_read_than_are_kept() -> None:
    """Twenty-one, however old the market."""
    async with rig() as subject:
        subject.list(NOON - 300 * DAY)
        await subject.subject.read_if_due()
        assert list(range(TODAY - 21, TODAY)) == [one.day for one in subject.told]


@pytest.mark.parametrize("names", [("mid",), ("mid", "TS")])
async def test_nothing_is_read_that_no_feature_needs(names: tuple[str, ...]) -> None:
    """Without a feature of past days not one request is made."""
    async with rig(names) as subject:
        subject.list(NOON - 9 * DAY)
        await subject.subject.read_if_due()
        assert ([], []) == (subject.told, subject.venue.names)


@pytest.mark.parametrize("status", [500, 400])
async def test_a_failed_read_is_tried_again_day_by_day(status: int) -> None:
    """A list of many days may be too long: after a failure each day has its own; all are told, in order."""
    async with rig() as subject:
        subject.list(NOON - 3 * DAY)
        subject.venue.behave["trades"] = Answer(status=status)
        await subject.subject.read_if_due()
        assert ([], 1) == (subject.told, subject.subject.counts["failures"])
        del subject.venue.behave["trades"]
        await subject.subject.read_if_due()
        assert [] == subject.told
        subject.at += RETRY_AFTER
        await subject.subject.read_if_due()
        assert [TODAY - 3, TODAY - 2, TODAY - 1] == [one.day for one in subject.told]


async def test_what_can_not_be_read_stays_unknown() -> None:
    """After some attempts a day is left out, and the next one is asked for."""
    async with rig() as subject:
        subject.list(NOON - 2 * DAY)
        subject.venue.behave["trades"] = Answer(status=500)
        for _ in range(ATTEMPTS_MAX):
            await subject.subject.read_if_due()
            subject.at += RETRY_AFTER
        del subject.venue.behave["trades"]
        await subject.subject.read_if_due()
        assert [TODAY - 1] == [one.day for one in subject.told]


async def test_a_market_that_is_forgotten_and_comes_back_is_read_anew() -> None:
    """The core has forgotten its days."""
    async with rig() as subject:
        subject.list(NOON - DAY)
        await subject.subject.read_if_due()
        del subject.state.markets[TICKER]
        subject.list(NOON - DAY)
        await subject.subject.read_if_due()
        assert [TODAY - 1, TODAY - 1] == [one.day for one in subject.told]


async def test_a_day_of_the_sandbox_is_its_trades(tmp_path: Path) -> None:
    """Over the real wire: a day later, the bar is the sum of what the exchange says was traded."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(TEST_WITHIN_S))
        client = await stack.enter_async_context(running(tmp_path, ScriptedFlow))
        signer = Signer(client.ready.key_id, load_private_key(Path(client.ready.private_key_path)))
        clock, chronicle = client.sandbox.venue.clock, client.sandbox.venue.chronicle
        rest = await stack.enter_async_context(Rest(client.ready.rest_url, signer, clock.now))
        state = State(SCHEMA, "kd-")
        (first, *_) = trades = list(chronicle.trades_of(OPEN))
        day = first.at // DAY
        state.apply(e.MarketListed(spec(OPEN, open_at=day * DAY, close_at=(day + 9) * DAY), first.at))
        told: list[e.Event] = []
        at = (day + 1) * DAY + 2 * MINUTE
        subject = DailyBars(rest, state, NAMES, now=lambda: at, emit=told.append)
        await subject.read_if_due()
        within = [one for one in trades if one.at // DAY == day]
        (found,) = told
        assert isinstance(found, e.DailyBarRead)
        assert (sum(one.qty for one in within), day) == (found.qty, found.day)
        assert sum(one.qty * one.price for one in within) == found.turnover > 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4 * DAY - 1),
            st.integers(1, 10**6),
            st.integers(1, 9_999),
            st.sampled_from(("yes", "no")),
        )
    )
)
def test_bars_conserve_what_was_traded(traded: list[tuple[int, int, int, Any]]) -> None:
    """Every trade is in its day and in no other; both sides' payments sum to what they bought."""
    trades = [
        e.TradePrinted("T", str(n), price, qty, side, 0, at)
        for n, (at, qty, price, side) in enumerate(traded)
    ]
    bars = bars_of("T", range(4), trades, 7)
    for found in bars:
        within = [one for one in trades if one.sent_at is not None and one.sent_at // DAY == found.day]
        assert sum(one.qty for one in within) == found.qty
        bought_no = sum(one.qty for one in within if one.taker_side == "no")
        of_no = sum(one.qty * one.price for one in within if one.taker_side == "no")
        assert found.turnover - of_no == found.yes_value
        assert bought_no * PRICE_ONE - of_no == found.no_value
