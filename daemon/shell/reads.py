"""The reads that the core asks for: reconciliation and the breaker's probe, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from daemon.core import events as e
from daemon.core.commands import ProbeVenue, Reconcile
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.errors import Refused, VenueError
from daemon.shell.account_calls import AccountReads

log = structlog.get_logger(__name__)

FILLS_OVERLAP: Ns = 5 * MINUTE
"""Fills are read again this far back: their list lags, and a fill is booked once however often it is told."""


class Reader:
    """Carries out `Reconcile` and `ProbeVenue`, newest wishes only, and tells what came of them."""

    def __init__(
        self, account: AccountReads, *, now: Callable[[], Ns], emit: Callable[[e.Event], None]
    ) -> None:
        self._account = account
        self._now = now
        self._emit = emit
        self._wishes: dict[str, Reconcile | ProbeVenue] = {}
        self._wake = asyncio.Event()
        self._fills_since = now() - FILLS_OVERLAP
        self.is_idle = True

    def put(self, command: Reconcile | ProbeVenue) -> None:
        """Ask for a reading; one that waits already is replaced."""
        self._wishes["probe" if isinstance(command, ProbeVenue) else "reconcile"] = command
        self.is_idle = False
        self._wake.set()

    async def run(self) -> None:
        """Read what is asked for until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._wishes:
                name = next(iter(self._wishes))
                await self._answer(name, self._wishes.pop(name))
            self.is_idle = True

    async def _answer(self, name: str, wish: Reconcile | ProbeVenue) -> None:
        try:
            if name == "probe":
                # The venue's word on itself comes with the answer, also when it is an error (sheet 4.1).
                self._emit(await self._account.status())
            else:
                assert isinstance(wish, Reconcile), "a probe has its own name"
                self._emit(await self._reconcile(wish.doubtful))
        except Refused as error:
            log.warning("read.refused", request=name, code=error.code, reason=str(error))
            self._emit(e.VenueAnswered(name, self._now()))
        except VenueError as error:
            log.warning("read.failed", request=name, reason=str(error))
            self._emit(e.VenueFailed(name, str(error), self._now()))
        else:
            self._emit(e.VenueAnswered(name, self._now()))

    async def _reconcile(self, doubtful: tuple[str, ...]) -> e.AccountReconciled:
        asked_at = self._now()
        # Orders first: one that has left this list has its end, and its fills, in the lists read after it.
        orders = await self._account.orders("resting")
        ended: list[e.EndedOrder] = []
        for ticker in doubtful:
            ended += await self._account.ended_orders(ticker)
        fills = await self._account.fills(self._fills_since // SECOND)
        positions = await self._account.positions()
        cash, by_shard = await self._account.cash()
        self._fills_since = max(self._fills_since, asked_at - FILLS_OVERLAP)
        return e.AccountReconciled(
            asked_at,
            self._now(),
            cash,
            positions,
            orders,
            fills,
            doubtful=doubtful,
            ended=tuple(ended),
            cash_by_shard=tuple(sorted(by_shard.items())),
        )
