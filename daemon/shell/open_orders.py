"""Our orders that may still trade, as people read them: for the status, for what a stop leaves."""

from __future__ import annotations

import msgspec

from daemon.core.state import State
from daemon.core.units import format_price, format_qty


class OrderLine(msgspec.Struct, frozen=True):
    """One order of ours that may still trade. Contracts and dollars as decimal text.

    `order_id` is None while the venue has not told it.
    """

    client_order_id: str
    order_id: str | None
    ticker: str
    side: str
    price: str
    remaining: str
    state: str

    def __str__(self) -> str:
        """Return it as one line."""
        what = f"{self.side} {self.remaining} {self.ticker} at {self.price}, {self.state}"
        return f"{self.client_order_id} ({self.order_id or 'id unknown'}): {what}"


def open_orders(state: State) -> list[OrderLine]:
    """Return our orders that may still trade, oldest first."""
    return [
        OrderLine(
            client_order_id=order.client_order_id,
            order_id=order.order_id,
            ticker=order.ticker,
            side=order.side,
            price=format_price(order.price),
            remaining=format_qty(order.qty - order.filled),
            state=order.state,
        )
        for order in state.orders.values()
        if order.is_open
    ]
