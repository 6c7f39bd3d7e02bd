"""A real exchange, our beliefs, and the ways between them that tests may cut: what both sides of one see.

Part of `test_beliefs_machine`: here is what carries words, there is what happens to them and what must hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from hypothesis.stateful import RuleBasedStateMachine

from daemon.core import events as e
from daemon.core.issuing import Issuer
from daemon.core.orders import Order
from daemon.core.state import State
from daemon.core.units import MONEY_ONE, SECOND, Money, Ns
from daemon.exchange import facts as f
from daemon.exchange.exchange import Exchange
from daemon.shell.recovery import OrdersLeft
from tests.core.worlds import SCHEMA, T0, TICKER, spec

US, OTHERS = "us", "sim:others"
CASH = 10_000 * MONEY_ONE
SHARD = spec().exchange_index


class Lists(NamedTuple):
    """What the venue's lists say of one moment."""

    at: Ns
    cash: Money
    positions: tuple[e.PositionSnapshot, ...]
    orders: tuple[e.OrderSnapshot, ...]
    fills: tuple[e.OrderFilled, ...]
    ended: tuple[e.EndedOrder, ...]


class Ways(RuleBasedStateMachine):
    """The exchange with our account, the beliefs of the present life, and what is under way between them."""

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
        self.record()

    def begin(self) -> None:
        """Begin a life without beliefs but for what the journal tells."""
        self.lives += 1
        self.state = State(SCHEMA, "kd-")
        self.issuer = Issuer(self.state, f"kd-{self.lives}-", SECOND)
        self.apply(e.MarketListed(spec(), self.now))
        for event in self.left.told(self.now).orders:
            self.apply(event)

    def apply(self, event: e.Event) -> None:
        """Journal, and take in."""
        self.left.take([event])
        self.state.apply(event)

    def _new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids}"

    def record(self) -> None:
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

    def tell(self, facts: list[f.Fact]) -> None:
        """Put what the venue tells us onto the private stream."""
        self.note_ends(facts)
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
        self.record()

    def note_ends(self, facts: list[f.Fact]) -> None:
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

    def reply(self, event: e.OrderAccepted | e.OrderRejected | e.OrderUnknown) -> None:
        self.replies.append((self.now, event))

    def take(self, event: e.Event) -> None:
        """Take in something that was sent before, now."""
        self.apply(msgspec.structs.replace(event, received_at=self.now))

    def _fill(self, fact: f.Filled) -> e.OrderFilled:
        return e.OrderFilled(
            fact.trade_id, fact.order_id, fact.client_order_id, TICKER, fact.side, fact.price, fact.qty,
            fact.fee, fact.is_taker, self.now, self.now,
        )  # fmt: skip

    def ours(self, state: str) -> list[Order]:
        return [order for order in self.state.orders.values() if order.state == state]

    def is_away(
        self, action: e.OrderAction, name: str, fate: str, arrive: Callable[[], list[f.Fact]]
    ) -> bool:
        """Whether a request doesn't arrive now: never, or later; either way its answer is given up."""
        if fate == "late":
            self.late.append((self.now, arrive))
        if fate in ("never", "late"):
            self.reply(e.OrderUnknown(action, name, "timeout", self.now))
        return fate in ("never", "late")

    def on_the_way(self) -> set[str]:
        """The orders of which there are words that have not arrived, by client order id."""
        return {event.client_order_id for _, event in (*self.stream, *self.replies)}  # type: ignore[union-attr, misc]
