"""What waits to be sent, and whose turn it is: the order queue's line, without waiting, sending or a clock.

    cancel_all > cancel > reduce > probe > enter > keep          first in, first out within each

Nothing passes what stands before it: while the first can't go for want of tokens, nobody behind it goes.
Orders leave the venue's bucket its reserve; single cancels may use that but for the tokens of a cancel-all,
which therefore always passes. Orders that are too old, or not vouched for at this instant, are given up
(`lapsed`) when their turn comes, or at the latest when their time is up. Commands of one kind that may go
together form one batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Literal, TypeAlias, assert_never, get_args

import msgspec

from daemon.core.commands import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    DropOrderGroup,
    MakeOrderGroup,
    PlaceOrder,
    ProbeOrder,
    ResetOrderGroup,
)
from daemon.core.pacer import Pacer
from daemon.core.units import Ns
from daemon.kalshi.costs import WriteCosts

GroupCommand: TypeAlias = MakeOrderGroup | ResetOrderGroup | DropOrderGroup
Queued: TypeAlias = PlaceOrder | AmendOrder | CancelOrder | CancelAll | ProbeOrder | GroupCommand
Vouched: TypeAlias = PlaceOrder | AmendOrder | ProbeOrder
"""What is vouched for at the instant of its turn: all that may trade."""
Vouch: TypeAlias = Callable[[Vouched, Ns], str | None]
"""Why an order must not leave at this instant, or None: the engine's question."""
Priority: TypeAlias = Literal["cancel_all", "cancel", "reduce", "probe", "enter", "keep"]
"""`probe`: what finds out about an order, and order groups; `keep`: only moves a dead man's switch on."""
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
CANCELS: frozenset[Priority] = frozenset({"cancel_all", "cancel"})


class Waiting(msgspec.Struct, frozen=True):
    """One command in line; it is recorded in the journal before `offset`."""

    command: Queued
    offset: int
    queued_at: Ns


class Turn(msgspec.Struct, frozen=True):
    """Whose turn it is: `entries`, of one kind, may go as one request; `lapsed` were given up, and why."""

    entries: tuple[Waiting, ...]
    lapsed: tuple[tuple[Vouched, str], ...]


def priority_of(command: Queued) -> Priority:
    """Return the line in which a command waits."""
    match command:
        case CancelAll():
            return "cancel_all"
        case CancelOrder():
            return "cancel"
        case ProbeOrder() | MakeOrderGroup() | ResetOrderGroup() | DropOrderGroup():
            return "probe"
        case PlaceOrder() | AmendOrder():
            return command.purpose
        case _:
            assert_never(command)


