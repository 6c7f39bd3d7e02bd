"""Beliefs against a real exchange: whatever the order of the venue's words, they end as the truth.

The venue is the pure `Exchange` that the sandbox runs. Between it and our beliefs lie a reply that may
be lost, requests that arrive late or never, a private stream that may be slow or break off, and lists that
are read now and then and show what was true up to a second before; a fill may be told twice. A crash at any
step loses all beliefs; what was journalled is recovered.
At every step nothing is believed that the venue has not said, no order exists twice, and what a position may
still become is counted; when the faults stop, orders, position and cash are the exchange's to the last unit.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from daemon.core import events as e
from daemon.core.commands import AmendOrder, PlaceOrder, ProbeOrder, TimeInForce
from daemon.core.orders import Order
from daemon.core.units import MILLISECOND, SECOND, BookSide
from daemon.exchange.requests import Amendment, NewOrder, Refused
from tests.core.worlds import TICKER
from tests.sim.ways import OTHERS, SHARD, US, Ways

SIDES: st.SearchStrategy[BookSide] = st.sampled_from(["bid", "ask"])
PRICES = st.sampled_from([3_900, 4_000, 4_100, 4_200])
QTYS = st.integers(1, 500)
WORST: tuple[tuple[BookSide, int], ...] = (("bid", 9_900), ("ask", 100))
SIGNATURE_VALID = 30 * SECOND
DELAY_MAX = SECOND
"""The longest way of a reply or a message of the stream, and the most that the lists lag."""
FATES = st.sampled_from(["told", "told", "told", "lost", "never", "late"])


class Beliefs(Ways):
    """Rules are what we ask, what others do, and what reaches us; the lists come from `read`."""

    def __init__(self) -> None:
        super().__init__()
        for _ in range(2):
            self.now += 10 * SECOND
            self.read(0)
        assert self.state.account.is_reconciled

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
        if self.is_away("place", name, fate, lambda: self.exchange.place(request, self.now)[1]):
            return
        answer, facts = self.exchange.place(request, self.now)
        self.tell(facts)
        if fate == "lost":
            self.reply(e.OrderUnknown("place", name, "reset", self.now))
        elif isinstance(answer, Refused):
            self.reply(e.OrderRejected("place", name, answer.code, "", self.now))
        else:
            self.reply(
                e.OrderAccepted(
                    "place", name, answer.order_id, answer.filled, answer.remaining, self.now, self.now
                )
            )

    def _nameless(self) -> list[Order]:
        return [
            order
            for order in self.ours("unknown")
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
        if self.is_away("probe", name, fate, lambda: self.exchange.place(request, self.now)[1]):
            return
        answer, facts = self.exchange.place(request, self.now)
        self.tell(facts)
        if fate == "lost":
            self.reply(e.OrderUnknown("probe", name, "reset", self.now))
        elif isinstance(answer, Refused):
            self.reply(e.OrderRejected("probe", name, answer.code, "", self.now))
        else:
            self.reply(
                e.OrderAccepted(
                    "probe", name, answer.order_id, answer.filled, answer.remaining, self.now, self.now
                )
            )

    @precondition(lambda self: self.ours("resting"))
    @rule(fate=FATES)
    def cancel(self, fate: str) -> None:
        """Take the first resting order out."""
        order = self.ours("resting")[0]
        order.apply("cancel_requested", self.now)
        order_id, name = order.order_id, order.client_order_id
        assert order_id is not None
        if self.is_away("cancel", name, fate, lambda: self.exchange.cancel(US, order_id, self.now)[1]):
            return
        answer, facts = self.exchange.cancel(US, order_id, self.now)
        self.tell(facts)
        if fate == "lost":
            self.reply(e.OrderUnknown("cancel", name, "timeout", self.now))
        elif isinstance(answer, Refused):
            self.reply(e.OrderRejected("cancel", name, answer.code, "", self.now))
        else:
            self.reply(
                e.OrderAccepted("cancel", name, order_id, None, 0, self.now, self.now, reduced_by=answer)
            )

    def _movable(self) -> list[Order]:
        return [order for order in self.ours("resting") if order.pending is None]

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
        if self.is_away("amend", name, fate, lambda: self.exchange.amend(request, self.now)[1]):
            return
        answer, facts = self.exchange.amend(request, self.now)
        self.tell(facts)
        if fate == "lost":
            self.reply(e.OrderUnknown("amend", name, "timeout", self.now))
        elif isinstance(answer, Refused):
            self.reply(e.OrderRejected("amend", name, answer.code, "", self.now))
        else:
            self.reply(
                e.OrderAccepted(
                    "amend", name, answer.order_id, answer.filled, answer.remaining, self.now, self.now
                )
            )

    @rule(trouble=st.sampled_from(["reactivated", "reactivated untold", "cut", "crash", "slow crash"]))
    def trouble_comes(self, trouble: str) -> None:
        """One rule for all that makes us doubt the account: most steps shall be taken while we believe it."""
        match trouble:
            case "cut":
                self.the_stream_breaks_off()
            case "crash" | "slow crash":
                self.the_daemon_crashes(1 if trouble == "crash" else 5)
            case _:
                self.the_market_is_activated_again(is_told=trouble == "reactivated")

    def the_market_is_activated_again(self, *, is_told: bool) -> None:
        """Whatever rested is gone, and the private stream may keep that from us."""
        facts = [*self.exchange.deactivate(TICKER, self.now), *self.exchange.activate(TICKER, self.now)]
        if is_told:
            self.tell(facts)
        else:
            self.note_ends(facts)
            self.record()
        for status in ("inactive", "active"):
            self.apply(e.MarketStatusChanged(TICKER, status, self.now))

    # --- what others do, and what reaches us ---------------------------------------------------

    @rule(side=SIDES, price=PRICES, qty=QTYS)
    def others_trade(self, side: BookSide, price: int, qty: int) -> None:
        """Others rest orders or take ours."""
        self.tell(self.exchange.place(NewOrder(OTHERS, TICKER, side, price, qty), self.now)[1])

    @precondition(lambda self: self.ours("resting"))
    @rule()
    def others_take_all(self) -> None:
        """Whatever of ours rests trades whole, perhaps before a request of ours for it arrives."""
        for side, price in WORST:
            request = NewOrder(OTHERS, TICKER, side, price, 100_000, "immediate_or_cancel")
            self.tell(self.exchange.place(request, self.now)[1])

    @precondition(lambda self: self.replies)
    @rule(index=st.integers(0, 10))
    def reply_comes(self, index: int) -> None:
        """Any of the outstanding replies."""
        self.take(self.replies.pop(index % len(self.replies))[1])

    @precondition(lambda self: self.stream)
    @rule()
    def stream_comes(self) -> None:
        """The next message of the private stream."""
        event = self.stream.popleft()[1]
        if isinstance(event, e.OrderFilled):
            self.told_fills.append(event)
        self.take(event)

    def the_stream_breaks_off(self) -> None:
        """What was on its way is lost, and what comes from here on is told again."""
        self.stream.clear()
        self.apply(e.FeedDropped("kalshi", "cut", self.now))
        self.apply(e.FeedConnected("kalshi", self.now))

    def the_daemon_crashes(self, seconds: int) -> None:
        """All beliefs, answers and messages are lost; requests on their way are not, nor is the journal."""
        self.stream.clear()
        self.replies.clear()
        self.told_fills.clear()
        self.now += seconds * SECOND
        self.begin()
        self.apply(e.FeedConnected("kalshi", self.now))

    @precondition(lambda self: self.late)
    @rule()
    def a_late_request_arrives(self) -> None:
        """The venue takes it as long as its signature is fresh, and only its stream and lists tell."""
        sent_at, arrive = self.late.pop(0)
        if self.now - sent_at <= SIGNATURE_VALID:
            self.tell(arrive())

    @precondition(lambda self: self.told_fills)
    @rule(index=st.integers(0, 20))
    def fill_comes_again(self, index: int) -> None:
        """A fill that was told already."""
        self.apply(self.told_fills[index % len(self.told_fills)])

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
        doubtful = (TICKER,) if self.ours("unknown") else ()
        self.apply(
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
        on_the_way = self.on_the_way()
        truth = {order.client_order_id: order for order in self.exchange.markets[TICKER].book.orders()}
        for order in self.ours("resting"):
            if order.client_order_id not in on_the_way:
                told = truth[order.client_order_id]
                assert (order.price, order.qty - order.filled) == (told.price, told.remaining)

    @invariant()
    def what_may_still_trade_is_counted(self) -> None:
        """No order of ours at the exchange has more left than we count, at no worse a price."""
        on_the_way = self.on_the_way()
        for told in self.exchange.markets[TICKER].book.orders():
            order = self.state.orders.get(told.client_order_id)
            if told.account == US and order is not None and told.client_order_id not in on_the_way:
                side, price, exposed = order.stake
                assert exposed >= told.remaining
                assert price >= told.price if side == "bid" else price <= told.price

    @invariant()
    def the_true_position_is_within_what_is_counted(self) -> None:
        """What we hold and what our orders may still add reaches to the truth: the worst case is no less."""
        if self.state.account.is_reconciled:
            held = self.state.ledger.position_qty(TICKER)
            stakes = [order.stake for order in self.state.orders.values()]
            low = held - sum(qty for side, _, qty in stakes if side == "ask")
            high = held + sum(qty for side, _, qty in stakes if side == "bid")
            assert low <= self.exchange.accounts[US].qty(TICKER) <= high

    @invariant()
    def no_order_exists_twice(self) -> None:
        """One id is one order at the exchange, whatever was sent again."""
        live = [order for order in self.exchange.markets[TICKER].book.orders() if order.account == US]
        ids = [order.client_order_id for order in live] + [order.client_order_id for order in self.ended]
        assert len(ids) == len(set(ids))

    @invariant()
    def no_order_is_believed_closed_that_still_trades(self) -> None:
        """Every order that rests at the exchange is open with us, or its word is still on its way."""
        on_the_way = self.on_the_way()
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
TestBeliefs.settings = settings(max_examples=1_000, stateful_step_count=60, deadline=None)
