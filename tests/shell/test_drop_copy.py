"""The drop copy over a real server: read when due, told only what is not booked, again after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from daemon.core import events as e
from daemon.core.state import State
from daemon.core.units import SECOND, Ns
from daemon.kalshi.rest import Rest
from daemon.shell.drop_copy import OVERLAP, DropCopy
from tests.core.worlds import SCHEMA, T0, TICKER, reconciled
from tests.shell.venue import Answer, Venue, serving

TEST_WITHIN_S = 20.0
EVERY = 2 * SECOND


def body(trade_id: str) -> dict[str, object]:
    """One fill in the list, of just now."""
    return {
        "trade_id": trade_id, "order_id": "v-1", "ticker": TICKER, "book_side": "bid", "count_fp": "1.00",
        "yes_price_dollars": "0.4000", "is_taker": True, "fee_cost": "0.007000", "ts": T0 // SECOND,
    }  # fmt: skip


class Rig:
    """A drop copy in front of a core that is fed with what it tells."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.at: Ns = T0
        self.rest = Rest(venue.url, None, lambda: self.at)
        self.state = State(SCHEMA, "kd-")
        self.told: list[e.Event] = []
        self.subject = DropCopy(
            self.rest, self.state, every=EVERY, now=lambda: self.at, emit=self.told.append
        )

    def show(self, *trade_ids: str) -> None:
        self.venue.bodies["/portfolio/fills"] = {"fills": [body(one) for one in trade_ids], "cursor": ""}

    async def look(self, at: Ns) -> list[str]:
        """Look at a time; returns the trades that were told, and gives them to the core."""
        self.at = at
        self.told.clear()
        await self.subject.read_if_due()
        for event in self.told:
            self.state.apply(event)
        return [fill.trade_id for event in self.told for fill in event.fills]  # type: ignore[union-attr]


@asynccontextmanager
async def rig(*, is_read: bool = True) -> AsyncIterator[Rig]:
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        subject = Rig(venue)
        if is_read:
            subject.state.apply(reconciled(T0))
        try:
            yield subject
        finally:
            await subject.rest.close()


async def test_only_what_is_not_booked_is_told_and_once() -> None:
    """The list holds the same fills again and again."""
    async with rig() as subject:
        subject.show("1")
        assert ["1"] == await subject.look(T0)
        assert [] == await subject.look(T0 + EVERY)
        subject.show("2", "1")
        assert ["2"] == await subject.look(T0 + 2 * EVERY)
        assert {"reads": 3, "found": 2, "failures": 0} == subject.subject.counts


async def test_an_empty_answer_is_no_event() -> None:
    """The journal is not filled with nothing."""
    async with rig() as subject:
        await subject.look(T0)
        assert [] == subject.told


async def test_it_is_read_when_due_and_not_before() -> None:
    """From the end of one read to the next."""
    async with rig() as subject:
        for at in (T0, T0 + EVERY - 1, T0 + EVERY, T0 + EVERY + 1):
            await subject.look(at)
        assert 2 == subject.venue.names.count("fills")


async def test_nothing_is_read_before_the_first_reconciliation() -> None:
    """Nobody knows then which fills are news."""
    async with rig(is_read=False) as subject:
        subject.show("1")
        assert [] == await subject.look(T0)
        assert [] == subject.venue.names


async def test_the_list_is_read_back_to_the_last_good_read() -> None:
    """And some way further, for it lags; what a failed read missed is read by the next."""
    async with rig() as subject:
        step = 10 * OVERLAP
        await subject.look(T0)
        subject.venue.otherwise = Answer(503)
        await subject.look(T0 + step)
        subject.venue.otherwise = Answer()
        subject.show("1")
        assert ["1"] == await subject.look(T0 + 2 * step)
        await subject.look(T0 + 3 * step)
        asked = [int(r.query["min_ts"]) for r in subject.venue.requests if r.name == "fills"]
        first = (T0 - OVERLAP) // SECOND
        assert [first, first, first, (T0 + 2 * step - OVERLAP) // SECOND] == asked
        assert 1 == subject.subject.counts["failures"]
