"""Which candles of one symbol and period are final, and in what order they are told: each once.

The stream tells the running candle, whole from its beginning, each time that it trades, and never tells
the closed one again: it is final when a row of a later one appears, or time passes. That holds only for
candles that a connection saw end and saw begin; all others come from REST:

    ... REST ...      | the one that ran when we subscribed: REST, once it is over | the stream's own ...
                                                                                   ^ `whole_from`

What the stream closes waits until REST has told everything before `whole_from`. So between two candles
that were told nothing is missing: periods in between had no trade. Source: protocol sheet 8.1, 8.2.
"""

from __future__ import annotations

import msgspec

from daemon.core.units import SECOND, Money, Ns
from daemon.kraken.wire import Ohlc, decode_price, decode_volume, raw_text

CLOSE_PATIENCE: Ns = 3 * SECOND
"""How long after its end, by our clock, a candle's last row may still be on its way."""
REST_SETTLE: Ns = 5 * SECOND
"""How long after a candle's end REST is believed to have it."""
ASK_AGAIN: Ns = 15 * SECOND
"""How soon REST is asked again when what it told did not reach far enough (a market without trades)."""
HELD_MAX = 720
"""As many as REST tells: older ones it can give itself."""


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One candle with at least one trade; prices in Money, volume in 1e-8 units."""

    began_at: Ns
    open: Money
    high: Money
    low: Money
    close: Money
    volume_e8: int


class Past(msgspec.Struct, frozen=True):
    """What REST says: all finished candles that began in its span and before `covered_until`, ascending."""

    candles: tuple[Candle, ...]
    covered_until: Ns


def candle_of(began_at: Ns, period: Ns, prices: tuple[str, str, str, str], volume: str) -> Candle:
    """Return a candle from the texts of open, high, low, close and volume.

    Raises:
        ValueError: a number that isn't one, a beginning between two periods, or prices out of order.
    """
    first, high, low, last = (decode_price(text) for text in prices)
    if began_at % period:
        raise ValueError(f"a candle that begins inside a period: {began_at}")
    if not low <= min(first, last) <= max(first, last) <= high:
        raise ValueError(f"a candle whose prices contradict each other: {prices}")
    return Candle(began_at, first, high, low, last, decode_volume(volume))


def candle_of_row(row: Ohlc, began_at: Ns, period: Ns) -> Candle:
    """Return a row of the stream as a candle. Raises ValueError as `candle_of` does."""
    prices = (raw_text(row.open), raw_text(row.high), raw_text(row.low), raw_text(row.close))
    return candle_of(began_at, period, prices, raw_text(row.volume))


class CandleSeries:
    """The candles of one symbol and period. See the module's head."""

    def __init__(self, period: Ns) -> None:
        self.period = period
        self.late = 0
        """Rows that came for a candle that had been told as final."""
        self._told_until: Ns = 0
        """Every candle that began before this has been told, or had no trade."""
        self._whole_from: Ns | None = None
        self._running: Candle | None = None
        self._held: dict[Ns, Candle] = {}
        self._asked_at: Ns | None = None

    @property
    def is_believed(self) -> bool:
        """Whether the stream's candles are told as they close: REST has told all before them."""
        return self._whole_from is not None and self._told_until >= self._whole_from

    @property
    def since(self) -> Ns | None:
        """The beginning of the first candle that REST is to tell; None: as far back as it goes."""
        return self._told_until or None

    def subscribed(self, at: Ns) -> None:
        """Begin to observe: the stream is whole for candles that begin after `at` (the source's clock)."""
        if self._whole_from is None:
            self._whole_from = at - at % self.period + self.period

    def lost(self) -> None:
        """End the observation: what runs, and what was held, must come from REST."""
        self._whole_from = None
        self._running = None
        self._held.clear()
        self._asked_at = None

    def is_past_wanted(self, now: Ns) -> bool:
        """Whether REST should be asked now."""
        whole_from = self._whole_from
        if whole_from is None or self.is_believed:
            return False
        if self._asked_at is not None and now - self._asked_at < ASK_AGAIN:
            return False
        # All that is missing is the candle that ran when we subscribed: it has to be over first.
        return self._told_until < whole_from - self.period or now >= whole_from + REST_SETTLE

    def observe(self, candle: Candle) -> list[Candle]:
        """Take a row of the stream; return what is final by it."""
        if self._whole_from is None or candle.began_at < self._whole_from:
            return []
        if candle.began_at < self._told_until:
            self.late += 1
            return []
        running, self._running = self._running, candle
        if running is None or running.began_at == candle.began_at:
            return []
        if running.began_at > candle.began_at:
            # A row of an earlier candle, which this one had closed already.
            self._running = running
            self.late += 1
            return []
        return self._closed(running)

    def pass_time(self, now: Ns) -> list[Candle]:
        """Return what is final because its time, and our patience, is over."""
        running = self._running
        if running is None or now < running.began_at + self.period + CLOSE_PATIENCE:
            return []
        self._running = None
        return self._closed(running)

    def backfill(self, past: Past, now: Ns) -> list[Candle]:
        """Take what REST says; return what has not been told: its own, then what was held behind it."""
        self._asked_at = now
        fresh = [
            candle for candle in past.candles if self._told_until <= candle.began_at < past.covered_until
        ]
        self._told_until = max(self._told_until, past.covered_until)
        if not self.is_believed:
            return fresh
        held = [candle for at, candle in sorted(self._held.items()) if at >= self._told_until]
        self._held.clear()
        if held:
            self._told_until = held[-1].began_at + self.period
        if self._running is not None and self._running.began_at < self._told_until:
            self._running = None
        return fresh + held

    def _closed(self, candle: Candle) -> list[Candle]:
        if not self.is_believed:
            self._held[candle.began_at] = candle
            if len(self._held) > HELD_MAX:
                del self._held[next(iter(self._held))]
            return []
        self._told_until = candle.began_at + self.period
        return [candle]
