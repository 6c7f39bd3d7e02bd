"""Daily bars: each watched market's past days, read over REST after midnight UTC and at the start.

A bar is made of all public trades of a UTC day, so that its mean price and what each side paid are exact and
of one source. The venue's daily candles are not read: nobody says at which midnight they end, and their mean
is rounded. Only where a feature needs them; one market after the other, in the line of all market reads; what
can't be read is tried again, and then left unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from daemon.core import events as e
from daemon.core.features import definition_of
from daemon.core.features.daily_history import DAYS_KEPT
from daemon.core.market import Market
from daemon.core.state import State
from daemon.core.units import DAY, MINUTE, PRICE_ONE, SECOND, Ns
from daemon.kalshi.errors import Refused, VenueError
from daemon.kalshi.rest import ReadingRest

log = structlog.get_logger(__name__)

POLL_S = 1.0
SETTLED: Ns = MINUTE
"""So long after midnight the list of trades is believed to have all of the day before."""
RETRY_AFTER: Ns = 30 * SECOND
ATTEMPTS_MAX = 3
"""A day that fails so often stays unknown."""


class Reading:
    """How far one market's days are read."""

    __slots__ = ("attempts", "is_by_day", "market", "next_day", "not_before")

    def __init__(self, market: Market, next_day: int) -> None:
        self.market = market
        self.next_day = next_day
        self.attempts = 0
        """Failures in a row at `next_day`."""
        self.is_by_day = False
        """Whether days are read one by one, because more of them in one list failed: it may be too long."""
        self.not_before: Ns = 0


class DailyBars:
    """Reads the days that are over and tells them.

    Args:
        venue: asked for trades.
        state: the core's beliefs; read, never changed.
        names: the features that are computed: without a daily one, nothing is read.
        now: our clock.
        emit: takes the events.
    """

    def __init__(
        self,
        venue: ReadingRest,
        state: State,
        names: Iterable[str],
        *,
        now: Callable[[], Ns],
        emit: Callable[[e.Event], None],
    ) -> None:
        self._venue = venue
        self._state = state
        self._is_wanted = any(_reads_days(name) for name in names)
        self._now = now
        self._emit = emit
        self._readings: dict[str, Reading] = {}
        self._turn = asyncio.Lock()
        self.counts = {"bars": 0, "failures": 0}
        """Since the start: bars told, and reads that failed."""

    async def run(self) -> None:
        """Read what comes due, by the clock that is in force, until cancelled."""
        while True:
            await self.read_if_due()
            await asyncio.sleep(POLL_S)

    async def read_if_due(self) -> None:
        """Read all that is due; on a tape, whoever moves the clock waits for it."""
        if not self._is_wanted:
            return
        async with self._turn:
            self._look()
            for reading in list(self._readings.values()):
                while (days := self._due(reading)) is not None:
                    await self._read(reading, days)

    def _look(self) -> None:
        """Take in which markets are watched; one that came back begins anew, for the core forgot it."""
        markets = self._state.markets
        for ticker in [one for one in self._readings if one not in markets]:
            del self._readings[ticker]
        for ticker, market in markets.items():
            known = self._readings.get(ticker)
            if known is None or known.market is not market:
                first = max(market.spec.open_at // DAY, self._now() // DAY - DAYS_KEPT)
                self._readings[ticker] = Reading(market, first)

    def _due(self, reading: Reading) -> range | None:
        """Return the days to read now; None when there are none."""
        now = self._now()
        over = (now - SETTLED) // DAY
        if reading.next_day >= over or now < reading.not_before or reading.market.is_unwatched:
            return None
        return range(reading.next_day, reading.next_day + 1 if reading.is_by_day else over)

    async def _read(self, reading: Reading, days: range) -> None:
        ticker = reading.market.spec.ticker
        try:
            # Each attempt asks a little differently: no cache knows the answer.
            since_s, until_s = days.start * DAY // SECOND - reading.attempts, days.stop * DAY // SECOND
            trades = await self._venue.trades(ticker, since_s, until_s)
        except VenueError as error:
            self.counts["failures"] += 1
            log.warning("daily.failed", ticker=ticker, days=len(days), reason=str(error))
            reading.attempts += 1
            reading.is_by_day = True
            reading.not_before = self._now() + RETRY_AFTER
            # Many days that are refused may be too many: of one day a refusal is the last word.
            is_refused = isinstance(error, Refused) and len(days) == 1
            if is_refused or reading.attempts >= ATTEMPTS_MAX:
                reading.next_day, reading.attempts = days.stop, 0
            return
        for bar in bars_of(ticker, days, trades, self._now()):
            self._emit(bar)
        self.counts["bars"] += len(days)
        reading.next_day, reading.attempts = days.stop, 0


def bars_of(
    ticker: str, days: range, trades: Sequence[e.TradePrinted], received_at: Ns
) -> list[e.DailyBarRead]:
    """Return a bar for each day from a market's trades; a day without any has a bar of zeros.

    What takers of YES paid is contracts times the YES price, of NO contracts times the NO price.
    """
    bars = []
    for day in days:
        within = [one for one in trades if one.sent_at is not None and one.sent_at // DAY == day]
        yes = [one for one in within if one.taker_side == "yes"]
        no = [one for one in within if one.taker_side == "no"]
        bars.append(
            e.DailyBarRead(
                ticker=ticker,
                day=day,
                qty=sum(one.qty for one in within),
                turnover=sum(one.qty * one.price for one in within),
                yes_value=sum(one.qty * one.price for one in yes),
                no_value=sum(one.qty * (PRICE_ONE - one.price) for one in no),
                received_at=received_at,
            )
        )
    return bars


def _reads_days(name: str) -> bool:
    """Whether a feature is made of past days; the time stamp of the day alone is not."""
    return definition_of(name).source == "daily" and name != "TS"
