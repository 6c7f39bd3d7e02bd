"""A value that holds until the next one, and what it was a while ago: one record, any number of lags.

An entry is sixteen bytes, and what no lag reaches any more is dropped.
"""

from __future__ import annotations

from array import array

from daemon.core.features.windows import NEVER
from daemon.core.units import Ns

_UNKNOWN = -1
"""How an unknown value stands in the record, whose values are never below zero; it never leaves here."""
_TRIM_MIN = 64


class StepLag:
    """The value in force a window ago."""

    __slots__ = ("_stream", "place", "window")

    def __init__(self, stream: StepStream, window: Ns) -> None:
        self._stream = stream
        self.window = window
        self.place = 0
        """The step in force a window ago, as of the last reading."""

    @property
    def began_at(self) -> Ns | None:
        """The instant of the first step: before it nothing is known."""
        return self._stream.began_at

    def get(self, now: Ns) -> int | None:
        """Return the value in force at now - window; None if it was unknown or lies before the first step."""
        stream = self._stream
        then = now - self.window
        began_at = stream.began_at
        if began_at is None or began_at > then:
            return None
        instants, place = stream.instants, self.place + 1
        if place < len(instants) and instants[place] <= then:
            self.advance(then)
        value = stream.values[self.place]
        return None if value == _UNKNOWN else value

    def due_at(self) -> Ns:
        """Return when what `get` has just said may end, unless something is added or lost."""
        instants, place = self._stream.instants, self.place + 1
        return instants[place] + self.window if place < len(instants) else NEVER

    def advance(self, then: Ns) -> None:
        """Go on to the step in force at this instant."""
        instants, place = self._stream.instants, self.place + 1
        end = len(instants)
        while place < end and instants[place] <= then:
            place += 1
        self.place = place - 1


class StepStream:
    """A step function of values not below zero, or unknown (None)."""

    __slots__ = ("_lags", "_trim_at", "began_at", "instants", "values")

    def __init__(self) -> None:
        self._lags: tuple[StepLag, ...] = ()
        self.end()

    @property
    def is_read(self) -> bool:
        """Whether anybody asked for a lag."""
        return bool(self._lags)

    def lag(self, window: Ns) -> StepLag:
        """Return a lag on this stream; asked for before the first step."""
        lag = StepLag(self, window)
        self._lags = (*self._lags, lag)
        return lag

    def end(self) -> None:
        """Forget everything: the stream is lost."""
        self.began_at: Ns | None = None
        self.instants, self.values = array("q"), array("q")
        self._trim_at = _TRIM_MIN
        for lag in self._lags:
            lag.place = 0

    def add(self, at: Ns, value: int | None) -> None:
        """Step to a value at this instant. Of several steps at one instant the last one counts."""
        stored = _UNKNOWN if value is None else value
        instants = self.instants
        if instants and instants[-1] == at:
            self.values[-1] = stored
            return
        if self.began_at is None:
            self.began_at = at
        instants.append(at)
        self.values.append(stored)
        if len(instants) >= self._trim_at:
            self._trim(at)

    def _trim(self, now: Ns) -> None:
        for lag in self._lags:
            lag.advance(now - lag.window)
        passed = min(lag.place for lag in self._lags)
        if passed:
            del self.instants[:passed], self.values[:passed]
            for lag in self._lags:
                lag.place -= passed
        self._trim_at = max(_TRIM_MIN, len(self.instants) * 5 // 4)
