"""The venue's word on cash that moved without a fill: what settled markets paid, deposits, withdrawals.

The list of settlements is read some seconds after a market of ours was paid out, and every hour for those of
the last day. A payout at another price than ours is a correction, if the market's own listing confirms it:
that one says the price exactly, while the list cuts it to cents. The lists of deposits and withdrawals are
read when a reconciliation misses cash, and at a start that goes on with a day: what the owner moved meanwhile
is no loss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from daemon.core import events as e
from daemon.core.state import State
from daemon.core.units import DAY, HOUR, PRICE_CENT, SECOND, Ns, Price
from daemon.kalshi.bodies import Settlement
from daemon.kalshi.errors import VenueError
from daemon.shell.account_calls import AccountReads

log = structlog.get_logger(__name__)

POLL_S = 0.25
FLOWS_RETRY: Ns = 5 * SECOND
"""How long the lists of the time before us are awaited before they are asked for again."""
EVERY: Ns = HOUR
BACK: Ns = DAY
"""How far back the list is read: corrections come within hours."""
WAIT: Ns = 15 * SECOND
"""How long after a payout its entry is looked for, and how long after that once more."""
LOOKS = 2
"""How often a payout is looked at soon after it: what two readings show is a finding."""


class Settlements:
    """Reads the lists that are due, and tells what they say.

    Args:
        venue: asked for the lists.
        state: the core's beliefs; read, never changed.
        now: our clock.
        emit: takes the events, all of one reading at once.
    """

    def __init__(
        self,
        venue: AccountReads,
        state: State,
        *,
        now: Callable[[], Ns],
        emit: Callable[[Sequence[e.Event]], None],
    ) -> None:
        self._venue = venue
        self._state = state
        self._now = now
        self._emit = emit
        self._next_at = now() + EVERY
        self._looks = 0
        """How often the list is to be read soon."""
        self._flows_for: Ns | None = None
        """For which shortage the owner's deposits and withdrawals were read last."""
        self._away_due_at: Ns = 0
        """From when on the flows of the time before us may be asked for (again)."""
        self._turn = asyncio.Lock()
        self.counts = {"reads": 0, "corrected": 0, "failures": 0}
        """Since the start: lists read, corrections told from here, reads that failed."""

    def on_batch(self, batch: Sequence[e.Event]) -> None:
        """Take in what the core has handled: a payout or a dispute of ours is looked at soon."""
        for event in batch:
            if not isinstance(event, e.MarketSettled | e.MarketDetermined):
                continue
            paid = self._state.ledger.paid.get(event.ticker)
            if paid is not None and paid.qty:
                self._looks = LOOKS
                self._next_at = min(self._next_at, event.received_at + WAIT)

    async def run(self) -> None:
        """Read what comes due, by the clock that is in force, until cancelled."""
        while True:
            await self.read_if_due()
            await asyncio.sleep(POLL_S)

    async def read_if_due(self) -> None:
        """Read the lists whose time has come; on a tape, whoever moves the clock waits for it."""
        async with self._turn:
            try:
                flows = self._state.account.flows
                if flows.away_since is not None and self._now() >= self._away_due_at:
                    self._away_due_at = self._now() + FLOWS_RETRY
                    await self._read_flows(flows.missing_at)
                missing_at = flows.missing_at
                if missing_at is not None and missing_at != self._flows_for:
                    await self._read_flows(missing_at)
                if self._now() >= self._next_at:
                    await self._read_settlements()
            except VenueError as error:
                self.counts["failures"] += 1
                self._next_at = max(self._next_at, self._now() + WAIT)
                log.warning("settlements.failed", reason=str(error))

    async def _read_flows(self, missing_at: Ns | None) -> None:
        self._flows_for = missing_at  # one try for each shortage: without an explanation it is a finding
        asked_at = self._now()
        flows = await self._venue.cash_flows()
        self._emit([e.CashFlowsRead(asked_at, self._now(), flows)])

    async def _read_settlements(self) -> None:
        asked_at = self._now()
        if not any(paid.qty for paid in self._state.ledger.paid.values()):
            self._next_at = asked_at + EVERY
            return
        listed = await self._venue.settlements((asked_at - BACK) // SECOND)
        corrected = await self._corrected(listed)
        now = self._now()
        told = tuple(
            e.SettlementTold(one.ticker, one.value, one.revenue, one.fees, one.settled_at) for one in listed
        )
        events: list[e.Event] = [
            e.SettlementCorrected(ticker, price, now) for ticker, price in corrected.items()
        ]
        self.counts["reads"] += 1
        self.counts["corrected"] += len(corrected)
        if self._looks:
            self._looks -= 1
        is_open = self._looks or self._state.account.settling.disputed
        self._next_at = now + (WAIT if is_open else EVERY)
        self._emit([*events, e.SettlementsRead(asked_at, now, told)])

    async def _corrected(self, listed: Sequence[Settlement]) -> dict[str, Price]:
        """Return the markets that paid something else than we booked, by the list and their own listing."""
        paid = self._state.ledger.paid
        suspects = {
            one.ticker: one.value
            for one in listed
            if one.value is not None
            and one.ticker in paid
            and abs(one.value - paid[one.ticker].price) >= PRICE_CENT
        }
        if not suspects:
            return {}
        found = await self._venue.outcomes(tickers=list(suspects), status=None)
        corrected = {}
        for outcome in found:
            ticker, price = outcome.spec.ticker, outcome.settlement_price
            if price is not None and abs(price - suspects[ticker]) < PRICE_CENT:
                corrected[ticker] = price
                log.warning("settlement.corrected", ticker=ticker, booked=paid[ticker].price, told=price)
        return corrected
