"""Invariant 7: after a halt exposure never grows until a person resumes, whatever happens, in any order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder
from daemon.core.flatten import FLATTEN
from daemon.core.strategy import Target
from daemon.core.units import SECOND, Qty
from tests.core.test_engine_halts import HELD, accept, holding
from tests.core.worlds import NOW, TICKER, reconciled, snapshot


class Halted(RuleBasedStateMachine):
    """Random days: whatever happens, a halted engine decides nothing by which exposure could grow."""

    def __init__(self) -> None:
        super().__init__()
        self.subject, self.strategy = holding(HELD)
        self.at = NOW
        self.flying: list[PlaceOrder | AmendOrder | CancelOrder] = []
        self.number = 0
        self.is_to_be_halted = False

    def reach(self) -> tuple[Qty, Qty]:
        """The longest and the shortest position that what may still trade can lead to."""
        state = self.subject.state
        held = state.ledger.position_qty(TICKER)
        stakes = [order.stake for order in state.orders.values()]
        bids = sum(qty for side, _, qty in stakes if side == "bid")
        asks = sum(qty for side, _, qty in stakes if side == "ask")
        return max(0, held + bids), max(0, asks - held)

    @invariant()
    def exposure_never_grows_while_halted(self) -> None:
        """Decide, and compare with what could have come of it before."""
        state, before = self.subject.state, self.reach()
        was_halted, before_resume = state.halt_reason is not None, state.flatten
        commands = self.subject.decide(self.at)
        is_halted = state.halt_reason is not None
        assert is_halted or not was_halted, "no decision ends a halt"
        assert is_halted or not self.is_to_be_halted
        if is_halted:
            longest, shortest = self.reach()
            assert longest <= before[0]
            assert shortest <= before[1]
            for command in commands:
                assert not isinstance(command, AmendOrder)
                if isinstance(command, PlaceOrder):
                    assert before_resume is not None
                    assert (command.strategy, command.purpose) == (FLATTEN, "reduce")
        self.flying += [
            command for command in commands if isinstance(command, PlaceOrder | AmendOrder | CancelOrder)
        ]

    @rule(millis=st.integers(1, 3_000))
    def wait(self, millis: int) -> None:
        """Time passes, and the book is alive."""
        self.at += millis * 1_000_000
        self.subject.handle(snapshot(self.at))

    @rule(
        wanted=st.lists(
            st.builds(
                Target,
                st.sampled_from(["bid", "ask"]),
                st.integers(38, 44).map(lambda cents: cents * 100),
                st.integers(1, 4_000),
                st.sampled_from(["rest", "take"]),
                st.just("random"),
            ),
            max_size=3,
        )
    )
    def want(self, wanted: list[Target]) -> None:
        """The strategy changes its mind."""
        self.strategy.targets = tuple(wanted)
        self.subject.handle(snapshot(self.at))

    @rule(by=st.sampled_from(["cli", "latch", "page"]))
    def halt(self, by: str) -> None:
        """A person halts."""
        self.subject.handle(e.HaltRequested("random", self.at, by))
        self.is_to_be_halted = True

    @rule(slippage=st.integers(0, 1_500))
    def flatten(self, slippage: int) -> None:
        """A person wants out."""
        self.subject.handle(e.FlattenRequested("random", slippage, self.at))
        self.is_to_be_halted = True

    @rule()
    def resume(self) -> None:
        """A person resumes."""
        self.subject.handle(e.ResumeRequested("random", self.at))
        self.is_to_be_halted = False

    @rule(outcome=st.sampled_from(["accept", "fill", "half", "reject", "unknown", "drop"]))
    def answer(self, outcome: str) -> None:
        """The venue answers the oldest request."""
        if not self.flying:
            return
        command, at = self.flying.pop(0), self.at
        self.number += 1
        name, handle = command.client_order_id, self.subject.handle
        action: e.OrderAction = (
            "place"
            if isinstance(command, PlaceOrder)
            else "amend"
            if isinstance(command, AmendOrder)
            else "cancel"
        )
        if outcome in ("reject", "unknown", "drop"):
            words = {"reject": e.OrderRejected(action, name, "no", "", at), "unknown": None, "drop": None}
            told = words[outcome] or (
                e.OrderUnknown(action, name, "timeout", at)
                if outcome == "unknown"
                else e.OrderDropped(action, name, "halted", at)
            )
            handle(told)
        elif isinstance(command, PlaceOrder):
            qty = {"accept": 0, "fill": command.qty, "half": command.qty // 2}[outcome]
            is_take = command.time_in_force == "immediate_or_cancel"
            if qty or is_take:
                order_id = f"o{self.number}"
                remaining = 0 if is_take else command.qty - qty
                handle(e.OrderAccepted("place", name, order_id, qty, remaining, at, at))
                if qty:
                    handle(
                        e.OrderFilled(
                            f"t{self.number}", order_id, name, TICKER, command.side, command.price, qty, 0,
                            True, at, None,
                        )
                    )  # fmt: skip
            else:
                accept(self.subject, command, at, f"o{self.number}")
        elif isinstance(command, CancelOrder):
            order = self.subject.state.orders.get(name)
            left = 0 if order is None else order.remaining
            handle(e.OrderAccepted("cancel", name, command.order_id, None, 0, at, at, reduced_by=left))

    @rule(failures=st.integers(1, 4), is_back=st.booleans())
    def fail(self, failures: int, is_back: bool) -> None:
        """The venue does not answer for a while."""
        for _ in range(failures):
            self.subject.handle(e.VenueFailed("place", "HTTP 503", self.at))
        if is_back:
            self.subject.handle(e.VenueAnswered("probe", self.at))
            self.subject.handle(e.VenueAnswered("place", self.at))

    @rule(is_lost=st.booleans())
    def doubt(self, is_lost: bool) -> None:
        """The account is in doubt, or a book is lost."""
        self.subject.handle(
            e.BookLost(TICKER, "gap", self.at) if is_lost else e.AccountDoubted("gap", self.at)
        )

    @rule()
    def read(self) -> None:
        """Two readings agree with what we believe."""
        state = self.subject.state
        position, cash = state.ledger.positions[TICKER], state.ledger.cash
        assert cash is not None
        if state.orders:
            return
        told = e.PositionSnapshot(TICKER, position.qty, position.cost, 0, 0)
        for _ in range(2):
            self.at += 4 * SECOND
            self.subject.handle(reconciled(self.at, cash, (told,)))
        self.subject.handle(snapshot(self.at))


Halted.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHaltedExposure = Halted.TestCase
