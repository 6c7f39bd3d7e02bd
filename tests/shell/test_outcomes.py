"""The ends of our markets over a real server: asked for when the stream was silent, told once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from daemon.core import events as e
from daemon.core.state import State
from daemon.core.units import HOUR, MINUTE, PRICE_ONE, SECOND, Ns
from daemon.kalshi.rest import Rest
from daemon.shell.outcomes import AGAIN_MAX, AGAIN_MIN, WAIT, Outcomes
from tests.core.worlds import CASH, SCHEMA, T0, reconciled, spec
from tests.shell.listed_venue import Listed, Listing
from tests.shell.venue import Answer, Venue, serving

TEST_WITHIN_S = 20.0
MARKET = Listed("KXBTC15M", "E1", closes=MINUTE)
TICKER = MARKET.ticker
CLOSE = T0 + MINUTE
OPEN_END: dict[str, Any] = {"result": "", "expiration_value": ""}
YES: dict[str, Any] = {
    "status": "determined", "result": "yes", "expiration_value": "84000.10",
    "settlement_value_dollars": "1.0000",
}  # fmt: skip
PAID = {**YES, "status": "finalized", "settlement_ts": "2026-09-25T20:00:00Z"}
DISPUTED = {**YES, "status": "disputed"}
NO_PAID = {**PAID, "result": "no", "settlement_value_dollars": "0.0000"}


class Rig:
    """A state that holds 5 YES of a market, and the venue that knows how it ended."""

    def __init__(self, venue: Venue, *, is_watched: bool, is_held: bool) -> None:
        self.venue = venue
        self.at: Ns = T0
        self.ends: dict[str, dict[str, Any]] = {}
        self.listing = Listing(venue)
        self.listing.list(MARKET)
        self._list: Any = venue.bodies["/markets"]
        venue.bodies["/markets"] = self._markets
        self.rest = Rest(venue.url, None, lambda: self.at)
        self.state = State(SCHEMA, "kd-")
        self.told: list[e.Event] = []
        self.subject = Outcomes(self.rest, self.state, now=lambda: self.at, emit=self._take)
        if is_watched:
            self.state.apply(e.MarketListed(spec(TICKER, close_at=CLOSE), T0))
        held = (e.PositionSnapshot(TICKER, 500, 2_000_000, 0, 0),) if is_held else ()
        for at in (T0, T0 + SECOND):
            self.state.apply(reconciled(at, positions=held))

    def _markets(self, query: dict[str, str]) -> object:
        self.listing.at = self.at
        answer = self._list(query)
        ended = [body | OPEN_END | self.ends.get(body["ticker"], {}) for body in answer["markets"]]
        return answer | {"markets": ended}

    def _take(self, events: Any) -> None:
        self.told += events
        for event in events:
            self.state.apply(event)

    async def look(self, at: Ns) -> list[e.Event]:
        """Look at a time; returns what was told."""
        self.at = at
        self.told.clear()
        await self.subject.settle()
        return list(self.told)

    def connect(self, at: Ns) -> None:
        """The core handles that a connection came up."""
        event = e.FeedConnected("kalshi", at)
        self.state.apply(event)
        self.subject.on_batch([event])

    @property
    def asked(self) -> int:
        return self.venue.names.count("markets")


@asynccontextmanager
async def rig(*, is_watched: bool = True, is_held: bool = True) -> AsyncIterator[Rig]:
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        subject = Rig(venue, is_watched=is_watched, is_held=is_held)
        try:
            yield subject
        finally:
            await subject.rest.close()


async def test_the_stream_is_waited_for_and_then_the_venue_is_asked() -> None:
    """Nothing is read before a close, nor as long after it as the stream usually takes."""
    async with rig() as subject:
        subject.ends[TICKER] = PAID
        for at in (T0, CLOSE, CLOSE + WAIT - 1):
            assert [] == await subject.look(at)
        assert 0 == subject.asked
        at = CLOSE + WAIT
        assert [e.MarketDetermined(TICKER, "yes", PRICE_ONE, at), e.MarketSettled(TICKER, at)] == (
            await subject.look(at)
        )
        assert (CASH + 5_000_000, 0) == (subject.state.ledger.cash, subject.state.ledger.position_qty(TICKER))
        assert [] == await subject.look(at + AGAIN_MAX)
        assert 1 == subject.asked


async def test_after_a_reconnect_what_closed_meanwhile_is_asked_for_at_once() -> None:
    """The stream that comes back does not tell it again."""
    async with rig() as subject:
        subject.ends[TICKER] = PAID
        subject.connect(CLOSE + SECOND)
        assert 2 == len(await subject.look(CLOSE + SECOND))


async def test_a_result_is_told_before_its_payout_and_only_once() -> None:
    """First determined; asked again until it is paid out, and then never."""
    async with rig() as subject:
        subject.ends[TICKER] = YES
        at = CLOSE + WAIT
        assert [e.MarketDetermined(TICKER, "yes", PRICE_ONE, at)] == await subject.look(at)
        assert [] == await subject.look(at + AGAIN_MIN - 1)
        assert [] == await subject.look(at + AGAIN_MIN)
        subject.ends[TICKER] = PAID
        at += 2 * AGAIN_MIN
        assert [e.MarketSettled(TICKER, at)] == await subject.look(at)
        assert 3 == subject.asked


@pytest.mark.parametrize("end", [OPEN_END, DISPUTED], ids=["no result", "disputed"])
async def test_what_has_no_sure_result_is_asked_for_ever_more_seldom(end: dict[str, Any]) -> None:
    """A market may take days: every ten seconds at first, every ten minutes in the end."""
    async with rig() as subject:
        subject.ends[TICKER] = end
        at, waits = CLOSE + WAIT, []
        for _ in range(60):
            assert [] == await subject.look(at)
            asked = subject.asked
            step = AGAIN_MIN
            while subject.asked == asked:
                assert [] == await subject.look(at + step)
                step += SECOND * 5
            waits.append(step - SECOND * 5)
            at += waits[-1]
        assert AGAIN_MIN == waits[0]
        assert waits == sorted(waits)
        assert AGAIN_MAX <= waits[-1] < AGAIN_MAX + 5 * SECOND


async def test_a_final_result_corrects_and_a_provisional_one_does_not() -> None:
    """A list may be older than the stream, but a payout is the end."""
    async with rig() as subject:
        subject.state.apply(e.MarketDetermined(TICKER, "no", 0, CLOSE + SECOND))
        subject.ends[TICKER] = YES
        assert [] == await subject.look(CLOSE + WAIT)
        subject.ends[TICKER] = PAID
        at = CLOSE + WAIT + AGAIN_MIN
        assert [e.MarketDetermined(TICKER, "yes", PRICE_ONE, at), e.MarketSettled(TICKER, at)] == (
            await subject.look(at)
        )
        assert {TICKER: PRICE_ONE} == subject.state.settlements


async def test_a_position_of_another_life_in_a_market_that_is_over_is_ended() -> None:
    """Nobody lists it any more: the core is told of the market for its end, and forgets it then."""
    async with rig(is_watched=False) as subject:
        subject.ends[TICKER] = NO_PAID
        at = CLOSE + MINUTE
        kinds = [type(event) for event in await subject.look(at)]
        assert [e.MarketListed, e.MarketDetermined, e.MarketSettled, e.MarketDropped] == kinds
        assert (CASH, 0) == (subject.state.ledger.cash, subject.state.ledger.position_qty(TICKER))
        assert ({}, {TICKER: 0}) == (subject.state.markets, subject.state.settlements)


async def test_a_position_in_a_market_that_is_not_ours_and_not_over_is_left_alone() -> None:
    """Asked once when it closes, and again after that."""
    async with rig(is_watched=False) as subject:
        assert [] == await subject.look(T0)
        assert [] == await subject.look(CLOSE + WAIT - 1)
        assert 1 == subject.asked
        subject.ends[TICKER] = YES
        assert 3 == len(await subject.look(CLOSE + WAIT))
        assert subject.state.markets[TICKER].is_unwatched


async def test_where_we_hold_nothing_nothing_is_asked() -> None:
    """Thousands of markets end without us."""
    async with rig(is_held=False) as subject:
        subject.connect(CLOSE + SECOND)
        assert [] == await subject.look(CLOSE + 10 * MINUTE)
        assert 0 == subject.asked


async def test_what_the_lists_had_paid_already_is_asked_for_all_the_same() -> None:
    """The position went while we were not told: its result says what it earned."""
    async with rig() as subject:
        subject.connect(CLOSE + SECOND)
        for at in (CLOSE + 5 * SECOND, CLOSE + 6 * SECOND):
            subject.state.apply(reconciled(at, cash=CASH + 5_000_000))
        subject.ends[TICKER] = PAID
        assert 2 == len(await subject.look(CLOSE + 7 * SECOND))
        assert (CASH + 5_000_000, 3_000_000) == (subject.state.ledger.cash, subject.state.ledger.realized)
        assert [] == await subject.look(CLOSE + 10 * HOUR)


async def test_a_read_that_fails_is_tried_again() -> None:
    """After a while, for nothing depends on seconds."""
    async with rig() as subject:
        subject.ends[TICKER] = PAID
        subject.venue.behave["markets"] = Answer(503, "{}")
        assert [] == await subject.look(CLOSE + WAIT)
        assert [] == await subject.look(CLOSE + WAIT + AGAIN_MIN - 1)
        del subject.venue.behave["markets"]
        assert 2 == len(await subject.look(CLOSE + WAIT + AGAIN_MIN))
        assert {"determined": 1, "settled": 1, "failures": 1} == subject.subject.counts
