"""The strategies while they run: how long each call takes, who is switched off, and the switch itself.

A strategy's call holds up everything else: no frame is read, no order is cancelled while it thinks. So calls
are measured here, on the outside, for the core has no clock; one that takes too long is switched off by an
event, as a person switches it off.

On a busy machine the clock on the wall also counts when others had the processor, in the middle of a call
that did nothing wrong. Therefore a slow call only makes its strategy suspect: for the next `WINDOW` calls its
processor time is measured too, which costs more than a call is worth otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from daemon.core import events as e
from daemon.core.asking import Slot
from daemon.core.commands import Command
from daemon.core.engine import Engine
from daemon.core.strategy import MarketView, Strategy, Wanted
from daemon.core.switches import SwitchedOff
from daemon.core.units import MILLISECOND, Ns

log = structlog.get_logger(__name__)

CALL_MAX: Final[Ns] = 50 * MILLISECOND
"""A tenth of what a message may come late (`feed.transport_lag_max_ms`): past it, we are the lag."""
SLOW: Final[Ns] = 5 * MILLISECOND
"""A hundred times what a strategy should take."""
WINDOW: Final = 200
SLOW_CALLS_MAX: Final = WINDOW // 100
"""So many of a window may be slow: more, and the 99th percentile is."""


class TimedStrategy:
    """A strategy whose calls are measured. To the engine it is the strategy."""

    def __init__(self, strategy: Strategy, on_slow: Callable[[str, str], None]) -> None:
        """Build.

        Args:
            strategy: the strategy.
            on_slow: takes its name and how it was too slow, in words.
        """
        self.name = strategy.name
        self.features = strategy.features
        self.book_changed_max = strategy.book_changed_max
        self._wants = strategy.wants
        self._on_slow = on_slow
        self._suspected_calls = 0
        """Calls that are still measured closely; 0 while nothing speaks against it."""
        self._slow_calls = 0
        self._waits = 0

    def wants(self, view: MarketView) -> Wanted:
        """Return what the strategy wants, and note how long it took."""
        if self._suspected_calls:
            return self._wants_suspected(view)
        started_at = time.perf_counter_ns()
        wanted = self._wants(view)
        if time.perf_counter_ns() - started_at > SLOW:
            self._suspected_calls, self._slow_calls, self._waits = WINDOW, 0, 0
        return wanted

    def _wants_suspected(self, view: MarketView) -> Wanted:
        started_at, cpu_before = time.perf_counter_ns(), time.thread_time_ns()
        wanted = self._wants(view)
        cpu, took = time.thread_time_ns() - cpu_before, time.perf_counter_ns() - started_at
        self._suspected_calls -= 1
        self._slow_calls += cpu > SLOW
        # It did not work and did not return: it waits for something, or the machine had other things to do.
        self._waits += took > CALL_MAX >= cpu
        words = None
        if cpu > CALL_MAX:
            words = f"one call took {cpu // MILLISECOND} ms; {CALL_MAX // MILLISECOND} are allowed"
        elif self._slow_calls > SLOW_CALLS_MAX:
            words = f"{self._slow_calls} of {WINDOW} calls took more than {SLOW // MILLISECOND} ms"
        elif self._waits > SLOW_CALLS_MAX:
            words = f"{self._waits} of {WINDOW} calls waited for more than {CALL_MAX // MILLISECOND} ms"
        if words is not None:
            self._suspected_calls = 0
            self._on_slow(self.name, words)
        return wanted


class UnknownStrategy(Exception):
    """Nobody of this name trades; the message says who does."""


class StrategyWatch:
    """Measures the strategies of one engine, switches them, and says in the log who is off.

    Args:
        engine: its strategies are replaced by measured ones.
        now: our clock.
        emit: takes the switches for the core.
    """

    def __init__(self, engine: Engine, *, now: Callable[[], Ns], emit: Callable[[e.Event], None]) -> None:
        self._engine = engine
        self._now = now
        self._emit = emit
        self._told = 0
        self._off: dict[str, SwitchedOff] = {}
        engine.changes.wrap(self.measured)

    def measured(self, slot: Slot) -> Slot:
        """Return a slot whose strategy is measured."""
        return msgspec.structs.replace(slot, strategy=TimedStrategy(slot.strategy, self._too_slow))

    def switch(self, name: str, *, is_on: bool, reason: str) -> None:
        """Switch a strategy at a person's word.

        Raises:
            UnknownStrategy: it is not among those that run.
        """
        names = [slot.strategy.name for slot in self._engine.slots]
        if name not in names:
            raise UnknownStrategy(f"{name}: no such strategy runs; there are: {', '.join(names) or 'none'}")
        self._emit(e.StrategySwitched(name, is_on, reason, self._now(), "cli"))

    def on_batch(self, _events: list[e.Event], _commands: list[Command]) -> None:
        """Say who was switched since the last time."""
        switches = self._engine.state.switches
        if switches.changes_total == self._told:
            return
        self._told = switches.changes_total
        for name, off in switches.off.items():
            if off != self._off.get(name):
                log.error(
                    "strategy.switched_off", strategy=name, reason=off.reason, by=off.by,
                    back=f"kalshid strategy on {name}; a restart switches it on again too",
                )  # fmt: skip
        for name in self._off:
            if name not in switches.off:
                log.warning("strategy.switched_on", strategy=name)
        self._off = dict(switches.off)

    def _too_slow(self, name: str, words: str) -> None:
        self._emit(e.StrategySwitched(name, False, words, self._now(), "too slow"))
