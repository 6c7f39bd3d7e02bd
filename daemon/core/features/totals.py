"""Sums over sliding windows: amounts at instants, kept once as running totals that any window reads.

A window's sum is the difference of two totals, so several windows over one stream cost one entry of sixteen
bytes per instant. Windows up to five minutes are exact: (now - window, now]. Longer ones are *coarse*: they
begin at a whole multiple of a sixtieth of their length, at or before now - window, and keep one entry for
each such step. That way an hour of an active market is sixty entries, and an idle market's are none.

All amounts and totals are integers. `now` never goes back. A window empties although no event came.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, MutableSequence

from daemon.core.features.windows import NEVER
from daemon.core.units import SECOND, Ns

FINE_MAX: Ns = 300 * SECOND
_STEPS = 60
_TRIM_MIN = 64


def grain_of(window: Ns) -> Ns:
    """Return the step at whose multiples a coarse window begins, in whole seconds; 0 for an exact window."""
    return 0 if window <= FINE_MAX else window // _STEPS // SECOND * SECOND


class SumWindow:
    """The sum over one exact window; None until the stream is whole for that long."""

    __slots__ = ("_stream", "before", "due_at", "is_whole", "log", "place", "window")

    def __init__(self, stream: AmountStream, log: _TotalLog, window: Ns) -> None:
        self._stream = stream
        self.log = log
        self.window = window
        self.place = 0
        """The first entry within the window, as of the last reading."""
        self.before = log.base
        """The total before that entry."""
        self.due_at: Ns = 0
        """When the time changes what the window says: an entry leaves it, or it is whole. 0: look now."""
        self.is_whole = False
        """Whether the stream was whole for so long, as of the last look."""

    def get(self, now: Ns) -> int | None:
        """Return the sum; None while the window isn't whole."""
        if now >= self.due_at:
            self.look(now)
        return self.log.total - self.before if self.is_whole else None

    def look(self, now: Ns) -> None:
        """Leave behind what is a window old, and note when to look again."""
        passed, began_at = self.passed(now), self._stream.began_at
        self.is_whole = began_at is not None and began_at <= passed
        if began_at is None:
            self.due_at = NEVER
        elif not self.is_whole:
            self.due_at = began_at + self.window
        else:
            self.advance(passed)
            instants, place = self.log.instants, self.place
            # What comes from now on stays for a window's length.
            self.due_at = self.window + (min(now, instants[place]) if place < len(instants) else now)

    def passed(self, now: Ns) -> Ns:
        """Return the last instant that lies before the window."""
        return now - self.window

    def advance(self, passed: Ns) -> None:
        """Leave behind what happened up to this instant."""
        instants, place = self.log.instants, self.place
        end = len(instants)
        while place < end and instants[place] <= passed:
            place += 1
        if place > self.place:
            self.place = place
            self.before = self.log.totals[place - 1]


class CoarseWindow(SumWindow):
    """The sum over a window that begins at a whole multiple of its step."""

    __slots__ = ()

    def look(self, now: Ns) -> None:
        """Leave behind the steps that are over, and note when the next one is."""
        passed, began_at = self.passed(now), self._stream.began_at
        self.is_whole = began_at is not None and began_at <= passed + 1
        self.advance(passed)
        self.due_at = passed + 1 + self.log.grain + self.window

    def passed(self, now: Ns) -> Ns:
        """Return the last instant that lies before the window."""
        then = now - self.window
        return then - then % self.log.grain - 1


class _TotalLog:
    """The running total after each instant (of a coarse log: each step) at which something was added."""

    __slots__ = ("_trim_at", "base", "grain", "instants", "total", "totals", "windows")

    def __init__(self, grain: Ns) -> None:
        self.grain = grain
        self.instants: MutableSequence[int] = array("q")
        self.totals: MutableSequence[int] = array("q")
        self.total = self.base = 0
        """The total now, and before the first entry."""
        self.windows: list[SumWindow] = []
        self._trim_at = _TRIM_MIN

    def add(self, at: Ns, amount: int) -> None:
        if self.grain:
            at -= at % self.grain
        self.total += amount
        instants = self.instants
        try:
            if instants and instants[-1] == at:
                self.totals[-1] = self.total
            else:
                self.totals.append(self.total)
                instants.append(at)
        except OverflowError:
            # Nobody trades 2**63 hundredths, but a frame may say so: that must cost memory, not the daemon.
            self.totals = [*self.totals]
            self.total -= amount
            self.add(at, amount)
            return
        if len(instants) >= self._trim_at:
            self._trim(at)

    def insert(self, amounts: Iterable[tuple[Ns, int]]) -> None:
        """Add amounts of the past, at any instants."""
        before, entries = self.base, []
        for at, total in zip(self.instants, self.totals, strict=True):
            entries.append((at, total - before))
            before = total
        base = self.base
        self.clear()
        self.total = self.base = base
        for window in self.windows:
            window.before, window.due_at = base, 0
        for at, amount in sorted([*entries, *amounts], key=lambda entry: entry[0]):
            self.add(at, amount)

    def clear(self) -> None:
        self.instants, self.totals = array("q"), array("q")
        self.total = self.base = 0
        self._trim_at = _TRIM_MIN
        for window in self.windows:
            window.place = window.before = window.due_at = 0

    def _trim(self, now: Ns) -> None:
        """Drop what no window reaches any more; what nobody reads must not grow."""
        for window in self.windows:
            window.advance(window.passed(now))
        passed = min(window.place for window in self.windows)
        if passed:
            self.base = self.totals[passed - 1]
            del self.instants[:passed], self.totals[:passed]
            for window in self.windows:
                window.place -= passed
        self._trim_at = max(_TRIM_MIN, len(self.instants) * 5 // 4)


class AmountStream:
    """Amounts that happen to one market; it keeps only what the windows asked of it need."""

    __slots__ = ("_logs", "began_at")

    def __init__(self) -> None:
        self.began_at: Ns | None = None
        """Since when nothing is missing; None while the stream isn't observed. Told by `observe`."""
        self._logs: tuple[_TotalLog, ...] = ()

    @property
    def is_read(self) -> bool:
        """Whether anybody asked for a window."""
        return bool(self._logs)

    def window(self, window: Ns) -> SumWindow:
        """Return a window over this stream; asked for before the first amount."""
        grain = grain_of(window)
        log = next((log for log in self._logs if log.grain == grain), None)
        if log is None:
            log = _TotalLog(grain)
            self._logs = (*self._logs, log)
        found = (CoarseWindow if grain else SumWindow)(self, log, window)
        log.windows.append(found)
        return found

    def begin(self, at: Ns) -> None:
        """Observe from this instant on, with nothing seen before."""
        self.end()
        self.began_at = at

    def observe(self, since: Ns | None) -> None:
        """Take since when nothing is missing; what has been counted stays."""
        self.began_at = since
        for log in self._logs:
            for window in log.windows:
                window.due_at = 0

    def end(self) -> None:
        """Forget everything: the stream is lost."""
        self.began_at = None
        for log in self._logs:
            log.clear()

    def add(self, at: Ns, amount: int) -> None:
        """Count an amount at this instant, which is none before the last one's."""
        for log in self._logs:
            log.add(at, amount)

    def insert(self, amounts: list[tuple[Ns, int]]) -> None:
        """Count amounts of the past, whole or not."""
        for log in self._logs:
            log.insert(amounts)
