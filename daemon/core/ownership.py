"""Whose an order or a market is: ours alone, or also that of a person who trades on the same account.

A fill in a list carries the venue's order id only, so that whose it is has to be known from elsewhere: from
the answers to our requests, and from the words on orders that we have.
"""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.own_orders import OrderBeliefs
from daemon.core.units import HOUR, Ns

KEPT: Ns = 2 * HOUR
"""How long the id of an order is remembered after the last word on it: longer than any list goes back."""
MARKETS_MAX = 10_000


class Ownership:
    """Order ids that are known to be ours or not, and markets in which somebody else trades."""

    def __init__(self, client_order_id_prefix: str) -> None:
        self._prefix = client_order_id_prefix
        self._orders: dict[str, tuple[bool, Ns]] = {}
        self._foreign: dict[str, Ns] = {}
        self._swept_at: Ns = 0

    def is_ours(self, order_id: str) -> bool | None:
        """Whether an order is ours; None where nobody has said."""
        known = self._orders.get(order_id)
        return None if known is None else known[0]

    def is_shared(self, ticker: str) -> bool:
        """Whether somebody else was seen to trade in a market on this account."""
        return ticker in self._foreign

    def has_our_name(self, client_order_id: str) -> bool:
        """Whether an id begins as ours do."""
        return client_order_id.startswith(self._prefix)

    def share(self, ticker: str, at: Ns) -> None:
        """Somebody else trades in a market on this account."""
        self._foreign.pop(ticker, None)
        self._foreign[ticker] = at
        if len(self._foreign) > MARKETS_MAX:
            del self._foreign[next(iter(self._foreign))]

    def take_list(self, beliefs: OrderBeliefs, event: e.AccountReconciled) -> None:
        """Learn from the list of orders, those that have ended included."""
        for told in event.orders:
            self.take_name(beliefs, told.order_id, told.client_order_id, told.ticker, event.received_at)
        for ended in event.ended:
            self.take_name(beliefs, ended.order_id, ended.client_order_id, ended.ticker, event.received_at)

    def take_name(
        self, beliefs: OrderBeliefs, order_id: str, client_order_id: str, ticker: str, at: Ns
    ) -> None:
        """Learn from a word that has both ids. One in our name that we don't know is neither's."""
        if not self.has_our_name(client_order_id):
            self._orders[order_id] = (False, at)
            self.share(ticker, at)
        elif client_order_id in beliefs.orders or order_id in self._orders:
            self.take_ours(order_id, at)

    def take_ours(self, order_id: str, at: Ns) -> None:
        """An answer to a request of ours named this order."""
        self._orders[order_id] = (True, at)

    def sweep(self, beliefs: OrderBeliefs, now: Ns) -> None:
        """Forget the ids of orders that were last spoken of long ago and are not open."""
        if now - self._swept_at < KEPT // 8:
            return
        self._swept_at = now
        open_ids = {order.order_id: None for order in beliefs.orders.values()}
        for order_id, (_, at) in list(self._orders.items()):
            if at < now - KEPT and order_id not in open_ids:
                del self._orders[order_id]
