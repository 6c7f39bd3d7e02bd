"""How much went out lately: requests of all kinds, and our last orders by market. All within one minute."""

from __future__ import annotations

from collections import deque
from itertools import takewhile

from daemon.core.orders import Order
from daemon.core.units import MINUTE, Ns


class Pace:
    """What was sent within the last minute."""

    def __init__(self) -> None:
        self._requests: deque[Ns] = deque()
        self._reducing: deque[Ns] = deque()
        self._placed: deque[tuple[Ns, Order]] = deque()

    def note_request(self, now: Ns, *, is_reducing: bool = False) -> None:
        """Count one order request of whatever kind; those that only reduce a position apart as well."""
        self._requests.append(now)
        if is_reducing:
            self._reducing.append(now)
        self._forget(now)

    def note_placed(self, order: Order, now: Ns) -> None:
        """Remember a new order; what becomes of it is seen in the order itself."""
        self._placed.append((now, order))
        self._forget(now)

    def requests(self, now: Ns) -> int:
        """Return how many order requests were made within a minute."""
        return sum(1 for _ in takewhile(lambda at: at > now - MINUTE, reversed(self._requests)))

    def reducing(self, now: Ns) -> int:
        """Return how many of them, within a minute, were orders that give up a part of a position."""
        return sum(1 for _ in takewhile(lambda at: at > now - MINUTE, reversed(self._reducing)))

    def placed(self, now: Ns) -> int:
        """Return how many orders were placed within a minute."""
        return sum(1 for _ in takewhile(lambda one: one[0] > now - MINUTE, reversed(self._placed)))

    def recent(self, ticker: str, now: Ns) -> tuple[tuple[Ns, Order], ...]:
        """Return the orders that were placed in a market within a minute, and when."""
        since = now - MINUTE
        return tuple(
            (placed_at, order)
            for placed_at, order in self._placed
            if placed_at > since and order.ticker == ticker
        )

    def _forget(self, now: Ns) -> None:
        # Only what is noted makes forget: the same is asked at the moment of sending, which no replay knows.
        for line in (self._requests, self._reducing):
            while line and line[0] <= now - MINUTE:
                line.popleft()
        while self._placed and self._placed[0][0] <= now - MINUTE:
            self._placed.popleft()
