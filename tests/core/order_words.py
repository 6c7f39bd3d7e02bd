"""One market, one order of ours, and the venue's words on it."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.orders import Order
from daemon.core.state import State
from tests.core.worlds import SCHEMA, T0, TICKER, snapshot, spec


def watching() -> State:
    """A state that watches one market, connected, with a book."""
    subject = State(SCHEMA, "kd-")
    for event in (e.MarketListed(spec(), T0), e.FeedConnected("kalshi", T0), snapshot()):
        subject.apply(event)
    subject.touched.clear()
    return subject


def placed(state: State, name: str = "kd-1-1", qty: int = 1_000) -> Order:
    """An order that was sent."""
    order = Order(
        client_order_id=name, ticker=TICKER, side="bid", price=4_000, qty=qty, style="rest", strategy="s",
        at=T0,
    )  # fmt: skip
    state.orders[name] = order
    return order


def accepted(name: str = "kd-1-1", remaining: int = 1_000, filled: int = 0) -> e.OrderAccepted:
    """The venue's yes to a new order."""
    return e.OrderAccepted("place", name, f"id-{name}", filled, remaining, T0, T0)


def filled(qty: int, trade: str = "t1", name: str | None = "kd-1-1") -> e.OrderFilled:
    """A fill of the order."""
    return e.OrderFilled(trade, "id-kd-1-1", name, TICKER, "bid", 4_000, qty, 0, False, T0, T0)


def updated(status: e.OrderStatus, fill: int, left: int, name: str = "kd-1-1") -> e.OrderUpdated:
    """The stream's word on the order."""
    return e.OrderUpdated(f"id-{name}", name, TICKER, "bid", 4_000, status, fill, left, None, T0, T0)
