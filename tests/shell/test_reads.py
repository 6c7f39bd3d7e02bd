"""Reconciliation and the probe over a real server: what is read, in which order, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from daemon.core import events as e
from daemon.core.commands import ProbeVenue, Reconcile
from daemon.core.units import MINUTE, MONEY_ONE, SECOND, Ns
from daemon.kalshi.rest import Rest
from daemon.shell.reads import FILLS_OVERLAP, Reader
from tests.core.worlds import T0, TICKER
from tests.shell.orders import until
from tests.shell.venue import Answer, Venue, serving

TEST_WITHIN_S = 20.0
LISTS = ["orders", "fills", "positions", "balance"]
RECONCILE = Reconcile("due", T0)
PROBE = ProbeVenue(T0)


class Rig:
    """A reader with its clock in the test's hands."""

    def __init__(self, rest: Rest, venue: Venue) -> None:
        self.venue = venue
        self.at: Ns = T0
        self.events: list[e.Event] = []
        self.reader = Reader(rest, now=lambda: self.at, emit=self.events.append)

    async def idle(self) -> None:
        await until(lambda: self.reader.is_idle)


@asynccontextmanager
async def rig(timeout_s: float = 5.0) -> AsyncIterator[Rig]:
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        rest = Rest(venue.url, None, lambda: T0, read_timeout_s=timeout_s, write_timeout_s=timeout_s)
        subject = Rig(rest, venue)
        consumer = asyncio.create_task(subject.reader.run())
        try:
            yield subject
        finally:
            consumer.cancel()
            with suppress(asyncio.CancelledError):
                await consumer
            await rest.close()


async def test_a_reading_is_one_event_with_all_four_lists() -> None:
    """Orders first: what has left that list has its fills in the lists that are read after it."""
    async with rig() as subject:
        order = {
            "order_id": "v-1",
            "client_order_id": "kd-1",
            "ticker": TICKER,
            "book_side": "bid",
            "yes_price_dollars": "0.4000",
            "fill_count_fp": "2.00",
            "remaining_count_fp": "8.00",
            "status": "resting",
        }
        position = {
            "ticker": TICKER,
            "position_fp": "2.00",
            "market_exposure_dollars": "0.800000",
            "realized_pnl_dollars": "0.000000",
            "fees_paid_dollars": "0.010000",
        }
        subject.venue.bodies["/portfolio/orders"] = {"orders": [order], "cursor": ""}
        subject.venue.bodies["/portfolio/positions"] = {"market_positions": [position], "cursor": ""}
        subject.reader.put(RECONCILE)
        assert not subject.reader.is_idle
        await subject.idle()
        assert LISTS == subject.venue.names
        assert [
            e.AccountReconciled(
                asked_at=T0,
                received_at=T0,
                cash=10_000 * MONEY_ONE,
                positions=(e.PositionSnapshot(TICKER, 200, 800_000, 0, 10_000),),
                orders=(e.OrderSnapshot("v-1", "kd-1", TICKER, "bid", 4_000, 200, 800),),
                fills=(),
            ),
            e.VenueAnswered("reconcile", T0),
        ] == subject.events


async def test_the_orders_of_doubtful_markets_are_read_after_those_that_rest() -> None:
    """An order that ends between the two reads is in the second: only the ended ones count, fills and all."""
    async with rig() as subject:
        states = {"v-1": "canceled", "v-2": "executed", "v-3": "resting"}

        def listed(query: dict[str, str]) -> object:
            if "ticker" not in query:
                return {"orders": [], "cursor": ""}
            orders = [
                {
                    "order_id": order_id,
                    "client_order_id": f"kd-{order_id}",
                    "ticker": query["ticker"],
                    "book_side": "bid",
                    "yes_price_dollars": "0.4000",
                    "fill_count_fp": "2.00",
                    "remaining_count_fp": "0.00",
                    "status": status,
                }
                for order_id, status in states.items()
            ]
            return {"orders": orders if query["ticker"] == TICKER else [], "cursor": ""}

        subject.venue.bodies["/portfolio/orders"] = listed
        subject.reader.put(Reconcile("due", T0, (TICKER, "OTHER")))
        await subject.idle()
        assert ["orders", "orders", *LISTS] == subject.venue.names
        asked = [(r.query.get("status"), r.query.get("ticker")) for r in subject.venue.requests[:3]]
        assert [("resting", None), (None, TICKER), (None, "OTHER")] == asked
        read = subject.events[0]
        assert isinstance(read, e.AccountReconciled)
        assert (TICKER, "OTHER") == read.doubtful
        assert (
            e.EndedOrder("v-1", "kd-v-1", TICKER, "canceled", 200),
            e.EndedOrder("v-2", "kd-v-2", TICKER, "executed", 200),
        ) == read.ended