class WaitingLine:
    """See the module's head. Times are told and never go back.

    Args:
        pacer: the write token budget; only `take` takes of it.
        costs: what each request takes.
        vouch: asked of each order at the instant of its turn.
        batch_max: commands in one request, at most.
    """

    def __init__(self, pacer: Pacer, costs: WriteCosts, vouch: Vouch, batch_max: int) -> None:
        assert batch_max >= 1, f"batches of {batch_max}"
        self._pacer = pacer
        self._costs = costs
        self._vouch = vouch
        self.batch_max = batch_max
        self._lines: dict[Priority, deque[Waiting]] = {priority: deque() for priority in PRIORITIES}

    @property
    def depth(self) -> int:
        """Commands that wait."""
        return sum(map(len, self._lines.values()))

    @property
    def depths(self) -> dict[Priority, int]:
        """Commands that wait, by priority."""
        return {priority: len(line) for priority, line in self._lines.items()}

    @property
    def front(self) -> Waiting | None:
        """The first one, whose turn it is next; None when none waits."""
        return next((line[0] for line in self._lines.values() if line), None)

    def put(self, command: Queued, offset: int, now: Ns) -> None:
        """Let a command wait behind those of its priority."""
        self._lines[priority_of(command)].append(Waiting(command, offset, now))

    def withdraw(self, client_order_id: str) -> PlaceOrder | None:
        """Take a new order that waits out of its line; None when it has left, or never waited."""
        for line in self._lines.values():
            for entry in line:
                command = entry.command
                if isinstance(command, PlaceOrder) and command.client_order_id == client_order_id:
                    line.remove(entry)
                    return command
        return None

    def choose(self, now: Ns, *, is_full: bool) -> Turn:
        """Return whose turn it is; what lapsed is out of the line, what may go still stands in it.

        Args:
            now: the instant of sending.
            is_full: whether no request but a cancel may be added to those without an answer.
        """
        lapsed: list[tuple[Vouched, str]] = []
        for line in self._lines.values():
            self._lapse_late(line, now, lapsed)
        for priority, line in self._lines.items():
            self._lapse_front(line, now, lapsed)
            if not line:
                continue
            if is_full and priority not in CANCELS:
                return Turn((), tuple(lapsed))
            return Turn(self._together(priority, line, now, lapsed), tuple(lapsed))
        return Turn((), tuple(lapsed))

    def take(self, entries: Sequence[Waiting], now: Ns) -> None:
        """Take chosen commands, the first of their line, out of it, and their tokens from the budget."""
        line = self._lines[priority_of(entries[0].command)]
        for entry in entries:
            assert line[0] is entry, "only what was chosen last leaves, from the front"
            line.popleft()
        cost = sum(self.cost(entry.command) for entry in entries)
        is_cancel = priority_of(entries[0].command) in CANCELS
        is_taken = self._pacer.take(cost, now, may_use_reserve=is_cancel)
        assert is_taken, "only this line's consumer takes tokens"

    def is_starved(self, now: Ns) -> bool:
        """Whether something waits, and for nothing but tokens, which only time brings."""
        for priority, line in self._lines.items():
            if line:
                return (
                    self._fitting(priority, line[0].command, now) == 0 and self._why_not(line[0], now) is None
                )
        return False

    def cost(self, command: Queued) -> int:
        """Return the tokens that a command takes, by the venue's own list."""
        match command:
            case PlaceOrder() | ProbeOrder():
                return self._costs.place
            case AmendOrder():
                return self._costs.amend
            case CancelOrder():
                return self._costs.cancel
            case CancelAll():
                return self._costs.cancel_all
            case MakeOrderGroup() | ResetOrderGroup() | DropOrderGroup():
                return self._costs.group
            case _:
                assert_never(command)

    def _together(
        self,
        priority: Priority,
        line: deque[Waiting],
        now: Ns,
        lapsed: list[tuple[Vouched, str]],
    ) -> tuple[Waiting, ...]:
        """Return the first of a line and those behind it that may go with it; none when it must wait."""
        first = line[0]
        room = self._fitting(priority, first.command, now)
        if room < 1:
            return ()
        chosen = [first]
        if type(first.command) not in (PlaceOrder, CancelOrder):
            return (first,)  # the venue has batches of these two only
        for entry in list(islice(line, 1, None)):
            if len(chosen) >= min(room, self.batch_max) or type(entry.command) is not type(first.command):
                break
            reason = self._why_not(entry, now)
            if reason is None:
                chosen.append(entry)
            else:
                line.remove(entry)
                assert isinstance(entry.command, PlaceOrder), "only orders lapse"
                lapsed.append((entry.command, reason))
        return tuple(chosen)

    def _fitting(self, priority: Priority, command: Queued, now: Ns) -> int:
        """Return how many such commands the budget has room for now."""
        cost, is_cancel = self.cost(command), priority in CANCELS
        kept = self._costs.cancel_all if priority == "cancel" else 0
        if self._pacer.ready_at(cost + kept, now, may_use_reserve=is_cancel) > now:
            return 0
        floor = kept if is_cancel else self._pacer.reserve
        return max(1, (self._pacer.tokens(now) - floor) // max(1, cost))

    def _lapse_late(self, line: deque[Waiting], now: Ns, lapsed: list[tuple[Vouched, str]]) -> None:
        while line and _is_late(line[0].command, now):
            command = line.popleft().command
            assert isinstance(command, PlaceOrder | AmendOrder), "only orders have a deadline"
            lapsed.append((command, "deadline_passed"))

    def _lapse_front(self, line: deque[Waiting], now: Ns, lapsed: list[tuple[Vouched, str]]) -> None:
        while line and (reason := self._why_not(line[0], now)) is not None:
            command = line.popleft().command
            assert isinstance(command, Vouched), "only orders lapse"
            lapsed.append((command, reason))

    def _why_not(self, entry: Waiting, now: Ns) -> str | None:
        """Return why a command must not be sent at this instant; None when it may, as all but orders may."""
        command = entry.command
        if not isinstance(command, Vouched):
            return None
        return "deadline_passed" if _is_late(command, now) else self._vouch(command, now)


def _is_late(command: Queued, now: Ns) -> bool:
    return isinstance(command, PlaceOrder | AmendOrder) and now > command.deadline
