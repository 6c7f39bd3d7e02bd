"""Which markets are watched: every open market of the configured series, the next one before it opens.

A market that is new is listed to the core, warmed up with its past candles over REST, and subscribed. One
that has been over for a while is unsubscribed and dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from daemon.core import events as e
from daemon.core.markets import MarketSpec
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.errors import VenueError

log = structlog.get_logger(__name__)

BACKFILL: Ns = 20 * MINUTE
OVER_FOR: Ns = 2 * MINUTE
"""A market stays watched this long after its close, for its result and settlement to come in."""


class Markets(Protocol):
    """The market reads of the venue's REST client."""

    async def markets(
        self, *, series_ticker: str, status: str | None = None, min_close_s: int | None = None
    ) -> list[MarketSpec]: ...
    async def candles(
        self, series_ticker: str, ticker: str, *, start_s: int, end_s: int, period_min: int
    ) -> list[e.CandleBackfilled]: ...


class Watcher(Protocol):
    """What subscribes: the venue session."""

    def watch(self, tickers: Sequence[str]) -> None: ...
    def unwatch(self, tickers: Sequence[str]) -> None: ...


class Discovery:
    """Keeps the watched set up to date."""

    def __init__(
        self,
        venue: Markets,
        watcher: Watcher,
        *,
        series: Sequence[str],
        roll_ahead: Ns,
        now: Callable[[], Ns],
        emit: Callable[[e.Event], None],
    ) -> None:
        self._venue = venue
        self._watcher = watcher
        self._series = tuple(series)
        self._roll_ahead = roll_ahead
        self._now = now
        self._emit = emit
        self._watched: dict[str, MarketSpec] = {}
        self.is_idle = True

    async def run(self, sleep: Callable[[Ns], asyncio.Future[None]] | None, every: Ns) -> None:
        """Refresh until cancelled. `sleep` waits on the clock that is in force; None is wall time."""
        while True:
            await self.refresh()
            if sleep is None:
                await asyncio.sleep(every / SECOND)
            else:
                await sleep(every)

    async def refresh(self) -> None:
        """Ask the venue once for every series; a failure is told and tried again next time."""
        self.is_idle = False
        try:
            for series in self._series:
                await self._refresh_series(series)
        except VenueError as error:
            log.warning("discovery.failed", reason=str(error))
            self._emit(e.VenueFailed("markets", str(error), self._now()))
        else:
            self._drop_old()
        finally:
            self.is_idle = True

    async def _refresh_series(self, series: str) -> None:
        now = self._now()
        specs = await self._venue.markets(series_ticker=series, min_close_s=now // SECOND)
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
                self._watcher.watch([spec.ticker])

    async def _backfill(self, spec: MarketSpec, now: Ns) -> None:
        start = max(spec.open_at, now - BACKFILL)
        candles = await self._venue.candles(
            spec.series_ticker, spec.ticker, start_s=start // SECOND, end_s=now // SECOND, period_min=1
        )
        for candle in candles:
            self._emit(candle)

    def _drop_old(self) -> None:
        now = self._now()
        for ticker, spec in list(self._watched.items()):
            if now > spec.close_at + OVER_FOR:
                del self._watched[ticker]
                self._watcher.unwatch([ticker])
                self._emit(e.MarketDropped(ticker, now))
