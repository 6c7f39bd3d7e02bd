"""The calls of an account that is nowhere but here: what the order queue and the readers ask in mode shadow.

A request takes `latency` to arrive and its answer as long to come back; what happened to our orders is told
as private events, as late. So an order meets the book as it is when it arrives, not as it was decided on, and
paper has the races of the real thing. Answers and refusals are the venue's (protocol sheet 4.5). Whether the
exchange trades is asked of the venue itself, by the client that can only read.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder, ProbeOrder
from daemon.core.units import HOUR, MILLISECOND, SECOND, Money, Ns, Qty
from daemon.exchange import requests
from daemon.exchange.facts import Fact, Filled, OrderChanged
from daemon.kalshi.errors import Refused
from daemon.kalshi.http import Leave
from daemon.kalshi.rest import BatchOutcome, ReadingRest
from daemon.shell.shadow import told
from daemon.shell.shadow.exchange import ACCOUNT, FILLS_KEPT, ORDERS_KEPT, ShadowExchange
from daemon.shell.shadow.lists import ShadowLists
from daemon.shell.shadow.store import ShadowStore

ACCOUNT_FILE = "account.db"
TICK_S = 0.05
"""How late an expiry or a close may come that nobody's event brings about."""
_T = TypeVar("_T")


class ShadowVenue(ShadowLists):
    """The shadow account's calls; `run` tells its private events, `on_batch` moves its books.

    Args:
        venue: the real venue, to read from alone.
        exchange: the account on its books.
        store: keeps the account.
        now: our clock.
        emit: takes the private events.
        latency: of each way.
    """

    def __init__(
        self,
        venue: ReadingRest,
        exchange: ShadowExchange,
        store: ShadowStore,
        *,
        now: Callable[[], Ns],
        emit: Callable[[e.Event], None],
        latency: Ns,
    ) -> None:
        super().__init__(venue, exchange, now=now, latency=latency)
        self._store = store
        self._emit = emit
        self._telling: deque[tuple[Ns, Fact]] = deque()
        """Private facts on their way to us, with their arrival."""
        self._has_news = asyncio.Event()
        self._forgot_at = now()

    @classmethod
    def open(
        cls,
        folder: Path,
        venue: ReadingRest,
        *,
        cash: Money,
        latency: Ns,
        now: Callable[[], Ns],
        emit: Callable[[e.Event], None],
    ) -> Self:
        """Return the shadow account of a folder, as its last life left it, or a new one with so much cash.

        Raises:
            ShadowStateRefused: what is there can't be read.
        """
        store, opened_at = ShadowStore(folder / ACCOUNT_FILE), now()
        kept = store.load(opened_at)
        # Of this life by its instant: no id comes twice, whatever a crash has forgotten.
        new_id = partial(_numbered, f"shadow-{opened_at // MILLISECOND:x}", itertools.count(1))
        exchange = ShadowExchange(new_id, kept, cash, opened_at)
        if kept is None:
            store.save_cash(exchange.account.cash, opened_at)
        return cls(venue, exchange, store, now=now, emit=emit, latency=latency)

    def close(self) -> None:
        """Close the account's file."""
        self._store.close()

    async def run(self) -> None:
        """Tell what happened to the account, when it would arrive, until cancelled."""
        while True:
            now = self._now()
            self._take(self._shadow.advance(now))
            while self._telling and self._telling[0][0] <= now:
                self._emit_fact(self._telling.popleft()[1], now)
            if now - self._forgot_at >= HOUR:
                self._forgot_at = now
                self._store.forget(now - ORDERS_KEPT, now - FILLS_KEPT)
            due_s = (self._telling[0][0] - now) / SECOND if self._telling else TICK_S
            self._has_news.clear()
            try:
                async with asyncio.timeout(min(due_s, TICK_S)):
                    await self._has_news.wait()
            except TimeoutError:
                pass

    def on_batch(self, events: Sequence[e.Event]) -> None:
        """Take in what the core has handled: the books, the markets, the exchange."""
        facts: list[Fact] = []
        for event in events:
            facts += self._shadow.apply(event)
        self._take(facts)

    def _take(self, facts: list[Fact]) -> None:
        """Keep what happened to the account, and send word of it on its way."""
        if not facts:
            return
        self._store.save(facts, self._shadow.exchange)
        arrives_at = self._now() + self._latency
        private = [(arrives_at, fact) for fact in facts if isinstance(fact, OrderChanged | Filled)]
        if private:
            self._telling.extend(private)
            self._has_news.set()

    def _emit_fact(self, fact: Fact, now: Ns) -> None:
        if isinstance(fact, OrderChanged):
            self._emit(told.order_updated(fact, now))
        elif isinstance(fact, Filled):
            self._emit(told.order_filled(fact, now, is_streamed=True))

    def _answer(self, outcome: tuple[_T | requests.Refused, list[Fact]]) -> _T:
        """Take what a request brought about. Raises Refused where the exchange said no."""
        found, facts = outcome
        self._take(facts)
        if isinstance(found, requests.Refused):
            raise told.refused(found)
        return found

    # --- orders ----------------------------------------------------------------------------------

    async def place(self, order: PlaceOrder, leave: Leave | None = None) -> e.OrderAccepted:
        """Send a new order, as `Rest.place`."""
        await self._set_out(leave)
        try:
            accepted = self._place(order)
        finally:
            await self._travel()
        return self._received(accepted)

    async def probe(self, order: ProbeOrder) -> e.OrderAccepted:
        """Send the id of an order in doubt again, as `Rest.probe`."""
        await self._travel()
        try:
            state = self._answer(self._shadow.place(told.probing(order), self._now()))
        finally:
            await self._travel()
        return told.accepted("probe", order.client_order_id, state, self._now())

    async def amend(self, order: AmendOrder, leave: Leave | None = None) -> e.OrderAccepted:
        """Change a resting order, as `Rest.amend`."""
        await self._set_out(leave)
        try:
            state = self._answer(self._shadow.amend(told.amendment(order), self._now()))
        finally:
            await self._travel()
        return told.accepted("amend", order.client_order_id, state, self._now())

    async def cancel(self, order: CancelOrder, leave: Leave | None = None) -> e.OrderAccepted:
        """Take a resting order out, as `Rest.cancel`."""
        await self._set_out(leave)
        try:
            accepted = self._cancel(order)
        finally:
            await self._travel()
        return self._received(accepted)

    async def place_many(self, orders: Sequence[PlaceOrder]) -> list[BatchOutcome]:
        """Send new orders in one request, as `Rest.place_many`."""
        await self._travel()
        found = [_outcome_of(partial(self._place, order)) for order in orders]
        await self._travel()
        return [self._received(one) if isinstance(one, e.OrderAccepted) else one for one in found]

    async def cancel_many(self, orders: Sequence[CancelOrder]) -> list[BatchOutcome]:
        """Take resting orders out in one request, as `Rest.cancel_many`."""
        await self._travel()
        found = [_outcome_of(partial(self._cancel, order)) for order in orders]
        await self._travel()
        return [self._received(one) if isinstance(one, e.OrderAccepted) else one for one in found]

    async def _set_out(self, leave: Leave | None) -> None:
        if leave is not None:
            await leave.wait()
        await self._travel()

    def _received(self, answer: e.OrderAccepted) -> e.OrderAccepted:
        """Return an answer as it comes in now."""
        return msgspec.structs.replace(answer, received_at=self._now())

    def _place(self, order: PlaceOrder) -> e.OrderAccepted:
        now = self._now()
        state = self._answer(self._shadow.place(told.new_order(order), now))
        return told.accepted("place", order.client_order_id, state, now)

    def _cancel(self, order: CancelOrder) -> e.OrderAccepted:
        now = self._now()
        reduced_by = self._answer(self._shadow.cancel(order.order_id, now))
        return e.OrderAccepted(
            action="cancel",
            client_order_id=order.client_order_id,
            order_id=order.order_id,
            filled=None,
            remaining=0,
            received_at=now,
            sent_at=now,
            reduced_by=reduced_by,
        )

    # --- order groups ----------------------------------------------------------------------------

    async def create_order_group(self, limit: Qty, *, exchange_index: int) -> str:
        """Make a group and return its id."""
        await self._travel()
        groups = self._shadow.exchange.order_groups
        group = self._answer(groups.create(ACCOUNT, exchange_index, limit, self._now()))
        await self._travel()
        return group.order_group_id

    async def limit_order_group(self, group_id: str, limit: Qty, *, exchange_index: int) -> None:  # noqa: ARG002
        """Set a group's limit."""
        await self._travel()
        groups = self._shadow.exchange.order_groups
        self._answer(groups.set_limit(ACCOUNT, group_id, limit, self._now()))

    async def reset_order_group(self, group_id: str, *, exchange_index: int) -> None:  # noqa: ARG002
        """Let a triggered group take orders again."""
        await self._travel()
        self._answer(self._shadow.exchange.order_groups.reset(ACCOUNT, group_id, self._now()))

    async def trigger_order_group(self, group_id: str, *, exchange_index: int) -> None:  # noqa: ARG002
        """Cancel all orders of a group, and let it take none until it is reset."""
        await self._travel()
        self._answer(self._shadow.exchange.order_groups.trigger(ACCOUNT, group_id, self._now()))

    async def delete_order_group(self, group_id: str, *, exchange_index: int) -> None:  # noqa: ARG002
        """Take a group out, and all its orders with it."""
        await self._travel()
        self._answer(self._shadow.exchange.order_groups.delete(ACCOUNT, group_id, self._now()))


def _numbered(stem: str, count: Iterator[int]) -> str:
    return f"{stem}-{next(count)}"


def _outcome_of(request: Callable[[], e.OrderAccepted]) -> BatchOutcome:
    try:
        return request()
    except Refused as error:
        return error