async def test_asked_at_is_before_the_first_read() -> None:
    """Nothing that happened after it is denied by what the lists lack, so it must not be later."""
    async with rig() as subject:
        subject.venue.held = asyncio.Event()
        subject.reader.put(RECONCILE)
        await until(lambda: bool(subject.venue.requests))
        subject.at = T0 + SECOND
        subject.venue.held.set()
        await subject.idle()
        read = subject.events[0]
        assert isinstance(read, e.AccountReconciled)
        assert (T0, T0 + SECOND) == (read.asked_at, read.received_at)


async def test_fills_are_read_again_over_an_overlap() -> None:
    """Their list lags: each reading goes back some minutes, from the start or the last good reading."""
    async with rig() as subject:
        for at in (T0, T0 + 10 * MINUTE, T0 + 20 * MINUTE):
            subject.at = at
            subject.venue.behave = {"balance": Answer(500)} if at == T0 + 10 * MINUTE else {}
            subject.reader.put(RECONCILE)
            await subject.idle()
        asked = [int(r.query["min_ts"]) for r in subject.venue.requests if r.name == "fills"]
        first = (T0 - FILLS_OVERLAP) // SECOND
        # The second reading failed after its fills were read: the third goes back as far as it did.
        assert [first, first, first] == asked


async def test_only_the_newest_of_equal_wishes_is_carried_out() -> None:
    """While one reading is under way, many wishes for another make one; a probe has its own turn."""
    async with rig() as subject:
        subject.venue.held = asyncio.Event()
        subject.reader.put(RECONCILE)
        await until(lambda: bool(subject.venue.requests))
        for _ in range(5):
            subject.reader.put(RECONCILE)
            subject.reader.put(PROBE)
        subject.venue.held.set()
        await subject.idle()
        assert [*LISTS, *LISTS, "status"] == subject.venue.names


async def test_a_probe_that_is_answered_says_so_and_what() -> None:
    """The breaker closes by the second event; whether the exchange trades is told by the first."""
    async with rig() as subject:
        subject.reader.put(PROBE)
        await subject.idle()
        told = e.ExchangeStatusTold(True, True, (), None, T0)
        assert [told, e.VenueAnswered("probe", T0)] == subject.events


async def test_a_status_in_an_error_is_told() -> None:
    """Under maintenance the venue answers 503 with its status: it is there, and does not trade."""
    async with rig() as subject:
        paused = '{"exchange_active":false,"trading_active":false}'
        subject.venue.otherwise = Answer(503, paused)
        subject.reader.put(PROBE)
        await subject.idle()
        told = e.ExchangeStatusTold(False, False, (), None, T0)
        assert [told, e.VenueAnswered("probe", T0)] == subject.events


@pytest.mark.parametrize(
    "answer",
    [Answer(500, "oops"), Answer(200, "?"), Answer(failure="reset"), Answer(failure="hang")],
    ids=["500", "garbage", "reset", "hang"],
)
@pytest.mark.parametrize(("wish", "name"), [(RECONCILE, "reconcile"), (PROBE, "probe")])
async def test_a_failed_read_is_told_and_the_next_goes_on(
    wish: Reconcile | ProbeVenue, name: str, answer: Answer
) -> None:
    """The venue failed us, nothing was learnt, and the reader lives."""
    async with rig(timeout_s=0.3) as subject:
        subject.venue.otherwise = answer
        subject.reader.put(wish)
        await subject.idle()
        (failed,) = subject.events
        assert isinstance(failed, e.VenueFailed)
        assert name == failed.request
        subject.venue.otherwise = Answer()
        subject.reader.put(wish)
        await subject.idle()
        assert e.VenueAnswered(name, T0) == subject.events[-1]


@pytest.mark.parametrize("list_name", LISTS)
async def test_half_a_reading_is_none(list_name: str) -> None:
    """Whichever of the lists can't be read: nothing is said about the account."""
    async with rig() as subject:
        subject.venue.behave = {list_name: Answer(503)}
        subject.reader.put(RECONCILE)
        await subject.idle()
        assert [e.VenueFailed] == [type(event) for event in subject.events]


async def test_a_refused_read_is_an_answer_that_teaches_nothing() -> None:
    """401 says that the venue is there; the account stays as believed."""
    async with rig() as subject:
        subject.venue.otherwise = Answer(401, '{"error":{"code":"authentication_error"}}')
        subject.reader.put(RECONCILE)
        await subject.idle()
        assert [e.VenueAnswered("reconcile", T0)] == subject.events
