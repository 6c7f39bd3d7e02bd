"""Settlements, deposits and withdrawals over a real server: read when wanted, corrections confirmed twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from daemon.core import events as e
from daemon.core.day_record import DayRecord
from daemon.core.state import State
from daemon.core.units import DAY, MINUTE, MONEY_ONE, PRICE_ONE, SECOND, Ns
from daemon.kalshi.rest import Rest
from daemon.shell.settlements import EVERY, FLOWS_RETRY, WAIT, Settlements
from tests.core.worlds import CASH, SCHEMA, T0, reconciled, spec
from tests.shell.listed_venue import Listed, Listing
from tests.shell.venue import Answer, Venue, serving

TEST_WITHIN_S = 20.0
MARKET = Listed("KXBTC15M", "E1", closes=MINUTE)
TICKER = MARKET.ticker
PAID_AT = T0 + 2 * MINUTE


def paid_body(value: int = 100, revenue: int = 500) -> dict[str, Any]:
    """One market in the list of settlements."""
    return {
        "ticker": TICKER, "event_ticker": "E1", "exchange_index": 2, "market_result": "yes",
        "yes_count_fp": "5.00", "yes_total_cost_dollars": "2.000000", "no_count_fp": "0.00",
        "no_total_cost_dollars": "0.000000", "revenue": revenue, "value": value, "fee_cost": "0.000000",
        "settled_time": "2026-09-25T20:00:00Z",
    }  # fmt: skip


class Rig:
    """A core that was paid for 5 YES, and the venue that says what it paid."""

    def __init__(self, venue: Venue, *, is_held: bool) -> None:
        self.venue = venue
        self.at: Ns = T0
        self.end: dict[str, Any] = {}
        self.listing = Listing(venue)
        self.listing.list(MARKET)
        self._list: Any = venue.bodies["/markets"]
        venue.bodies["/markets"] = self._markets
        self.rest = Rest(venue.url, None, lambda: self.at)
        self.state = State(SCHEMA, "kd-")
        self.told: list[e.Event] = []
        self.subject = Settlements(self.rest, self.state, now=lambda: self.at, emit=self._take)
        self.say(100)
        held = (e.PositionSnapshot(TICKER, 500, 2_000_000, 0, 0),) if is_held else ()
        settled = e.MarketSettled(TICKER, PAID_AT)
        for event in (
            e.MarketListed(spec(TICKER), T0),
            reconciled(T0, positions=held),
            reconciled(T0 + SECOND, positions=held),
            e.MarketDetermined(TICKER, "yes", PRICE_ONE, PAID_AT),
            settled,
        ):
            self.state.apply(event)
        self.subject.on_batch([settled])

    def say(self, value: int, revenue: int = 500, listed: str | None = None) -> None:
        """What one YES paid, in cents in the list of settlements, exactly in the market's own listing."""
        self.venue.bodies["/portfolio/settlements"] = {
            "settlements": [paid_body(value, revenue)],
            "cursor": "",
        }
        self.end = {
            "status": "finalized", "result": "scalar", "expiration_value": "1",
            "settlement_value_dollars": listed or f"{value / 100:.4f}",
        }  # fmt: skip

    def _markets(self, query: dict[str, str]) -> object:
        self.listing.at = self.at
        answer = self._list(query)
        return answer | {"markets": [body | self.end for body in answer["markets"]]}

    def _take(self, events: Sequence[e.Event]) -> None:
        self.told += events
        for event in events:
            self.state.apply(event)

    async def look(self, at: Ns) -> list[str]:
        """Look at a time; returns what kinds of events were told."""
        self.at = at
        self.told.clear()
        await self.subject.read_if_due()
        return [type(event).__name__ for event in self.told]


@asynccontextmanager
async def rig(*, is_held: bool = True) -> AsyncIterator[Rig]:
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        subject = Rig(venue, is_held=is_held)
        try:
            yield subject
        finally:
            await subject.rest.close()


async def test_a_payout_is_looked_at_twice_and_then_every_hour() -> None:
    """What two readings show is a finding; corrections come within hours."""
    async with rig() as subject:
        first = PAID_AT + WAIT
        times = (first - 1, first, first + 1, first + WAIT, first + 2 * WAIT, first + WAIT + EVERY)
        told = [await subject.look(at) for at in times]
        read = ["SettlementsRead"]
        assert [[], read, [], read, [], read] == told
        assert [] == subject.state.account.findings
        assert ["settlements"] * 3 == [name for name in subject.venue.names if name == "settlements"]


