"""What waits to be sent: random commands, times and tokens, judged by rules that know nothing of how."""

from __future__ import annotations

from typing import assert_never

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

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
from daemon.core.units import MILLISECOND, SECOND, Ns
from daemon.kalshi.costs import WriteCosts
from daemon.shell.waiting import CANCELS, PRIORITIES, Priority, Queued, Vouched, WaitingLine, priority_of
from tests.core.worlds import T0, TICKER

COSTS = WriteCosts(place=10, amend=7, cancel=2, cancel_all=3, group=5)
RESERVE = 20
KINDS = ("place", "amend", "reduce", "keep", "probe", "group", "reset", "drop", "cancel", "cancel_all")


def place(number: int, deadline: Ns = T0 + SECOND, purpose: str = "enter") -> PlaceOrder:
    """The order `kd-<number>`."""
    return PlaceOrder(
        f"kd-{number}", TICKER, "bid", 4_000, 1_000, "good_till_canceled", True, 2, "s", "r", T0, deadline,
        None, purpose,  # type: ignore[arg-type]
    )  # fmt: skip


def amend(number: int, deadline: Ns = T0 + SECOND, purpose: str = "enter") -> AmendOrder:
    """An amend of the order `kd-<number>`."""
    return AmendOrder(
        f"kd-{number}", f"v-{number}", TICKER, "bid", 4_000, 1_000, 2, "s", "r", T0, deadline,
        None, purpose,  # type: ignore[arg-type]
    )  # fmt: skip


def command_of(kind: str, number: int, deadline: Ns) -> Queued:
    """Return a command of a kind."""
    by_kind: dict[str, Queued] = {
        "place": place(number, deadline),
        "amend": amend(number, deadline),
        "reduce": place(number, deadline, "reduce"),
        "keep": amend(number, deadline, "keep"),
        "probe": ProbeOrder(f"kd-{number}", TICKER, "bid", 100, 100, 2, T0),
        "group": MakeOrderGroup(2, 1_000, T0),
        "reset": ResetOrderGroup(2, f"g-{number}", T0),
        "drop": DropOrderGroup(2, f"g-{number}", T0),
        "cancel": CancelOrder(f"kd-{number}", f"v-{number}", TICKER, 2, "r", T0),
        "cancel_all": CancelAll(2, "g", f"r-{number}", T0),
    }
    return by_kind[kind]


def cost_of(command: Queued) -> int:
    """Return what the list of this test says."""
    match command:
        case PlaceOrder() | ProbeOrder():
            return COSTS.place
        case AmendOrder():
            return COSTS.amend
        case CancelOrder():
            return COSTS.cancel
        case CancelAll():
            return COSTS.cancel_all
        case MakeOrderGroup() | ResetOrderGroup() | DropOrderGroup():
            return COSTS.group
        case _:
            assert_never(command)


