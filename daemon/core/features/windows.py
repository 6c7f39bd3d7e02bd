"""Windows over time, told the time: the value a while ago, and sampled changes.

All of them take integers and keep integers, so that adding and taking away leaves no residue. `now`
never goes back. A window empties although no event came, so reading it evicts as well as adding to it.
"""

from __future__ import annotations

from collections import deque

from daemon.core.units import Ns

NEVER: Ns = 1 << 62
"""An instant that doesn't come: until then holds what only news can change."""


class Lag:
    """The value that a step function had `window` ago; its steps may be to an unknown value (None)."""

    __slots__ = ("_steps", "_window", "began_at")

    def __init__(self, window: Ns) -> None:
        self._window = window
        self._steps: deque[tuple[Ns, int | None]] = deque()
        self.began_at: Ns | None = None
        """The instant of the first step: before it nothing is known."""

    def end(self) -> None:
        """Forget everything: the stream is lost."""
        self._steps.clear()
        self.began_at = None

    def add(self, at: Ns, value: int | None) -> None:
        """Step to a value at this instant. Of several steps at one instant the last one counts."""
        if self.began_at is None:
            self.began_at = at
        steps = self._steps
        if len(steps) > 1 and steps[1][0] <= at - self._window:
            self._evict(at - self._window)
        steps.append((at, value))

    def get(self, now: Ns) -> int | None:
        """Return the value in force at now - window; None if it was unknown or lies before the first step."""
        then = now - self._window
        if self.began_at is None or self.began_at > then:
            return None
        steps = self._steps
        if len(steps) > 1 and steps[1][0] <= then:
            self._evict(then)
        return steps[0][1]

    def due_at(self, now: Ns) -> Ns:
        """Return when what `get(now)` has just said may end, unless something is added or lost."""
        if self.began_at is None:
            return NEVER
        if self.began_at > now - self._window:
            return self.began_at + self._window
        return self._steps[1][0] + self._window if len(self._steps) > 1 else NEVER

    def _evict(self, then: Ns) -> None:
        # The front stays: it is the value in force at `then`.
        steps = self._steps
        while len(steps) > 1 and steps[1][0] <= then:
            steps.popleft()


class SampledChanges:
    """The squared changes of a step function between instants of a clock grid: the last `count_max` of them.

    A sample is the value in force at a grid instant strictly before now (a later event of the same
    nanosecond could still change it). A silent stream goes on being sampled: its changes are zero.
    """

    __slots__ = ("_changes", "_count_max", "_count_min", "_next_at", "_sample", "_step", "_sum", "_value")

    def __init__(self, step: Ns, count_min: int, count_max: int) -> None:
        self._step = step
        self._count_min = count_min
        self._count_max = count_max
        self._changes: deque[int] = deque()
        self.end()

    def end(self) -> None:
        """Forget everything: the stream is lost."""
        self._changes.clear()
        self._sum = 0
        self._next_at: Ns | None = None
        self._value = 0
        self._sample: int | None = None

    def add(self, at: Ns, value: int) -> None:
        """Step to a value at this instant."""
        if self._next_at is None:
            self._next_at = -(-at // self._step) * self._step
        else:
            self._advance(at)
        self._value = value

    def get(self, now: Ns) -> tuple[int, int] | None:
        """Return (sum of squared changes, their number); None while there are fewer than `count_min`."""
        self._advance(now)
        count = len(self._changes)
        return None if count < self._count_min else (self._sum, count)

    def _advance(self, now: Ns) -> None:
        next_at = self._next_at
        if next_at is None or now <= next_at:
            return
        instants = (now - 1 - next_at) // self._step + 1
        self._next_at = next_at + instants * self._step
        if self._sample is not None:
            self._push((self._value - self._sample) ** 2)
        self._sample = self._value
        for _ in range(min(instants - 1, self._count_max)):
            self._push(0)

    def _push(self, squared: int) -> None:
        changes = self._changes
        changes.append(squared)
        self._sum += squared
        if len(changes) > self._count_max:
            self._sum -= changes.popleft()
