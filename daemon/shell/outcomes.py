"""The ends of our markets: results and payouts that the stream did not bring are read over REST.

The stream tells a market's result and its payout, in seconds after the close or in hours. What of it was
lost (while a connection was down, after a market was left, before this life of the daemon) would leave a
position open for ever. So every market in which we hold something and that is past its close is asked for:
at once when a connection has come up since, else `WAIT` after the close, and again, the longer the more
seldom, until it is paid out. All that are due are read in one list. The core takes a result twice, so that
it does no harm when the stream was only slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from daemon.core import events as e
from daemon.core.state import State
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.bodies import MarketOutcome
from daemon.kalshi.errors import VenueError
from daemon.kalshi.rest import ReadingRest

log = structlog.get_logger(__name__)

POLL_S = 0.25
WAIT: Ns = 30 * SECOND
"""How long after a close the stream is waited for. Quarter-hour markets are paid out after 8 s, hourly ones
after 150 s (sheet 7.7)."""
AGAIN_MIN: Ns = 10 * SECOND
"""Answers may pass a cache of 15 s (sheet 1.6): asking faster brings nothing."""
AGAIN_MAX: Ns = 10 * MINUTE
AGAIN_PART = 8
"""One that has been closed for long is asked for again after this part of that time."""
_HAS_RESULT = frozenset({"determined", "amended", "finalized"})
"""Not while it is disputed: what the list says then is what is in doubt."""


class Outcomes:
    """Asks for the ends of the markets that we hold, and tells them.

    Args:
        venue: asked for the list.
        state: the core's beliefs; read, never changed.
        now: our clock.
        emit: takes the events, all of one answer at once.
    """

    def __init__(
        self,
        venue: ReadingRest,
        state: State,
        *,
        now: Callable[[], Ns],
        emit: Callable[[Sequence[e.Event]], None],
    ) -> None:
        self._venue = venue
        self._state = state
        self._now = now
        self._emit = emit
        self._connected_at: Ns = 0
        self._ask_at: dict[str, Ns] = {}
        """When those are asked for again that were asked for before."""
        self._turn = asyncio.Lock()
        self.counts = {"determined": 0, "settled": 0, "failures": 0}
        """Since the start: results and payouts told from here, and reads that failed."""

    def on_batch(self, batch: Sequence[e.Event]) -> None:
        """Take in what the core has handled."""
        for event in batch:
            if type(event) is e.FeedConnected and self._state.connections.is_venue(event.feed):
                self._connected_at = event.received_at
                self._ask_at.clear()

    async def run(self) -> None:
        """Ask for what comes due, by the clock that is in force, until cancelled."""
        while True:
            await self.settle()
            await asyncio.sleep(POLL_S)

    async def settle(self) -> None:
        """Ask for all that is due; on a tape, whoever moves the clock waits for it."""
        async with self._turn:
            due = self._due(self._now())
            if not due:
                return
            try:
                found = await self._venue.outcomes(tickers=due, status=None)
            except VenueError as error:
                self.counts["failures"] += 1
                log.warning("outcomes.failed", count=len(due), first=due[0], reason=str(error))
                found = []
            now = self._now()
            self._ask_at |= dict.fromkeys(due, now + AGAIN_MIN)
            for outcome in found:
                since_close = max(0, now - outcome.spec.close_at)
                again = min(AGAIN_MAX, max(AGAIN_MIN, since_close // AGAIN_PART))
                self._ask_at[outcome.spec.ticker] = max(now + again, outcome.spec.close_at + WAIT)
                if told := self._told(outcome, now):
                    self._emit(told)

    def _due(self, now: Ns) -> list[str]:
        """Return the markets to ask for, in order."""
        state = self._state
        engaged = [
            ticker for ticker, position in state.ledger.positions.items() if position.qty or position.gone_qty
        ]
        for ticker in [ticker for ticker in self._ask_at if ticker not in engaged]:
            del self._ask_at[ticker]
        due = []
        for ticker in engaged:
            market = state.markets.get(ticker)
            if market is None:
                # Of another life, or none that we watch: when it closes is only known once it was asked for.
                at = self._ask_at.get(ticker, now)
            elif market.is_settled and market.settlement_price is not None:
                continue
            else:
                close_at = market.spec.close_at
                first_at = self._connected_at if close_at <= self._connected_at else close_at + WAIT
                # The close may have moved since it was asked for.
                at = max(close_at, self._ask_at.get(ticker, first_at))
            if at <= now:
                due.append(ticker)
        return due

    def _told(self, outcome: MarketOutcome, now: Ns) -> list[e.Event]:
        """Return what an answer tells that the core does not know."""
        spec, price, result = outcome.spec, outcome.settlement_price, outcome.result
        if spec.status not in _HAS_RESULT or result is None or price is None:
            return []
        ticker, is_final = spec.ticker, spec.status == "finalized"
        market = self._state.markets.get(ticker)
        known = None if market is None else market.settlement_price
        events: list[e.Event] = []
        # What is not final may be the cache's word, and older than the stream's.
        if known is None or (is_final and known != price):
            events.append(e.MarketDetermined(ticker, result, price, now))
            self.counts["determined"] += 1
        if is_final and not (market is not None and market.is_settled):
            events.append(e.MarketSettled(ticker, now))
            self.counts["settled"] += 1
        if events:
            log.info("outcome.read", ticker=ticker, result=result, is_settled=is_final)
        if events and market is None:
            # Nobody watches it: the core is told of it for its end, and keeps it while we hold it.
            return [e.MarketListed(spec, now), *events, e.MarketDropped(ticker, now)]
        return events
