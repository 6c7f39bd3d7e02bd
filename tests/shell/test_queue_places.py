"""Places in queues: asked about soon and then seldom, told to the journal, never of an order that moved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.commands import PlaceOrder
from daemon.core.orders import Order
from daemon.core.state import State
from daemon.core.units import MINUTE, SECOND, Ns, Price, Qty
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact
from daemon.exchange.requests import NewOrder
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.errors import Transient
from daemon.kalshi.rest import Rest
from daemon.shell.account_calls import AccountReads
from daemon.shell.queue_places import BETWEEN, EVERY, MARKETS_MAX, Place, QueuePlaces
from tests.core.worlds import SCHEMA, T0
from tests.sandbox.running import running, until
from tests.sandbox.scripted import OPEN, ScriptedFlow


class Venue:
    """A venue that says what it is told to, as its one call for people does."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.ahead: dict[str, Qty] = {}
        self.fails = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def queue_positions(self, tickers: Sequence[str]) -> dict[str, Qty]:
        """Answer after what happens meanwhile."""
        self.asked.append(tuple(tickers))
        self.meanwhile()
        if self.fails:
            raise Transient("no answer")
        return self.ahead


class Rig:
    """The subject before beliefs and a clock in the test's hands."""

    def __init__(self) -> None:
        self.at: Ns = T0
        self.venue, self.state = Venue(), State(SCHEMA, "kd-")
        self.told: list[Any] = []
        self.subject = QueuePlaces(
            cast("AccountReads", self.venue), self.state, now=lambda: self.at, emit=self.told.append
        )

    def rest(self, order_id: str, ticker: str = "A", price: Price = 4_000) -> Order:
        """Let an order rest."""
        order = Order(
            client_order_id=f"kd-{order_id}", ticker=ticker, side="bid", price=price, qty=100, style="rest",
            strategy="s", at=self.at, state="resting", order_id=order_id,
        )  # fmt: skip
        self.state.orders[order.client_order_id] = order
        return order

    async def look(self, after: Ns = 0) -> int:
        """Let time go by and look; returns how many requests that took."""
        self.at += after
        before = len(self.venue.asked)
        await self.subject.read_if_due()
        return len(self.venue.asked) - before


async def test_while_nothing_rests_nobody_asks() -> None:
    """A read takes of the venue's budget; nor is one that is on its way, or over, asked about."""
    rig = Rig()
    assert 0 == await rig.look()
    rig.rest("v-1").state = "placing"
    assert 0 == await rig.look(MINUTE)
    assert [] == rig.told


async def test_it_is_asked_about_soon_and_then_seldom() -> None:
    """At once when it rests, and each half minute; what is told is an event and stays known."""
    rig = Rig()
    rig.rest("v-1")
    rig.venue.ahead = {"v-1": 700, "somebody": 3}
    assert 1 == await rig.look()
    assert [e.QueuePlacesRead(T0, T0, (e.QueuePlace("v-1", "A", 4_000, 700),))] == rig.told
    assert {Place("v-1", "A", 4_000): 700} == rig.subject.ahead
    assert 0 == await rig.look(EVERY - 1)
    assert 1 == await rig.look(1)


async def test_while_somebody_looks_it_is_asked_about_more_often() -> None:
    """Every few seconds; by one request for all."""
    rig = Rig()
    rig.rest("v-1"), rig.rest("v-2", "B")
    rig.subject.is_watched = lambda: True
    assert [1, 0, 1] == [await rig.look(after) for after in (0, BETWEEN - 1, 1)]
    assert {("A", "B")} == {tuple(sorted(asked)) for asked in rig.venue.asked}


async def test_an_order_that_moved_meanwhile_has_no_known_place() -> None:
    """Neither in the old queue nor under the new price; and it is asked about anew."""
    rig = Rig()
    order = rig.rest("v-1")
    rig.venue.ahead = {"v-1": 700}

    def move() -> None:
        order.price = 4_100

    rig.venue.meanwhile = move
    await rig.look()
    assert ({}, []) == (rig.subject.ahead, rig.told)
    assert 1 == await rig.look(BETWEEN)
    assert {Place("v-1", "A", 4_100): 700} == rig.subject.ahead


async def test_a_venue_that_does_not_answer_leaves_it_unknown() -> None:
    """And is asked again, no sooner than any other time."""
    rig = Rig()
    rig.rest("v-1")
    rig.venue.ahead = {"v-1": 700}
    await rig.look()
    rig.venue.fails = True
    await rig.look(EVERY)
    assert {} == rig.subject.ahead
    rig.venue.fails = False
    assert 0 == await rig.look(BETWEEN - 1)
    assert 1 == await rig.look(EVERY)
    assert 2 == len(rig.told)


@given(st.lists(st.tuples(st.integers(0, 40 * SECOND), st.integers(0, 150)), min_size=1, max_size=30))
async def test_the_venue_is_spared_whatever_rests(steps: list[tuple[Ns, int]]) -> None:
    """One request of at most a hundred markets in any five seconds; nobody waits behind one asked later."""
    rig = Rig()
    last: Ns | None = None
    for after, count in steps:
        rig.state.orders.clear()
        for number in range(count):
            rig.rest(f"v-{number}", f"M{number}")
        if await rig.look(after):
            assert last is None or rig.at - last >= BETWEEN
            assert len(rig.venue.asked[-1]) <= MARKETS_MAX
            last = rig.at
    if rig.state.orders:
        rig.venue.asked.clear()
        for _ in range(4):
            await rig.look(EVERY)
        assert len(rig.state.orders) == len({ticker for asked in rig.venue.asked for ticker in asked})


def sell(qty: Qty, exchange: Exchange, now: Ns) -> list[Fact]:
    """Somebody sells into the bids."""
    if "sim:seller" not in exchange.accounts:
        exchange.open_account("sim:seller", {}, is_house=True)
    return exchange.place(NewOrder("sim:seller", OPEN, "ask", 4_000, qty), now)[1]


async def test_the_sandboxs_own_queue_is_what_is_told(tmp_path: Path) -> None:
    """Behind what stood there, further on after a trade, first at last: as its matching book has it."""
    async with asyncio.timeout(30), running(tmp_path) as client:
        ready, rig = client.ready, Rig()
        signer = Signer(ready.key_id, load_private_key(Path(ready.private_key_path)))
        flow, exchange = client.flow, client.sandbox.venue.exchange
        assert isinstance(flow, ScriptedFlow)
        async with Rest(ready.rest_url, signer, time.time_ns) as rest:
            placed = await rest.place(
                PlaceOrder(
                    "one", OPEN, "bid", 4_000, 1_000, "good_till_canceled", True, 2, "s", "", 0, 1, None
                )
            )
            rig.rest(placed.order_id, OPEN)
            subject = QueuePlaces(rest, rig.state, now=lambda: rig.at, emit=rig.told.append)
            book = exchange.markets[OPEN].book
            (ours,) = [one for one in book.orders() if one.order_id == placed.order_id]
            places = []
            for sold in (0, 4_000, 6_000):
                if sold:
                    flow.acts.append(partial(sell, sold))
                    await until(lambda: not flow.acts)
                rig.at += EVERY
                await subject.read_if_due()
                (told,) = rig.told.pop().places
                assert book.ahead(ours) == told.ahead
                places.append(told.ahead)
    assert 3 == len(set(places))
    assert (10_000, 0) == (places[0], places[-1])
