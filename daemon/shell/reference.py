"""The reference price's source: Kraken's stream, and the candles that REST must tell before it is believed.

    stream     one connection after another (see `shell/stream`)
    backfill   what REST must tell, at once when it is wanted

Requests go out one at a time and keep a distance from each other; a series whose request failed waits with
backoff. Trades flow on meanwhile: only candles wait for REST.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

from daemon.core.backoff import Backoff
from daemon.core.events import Event
from daemon.core.units import SECOND, Ns
from daemon.kraken.candles import Past
from daemon.kraken.rest import ReadFailed, ReadRefused
from daemon.kraken.session import PastWanted, Session
from daemon.shell.stream import SILENCE_S, run_feed

log = structlog.get_logger(__name__)

TICK_S = 1.0
SPACING_S = 1.0
"""Between two requests: Kraken wants no more than one a second (protocol sheet 8.2)."""
REFUSED_S = 600.0
"""How long nothing is asked of a series after Kraken refused it for good."""


class OhlcReader(Protocol):
    """What reads candles: `daemon.kraken.rest.KrakenRest`."""

    async def ohlc(self, symbol: str, period: Ns, since: Ns | None) -> Past:
        """Return the finished candles from an instant on."""


class ReferenceSource:
    """One reference session with its stream and its past.

    Args:
        session: what understands the frames; its candles are told through `emit` too.
        rest: reads candles; None where there is nothing to read from, and then no candle is ever told.
        now: our time.
        emit: takes the events, in order; must not block and must not raise.
        backoff: makes the delays, one kind for the connection and one for requests.
        silence_s: how long nothing at all may come before a connection is given up.
        spacing_s: between two requests; 0 on a tape, whose seconds are not the machine's.
    """

    def __init__(
        self,
        session: Session,
        rest: OhlcReader | None,
        *,
        now: Callable[[], Ns],
        emit: Callable[[list[Event]], None],
        backoff: Callable[[], Backoff],
        silence_s: float = SILENCE_S,
        spacing_s: float = SPACING_S,
    ) -> None:
        self.session = session
        self._rest = rest
        self._now = now
        self._emit = emit
        self._backoff = backoff
        self._silence_s = silence_s
        self._spacing_s = spacing_s
        self._wake = asyncio.Event()
        self._is_asking = False
        self._backoffs: dict[tuple[str, Ns], Backoff] = {}
        self._not_before_s: dict[tuple[str, Ns], float] = {}
        """By series: until when nothing is asked because the last request failed."""
        self.counts = dict.fromkeys(("asked", "failed", "refused"), 0)
        """Requests for candles since the start."""

    async def run(self, url: str) -> None:
        """Keep stream and past going until cancelled. Never returns.

        Cancellation: safe at any point; `FeedDropped` is told.
        """
        work = [asyncio.ensure_future(part) for part in (self._run_stream(url), self._run_backfill())]
        try:
            # Neither ends but by failing, and then the other must not go on alone.
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        finally:
            for part in work:
                part.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being asked, or could be asked at once."""
        return not self._is_asking and self._next() is None

    def bound_silence(self, silence_max: Ns) -> None:
        """From now on give a connection up after another silence."""
        self.session.bound_silence(silence_max)
        self._silence_s = silence_max / SECOND

    def nudge(self) -> None:
        """Look at once whether something is due: our time has moved by more than a tick."""
        self._wake.set()

    async def _run_stream(self, url: str) -> None:
        await run_feed(
            url,
            None,
            self.session,
            self._now,
            self._take,
            backoff=self._backoff(),
            on_failure=lambda reason: log.warning("reference.unreachable", url=url, reason=reason),
            silence_s=lambda: self._silence_s,
        )

    def _take(self, events: list[Event]) -> None:
        self._emit(events)
        self._wake.set()

    def _next(self) -> PastWanted | None:
        """Return what to ask for first, leaving out what failed just now."""
        if self._rest is None:
            return None
        now_s = asyncio.get_running_loop().time()
        for wanted in self.session.past_wanted(self._now()):
            if self._not_before_s.get((wanted.symbol, wanted.period), 0.0) <= now_s:
                return wanted
        return None

    async def _run_backfill(self) -> None:
        while True:
            for error in self.session.take_errors():
                log.warning("reference.refused", error=error)
            wanted = self._next()
            if wanted is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._wake.wait()
                self._wake.clear()
            else:
                await self._ask(wanted)
                await asyncio.sleep(self._spacing_s)

    async def _ask(self, wanted: PastWanted) -> None:
        """Ask for one series and hand the answer on; a failure puts the series off."""
        assert self._rest is not None, "without a reader nothing is asked"
        series = (wanted.symbol, wanted.period)
        backoff = self._backoffs.setdefault(series, self._backoff())
        self._is_asking = True
        self.counts["asked"] += 1
        try:
            past = await self._rest.ohlc(wanted.symbol, wanted.period, wanted.since)
        except ReadFailed as error:
            self.counts["failed"] += 1
            self._put_off(series, backoff.next_s())
            log.warning("reference.backfill_failed", symbol=wanted.symbol, reason=str(error))
        except ReadRefused as error:
            self.counts["refused"] += 1
            self._put_off(series, REFUSED_S)
            log.error("reference.backfill_refused", symbol=wanted.symbol, reason=str(error))
        else:
            backoff.reset()
            told = self.session.backfilled(wanted.symbol, wanted.period, past, self._now())
            if told:
                self._emit(told)
        finally:
            self._is_asking = False

    def _put_off(self, series: tuple[str, Ns], delay_s: float) -> None:
        self._not_before_s[series] = asyncio.get_running_loop().time() + delay_s