class LineMachine(RuleBasedStateMachine):
    """Puts, withdraws, chooses, sends: whatever the order of things, the rules hold."""

    @initialize(
        batch_max=st.integers(1, 5), capacity=st.sampled_from([25, 60, 200]), refill=st.integers(1, 100)
    )
    def begin(self, batch_max: int, capacity: int, refill: int) -> None:
        """An empty line before a full bucket."""
        self.now: Ns = T0
        self.batch_max = batch_max
        self.pacer = Pacer(capacity, refill, RESERVE)
        self.unvouched: set[str] = set()
        self.waiting: list[Queued] = []
        """In the order in which they were put."""
        self.ended: list[Queued] = []
        self.number = 0
        self.line = WaitingLine(self.pacer, COSTS, self._vouch, batch_max)

    def _vouch(self, command: Vouched, now: Ns) -> str | None:
        assert self.now == now
        return "halted" if command.client_order_id in self.unvouched else None

    @rule(kind=st.sampled_from(KINDS), patience=st.sampled_from([0, 5, 1_000]), count=st.integers(1, 6))
    def put(self, kind: str, patience: int, count: int) -> None:
        """Some commands of one kind are decided."""
        for _ in range(count):
            self.number += 1
            command = command_of(kind, self.number, self.now + patience * MILLISECOND)
            self.waiting.append(command)
            self.line.put(command, self.number, self.now)

    @rule(milliseconds=st.sampled_from([1, 10, 200, 5_000]))
    def wait(self, milliseconds: int) -> None:
        """Time passes."""
        self.now += milliseconds * MILLISECOND

    @rule(number=st.integers(1, 40))
    def turn_bad(self, number: int) -> None:
        """What an order rests on is vouched for no longer."""
        self.unvouched.add(f"kd-{number}")

    @rule(number=st.integers(1, 40))
    def withdraw(self, number: int) -> None:
        """A new order is no longer wanted: it leaves the line if it stands in it, and only then."""
        name = f"kd-{number}"
        found = [one for one in self.waiting if isinstance(one, PlaceOrder) and one.client_order_id == name]
        withdrawn = self.line.withdraw(name)
        assert (found[0] if found else None) == withdrawn
        if withdrawn is not None:
            self._end(withdrawn)

    @rule()
    def limited(self) -> None:
        """The venue found its bucket empty."""
        self.pacer.empty(self.now)

    @rule(is_full=st.booleans(), is_sent=st.booleans())
    def turn(self, is_full: bool, is_sent: bool) -> None:
        """Somebody's turn comes; the consumer sends, or was kept from it by the outer bound."""
        tokens = self.pacer.tokens(self.now)
        turn = self.line.choose(self.now, is_full=is_full)
        for command, reason in turn.lapsed:
            is_late = not isinstance(command, ProbeOrder) and self.now > command.deadline
            assert ("deadline_passed" if is_late else "halted") == reason
            assert is_late or command.client_order_id in self.unvouched
            self._end(command)
        chosen = [entry.command for entry in turn.entries]
        if not chosen:
            assert is_full or not self.waiting or self._is_starved(tokens)
            return
        self._judge(chosen, tokens, is_full=is_full)
        if is_sent:
            self.line.take(turn.entries, self.now)
            assert tokens - sum(map(cost_of, chosen)) == self.pacer.tokens(self.now)
            for one in chosen:
                self._end(one)

    def _judge(self, chosen: list[Queued], tokens: int, *, is_full: bool) -> None:
        priority = priority_of(chosen[0])
        cost = sum(map(cost_of, chosen))
        # Nobody of a higher priority waits, and those before them of their own have gone.
        assert PRIORITIES.index(priority) == min(PRIORITIES.index(priority_of(one)) for one in self.waiting)
        assert chosen == self._line_of(priority)[: len(chosen)]
        # One kind, no more than a batch holds; what has no batch goes alone.
        assert {type(chosen[0])} == {type(one) for one in chosen}
        assert len(chosen) <= (self.batch_max if isinstance(chosen[0], PlaceOrder | CancelOrder) else 1)
        for one in chosen:
            if isinstance(one, PlaceOrder | AmendOrder):
                assert self.now <= one.deadline
                assert one.client_order_id not in self.unvouched
        if priority in CANCELS:
            kept = COSTS.cancel_all if priority == "cancel" else 0
            assert tokens - cost >= min(kept, self.pacer.capacity - cost)
        else:
            assert not is_full
            # Orders leave the reserve, or go from a full bucket that could never offer more.
            assert tokens - cost >= RESERVE or (len(chosen) == 1 and tokens == self.pacer.capacity)

    def _line_of(self, priority: Priority) -> list[Queued]:
        return [one for one in self.waiting if priority_of(one) == priority]

    def _is_starved(self, tokens: int) -> bool:
        """Whether the first of those that wait has to wait for tokens, by this test's own reckoning."""
        first = min(self.waiting, key=lambda one: PRIORITIES.index(priority_of(one)))
        priority = priority_of(first)
        floor = {"cancel_all": 0, "cancel": COSTS.cancel_all}.get(priority, RESERVE)
        return tokens < min(cost_of(first) + floor, self.pacer.capacity)

    def _end(self, command: Queued) -> None:
        self.waiting.remove(command)
        self.ended.append(command)

    @invariant()
    def every_command_is_in_one_place(self) -> None:
        """What was put is sent, dropped or withdrawn once, or waits still."""
        if hasattr(self, "line"):
            assert len(self.waiting) == self.line.depth
            assert self.number == len(self.waiting) + len(self.ended)
            assert {one: len(self._line_of(one)) for one in PRIORITIES} == self.line.depths


LineMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLineMachine = LineMachine.TestCase


def line(batch_max: int = 10, tokens: tuple[int, int, int] = (1_000, 100, RESERVE)) -> WaitingLine:
    """A line whose orders are all vouched for."""
    return WaitingLine(Pacer(*tokens), COSTS, lambda _command, _now: None, batch_max)


def chosen(subject: WaitingLine) -> list[Queued]:
    """Return and take those whose turn it is."""
    turn = subject.choose(T0, is_full=False)
    if turn.entries:
        subject.take(turn.entries, T0)
    return [entry.command for entry in turn.entries]


def test_the_most_urgent_goes_first() -> None:
    """Cancel-all, cancels, what reduces, probes, new orders, and last what only keeps an order alive."""
    subject = line()
    kinds = ("keep", "place", "probe", "reduce", "cancel", "cancel_all")
    commands = [command_of(kind, number, T0) for number, kind in enumerate(kinds)]
    for command in commands:
        subject.put(command, 0, T0)
    assert [[command] for command in reversed(commands)] == [chosen(subject) for _ in kinds]


def offset_in_front(subject: WaitingLine) -> int:
    """What must be on disk before the first one may leave."""
    assert subject.front is not None
    return subject.front.offset


def test_the_disk_is_waited_for_by_the_most_urgent_alone() -> None:
    """What it must have is what the first to leave was recorded before; nothing waits, nothing is asked."""
    subject = line()
    assert subject.front is None
    subject.put(place(1), 300, T0)
    assert 300 == offset_in_front(subject)
    subject.put(command_of("cancel", 2, T0), 200, T0)
    assert 200 == offset_in_front(subject)
    assert 1 == len(chosen(subject))
    assert 300 == offset_in_front(subject)


def test_orders_that_may_go_together_go_together() -> None:
    """As many as a batch holds, then as many as there are tokens for above the reserve."""
    subject = line(batch_max=3, tokens=(20 + 5 * COSTS.place, 1, RESERVE))
    orders: list[Queued] = [place(number) for number in range(7)]
    for order in orders:
        subject.put(order, 0, T0)
    assert [orders[:3], orders[3:5], []] == [chosen(subject) for _ in range(3)]
    assert subject.is_starved(T0)


def test_an_amend_between_orders_keeps_its_place() -> None:
    """First in, first out: a batch ends where something else stands in line."""
    subject = line()
    commands: list[Queued] = [place(1), place(2), amend(3), place(4)]
    for command in commands:
        subject.put(command, 0, T0)
    assert [commands[:2], commands[2:3], commands[3:]] == [chosen(subject) for _ in range(3)]
