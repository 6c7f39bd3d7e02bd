"""Sums over sliding windows: amounts at instants, kept once as running totals that any window reads.

A window's sum is the difference of two totals, so several windows over one stream cost one entry of sixteen
bytes per instant. Windows up to five minutes are exact: (now - window, now]. Longer ones are *coarse*: they
begin at a whole multiple of a sixtieth of their length, at or before now - window, and keep one entry for
each such step. That way an hour of an active market is sixty entries, and an idle market's are none.

A log is one buffer of integers, for with thousands of markets each object more is a wait for the memory:

    since when nothing is missing | per window: its length, when to look again, its first entry | entries
    entries: (instant, total after it), the first of them what was before all others

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
DUE, FIRST = 1, 2
"""Where a window has when to look again, and the place of its first entry: 0 while it isn't whole."""


def grain_of(window: Ns) -> Ns:
    """Return the step at whose multiples a coarse window begins, in whole seconds; 0 for an exact window."""
    return 0 if window <= FINE_MAX else window // _STEPS // SECOND * SECOND


class SumWindow:
    """The sum over one window; None until the stream is whole for that long."""

    __slots__ = ("log", "place")

    def __init__(self, log: TotalLog, place: int) -> None:
        self.log = log
        self.place = place
        """Where the window stands in the log's buffer."""

    def get(self, now: Ns) -> int | None:
        """Return the sum; None while the window isn't whole."""
        buffer, place = self.log.buffer, self.place
        if now >= buffer[place + DUE]:
            self.log.look(place, now)
        first = buffer[place + FIRST]
        return buffer[-1] - buffer[first - 1] if first else None

    @property
    def due_at(self) -> Ns:
        """When the time alone changes what the window says: an entry leaves it, or it is whole."""
        buffer, place = self.log.buffer, self.place
        return NEVER if buffer[place + FIRST] == len(buffer) else buffer[place + DUE]


class TotalLog:
    """The running total after each instant (of a coarse log: each step) at which something was added."""

    __slots__ = ("_trim_at", "_windows", "buffer", "grain")

    def __init__(self, grain: Ns) -> None:
        self.grain = grain
        self._windows: tuple[Ns, ...] = ()
        self.buffer: MutableSequence[int] = array("q")
        """See the module's head."""
        self._trim_at = 0
        self.clear()

    def __len__(self) -> int:
        return (len(self.buffer) - self._entries) // 2 - 1

    def window(self, window: Ns) -> SumWindow:
        """Return a window over this log; asked for before the first amount."""
        if window not in self._windows:
            self._windows = (*self._windows, window)
            self.clear()
        return SumWindow(self, 1 + 3 * self._windows.index(window))

    def add(self, at: Ns, amount: int) -> None:
        """Count an amount at this instant, which is none before the last one's."""
        if self.grain:
            at -= at % self.grain
        buffer = self.buffer
        total, length = buffer[-1] + amount, len(buffer)
        try:
            if buffer[-2] == at:
                buffer[-1] = total
            else:
                buffer.append(at)
                buffer.append(total)
        except OverflowError:
            # Nobody trades 2**63 hundredths, but a frame may say so: that must cost memory, not the daemon.
            self.buffer = [*buffer[:length]]
            self.add(at, amount)
            return
        if length >= self._trim_at:
            self._trim(at)

    def look(self, place: int, now: Ns) -> None:
        """Leave behind what is past the window that stands at this place, and note when to look again."""
        buffer = self.buffer
        window, began_at = buffer[place], buffer[0]
        passed = now - window
        if self.grain:
            passed -= passed % self.grain + 1
            buffer[place + DUE] = passed + 1 + self.grain + window
            began_at -= 1  # such a window begins at the instant after the one that it left behind
        elif began_at > passed:
            buffer[place + DUE] = began_at + window
        first = 0
        if began_at <= passed:
            first, end = buffer[place + FIRST] or self._entries + 2, len(buffer)
            while first < end and buffer[first] <= passed:
                first += 2
            if not self.grain:
                # What comes from now on stays for a window's length.
                buffer[place + DUE] = window + (min(now, buffer[first]) if first < end else now)
        buffer[place + FIRST] = first

    def observe(self, since: Ns | None) -> None:
        """Take since when nothing is missing; None while something may be."""
        self.buffer[0] = NEVER if since is None else since
        for place in range(1, self._entries, 3):
            self.buffer[place + DUE] = 0

    def insert(self, amounts: Iterable[tuple[Ns, int]]) -> None:
        """Add amounts of the past, at any instants."""
        start = self._entries
        before, told = self.buffer[start + 1], []
        for place in range(start + 2, len(self.buffer), 2):
            told.append((self.buffer[place], self.buffer[place + 1] - before))
            before = self.buffer[place + 1]
        del self.buffer[start + 2 :]
        for place in range(1, start, 3):
            self.buffer[place + DUE] = self.buffer[place + FIRST] = 0
        self._trim_at = start + 2 * _TRIM_MIN
        for at, amount in sorted([*told, *amounts], key=lambda entry: entry[0]):
            self.add(at, amount)

    def clear(self) -> None:
        """Forget everything: nothing is observed."""
        self.buffer = array("q", [NEVER])
        for window in self._windows:
            self.buffer.extend((window, 0, 0))
        self.buffer.extend((-NEVER, 0))
        self._trim_at = self._entries + 2 * _TRIM_MIN

    @property
    def _entries(self) -> int:
        """The place of what was before all entries."""
        return 1 + 3 * len(self._windows)

    def _trim(self, now: Ns) -> None:
        """Drop what no window reaches any more; what nobody reads must not grow."""
        buffer, start = self.buffer, self._entries
        passed, kept, last = now - max(self._windows), start, len(buffer) - 2
        if self.grain:
            passed -= passed % self.grain + 1
        while kept < last and buffer[kept + 2] <= passed:
            kept += 2
        if kept > start:
            del buffer[start:kept]
            for place in range(1, start, 3):
                if buffer[place + FIRST]:
                    # One that wasn't read for long looks before it says anything.
                    buffer[place + FIRST] = max(start + 2, buffer[place + FIRST] - kept + start)
        self._trim_at = start + max(2 * _TRIM_MIN, (len(buffer) - start) * 5 // 4)


class AmountStream:
    """Amounts that happen to one market; it keeps only what the windows asked of it need."""

    __slots__ = ("_logs", "began_at")

    def __init__(self) -> None:
        self.began_at: Ns | None = None
        """Since when nothing is missing; None while the stream isn't observed. Told by `observe`."""
        self._logs: tuple[TotalLog, ...] = ()

    @property
    def is_read(self) -> bool:
        """Whether anybody asked for a window."""
        return bool(self._logs)

    def counting(self) -> TotalLog | AmountStream | None:
        """Return whose `add` counts: the log itself where there is one, nobody's where nothing is read."""
        return self if len(self._logs) > 1 else next(iter(self._logs), None)

    def window(self, window: Ns) -> SumWindow:
        """Return a window over this stream; asked for before the first amount."""
        grain = grain_of(window)
        log = next((log for log in self._logs if log.grain == grain), None)
        if log is None:
            log = TotalLog(grain)
            self._logs = (*self._logs, log)
        found = log.window(window)
        log.observe(self.began_at)
        return found

    def begin(self, at: Ns) -> None:
        """Observe from this instant on, with nothing seen before."""
        self.end()
        self.observe(at)

    def observe(self, since: Ns | None) -> None:
        """Take since when nothing is missing; what has been counted stays."""
        self.began_at = since
        for log in self._logs:
            log.observe(since)

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