async def test_where_nothing_of_ours_was_paid_nothing_is_read() -> None:
    """A payout of a market in which we held nothing."""
    async with rig(is_held=False) as subject:
        assert [[], []] == [await subject.look(at) for at in (PAID_AT + WAIT, PAID_AT + EVERY)]
        assert [] == subject.venue.names


@pytest.mark.parametrize(
    ("value", "listed", "price"), [(0, "0.0000", 0), (33, "0.3333", 3_333)], ids=["turned over", "scalar"]
)
async def test_a_correction_is_told_with_the_exact_price(value: int, listed: str, price: int) -> None:
    """The list cuts it to cents; the market's own listing has it whole."""
    async with rig() as subject:
        subject.say(value, 5 * value, listed)
        at = PAID_AT + WAIT
        assert ["SettlementCorrected", "SettlementsRead"] == await subject.look(at)
        assert e.SettlementCorrected(TICKER, price, at) == subject.told[0]
        assert CASH + 500 * price == subject.state.ledger.cash
        assert ["SettlementsRead"] == await subject.look(at + WAIT)


async def test_a_list_that_the_market_does_not_confirm_corrects_nothing() -> None:
    """One of the two is old: the next reading will tell."""
    async with rig() as subject:
        subject.say(0, 0, "1.0000")
        assert ["SettlementsRead"] == await subject.look(PAID_AT + WAIT)
        assert CASH + 5 * MONEY_ONE == subject.state.ledger.cash


async def test_a_dispute_is_looked_at_until_it_is_settled() -> None:
    """Another result after the payout: the lists say which holds, and when."""
    async with rig() as subject:
        event = e.MarketDetermined(TICKER, "no", 0, PAID_AT + MINUTE)
        subject.state.apply(event)
        subject.subject.on_batch([event])
        at = PAID_AT + 2 * MINUTE
        for step in range(4):
            assert ["SettlementsRead"] == await subject.look(at + step * WAIT)
        subject.say(0, 0)
        assert ["SettlementCorrected", "SettlementsRead"] == await subject.look(at + 4 * WAIT)
        assert (CASH, {}) == (subject.state.ledger.cash, subject.state.account.settling.disputed)


async def test_a_read_that_fails_is_made_again() -> None:
    """After a while."""
    async with rig() as subject:
        subject.venue.otherwise = Answer(503)
        at = PAID_AT + WAIT
        assert [] == await subject.look(at)
        subject.venue.otherwise = Answer()
        assert [[], ["SettlementsRead"]] == [await subject.look(at + wait) for wait in (1, WAIT)]
        assert 1 == subject.subject.counts["failures"]


async def test_a_day_that_goes_on_asks_what_the_owner_moved_until_it_is_told() -> None:
    """A venue that fails is asked again, with a pause; then no more."""
    async with rig(is_held=False) as subject:
        bodies = subject.venue.bodies
        row = {"id": "d", "status": "applied", "type": "ach", "amount_cents": 100, "fee_cents": 0}
        deposit = {**row, "created_ts": (T0 - SECOND) // SECOND}
        bodies["/portfolio/deposits"] = {"deposits": [deposit], "cursor": ""}
        subject.state.apply(e.DayRecovered(DayRecord(T0 // DAY, T0 - MINUTE, 0, 0, 0), T0))
        told = []
        for at in (T0, T0 + 1, T0 + FLOWS_RETRY, T0 + 2 * FLOWS_RETRY):
            told.append(await subject.look(at))
            bodies["/portfolio/withdrawals"] = {"withdrawals": [], "cursor": ""}
        assert [[], [], ["CashFlowsRead"], []] == told
        assert MONEY_ONE == subject.state.ledger.transferred


async def test_missing_cash_asks_for_deposits_and_withdrawals_once() -> None:
    """And the withdrawal explains it: no halt."""
    async with rig() as subject:
        row = {"id": "w", "status": "applied", "type": "ach", "amount_cents": 100, "fee_cents": 0}
        stamped = {**row, "created_ts": (PAID_AT + MINUTE) // SECOND}
        failed = {**stamped, "id": "x", "status": "failed"}
        subject.venue.bodies["/portfolio/deposits"] = {"deposits": [], "cursor": ""}
        subject.venue.bodies["/portfolio/withdrawals"] = {"withdrawals": [stamped, failed], "cursor": ""}
        cash = (subject.state.ledger.cash or 0) - MONEY_ONE
        at = PAID_AT + WAIT - SECOND
        subject.state.apply(reconciled(at, cash=cash))
        assert [["CashFlowsRead"], []] == [await subject.look(at) for _ in range(2)]
        subject.state.apply(reconciled(at + MINUTE, cash=cash))
        assert ["correct"] == [finding.rule for finding in subject.state.account.findings]
