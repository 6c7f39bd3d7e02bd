"""The pump, the only place where the core meets time.

    wait for one event, take all that wait
    journal them, hand each to the core          record before handle
    decide once, journal the decision            record in flight before send
    hand the commands to the queue and the reader

A decision without commands is written together with the next batch, the last one at the end: a crash can
lose it, never a fact.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import assert_never

from daemon.core.commands import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Command,
    Decided,
    DropOrderGroup,
    KeepDay,
    LatchHalt,
    LiftHalt,
    MakeOrderGroup,
    PlaceOrder,
    ProbeOrder,
    ProbeVenue,
    Reconcile,
    ResetOrderGroup,
    WithdrawOrder,
)
from daemon.core.engine import Engine
from daemon.core.events import Event
from daemon.core.units import SECOND, Ns
from daemon.shell.families import SAMPLED
from daemon.shell.journal import Journal
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.queue import OrderQueue
from daemon.shell.reads import Reader
from daemon.shell.stage_watch import StageWatch

BATCH_MAX = 4096
"""Events handled between two decisions, at most: a decision is never starved by a storm."""
ORDERS = (PlaceOrder, AmendOrder, CancelOrder)
"""What the queue sends only once the disk has it, and most often."""
INBOX_MAX = 100_000
"""Events that may wait: past it the venue's stream is begun anew, so that nothing old is traded on."""


class Inbox:
    """Events on their way to the core, in the order of their arrival."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._is_awaited = False
        """Whether somebody waits for the first event."""
        self.first_at = 0
        """`perf_counter_ns` when the first waiting event arrived."""

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> None:
        """Add one event."""
        self.extend((event,))

    def extend(self, events: Iterable[Event]) -> None:
        """Add events."""
        if not self._events:
            self.first_at = time.perf_counter_ns()
        self._events.extend(events)
        if self._is_awaited and self._events:
            self._arrived.set()

    def nudge(self) -> None:
        """Wake the pump although nothing happened but time."""
        self._arrived.set()

    async def drain(self, timeout_s: float | None) -> list[Event]:
        """Wait for an event, then take all that wait, up to BATCH_MAX; empty when the time is up."""
        events = self._events
        if not events:
            self._is_awaited = True
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return []
            finally:
                self._is_awaited = False
        # Cleared after the wait, not before: a nudge between two calls must wake the second one.
        self._arrived.clear()
        if len(events) <= BATCH_MAX:
            batch = list(events)
            events.clear()
            return batch
        return [events.popleft() for _ in range(BATCH_MAX)]


class Pump:
    """Drives the engine from the inbox until it has stopped.

    Args:
        is_followed: the clock is the venue's (a tape): time alone wakes the pump by `Inbox.nudge`.
        switch: latches and lifts halts; None only where no engine ever decides either.
        on_latency: takes the nanoseconds from an event's arrival to the decision on it.
        begin_sync: lets the disk begin on what the queue will wait for, while we go on; None leaves that to
            the queue.
        stages: measures the stages of some turns; None measures none.
    """

    def __init__(
        self,
        engine: Engine,
        inbox: Inbox,
        journal: Journal,
        queue: OrderQueue,
        reader: Reader,
        *,
        now: Callable[[], Ns],
        is_followed: bool,
        on_latency: Callable[[int], None],
        on_batch: Callable[[list[Event], list[Command]], None],
        switch: KillSwitch | None = None,
        begin_sync: Callable[[], None] | None = None,
        stages: StageWatch | None = None,
    ) -> None:
        self._engine = engine
        self._inbox = inbox
        self._journal = journal
        self._queue = queue
        self._reader = reader
        self._now = now
        self._is_followed = is_followed
        self._on_latency = on_latency
        self._on_batch = on_batch
        self._switch = switch
        self._begin_sync = begin_sync
        self._stages = stages
        self._undecided: list[Decided] = []
        self.turns = 0
        """Decisions taken: whoever nudged the pump can wait for its turn."""
        self.turned_at = time.monotonic()
        """`monotonic` of the last turn: the proof of life."""

    async def run(self) -> None:
        """Turn until the engine has stopped.

        Raises:
            JournalFailed: what can't be recorded is not acted on.
        """
        while self._engine.phase != "stopped":
            await asyncio.sleep(0)  # a full inbox must not starve the tasks that read, send and answer
            batch = await self._inbox.drain(self._timeout_s())
            self.turned_at = time.monotonic()
            self.turn(batch)
            self.turns += 1
        if self._undecided:
            self._journal.append(self._undecided)
            self._undecided.clear()

    def _timeout_s(self) -> float | None:
        wake_at = self._engine.wake_at()
        if wake_at is None:
            return 0
        if self._is_followed:
            return 1.0  # the tape's clock nudges us; this only keeps the proof of life alive
        return max(0, wake_at - self._now()) / SECOND

    def turn(self, batch: list[Event]) -> None:
        """Take one batch: journal, handle, decide, journal, dispatch. Part of `run`; alone for benchmarks.

        Raises:
            JournalFailed: nothing of the batch was handled, or nothing of the decision was sent.
        """
        engine, journal = self._engine, self._journal
        first_at = self._inbox.first_at
        stages = None if self.turns % SAMPLED or not batch else self._stages
        if stages is not None:
            stages.begin(engine)
        if batch:
            journal.append([*self._undecided, *batch])
            self._undecided.clear()
            if stages is not None:
                stages.mark("journal")
            for event in batch:
                engine.handle(event)
            if stages is not None:
                stages.mark("apply")
        decided_at = self._now()
        commands = engine.decide(decided_at)
        if stages is not None:
            stages.end(engine)
        self._undecided.append(Decided(decided_at))
        if commands:
            self._carry_out(commands)
        if batch:
            self._on_latency(time.perf_counter_ns() - first_at)
        self._on_batch(batch, commands)

    def _carry_out(self, commands: list[Command]) -> None:
        """Record a decision with its commands, and send them on their way."""
        offset = self._journal.append([*self._undecided, *commands])
        self._undecided.clear()
        # A halt is on disk before anything else of its decision leaves us.
        for command in commands:
            if isinstance(command, LatchHalt | LiftHalt):
                assert self._switch is not None, "a halt is decided, and nobody can latch it"
                self._switch.carry_out(command)
        if self._begin_sync is not None and any(type(command) in ORDERS for command in commands):
            self._begin_sync()
        for command in commands:
            self._dispatch(command, offset)

    def _dispatch(self, command: Command, offset: int) -> None:
        match command:
            case (
                PlaceOrder()
                | AmendOrder()
                | CancelOrder()
                | CancelAll()
                | ProbeOrder()
                | MakeOrderGroup()
                | ResetOrderGroup()
                | DropOrderGroup()
            ):
                self._queue.put(command, offset)
            case WithdrawOrder():
                self._queue.withdraw(command)
            case Reconcile() | ProbeVenue():
                self._reader.put(command)
            case LatchHalt() | LiftHalt():
                pass  # carried out before all others
            case KeepDay():
                pass  # the journal has it, and that is where the next life looks
            case Decided():
                raise AssertionError("the engine decides commands, not marks")
            case _:
                assert_never(command)
