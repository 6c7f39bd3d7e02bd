"""A session told again: the journal through the very same core, with somebody who listens.

Nothing is recorded for it and nothing guessed: what a strategy saw, said and was refused is computed once
more from the recorded facts and instants. The listener only reads; the commands are held against the recorded
ones all the same, so that a changed core, strategy or model is noticed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from daemon.core.asking import Slot
from daemon.core.commands import Command, Decided
from daemon.core.decisions import Decision, Decisions
from daemon.core.engine import Engine
from daemon.core.orders import Proposal
from daemon.core.records import RecordReader
from daemon.core.risk import Approved, Refused
from daemon.core.risk.grounds import AccountRisk, MarketRisk
from daemon.core.strategy import MarketView, Strategy, Wanted
from daemon.core.units import Ns
from daemon.shell.journal import JournalUnreadable, Record, newest_first, open_journal

_TAIL = 4_096
"""So many of a journal's last records are looked at for its last decision: it decides far more often."""
TOLD_EVERY = 2_000
"""Decisions between two words about the progress."""


class Listener(Protocol):
    """Who listens to a retelling. A view and the grounds are valid only during the call."""

    def attach(self, engine: Engine) -> None:
        """Take the engine that is about to run: read it, change nothing."""
        ...

    def asked(self, strategy: Strategy, view: MarketView, wanted: Wanted) -> None:
        """Take what a strategy was shown, and what it said."""
        ...

    def judged(
        self, proposal: Proposal, market: MarketRisk, account: AccountRisk, now: Ns, verdict: str
    ) -> None:
        """Take what the gate was given; `verdict` is empty where it passed, or says what refused it."""
        ...

    def noted(self, decision: Decision) -> None:
        """Take what was decided for one market and strategy, however often it is the same."""
        ...

    def decided(self, now: Ns, commands: Sequence[Command]) -> None:
        """Take that a decision is over, and what it gave."""
        ...


class Session(msgspec.Struct, frozen=True):
    """One journal: which, whose, and from its first to its last decision (None: it has none)."""

    path: Path
    instance: str
    kalshid_version: str
    first_at: Ns | None
    last_at: Ns | None

    def overlaps(self, since: Ns | None, until: Ns | None) -> bool:
        """Whether it has decisions within [since, until]; None is no bound."""
        first, last = self.first_at, self.last_at
        if first is None or last is None:
            return False
        return (since is None or last >= since) and (until is None or first <= until)


class Retold(msgspec.Struct, frozen=True):
    """What a retelling went through; `different` counts decisions that gave other commands than recorded."""

    events: int
    decisions: int
    different: int


class HeardStrategy:
    """A strategy whose answers are heard. To the engine it is the strategy.

    A listener's own error is kept in `failures`: raised here the engine would take it for the strategy's.
    """

    def __init__(self, strategy: Strategy, listener: Listener, failures: list[Exception]) -> None:
        self.name = strategy.name
        self.features = strategy.features
        self.book_changed_max = strategy.book_changed_max
        self._strategy = strategy
        self._listener = listener
        self._failures = failures

    def wants(self, view: MarketView) -> Wanted:
        """Return what the strategy wants, and let the listener know."""
        wanted = self._strategy.wants(view)
        try:
            self._listener.asked(self._strategy, view, wanted)
        except Exception as error:  # noqa: BLE001 - raised again by whoever retells
            self._failures.append(error)
        return wanted


class _HeardDecisions(Decisions):
    """All decisions, also those that repeat the last one: counts need them."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener

    def is_said(self, _ticker: str, _strategy: str, _reason: str) -> bool:
        """Never: whoever listens counts each."""
        return False

    def note(self, decision: Decision) -> None:
        """Hand a decision on."""
        self._listener.noted(decision)


def listen(engine: Engine, listener: Listener) -> list[Exception]:
    """Let a listener hear a fresh engine; what it decides stays the same.

    Returns a list that takes the listener's own errors at being told what a strategy said.
    """
    failures: list[Exception] = []

    def heard(slot: Slot) -> Slot:
        return msgspec.structs.replace(slot, strategy=HeardStrategy(slot.strategy, listener, failures))

    approve = engine.risk.approve

    def judged(proposal: Proposal, market: MarketRisk, account: AccountRisk, now: Ns) -> Approved | Refused:
        verdict = approve(proposal, market, account, now)
        text = "" if isinstance(verdict, Approved) else verdict.text
        listener.judged(proposal, market, account, now, text)
        return verdict

    engine.changes.wrap(heard)
    engine.risk.approve = judged  # type: ignore[method-assign]  # the one gate stays the one that judges
    engine.decisions = _HeardDecisions(listener)
    listener.attach(engine)
    return failures


def retell(
    engine: Engine,
    batches: Iterable[Sequence[Record]],
    listener: Listener,
    *,
    until: Ns | None = None,
    on_progress: Callable[[Ns, int], None] | None = None,
) -> Retold:
    """Run a session's records through a fresh engine, for a listener.

    Args:
        engine: built as the journal's header says.
        batches: the session from its start: windows and books are built from all of it.
        listener: who hears it.
        until: no decision after this instant is told; None tells all.
        on_progress: takes the instant reached and the number of events, now and then.
    """
    failures = listen(engine, listener)
    events = decisions = different = 0
    expected: list[Command] = []
    given: list[Command] = []
    for batch in batches:
        for record in batch:
            if isinstance(record, Command):
                expected.append(record)
                continue
            different += given != expected
            given, expected = [], []
            if not isinstance(record, Decided):
                events += 1
                engine.handle(record)
                continue
            if until is not None and record.now > until:
                return Retold(events, decisions, different)
            given = engine.decide(record.now)
            if failures:
                raise failures[0]
            listener.decided(record.now, given)
            decisions += 1
            if on_progress is not None and decisions % TOLD_EVERY == 0:
                on_progress(record.now, events)
    different += given != expected
    return Retold(events, decisions, different)


def sessions_in(folder: Path) -> Iterator[Session]:
    """Yield the sessions of a journal folder, the newest first. A torn tail is normal: a daemon may write it.

    Raises:
        JournalUnreadable: one of them is of a format that this version doesn't know.
        OSError: one can't be read.
    """
    for path in newest_first(folder):
        yield session_of(path)


def session_of(path: Path) -> Session:
    """Return what one journal spans, without replaying it. Raises as `sessions_in`."""
    buffer, header, start = open_journal(path)
    decoder = msgspec.msgpack.Decoder(list[Record])
    first: Ns | None = None
    tail: deque[memoryview] = deque(maxlen=_TAIL)
    try:
        for payload in RecordReader(buffer, start):
            if first is None:
                first = next((one.now for one in decoder.decode(payload) if isinstance(one, Decided)), None)
            tail.append(payload)
        last = first
        for payload in reversed(tail):
            ends = [one.now for one in decoder.decode(payload) if isinstance(one, Decided)]
            if ends:
                last = ends[-1]
                break
    except msgspec.DecodeError as error:
        raise JournalUnreadable(f"{path}: {error}") from error
    return Session(path, header.instance, header.kalshid_version, first, last)
