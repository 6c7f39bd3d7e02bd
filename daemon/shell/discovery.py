"""Which markets are watched: every open market of the configured series, the next one before it opens.

A market that is new is listed to the core, warmed up with its past candles over REST, and subscribed. One
that has been over for a while is unsubscribed and dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from daemon.core import events as e
from daemon.core.markets import MarketSpec
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.errors import Refused, VenueError
from daemon.kalshi.rest import Rest
from daemon.shell.feeds import Feeds

log = structlog.get_logger(__name__)

BACKFILL: Ns = 20 * MINUTE
POLL_S = 0.1
OVER_FOR: Ns = 2 * MINUTE
"""A market stays watched this long after its close, for its result and settlement to come in."""


class Discovery:
    """Keeps the watched set up to date."""

    def __init__(
        self,
        venue: Rest,
        feeds: Feeds,
        *,
        series: Sequence[str],
        roll_ahead: Ns,
        every: Ns,
        now: Callable[[], Ns],
        emit: Callable[[e.Event], None],
    ) -> None:
        self._venue = venue
        self._feeds = feeds
        self._series = tuple(series)
        self._roll_ahead = roll_ahead
        self._every = every
        self._now = now
        self._emit = emit
        self._watched: dict[str, MarketSpec] = {}
        self._due_at: Ns = 0

    async def run(self) -> None:
        """Refresh whenever it is due, by the clock that is in force, until cancelled."""
        while True:
            await self.refresh_if_due()
            await asyncio.sleep(POLL_S)

    def hurry(self) -> None:
        """Make the next refresh due at once: the venue said that markets or fees changed."""
        self._venue.forget_fees()
        self._due_at = 0

    async def refresh_if_due(self) -> None:
        """Ask the venue for every series, if it is time; one that fails is told and tried again next time."""
        now = self._now()
        if now < self._due_at:
            return
        self._due_at = now + self._every
        for series in self._series:
            try:
                await self._refresh_series(series)
            except VenueError as error:
                self._tell_failure("markets", series, error)
        self._drop_old()

    async def _refresh_series(self, series: str) -> None:
        now = self._now()
        specs = [
            *await self._venue.markets(series, status="open"),
            *await self._venue.markets(series, status="unopened"),
        ]
        for spec in sorted(specs, key=lambda spec: (spec.close_at, spec.ticker)):
            if spec.close_at <= now or spec.open_at > now + self._roll_ahead:
                continue
            known = self._watched.get(spec.ticker)
            if known == spec:
                continue
            self._watched[spec.ticker] = spec
            self._emit(e.MarketListed(spec, self._now()))
            if known is None:
                log.info("market.watched", ticker=spec.ticker, closes_in_s=(spec.close_at - now) // SECOND)
                if spec.open_at < now:
                    await self._backfill(spec, now)
                self._feeds.watch([spec.ticker])

    async def _backfill(self, spec: MarketSpec, now: Ns) -> None:
        start = max(spec.open_at, now - BACKFILL)
        try:
            candles = await self._venue.candles(
                spec.series_ticker, spec.ticker, start // SECOND, now // SECOND, period_min=1
            )
        except VenueError as error:
            # The past is a help, no condition: without it the features warm up from the stream.
            self._tell_failure("candles", spec.ticker, error)
            return
        for candle in candles:
            self._emit(candle)

    def _tell_failure(self, request: str, subject: str, error: VenueError) -> None:
        if isinstance(error, Refused):
            log.warning("discovery.refused", request=request, subject=subject, reason=str(error))
            return
        log.warning("discovery.failed", request=request, subject=subject, reason=str(error))
        self._emit(e.VenueFailed(request, str(error), self._now()))

    def _drop_old(self) -> None:
        now = self._now()
        for ticker, spec in list(self._watched.items()):
            if now > spec.close_at + OVER_FOR:
                del self._watched[ticker]
                self._feeds.unwatch([ticker])
                self._emit(e.MarketDropped(ticker, now))
