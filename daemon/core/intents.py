"""Orders out against intents in: what the venue has of ours in this life is what we asked for, once each.

Every new order that is decided is an intent, and its client order id is good for one order at the venue. An
order in this life's name that was never asked for, or a second one for the same id, is a breach: something
sends orders that nobody decided. Not a word of it can be a delay, so one is enough.

Names of lives before this one say nothing here, for their intents are not known to it.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from daemon.core import events as e

KEPT = 10_000
"""Intents of which the venue's order id is remembered. What is older has ended."""
NOBODY = "unknown"
"""The strategy of an order that none of ours asked for."""


class Breach(msgspec.Struct, frozen=True):
    """An order at the venue that no intent explains."""

    strategy: str
    why: str


class _Intent:
    __slots__ = ("order_id", "strategy")

    def __init__(self, strategy: str) -> None:
        self.strategy = strategy
        self.order_id: str | None = None


class Intents:
    """The intents of one life.

    `id_prefix` is what its client order ids begin with; a number in base 36 follows.
    """

    def __init__(self, id_prefix: str) -> None:
        self._id_prefix = id_prefix
        self._intents: dict[str, _Intent] = {}
        self._last = 0
        self.asked: Counter[str] = Counter()
        """Intents by strategy."""
        self.told: Counter[str] = Counter()
        """Orders that the venue has or had, by the strategy that asked for them."""

    def ask(self, client_order_id: str, strategy: str) -> None:
        """A new order was decided."""
        self.asked[strategy] += 1
        self._last = int(client_order_id.removeprefix(self._id_prefix), 36)
        self._intents[client_order_id] = _Intent(strategy)
        if len(self._intents) > KEPT:
            del self._intents[next(iter(self._intents))]

    def observe(self, event: e.Event) -> list[Breach]:
        """Take in one event; return what it breaches."""
        match event:
            case e.OrderAccepted(action="place") | e.OrderUpdated():
                named = [(event.client_order_id, event.order_id)]
            case e.OrderFilled() if event.client_order_id is not None:
                named = [(event.client_order_id, event.order_id)]
            case e.AccountReconciled():
                named = [(told.client_order_id, told.order_id) for told in event.orders]
                named += [(told.client_order_id, told.order_id) for told in event.ended]
            case _:
                return []
        found = [self._tell(client_order_id, order_id) for client_order_id, order_id in named]
        return [breach for breach in found if breach is not None]

    def _tell(self, client_order_id: str, order_id: str) -> Breach | None:
        if not client_order_id.startswith(self._id_prefix):
            return None
        intent = self._intents.get(client_order_id)
        if intent is None:
            if self._was_asked(client_order_id):
                return None  # so long ago that it is forgotten
            self.told[NOBODY] += 1
            return Breach(NOBODY, f"order {order_id} named {client_order_id} was never asked for")
        if intent.order_id is None:
            intent.order_id = order_id
            self.told[intent.strategy] += 1
        elif intent.order_id != order_id:
            self.told[intent.strategy] += 1
            return Breach(
                intent.strategy, f"{client_order_id} is two orders, {intent.order_id} and {order_id}"
            )
        return None

    def _was_asked(self, client_order_id: str) -> bool:
        try:
            number = int(client_order_id.removeprefix(self._id_prefix), 36)
        except ValueError:
            return False
        return 1 <= number <= self._last
