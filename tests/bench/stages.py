"""Where the microseconds go: the functions of each stage are timed, each without what it calls of the others.

A stage is named by functions of the daemon. `timed` puts a clock around them for as long as it lasts. One
that calls another timed one is not charged for it; what the clock itself costs is measured, and taken off.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection

from daemon.core.asking import Asking
from daemon.core.engine import Engine
from daemon.core.features import FeatureSet
from daemon.core.gathering import Gathering
from daemon.core.issuing import Issuer
from daemon.core.models import ModelSlot
from daemon.core.risk import Risk
from daemon.core.state import State
from daemon.core.streams import StreamBeliefs
from daemon.core.upkeep import Upkeep
from daemon.kalshi.auth import Signer
from daemon.kalshi.session import Session
from daemon.shell.journal import Journal
from daemon.shell.loop import Inbox, Pump
from daemon.shell.queue import OrderQueue
from daemon.shell.waiting import WaitingLine


class Stage(msgspec.Struct, frozen=True):
    """One stage: its name, what it does, and the methods that do it, as (class, name)."""

    name: str
    does: str
    methods: tuple[tuple[type, str], ...]


STAGES: tuple[Stage, ...] = (
    Stage(
        "receive",
        "the socket's bytes to a frame (websockets); only on the wire",
        ((ClientConnection, "data_received"),),
    ),
    Stage("decode", "a frame's bytes to an event, its number checked", ((Session, "receive"),)),
    Stage("pump", "from the inbox to the core and back", ((Inbox, "extend"), (Pump, "turn"))),
    Stage("journal", "one unsynced write per batch, before it is handled", ((Journal, "append"),)),
    Stage("apply", "the book changes one level", ((Engine, "handle"), (StreamBeliefs, "apply_delta"))),
    Stage(
        "features",
        "streams fed with each change, the row made when it is scored",
        ((FeatureSet, "on_book"), (FeatureSet, "values")),
    ),
    Stage("score", "one row through the model", ((ModelSlot, "score"),)),
    Stage("strategy", "its view, and what it wants", ((Asking, "wants"),)),
    Stage(
        "upkeep",
        "by the clock: breakers, losses, groups, probes, readings",
        tuple((Upkeep, name) for name in ("is_due", "begin", "probe", "keep", "end")),
    ),
    Stage(
        "decide",
        "vouching, and the difference to what rests",
        ((Engine, "decide"), (Engine, "_decide_market"), (State, "vouch")),
    ),
    Stage(
        "risk",
        "what an order is checked against, the checks, its record in flight",
        (
            (Engine, "_carry_out"),
            (Gathering, "mark"),
            (Gathering, "of_market"),
            (Gathering, "of_account"),
            (Risk, "approve"),
            (Issuer, "issue"),
        ),
    ),
    Stage(
        "queue",
        "an order's turn, and what it rests on asked again; only on the wire",
        ((OrderQueue, "put"), (WaitingLine, "choose"), (WaitingLine, "take"), (OrderQueue, "_start")),
    ),
    Stage("sign", "its signature; only on the wire", ((Signer, "headers"),)),
)
"""In the order of a tick's way. What is only on the wire has no time where frames are handed over."""


class StageClock:
    """The time of each stage, tick by tick."""

    def __init__(self) -> None:
        self.total: dict[str, int] = {stage.name: 0 for stage in STAGES}
        self.calls: dict[str, int] = {stage.name: 0 for stage in STAGES}
        self._inner = 0
        """Nanoseconds spent so far within timed functions that the one now running called."""

    def around(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with a clock around it."""
        total, calls = self.total, self.calls

        def timed_function(*args: Any, **kwargs: Any) -> Any:
            outside, self._inner = self._inner, 0
            began = perf_counter_ns()
            try:
                return function(*args, **kwargs)
            finally:
                took = perf_counter_ns() - began
                total[stage] += took - self._inner
                calls[stage] += 1
                self._inner = outside + took + AROUND_NS

        return timed_function

    def take(self) -> dict[str, int]:
        """Return each stage's nanoseconds since the last time, the clock's own cost taken off."""
        found = {name: max(0, took - self.calls[name] * WITHIN_NS) for name, took in self.total.items()}
        for name in self.total:
            self.total[name] = self.calls[name] = 0
        return found


def _overhead() -> tuple[int, int]:
    """Return what the clock adds to a call in nanoseconds: within what it measures, and around that."""
    clock = StageClock()
    empty = clock.around(STAGES[0].name, lambda: None)
    within, whole = [], []
    for _ in range(50):
        clock.total[STAGES[0].name] = 0
        began = perf_counter_ns()
        for _ in range(100):
            empty()
        whole.append((perf_counter_ns() - began) / 100)
        within.append(clock.total[STAGES[0].name] / 100)
    inner = statistics.median(within)
    return round(inner), round(statistics.median(whole) - inner)


WITHIN_NS = AROUND_NS = 0
WITHIN_NS, AROUND_NS = _overhead()


@contextmanager
def timed() -> Iterator[StageClock]:
    """Put a clock around every stage's functions; take it off at the end."""
    clock = StageClock()
    kept: list[tuple[type, str, Any]] = []
    try:
        for stage in STAGES:
            for owner, name in stage.methods:
                kept.append((owner, name, owner.__dict__.get(name)))
                setattr(owner, name, clock.around(stage.name, getattr(owner, name)))
        yield clock
    finally:
        for owner, name, function in kept:
            if function is None:
                delattr(owner, name)  # it is a base's
            else:
                setattr(owner, name, function)
