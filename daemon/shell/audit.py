"""The book audit: one market after the other, the venue's REST book is held against the streamed one.

A witness is started, CACHE_AGE later the REST book is read, SETTLES_WITHIN after the reply (so that deltas
on their way have come) the verdict falls: equal to any state that the witness saw, or not. A book that was
lost in between gets no verdict. What follows from unequal ones is the core's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from daemon.core import events as e
from daemon.core.market import Market
from daemon.core.units import SECOND, Ns
from daemon.kalshi.errors import VenueError
from daemon.kalshi.rest import ReadingRest
from daemon.shell.witness import Witness

log = structlog.get_logger(__name__)

POLL_S = 0.1
CACHE_AGE: Ns = 15 * SECOND
"""A REST book may be this old when it is read. Source: sheet 1.6, `max-age=15` of public market data."""
SETTLES_WITHIN: Ns = SECOND
"""Deltas of the time before the reply have come by then."""
CLOSE_GUARD: Ns = 45 * SECOND
"""No audit is begun so near to a close: an emptied book is sent then, and REST may say otherwise."""


class _Audit(msgspec.Struct):
    """One market under audit: told apart by what it waits for, the time to ask or the time to judge."""

    witness: Witness
    ask_at: Ns
    told: e.BookSnapshotReceived | None = None
    judge_at: Ns = 0


class Audit:
    """Audits the synced, open markets in turn.

    Args:
        venue: asked for the books.
        markets: the core's markets with their streamed books; read, never changed.
        every: from the start of one audit to the next.
        now: our clock.
        emit: takes the verdicts.
    """

    def __init__(
        self,
        venue: ReadingRest,
        markets: Mapping[str, Market],
        *,
        every: Ns,
        now: Callable[[], Ns],
        emit: Callable[[e.Event], None],
    ) -> None:
        self._venue = venue
        self._markets = markets
        self.every = every
        self._now = now
        self._emit = emit
        self._audits: list[_Audit] = []
        self._last = ""
        self._begun_at = now()
        self._turn = asyncio.Lock()
        self.counts = {"equal": 0, "unequal": 0, "void": 0, "failed": 0}
        """Since the start: verdicts; audits void because the book was lost; reads that failed."""

    def on_batch(self, batch: Sequence[e.Event]) -> None:
        """Take in what the core has handled."""
        for audit in self._audits:
            if not audit.witness.is_lost:
                for event in batch:
                    audit.witness.apply(event)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read, nor is to be read at this time."""
        now = self._now()
        return not self._turn.locked() and not any(
            audit.told is None and audit.ask_at <= now for audit in self._audits
        )

    async def run(self) -> None:
        """Audit, by the clock that is in force, until cancelled."""
        while True:
            await self.settle()
            await asyncio.sleep(POLL_S)

    async def settle(self) -> None:
        """Begin, read and judge what is due; on a tape, whoever moves the clock waits for it."""
        async with self._turn:
            now = self._now()
            if now >= self._begun_at + self.every:
                self._begun_at = now
                self._begin(now)
            self._judge(now)
            for audit in [audit for audit in self._audits if audit.told is None and audit.ask_at <= now]:
                await self._ask(audit)

    def _begin(self, now: Ns) -> None:
        """Start a witness of the next market in turn, if there is one."""
        fit = sorted(
            ticker
            for ticker, market in self._markets.items()
            if market.book.is_synced
            and market.spec.status == "active"
            and market.spec.open_at <= now < market.spec.close_at - CLOSE_GUARD
        )
        if fit:
            self._last = next((ticker for ticker in fit if ticker > self._last), fit[0])
            self._audits.append(_Audit(Witness(self._markets[self._last].book), now + CACHE_AGE))

    async def _ask(self, audit: _Audit) -> None:
        if self._is_void(audit):
            return
        try:
            audit.told = await self._venue.orderbook(audit.witness.ticker)
        except VenueError as error:
            self.counts["failed"] += 1
            self._audits.remove(audit)
            log.warning("audit.failed", ticker=audit.witness.ticker, reason=str(error))
            return
        audit.judge_at = self._now() + SETTLES_WITHIN

    def _judge(self, now: Ns) -> None:
        for audit in [audit for audit in self._audits if audit.told is not None and audit.judge_at <= now]:
            if self._is_void(audit):
                continue
            assert audit.told is not None, "only what was read is judged"
            self._audits.remove(audit)
            ticker = audit.witness.ticker
            is_equal = audit.witness.has_seen(audit.told)
            self.counts["equal" if is_equal else "unequal"] += 1
            if not is_equal:
                log.warning("audit.unequal", ticker=ticker, yes=len(audit.told.yes), no=len(audit.told.no))
            self._emit(e.BookAudited(ticker, is_equal, now))

    def _is_void(self, audit: _Audit) -> bool:
        """Whether the book was lost since, so that there is nothing to compare with; it is given up then."""
        market = self._markets.get(audit.witness.ticker)
        # The core also loses a book without an event: by a delta that can't be.
        if not audit.witness.is_lost and market is not None and market.book.is_synced:
            return False
        self.counts["void"] += 1
        self._audits.remove(audit)
        return True
