"""The market's mid by the clock: its value at whole minutes or hours, and its range within each minute.

The mid is doubled (bid + ask), so that it is an exact integer. Only so much of the past is kept as some
feature asked for; where none did, nothing is.
"""

from __future__ import annotations

from collections.abc import Mapping

from daemon.core.events import CandleBackfilled
from daemon.core.units import MINUTE, Ns


class PeriodMids:
    """The doubled mid in force at whole periods: sampled from the live book, or backfilled from candles.

    Live samples win over candles, for they are what the live windows saw. Only candles of the same period
    that end on a whole one count, and only finished ones.
    """

    __slots__ = ("_double_mid", "_kept", "_known", "_next", "_period", "revision")

    def __init__(self, period: Ns, kept: int = 0) -> None:
        self._period = period
        self._kept = kept
        self._known: dict[int, int | None] = {}
        self._double_mid: int | None = None
        self._next: int | None = None
        self.revision = 0
        """Grows with every change, so that readers can keep what they computed."""

    @property
    def is_read(self) -> bool:
        """Whether anybody asked for some of the past."""
        return self._kept > 0

    def keep(self, count: int) -> None:
        """Remember at least so many whole periods of the past."""
        self._kept = max(self._kept, count)

    @property
    def known(self) -> Mapping[int, int | None]:
        """Doubled mids by whole periods since the epoch; None where the quotes had a side missing."""
        return self._known

    def last(self, now: Ns, count: int) -> list[int | None]:
        """Return the mids at the last `count` whole periods before `now`, oldest first; None is unknown."""
        self.sample(now)
        last = (now - 1) // self._period
        get = self._known.get
        return [get(index) for index in range(last - count + 1, last + 1)]

    def end(self) -> None:
        """Forget everything: the book is lost."""
        self._known.clear()
        self._double_mid = None
        self._next = None
        self.revision += 1

    def add(self, at: Ns, double_mid: int | None) -> None:
        """The live mid steps to a value (None: a side is missing) at this instant."""
        if self._next is None:
            self._next = -(-at // self._period)
        else:
            self.sample(at)
        self._double_mid = double_mid

    def sample(self, now: Ns) -> None:
        """Take the samples of the whole periods that lie before `now`."""
        first = self._next
        if first is None or now <= first * self._period:
            return
        last = (now - 1) // self._period
        for index in range(max(first, last - self._kept + 1), last + 1):
            self._known[index] = self._double_mid
        self._next = last + 1
        self._prune()

    def on_candle(self, candle: CandleBackfilled) -> None:
        """Take a past period's closing quotes, unless the live book knows that instant."""
        index, rest = divmod(candle.ended_at, self._period)
        if candle.period != self._period or rest or candle.ended_at > candle.received_at:
            return
        if index in self._known or (self._next is not None and index >= self._next):
            return
        bid, ask = candle.bid, candle.ask
        self._known[index] = None if bid is None or ask is None else bid + ask
        self._prune()

    def _prune(self) -> None:
        if len(self._known) > self._kept:
            oldest = max(self._known) - self._kept
            for index in [index for index in self._known if index <= oldest]:
                del self._known[index]
        self.revision += 1


class MinuteRanges:
    """The lowest and highest doubled mid of each whole minute of the live book.

    A minute's range covers the mid that was carried into it and every step within it; moments without a
    mid (a side missing) say nothing. A minute that the book didn't live through is unknown.
    """

    __slots__ = ("_double_mid", "_high", "_kept", "_known", "_low", "_minute", "revision")

    def __init__(self) -> None:
        self._kept = 0
        self._known: dict[int, tuple[int, int]] = {}
        self._minute: int | None = None
        """The minute that is going on; None while the book isn't known."""
        self._double_mid: int | None = None
        self._low: int | None = None
        self._high = 0
        self.revision = 0
        """Grows with every finished minute and every loss."""

    @property
    def is_read(self) -> bool:
        """Whether anybody asked for some of the past."""
        return self._kept > 0

    def keep(self, count: int) -> None:
        """Remember at least so many whole minutes of the past."""
        self._kept = max(self._kept, count)

    def end(self) -> None:
        """Forget everything: the book is lost."""
        self._known.clear()
        self._minute = self._double_mid = self._low = None
        self.revision += 1

    def add(self, at: Ns, double_mid: int | None) -> None:
        """The live mid steps to a value (None: a side is missing) at this instant."""
        if self._minute is None:
            # The minute in which the book began counts only if it began with it.
            self._minute = at // MINUTE if at % MINUTE == 0 else at // MINUTE + 1
        else:
            self._finish(at)
        self._double_mid = double_mid
        if double_mid is not None and at >= self._minute * MINUTE:
            self._take(double_mid)

    def last(self, now: Ns, count: int) -> list[tuple[int, int]] | None:
        """Return (low, high) of the last `count` whole minutes; None unless all of them are known."""
        self._finish(now)
        last = now // MINUTE
        found = [self._known.get(minute) for minute in range(last - count, last)]
        known = [one for one in found if one is not None]
        return known if len(known) == count else None

    def _take(self, double_mid: int) -> None:
        if self._low is None:
            self._low = self._high = double_mid
        elif double_mid < self._low:
            self._low = double_mid
        elif double_mid > self._high:
            self._high = double_mid

    def _finish(self, now: Ns) -> None:
        """Close the minutes that are over, and carry the mid into the one that goes on."""
        first, going_on = self._minute, now // MINUTE
        if first is None or going_on < first:
            return
        mid = self._double_mid
        if self._low is None and mid is not None and first * MINUTE <= now:
            self._low = self._high = mid  # carried into a minute in which nothing happened
        if going_on == first:
            return
        if self._low is not None:
            self._known[first] = (self._low, self._high)
        if mid is not None:
            for minute in range(max(first + 1, going_on - self._kept), going_on):
                self._known[minute] = (mid, mid)
        for minute in [minute for minute in self._known if minute < going_on - self._kept]:
            del self._known[minute]
        self._minute = going_on
        self._low = None if mid is None else mid
        self._high = mid or 0
        self.revision += 1
