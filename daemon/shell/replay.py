"""A journal run through the core again: is every command the same?

The journal holds every event, the `now` of every decision and every command after it, so the core needs
nothing else. A difference is a defect (or a changed core, strategy or model): the first ones are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from daemon.core.commands import Command, Decided
from daemon.core.engine import Engine
from daemon.shell.journal import Record

DIFFERENCES_KEPT = 5


class ReplayResult(msgspec.Struct, frozen=True):
    """What a replay saw. `differences` holds the first few, in words."""

    events: int
    decisions: int
    commands: int
    different: int
    differences: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        """Whether every decision gave the recorded commands."""
        return self.different == 0


def replay(engine: Engine, batches: Iterable[Sequence[Record]]) -> ReplayResult:
    """Run the records through a fresh engine and compare each decision's commands with the recorded ones."""
    events = decisions = commands = different = 0
    differences: list[str] = []
    expected: list[Command] = []
    decided: list[Command] = []
    at = 0

    def compare() -> None:
        nonlocal different
        if decided != expected:
            different += 1
            if len(differences) < DIFFERENCES_KEPT:
                differences.append(f"decision at {at}: recorded {expected}, replayed {decided}")

    for batch in batches:
        for record in batch:
            if isinstance(record, Decided):
                compare()
                decisions += 1
                at = record.now
                decided, expected = engine.decide(record.now), []
            elif isinstance(record, Command):
                commands += 1
                expected.append(record)
            else:
                compare()
                decided, expected = [], []
                events += 1
                engine.handle(record)
    compare()
    return ReplayResult(events, decisions, commands, different, tuple(differences))
