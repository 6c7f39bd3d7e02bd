"""The watch over strategies: calls are measured from outside, and whoever is off is told of once."""

from __future__ import annotations

import time

import pytest
import structlog.testing

from daemon.core import events as e
from daemon.core.strategy import MarketView, Wanted
from daemon.core.units import MILLISECOND
from daemon.shell import strategy_watch
from daemon.shell.strategy_watch import (
    CALL_MAX,
    SLOW,
    SLOW_CALLS_MAX,
    WINDOW,
    StrategyWatch,
    TimedStrategy,
    UnknownStrategy,
)
from tests.core.worlds import NOW, TICKER, Scripted, trading


class Clocks:
    """A wall clock and a processor clock that a strategy moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.cpu = 0
        monkeypatch.setattr(strategy_watch, "time", self)

    def perf_counter_ns(self) -> int:
        return self.wall

    def thread_time_ns(self) -> int:
        return self.cpu


class Slow(Scripted):
    """A strategy that takes as long as the test says."""

    def __init__(self, clocks: Clocks) -> None:
        super().__init__()
        self.clocks = clocks
        self.wall = self.cpu = 0

    def wants(self, view: MarketView) -> Wanted:
        self.clocks.wall += self.wall
        self.clocks.cpu += self.cpu
        return super().wants(view)


class Measured:
    """A slow strategy under watch, and what was said of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slow = Slow(Clocks(monkeypatch))
        self.said: list[tuple[str, str]] = []
        self.timed = TimedStrategy(self.slow, lambda name, words: self.said.append((name, words)))
        subject = trading(self.slow)
        subject.decide(NOW)
        self.view = self.slow.views[-1]

    def call(self, times: int = 1, *, wall: int = 0, cpu: int | None = None) -> None:
        self.slow.wall, self.slow.cpu = wall, wall if cpu is None else cpu
        for _ in range(times):
            assert self.timed.wants(self.view) == Wanted((), "scripted")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    return Measured(monkeypatch)


def test_a_strategy_that_is_fast_enough_is_left_alone(measured: Measured) -> None:
    """However often, up to the very limit."""
    measured.call(3 * WINDOW, wall=SLOW)
    assert [] == measured.said


def test_one_call_that_works_too_long_is_enough_once_it_is_suspect(measured: Measured) -> None:
    """The first slow call may have been the machine's fault: the second one is measured by the processor."""
    measured.call(wall=CALL_MAX + MILLISECOND)
    assert [] == measured.said
    measured.call(wall=CALL_MAX + MILLISECOND)
    assert [("scripted", "one call took 51 ms; 50 are allowed")] == measured.said


def test_more_slow_calls_than_one_in_a_hundred_are_too_many(measured: Measured) -> None:
    """The 99th percentile of a window is above the limit."""
    measured.call(wall=SLOW + 1)
    measured.call(SLOW_CALLS_MAX, wall=SLOW + 1)
    measured.call(WINDOW - SLOW_CALLS_MAX - 1)
    assert [] == measured.said
    measured.call(wall=SLOW + 1)
    assert [("scripted", "3 of 200 calls took more than 5 ms")] == measured.said


def test_slow_calls_that_are_far_apart_are_forgiven(measured: Measured) -> None:
    """A window that went well ends the suspicion, and what came before counts no more."""
    for _ in range(10):
        measured.call(wall=SLOW + 1)
        measured.call(WINDOW)
    assert [] == measured.said


def test_a_busy_machine_is_not_the_strategys_fault(measured: Measured) -> None:
    """The wall clock ran on while others had the processor."""
    measured.call(wall=SLOW + 1, cpu=0)
    measured.call(WINDOW, wall=CALL_MAX, cpu=MILLISECOND)
    measured.call(SLOW_CALLS_MAX, wall=10 * CALL_MAX, cpu=MILLISECOND)
    assert [] == measured.said


def test_a_strategy_that_sleeps_is_too_slow_too(measured: Measured) -> None:
    """It uses no processor, and holds everything up all the same."""
    measured.call(wall=SLOW + 1, cpu=0)
    measured.call(SLOW_CALLS_MAX + 1, wall=CALL_MAX + 1, cpu=0)
    assert [("scripted", "3 of 200 calls waited for more than 50 ms")] == measured.said


def test_a_real_strategy_that_burns_its_time_is_found() -> None:
    """By the machine's own clocks, without a test's hand."""

    class Burning(Scripted):
        def wants(self, view: MarketView) -> Wanted:
            until = time.thread_time_ns() + CALL_MAX + 20 * MILLISECOND
            while time.thread_time_ns() < until:
                pass
            return super().wants(view)

    subject, told = trading(Burning()), list[e.Event]()
    StrategyWatch(subject, now=lambda: NOW, emit=told.append)
    for _ in range(2):
        subject.state.touch_all()
        subject.decide(NOW)
    (switched,) = told
    assert isinstance(switched, e.StrategySwitched)
    assert ("scripted", False, "too slow") == (switched.strategy, switched.is_on, switched.by)


def test_a_person_switches_what_runs_and_nothing_else() -> None:
    """A wrong name is told who there is."""
    told: list[e.Event] = []
    watch = StrategyWatch(trading(Scripted()), now=lambda: NOW, emit=told.append)
    watch.switch("scripted", is_on=False, reason="I don't trust it")
    assert [e.StrategySwitched("scripted", False, "I don't trust it", NOW, "cli")] == told
    with pytest.raises(UnknownStrategy, match="script: no such strategy runs; there are: scripted"):
        watch.switch("script", is_on=True, reason="x")


def test_each_switch_is_told_once_with_the_way_back() -> None:
    """Also when the core itself switched it off; and that a restart switches it on again."""
    subject = trading(Scripted())
    watch = StrategyWatch(subject, now=lambda: NOW, emit=lambda _: None)
    with structlog.testing.capture_logs() as logged:
        subject.state.switches.turn_off("scripted", "KeyError: 'mid'", "raised", NOW)
        for _ in range(2):
            watch.on_batch([], [])
        subject.handle(e.StrategySwitched("scripted", True, "mended", NOW))
        for _ in range(2):
            watch.on_batch([], [])
        subject.state.switches.turn_off("scripted", "KeyError: 'mid'", "raised", NOW)
        watch.on_batch([], [])
        # Switched on, and it raised again before anybody looked: that is another time.
        subject.handle(e.StrategySwitched("scripted", True, "mended", NOW))
        subject.state.switches.turn_off("scripted", "KeyError: 'mid'", "raised", NOW + 1)
        watch.on_batch([], [])
    off, on, *again = logged
    assert ["strategy.switched_off", "strategy.switched_off"] == [entry["event"] for entry in again]
    assert ("strategy.switched_off", "KeyError: 'mid'", "raised") == (off["event"], off["reason"], off["by"])
    assert "a restart switches it on again" in off["back"]
    assert ("strategy.switched_on", "scripted") == (on["event"], on["strategy"])


def test_the_engine_asks_those_that_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is too slow in a real decision is switched off: the engine keeps no way around the watch."""
    slow, told = Slow(Clocks(monkeypatch)), list[e.Event]()
    subject = trading(slow)
    StrategyWatch(subject, now=lambda: NOW, emit=told.append)
    slow.wall = slow.cpu = CALL_MAX + 1
    for number in range(2):  # the first slow call only makes it suspect
        subject.handle(e.BookDeltaReceived(TICKER, "yes", 3_900, 100, NOW + number, NOW + number))
        subject.decide(NOW + number)
    assert [("scripted", False)] == [
        (one.strategy, one.is_on) for one in told if isinstance(one, e.StrategySwitched)
    ]
