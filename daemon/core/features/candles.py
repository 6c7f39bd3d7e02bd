"""The closed one-minute candles of one symbol at one source: returns and how much the price moves.

A minute without trades has no candle: on reading, the close before it is filled forward, for a few minutes
at most. After a loss of the connection, the candles go on only if the next one follows the last one known or
repeats it, which is what a backfill that reaches back does; otherwise minutes may be missing, and they
begin anew.
"""

from __future__ import annotations

from itertools import pairwise
from math import fsum, log, log1p, sqrt

import msgspec

from daemon.core.events import ReferenceCandleClosed
from daemon.core.units import MINUTE, SECOND, Money, Ns

GRACE: Ns = 5 * SECOND
"""A candle is told some seconds after its end: until then its minute must not look like an empty one."""
FILLED_MAX = 5
"""So many minutes without a candle are filled forward; more than that are a silence, no empty market."""
REACH = 15
PARKINSON_MAX = 240
"""The longest time, in minutes, over which ranges are averaged."""
HISTORY_STEPS = 60
"""So many past minutes are told one by one."""
_KEPT = PARKINSON_MAX + FILLED_MAX + 2


class CandleHistory(msgspec.Struct, frozen=True):
    """The last closed minutes one by one, the latest first: `HISTORY_STEPS` of each; None is unknown."""

    returns: tuple[float | None, ...]
    """ln of a minute's close to the close before it."""
    ranges: tuple[float | None, ...]
    """ln(high / low); 0 for a minute without trades."""


class ClosedCandles:
    """Closes by the minute in which they ended a candle."""

    __slots__ = (
        "_closes", "_computed", "_computed_for", "_first", "_has_hole", "_history", "_last", "_parkinson",
        "_ranges", "_revision",
    )  # fmt: skip

    def __init__(self) -> None:
        self._closes: dict[int, Money] = {}
        self._ranges: dict[int, float] = {}
        """ln(high / low) squared, where it isn't 0."""
        self._parkinson: dict[int, tuple[tuple[int, int], float | None]] = {}
        self._history: tuple[tuple[int, int], CandleHistory] | None = None
        self._first = 0
        self._last: int | None = None
        self._has_hole = False
        self._revision = 0
        self._computed_for: tuple[int, int] | None = None
        self._computed: float | None = None

    def on_candle(self, candle: ReferenceCandleClosed) -> None:
        """Take a finished candle; told in order, one that is known already changes nothing.

        Other periods than a minute, and closes that can't be, are ignored.
        """
        minute, rest = divmod(candle.began_at, MINUTE)
        if candle.period != MINUTE or rest or candle.close <= 0:
            return
        last = self._last
        if last is None or (self._has_hole and minute > last + 1):
            self._closes.clear()
            self._ranges.clear()
            self._first = minute
        self._has_hole = False
        self._revision += 1
        if last is not None and minute <= last:
            return
        self._closes[minute] = candle.close
        if candle.high > candle.low > 0:
            self._ranges[minute] = log1p((candle.high - candle.low) / candle.low) ** 2
        self._last = minute
        while (oldest := next(iter(self._closes))) <= minute - _KEPT:
            del self._closes[oldest]
            self._ranges.pop(oldest, None)

    def on_lost(self) -> None:
        """The connection is gone: from here on candles may be missing."""
        self._has_hole = True
        self._revision += 1

    def close_at(self, minute: int) -> Money | None:
        """Return the close in force at a whole minute since the epoch; None when it isn't known."""
        if self._last is None or self._has_hole:
            return None
        for before in range(minute - 1, minute - 2 - FILLED_MAX, -1):
            if before < self._first:
                return None
            close = self._closes.get(before)
            if close is not None:
                return close
        return None

    def log_return(self, minutes: int, now: Ns) -> float | None:
        """Return ln of the last close to the one so many minutes (at most 15) before; None while unknown."""
        last = (now - GRACE) // MINUTE
        close, then = self.close_at(last), self.close_at(last - minutes)
        return None if close is None or then is None else log1p((close - then) / then)

    def volatility(self, now: Ns) -> float | None:
        """Return the root mean square of the last 15 one-minute changes, relative to the last close.

        Per square root of a minute. None unless all of them are known.
        """
        key = ((now - GRACE) // MINUTE, self._revision)
        if key != self._computed_for:
            self._computed_for = key
            self._computed = self._compute(key[0])
        return self._computed

    def history(self, now: Ns) -> CandleHistory:
        """Return the last closed minutes one by one; computed once a minute for all who ask."""
        key = ((now - GRACE) // MINUTE, self._revision)
        known = self._history
        if known is None or known[0] != key:
            known = self._history = (key, self._minute_by_minute(key[0]))
        return known[1]

    def _minute_by_minute(self, last: int) -> CandleHistory:
        closes = [self.close_at(minute) for minute in range(last, last - HISTORY_STEPS - 1, -1)]
        returns = [
            None if close is None or before is None else log1p((close - before) / before)
            for close, before in pairwise(closes)
        ]
        ranges = [
            None if close is None else sqrt(self._ranges.get(last - back, 0.0))
            for back, close in enumerate(closes[:-1], start=1)
        ]
        return CandleHistory(tuple(returns), tuple(ranges))

    def parkinson(self, minutes: int, now: Ns) -> float | None:
        """Return the variance per minute that the ranges of the last so many minutes (at most 240) tell.

        The mean of ln(high / low)^2 / (4 ln 2); a minute without trades has no range. None unless all of them
        are known. Source: Parkinson 1980.
        """
        key = ((now - GRACE) // MINUTE, self._revision)
        known = self._parkinson.get(minutes)
        if known is None or known[0] != key:
            known = self._parkinson[minutes] = (key, self._range_variance(minutes, key[0]))
        return known[1]

    def _range_variance(self, minutes: int, last: int) -> float | None:
        if any(self.close_at(minute + 1) is None for minute in range(last - minutes, last)):
            return None
        ranges = self._ranges
        total = fsum(ranges[minute] for minute in range(last - minutes, last) if minute in ranges)
        return total / (4 * log(2) * minutes)

    def _compute(self, last: int) -> float | None:
        closes = [self.close_at(minute) for minute in range(last - REACH, last + 1)]
        known = [close for close in closes if close is not None]
        if len(known) < len(closes):
            return None
        total = sum((after - before) ** 2 for before, after in pairwise(known))
        return sqrt(total / REACH) / known[-1]
