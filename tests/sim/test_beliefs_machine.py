"""Beliefs against a real exchange: whatever the order of the venue's words, they end as the truth.

The venue is the pure `Exchange` that the sandbox runs. Between it and our beliefs lie a reply that may
be lost, requests that arrive late or never, a private stream that may be slow or break off, and lists that
are read now and then and show what was true up to a second before; a fill may be told twice. A crash at any
step loses all beliefs; what was journalled is recovered.
At every step nothing is believed that the venue has not said, no order exists twice, and what a position may
still become is counted; when the faults stop, orders, position and cash are the exchange's to the last unit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.core import events as e
from daemon.core.commands import AmendOrder, PlaceOrder, ProbeOrder, TimeInForce
from daemon.core.issuing import Issuer
from daemon.core.orders import Order
from daemon.core.state import State
from daemon.core.units import MILLISECOND, MONEY_ONE, SECOND, BookSide, Money, Ns
from daemon.exchange import facts as f
from daemon.exchange.exchange import Exchange
from daemon.exchange.requests import Amendment, NewOrder, Refused
from daemon.shell.recovery import OrdersLeft
from tests.core.worlds import SCHEMA, T0, TICKER, spec

US, OTHERS = "us", "sim:others"
CASH = 10_000 * MONEY_ONE
SHARD = spec().exchange_index
SIDES: st.SearchStrategy[BookSide] = st.sampled_from(["bid", "ask"])
PRICES = st.sampled_from([3_900, 4_000, 4_100, 4_200])
QTYS = st.integers(1, 500)
SIGNATURE_VALID = 30 * SECOND
DELAY_MAX = SECOND
"""The longest way of a reply or a message of the stream, and the most that the lists lag."""
FATES = st.sampled_from(["told", "lost", "never", "late"])


class Lists(NamedTuple):
    """What the venue's lists say of one moment."""

    at: Ns
    cash: Money
    positions: tuple[e.PositionSnapshot, ...]
    orders: tuple[e.OrderSnapshot, ...]
    fills: tuple[e.OrderFilled, ...]
    ended: tuple[e.EndedOrder, ...]


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
        self.left = OrdersLeft()
        """What the journal knows of our orders."""
        self.lives = 0
        self.begin()
        self.stream: deque[tuple[Ns, e.Event]] = deque()
        self.replies: list[tuple[Ns, e.Event]] = []
        """Both with when they were sent."""
        self.history: list[Lists] = []
        self.late: list[tuple[int, Callable[[], list[f.Fact]]]] = []
        """Requests that we gave up waiting for, and that are still on their way to the venue."""
        self.fills: list[e.OrderFilled] = []
        self.ended: list[e.EndedOrder] = []
        self.told_fills: list[e.OrderFilled] = []
        self.sequence = 0
        self._record()
        for _ in range(2):
            self.now += 10 * SECOND
            self.read(0)
        assert self.state.account.is_reconciled

    def begin(self) -> None:
        """Begin a life without beliefs but for what the journal tells."""
        self.lives += 1
        self.state = State(SCHEMA, "kd-")
        self.issuer = Issuer(self.state, f"kd-{self.lives}-", SECOND)
        self._apply(e.MarketListed(spec(), self.now))
        for event in self.left.told(self.now).orders:
            self._apply(event)

    def _apply(self, event: e.Event) -> None:
        """Journal, and take in."""
        self.left.take([event])
        self.state.apply(event)

    def _new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids}"

    def _record(self) -> None:
        """Note what the lists would say now: some of them are read later."""
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
        self.history.append(
            Lists(self.now, account.cash[SHARD], held, orders, tuple(self.fills), tuple(self.ended))
        )

    def _tell(self, facts: list[f.Fact]) -> None:
        """Put what the venue tells us onto the private stream."""
        self._note_ends(facts)
        for fact in facts:
            if isinstance(fact, f.OrderChanged) and fact.order.account == US:
                order = fact.order
                update = e.OrderUpdated(
                    order.order_id, order.client_order_id, TICKER, order.side, order.price, order.status,
                    order.filled, order.remaining, None, self.now, self.now,
                )  # fmt: skip
                self.stream.append((self.now, update))
            elif isinstance(fact, f.Filled) and fact.account == US:
                self.fills.append(self._fill(fact))
                self.stream.append((self.now, self.fills[-1]))
        self._record()

    def _note_ends(self, facts: list[f.Fact]) -> None:
        """Keep what the list of ended orders shows."""
        for fact in facts:
            if (
                isinstance(fact, f.OrderChanged)
                and fact.order.account == US
                and fact.order.status != "resting"
            ):
                order = fact.order
                self.ended.append(
                    e.EndedOrder(order.order_id, order.client_order_id, TICKER, order.status, order.filled)
                )

    def _reply(self, event: e.OrderAccepted | e.OrderRejected | e.OrderUnknown) -> None:
        self.replies.append((self.now, event))

    def _take(self, event: e.Event) -> None:
        """Take in something that was sent before, now."""
        self._apply(msgspec.structs.replace(event, received_at=self.now))

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
        fate=FATES,
    )
    def place(self, side: BookSide, price: int, qty: int, takes: bool, fate: str) -> None:
        """Send an order: the answer may be lost, or the request may never arrive."""
        self.sequence += 1
        name = f"kd-{self.lives}-{self.sequence}"
        style: Literal["take", "rest"] = "take" if takes else "rest"
        force: TimeInForce = "immediate_or_cancel" if takes else "good_till_canceled"
        command = PlaceOrder(
            name, TICKER, side, price, qty, force, False, SHARD, "s", "", self.now, self.now, None
        )
        self.left.take([command])
        self.state.orders[name] = Order(
            client_order_id=name, ticker=TICKER, side=side, price=price, qty=qty, style=style, strategy="s",
            at=self.now,
        )  # fmt: skip
        request = NewOrder(US, TICKER, side, price, qty, force, client_order_id=name)
        if self._is_away("place", name, fate, lambda: self.exchange.place(request, self.now)[1]):
            return
        answer, facts = self.exchange.place(request, self.now)
        self._tell(facts)
        if fate == "lost":
            self._reply(e.OrderUnknown("place", name, "reset", self.now))
        elif isinstance(answer, Refused):
            self._reply(e.OrderRejected("place", name, answer.code, "", self.now))
        else:
            self._reply(
                e.OrderAccepted(
                    "place", name, answer.order_id, answer.filled, answer.remaining, self.now, self.now
                )
            )

    def _is_away(
        self, action: e.OrderAction, name: str, fate: str, arrive: Callable[[], list[f.Fact]]
    ) -> bool:
        """Whether a request doesn't arrive now: never, or later; either way its answer is given up."""
        if fate == "late":
            self.late.append((self.now, arrive))
        if fate in ("never", "late"):
            self._reply(e.OrderUnknown(action, name, "timeout", self.now))
        return fate in ("never", "late")

    def _nameless(self) -> list[Order]:
        return [
            order
            for order in self._ours("unknown")
            if order.order_id is None and not order.has_arrived and not order.is_probing
        ]

    @precondition(lambda self: self._nameless())
    @rule(fate=FATES)
    def probe(self, fate: str) -> None:
        """Ask after the first order of unknown outcome by sending its id again."""
        command = self.issuer.probe(self._nameless()[0], self.now)
        assert isinstance(command, ProbeOrder)
        self.left.take([command])
        name = command.client_order_id
        request = NewOrder(
            US, TICKER, command.side, command.price, command.qty, "immediate_or_cancel", client_order_id=name
        )
        if self._is_away("probe", name, fate, lambda: self.exchange.place(request, self.now)[1]):
            return
        answer, facts = self.exchange.place(request, self.now)
        self._tell(facts)
        if fate == "lost":
            self._reply(e.OrderUnknown("probe", name, "reset", self.now))
        elif isinstance(answer, Refused):
            self._reply(e.OrderRejected("probe", name, answer.code, "", self.now))
        else:
            self._reply(
                e.OrderAccepted(
                    "probe", name, answer.order_id, answer.filled, answer.remaining, self.now, self.now
                )
            )

    @precondition(lambda self: self._ours("resting"))
    @rule(fate=FATES)
    def cancel(self, fate: str) -> None:
        """Take the first resting order out."""
        order = self._ours("resting")[0]
        order.apply("cancel_requested", self.now)
        order_id, name = order.order_id, order.client_order_id
        assert order_id is not None
        if self._is_away("cancel", name, fate, lambda: self.exchange.cancel(US, order_id, self.now)[1]):
            return
        answer, facts = self.exchange.cancel(US, order_id, self.now)
        self._tell(facts)
        if fate == "lost":
            self._reply(e.OrderUnknown("cancel", name, "timeout", self.now))
        elif isinstance(answer, Refused):
            self._reply(e.OrderRejected("cancel", name, answer.code, "", self.now))
        else:
            self._reply(
                e.OrderAccepted("cancel", name, order_id, None, 0, self.now, self.now, reduced_by=answer)
            )

    def _movable(self) -> list[Order]:
        return [order for order in self._ours("resting") if order.pending is None]

    @precondition(lambda self: self._movable())
    @rule(price=PRICES, more=QTYS, fate=FATES)
    def amend(self, price: int, more: int, fate: str) -> None:
        """Move and resize the first resting order."""
        order = self._movable()[0]
        name, qty = order.client_order_id, order.filled + more
        order.request_amend(price, qty, self.now)
        assert order.order_id is not None
        command = AmendOrder(
            name, order.order_id, TICKER, order.side, price, qty, SHARD, "s", "", self.now, self.now, None
        )
        self.left.take([command])
        request = Amendment(US, order.order_id, TICKER, order.side, price, qty)
        if self._is_away("amend", name, fate, lambda: self.exchange.amend(request, self.now)[1]):
            return
        answer, facts = self.exchange.amend(request, self.now)
        self._tell(facts)
        if fate == "lost":
            self._reply(e.OrderUnknown("amend", name, "timeout", self.now))
        elif isinstance(answer, Refused):
            self._reply(e.OrderRejected("amend", name, answer.code, "", self.now))
        else:
            self._reply(
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
        else:
            self._note_ends(facts)
            self._record()
        for status in ("inactive", "active"):
            self._apply(e.MarketStatusChanged(TICKER, status, self.now))

    # --- what others do, and what reaches us ---------------------------------------------------

    @rule(side=SIDES, price=PRICES, qty=QTYS)
    def others_trade(self, side: BookSide, price: int, qty: int) -> None:
        """Others rest orders or take ours."""
        self._tell(self.exchange.place(NewOrder(OTHERS, TICKER, side, price, qty), self.now)[1])

    @precondition(lambda self: self.replies)
    @rule(index=st.integers(0, 10))
    def reply_comes(self, index: int) -> None:
        """Any of the outstanding replies."""
        self._take(self.replies.pop(index % len(self.replies))[1])

    @precondition(lambda self: self.stream)
    @rule()
    def stream_comes(self) -> None:
        """The next message of the private stream."""
        event = self.stream.popleft()[1]
        if isinstance(event, e.OrderFilled):
            self.told_fills.append(event)
        self._take(event)

    @precondition(lambda self: self.stream)
    @rule()
    def the_stream_breaks_off(self) -> None:
        """What was on its way is lost, and what comes from here on is told again."""
        self.stream.clear()
        self._apply(e.FeedDropped("kalshi", "cut", self.now))
        self._apply(e.FeedConnected("kalshi", self.now))

    @rule(seconds=st.sampled_from([1, 5]))
    def the_daemon_crashes(self, seconds: int) -> None:
        """All beliefs, answers and messages are lost; requests on their way are not, nor is the journal."""
        self.stream.clear()
        self.replies.clear()
        self.told_fills.clear()
        self.now += seconds * SECOND
        self.begin()
        self._apply(e.FeedConnected("kalshi", self.now))

    @precondition(lambda self: self.late)
    @rule()
    def a_late_request_arrives(self) -> None:
        """The venue takes it as long as its signature is fresh, and only its stream and lists tell."""
        sent_at, arrive = self.late.pop(0)
        if self.now - sent_at <= SIGNATURE_VALID:
            self._tell(arrive())

    @precondition(lambda self: self.told_fills)
    @rule(index=st.integers(0, 20))
    def fill_comes_again(self, index: int) -> None:
        """A fill that was told already."""
        self._apply(self.told_fills[index % len(self.told_fills)])

    @rule(ms=st.sampled_from([50, 300, 700]))
    def a_moment_passes(self, ms: int) -> None:
        """What has been on its way for as long as can be arrives, in whatever order the two ways have."""
        self.now += ms * MILLISECOND
        while self.replies and self.replies[0][0] <= self.now - DELAY_MAX:
            self.reply_comes(0)
        while self.stream and self.stream[0][0] <= self.now - DELAY_MAX:
            self.stream_comes()

    @rule(seconds=st.sampled_from([1, 3, 40]))
    def time_passes(self, seconds: int) -> None:
        """What is on its way arrives within a second; then the clock goes on."""
        while self.stream:
            self.stream_comes()
        while self.replies:
            self.reply_comes(0)
        self.now += seconds * SECOND

    @rule(lag_ms=st.sampled_from([0, 100, 360, 1_000]))
    def read_twice(self, lag_ms: int) -> None:
        """As the daemon does after a doubt: the second reading is to agree with the first."""
        self.read(lag_ms)
        self.a_moment_passes(50)
        self.read(lag_ms)

    @rule(lag_ms=st.sampled_from([0, 100, 360, 1_000]))
    def read(self, lag_ms: int) -> None:
        """Read the venue's lists, as a reconciliation does: they show what was true a while ago."""
        as_of = self.now - lag_ms * MILLISECOND
        lists = next((one for one in reversed(self.history) if one.at <= as_of), self.history[0])
        fills = tuple(msgspec.structs.replace(fill, received_at=self.now) for fill in lists.fills)
        self.told_fills += fills
        doubtful = (TICKER,) if self._ours("unknown") else ()
        self._apply(
            e.AccountReconciled(
                self.now, self.now, lists.cash, lists.positions, lists.orders, fills,
                doubtful, lists.ended if doubtful else (),
            )
        )  # fmt: skip

    # --- what must hold ------------------------------------------------------------------------

    @invariant()
    def nothing_is_believed_that_was_not_said(self) -> None:
        """The believed position is the sum of the fills that reached us, each once."""
        booked = {(fill.trade_id, fill.order_id): fill for fill in self.told_fills}
        signed = [fill.qty if fill.side == "bid" else -fill.qty for fill in booked.values()]
        if not self.state.account.findings and self.lives == 1:
            assert self.state.ledger.position_qty(TICKER) == sum(signed)

    @invariant()
    def an_account_that_is_believed_is_right(self) -> None:
        """Cash and position are the exchange's as soon as nothing is on its way."""
        if self.state.account.is_reconciled and not self.stream:
            account = self.exchange.accounts[US]
            assert (self.state.ledger.cash, self.state.ledger.position_qty(TICKER)) == (
                account.cash[SHARD],
                account.qty(TICKER),
            )

    @invariant()
    def what_is_believed_to_rest_rests(self) -> None:
        """What is neither marked as unknown nor just being told is true, terms and all."""
        if not self.state.account.is_reconciled:
            return  # all of it is marked
        on_the_way = self._on_the_way()
        truth = {order.client_order_id: order for order in self.exchange.markets[TICKER].book.orders()}
        for order in self._ours("resting"):
            if order.client_order_id not in on_the_way:
                told = truth[order.client_order_id]
                assert (order.price, order.qty - order.filled) == (told.price, told.remaining)

    def _on_the_way(self) -> set[str]:
        """The orders of which there are words that have not arrived, by client order id."""
        return {event.client_order_id for _, event in (*self.stream, *self.replies)}  # type: ignore[union-attr, misc]

    @invariant()
    def what_may_still_trade_is_counted(self) -> None:
        """No order of ours at the exchange has more left than we count, at no worse a price."""
        on_the_way = self._on_the_way()
        for told in self.exchange.markets[TICKER].book.orders():
            order = self.state.orders.get(told.client_order_id)
            if told.account == US and order is not None and told.client_order_id not in on_the_way:
                side, price, exposed = order.stake
                assert exposed >= told.remaining
                assert price >= told.price if side == "bid" else price <= told.price

    @invariant()
    def no_order_exists_twice(self) -> None:
        """One id is one order at the exchange, whatever was sent again."""
        live = [order for order in self.exchange.markets[TICKER].book.orders() if order.account == US]
        ids = [order.client_order_id for order in live] + [order.client_order_id for order in self.ended]
        assert len(ids) == len(set(ids))

    @invariant()
    def no_order_is_believed_closed_that_still_trades(self) -> None:
        """Every order that rests at the exchange is open with us, or its word is still on its way."""
        on_the_way = self._on_the_way()
        for order in self.exchange.markets[TICKER].book.orders():
            if order.account == US and order.client_order_id not in on_the_way:
                # After a crash an adopted order may wait for the first reading: nothing is sent before.
                is_read = self.lives == 1 or self.state.account.is_reconciled
                assert order.client_order_id in self.state.orders or not is_read

    def teardown(self) -> None:
        """When the faults stop, everything is resolved and equal to the last unit."""
        while self.late:
            self.a_late_request_arrives()
        self.time_passes(40)
        for _ in range(5):
            self.read(1_000)
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
