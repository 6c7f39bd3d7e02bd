"""Beliefs against a real exchange: whatever the order of the venue's words, they end as the truth.

The venue is the pure `Exchange` that the sandbox runs. Between it and our beliefs lie a reply that may
be lost, a private stream that may be slow, and lists that are read now and then; a fill may be told twice.
At every step nothing is believed that the venue has not said; when the faults stop, orders, position and
cash are the exchange's to the last unit.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.core import events as e
from daemon.core.orders import Order
from daemon.core.state import State
from daemon.core.units import MONEY_ONE, SECOND, BookSide
from daemon.exchange import facts as f
from daemon.exchange.exchange import Exchange
from daemon.exchange.requests import Amendment, NewOrder, Refused
from tests.core.worlds import SCHEMA, T0, TICKER, spec

US, OTHERS = "us", "sim:others"
CASH = 10_000 * MONEY_ONE
SHARD = spec().exchange_index
SIDES: st.SearchStrategy[BookSide] = st.sampled_from(["bid", "ask"])
PRICES = st.sampled_from([3_900, 4_000, 4_100, 4_200])
QTYS = st.integers(1, 500)
SIGNATURE_VALID = 30 * SECOND
FATES = st.sampled_from(["told", "lost", "never", "late"])


class Beliefs(RuleBasedStateMachine):
    """Rules are what we ask, what others do, and what reaches us; the lists come from `read`."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.ids = 0
        self.exchange = Exchange(self._new_id)
        self.exchange.open_account(US, {SHARD: CASH})
        self.exchange.open_account(OTHERS, {}, is_house=True)
        self.exchange.list_market(spec(), self.now)
        self.exchange.advance(self.now)
        self.state = State(SCHEMA, "kd-")
        self.state.apply(e.MarketListed(spec(), self.now))
        self.stream: deque[e.Event] = deque()
        self.replies: list[e.Event] = []
        self.late: list[tuple[int, NewOrder]] = []
        """Requests that we gave up waiting for, and that are still on their way to the venue."""
        self.fills: list[e.OrderFilled] = []
        self.told_fills: list[e.OrderFilled] = []
        self.sequence = 0
        for _ in range(2):
            self.now += 10 * SECOND
            self.read()
        assert self.state.account.is_reconciled

    def _new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids}"

    def _tell(self, facts: list[f.Fact]) -> None:
        """Put what the venue tells us onto the private stream."""
        for fact in facts:
            if isinstance(fact, f.OrderChanged) and fact.order.account == US:
                order = fact.order
                self.stream.append(
                    e.OrderUpdated(
                        order.order_id, order.client_order_id, TICKER, order.side, order.price, order.status,
                        order.filled, order.remaining, None, self.now, self.now,
                    )
                )  # fmt: skip
            elif isinstance(fact, f.Filled) and fact.account == US:
                self.fills.append(self._fill(fact))
                self.stream.append(self.fills[-1])

    def _fill(self, fact: f.Filled) -> e.OrderFilled:
        return e.OrderFilled(
            fact.trade_id, fact.order_id, fact.client_order_id, TICKER, fact.side, fact.price, fact.qty,
            fact.fee, fact.is_taker, self.now, self.now,
        )  # fmt: skip

    def _ours(self, state: str) -> list[Order]:
        return [order for order in self.state.orders.values() if order.state == state]

    # --- what we ask ---------------------------------------------------------------------------

    @rule(
        side=SIDES,
        price=PRICES,
        qty=QTYS,
        takes=st.booleans(),
        fate=st.sampled_from(["told", "lost", "never"]),
    )
    def place(self, side: BookSide, price: int, qty: int, takes: bool, fate: str) -> None:
        """Send an order: the answer may be lost, or the request may never arrive."""
        self.sequence += 1
        name = f"kd-1-{self.sequence}"
        style: Literal["take", "rest"] = "take" if takes else "rest"
        self.state.orders[name] = Order(
            client_order_id=name, ticker=TICKER, side=side, price=price, qty=qty, style=style, strategy="s",
            at=self.now,
        )  # fmt: skip
        force = "immediate_or_cancel" if takes else "good_till_canceled"
        request = NewOrder(US, TICKER, side, price, qty, force, client_order_id=name)  # type: ignore[arg-type]
        if fate in ("never", "late"):
            self.replies.append(e.OrderUnknown("place", name, "timeout", self.now))
            if fate == "late":
                self.late.append((self.now, request))
            return
        answer, facts = self.exchange.place(request, self.now)
        self._tell(facts)
        if fate == "lost":
            self.replies.append(e.OrderUnknown("place", name, "reset", self.now))
        elif isinstance(answer, Refused):
            self.replies.append(e.OrderRejected("place", name, answer.code, "", self.now))
        else:
            self.replies.append(
                e.OrderAccepted(
                    "place", name, answer.order_id, answer.filled, answer.remaining, self.now, self.now
                )
            )

    @precondition(lambda self: self._ours("resting"))
    @rule(fate=st.sampled_from(["told", "lost"]))
    def cancel(self, fate: str) -> None:
        """Take the first resting order out."""
        order = self._ours("resting")[0]
        order.apply("cancel_requested", self.now)
        assert order.order_id is not None
        answer, facts = self.exchange.cancel(US, order.order_id, self.now)
        self._tell(facts)
        name = order.client_order_id
        if fate == "lost":
            self.replies.append(e.OrderUnknown("cancel", name, "timeout", self.now))
        elif isinstance(answer, Refused):
            self.replies.append(e.OrderRejected("cancel", name, answer.code, "", self.now))
        else:
            self.replies.append(
                e.OrderAccepted(
                    "cancel", name, order.order_id, None, 0, self.now, self.now, reduced_by=answer
                )
            )

    @precondition(lambda self: self._ours("resting"))
    @rule(price=PRICES, more=QTYS, fate=st.sampled_from(["told", "lost"]))
    def amend(self, price: int, more: int, fate: str) -> None:
        """Move and resize the first resting order."""
        order = self._ours("resting")[0]
        name, qty = order.client_order_id, order.filled + more
        order.request_amend(price, qty, self.now)
        assert order.order_id is not None
        request = Amendment(US, order.order_id, TICKER, order.side, price, qty)
        answer, facts = self.exchange.amend(request, self.now)
        self._tell(facts)
        if fate == "lost":
            self.replies.append(e.OrderUnknown("amend", name, "timeout", self.now))
        elif isinstance(answer, Refused):
            self.replies.append(e.OrderRejected("amend", name, answer.code, "", self.now))
        else:
            self.replies.append(
                e.OrderAccepted(
                    "amend", name, answer.order_id, answer.filled, answer.remaining, self.now, self.now
                )
            )

    @rule(is_told=st.booleans())
    def the_market_is_activated_again(self, is_told: bool) -> None:
        """Whatever rested is gone, and the private stream may keep that from us."""
        facts = [*self.exchange.deactivate(TICKER, self.now), *self.exchange.activate(TICKER, self.now)]
        if is_told:
            self._tell(facts)
        for status in ("inactive", "active"):
            self.state.apply(e.MarketStatusChanged(TICKER, status, self.now))

    # --- what others do, and what reaches us ---------------------------------------------------

    @rule(side=SIDES, price=PRICES, qty=QTYS)
    def others_trade(self, side: BookSide, price: int, qty: int) -> None:
        """Others rest orders or take ours."""
        self._tell(self.exchange.place(NewOrder(OTHERS, TICKER, side, price, qty), self.now)[1])

    @precondition(lambda self: self.replies)
    @rule(index=st.integers(0, 10))
    def reply_comes(self, index: int) -> None:
        """Any of the outstanding replies."""
        self.state.apply(self.replies.pop(index % len(self.replies)))

    @precondition(lambda self: self.stream)
    @rule()
    def stream_comes(self) -> None:
        """The next message of the private stream."""
        event = self.stream.popleft()
        if isinstance(event, e.OrderFilled):
            self.told_fills.append(event)
        self.state.apply(event)

    @precondition(lambda self: self.late)
    @rule()
    def a_late_request_arrives(self) -> None:
        """The venue takes it as long as its signature is fresh, and only its stream and lists tell."""
        sent_at, request = self.late.pop(0)
        if self.now - sent_at <= SIGNATURE_VALID:
            self._tell(self.exchange.place(request, self.now)[1])

    @precondition(lambda self: self.told_fills)
    @rule(index=st.integers(0, 20))
    def fill_comes_again(self, index: int) -> None:
        """A fill that was told already."""
        self.state.apply(self.told_fills[index % len(self.told_fills)])

    @rule(seconds=st.sampled_from([1, 3, 40]))
    def time_passes(self, seconds: int) -> None:
        """What is on its way arrives within a second; then the clock goes on."""
        while self.stream:
            self.stream_comes()
        while self.replies:
            self.reply_comes(0)
        self._what_is_believed_to_rest_rests()
        self.now += seconds * SECOND

    def _what_is_believed_to_rest_rests(self) -> None:
        """Everything said has come in: what is not marked as unknown is true, terms and all."""
        if not self.state.account.is_reconciled:
            return  # all of it is marked
        truth = {order.client_order_id: order for order in self.exchange.markets[TICKER].book.orders()}
        for order in self._ours("resting"):
            told = truth[order.client_order_id]
            assert (order.price, order.remaining) == (told.price, told.remaining)

    @rule()
    def read(self) -> None:
        """Read the venue's lists, as a reconciliation does."""
        account = self.exchange.accounts[US]
        orders = tuple(
            e.OrderSnapshot(
                order.order_id, order.client_order_id, TICKER, order.side, order.price, order.filled,
                order.remaining,
            )
            for order in self.exchange.markets[TICKER].book.orders()
            if order.account == US
        )  # fmt: skip
        qty = account.qty(TICKER)
        held = (e.PositionSnapshot(TICKER, qty, account.holding(TICKER, SHARD).cost, 0, 0),) if qty else ()
        self.told_fills = list(self.fills)  # the list tells them all
        self.state.apply(
            e.AccountReconciled(self.now, self.now, account.cash[SHARD], held, orders, tuple(self.fills))
        )

    # --- what must hold ------------------------------------------------------------------------

    @invariant()
    def nothing_is_believed_that_was_not_said(self) -> None:
        """The believed position is the sum of the fills that reached us, each once."""
        booked = {(fill.trade_id, fill.order_id): fill for fill in self.told_fills}
        signed = [fill.qty if fill.side == "bid" else -fill.qty for fill in booked.values()]
        if not self.state.account.findings:
            assert self.state.ledger.position_qty(TICKER) == sum(signed)

    @invariant()
    def no_order_is_believed_closed_that_still_trades(self) -> None:
        """Every order that rests at the exchange is open with us, or its word is still on its way."""
        on_the_way = {event.client_order_id for event in (*self.stream, *self.replies)}  # type: ignore[union-attr]
        for order in self.exchange.markets[TICKER].book.orders():
            if order.account == US and order.client_order_id not in on_the_way:
                assert order.client_order_id in self.state.orders

    def teardown(self) -> None:
        """When the faults stop, everything is resolved and equal to the last unit."""
        while self.late:
            self.a_late_request_arrives()
        self.time_passes(40)
        for _ in range(3):
            self.read()
            self.time_passes(40)
        account = self.exchange.accounts[US]
        resting = {
            order.client_order_id: (order.price, order.remaining)
            for order in self.exchange.markets[TICKER].book.orders()
            if order.account == US
        }
        believed = {name: (order.price, order.remaining) for name, order in self.state.orders.items()}
        assert believed == resting
        assert self.state.ledger.position_qty(TICKER) == account.qty(TICKER)
        assert self.state.ledger.cash == account.cash[SHARD]
        assert self.state.account.findings == []


TestBeliefs = Beliefs.TestCase
TestBeliefs.settings = settings(max_examples=500, stateful_step_count=50, deadline=None)
