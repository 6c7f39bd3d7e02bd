"""How much went out lately: requests of all kinds, and our last orders by market. All within one minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from daemon.core.orders import Order
from daemon.core.units import MINUTE, Ns


class Pace:
    """What was sent within the last minute."""

    def __init__(self) -> None:
        self._requests: deque[Ns] = deque()
        self._reducing: deque[Ns] = deque()
        self._placed: deque[tuple[Ns, Order]] = deque()
        self._by_market: dict[str, deque[tuple[Ns, Order]]] = {}
        """Those of them that may still count for something."""

    def note_request(self, now: Ns, *, is_reducing: bool = False) -> None:
        """Count one order request of whatever kind; those that only reduce a position apart as well."""
        self._requests.append(now)
        if is_reducing:
            self._reducing.append(now)
        self._forget(now)

    def note_placed(self, order: Order, now: Ns) -> None:
        """Remember a new order; what becomes of it is seen in the order itself."""
        self._placed.append((now, order))
        self._by_market.setdefault(order.ticker, deque()).append((now, order))
        self._forget(now)

    def requests(self, now: Ns) -> int:
        """Return how many order requests were made within a minute."""
        return _within(self._requests, now, len(self._requests))

    def reducing(self, now: Ns) -> int:
        """Return how many of them, within a minute, were orders that give up a part of a position."""
        return _within(self._reducing, now, len(self._reducing))

    def placed(self, now: Ns) -> int:
        """Return how many orders were placed within a minute."""
        return _within((at for at, _ in self._placed), now, len(self._placed))

    def recent(self, ticker: str, now: Ns, untraded_for: Ns = MINUTE) -> tuple[tuple[Ns, Order], ...]:
        """Return the orders that were placed in a market within a minute, and when, in their order.

        One that has ended without a trade is among them for `untraded_for` only: it is no execution that
        could repeat.
        """
        line, since = self._by_market.get(ticker, ()), now - untraded_for
        return tuple(
            [
                one
                for one in line
                if one[0] > now - MINUTE and (one[0] > since or not _is_over_untraded(one[1]))
            ]
        )

    def forget_untraded(self, ticker: str, now: Ns, untraded_for: Ns) -> None:
        """Forget what has ended without a trade and is recent no longer. Only a decision may do so.

        There may be hundreds of such immediate orders, which would be looked at for every order.
        """
        line, since = self._by_market.get(ticker), now - untraded_for
        if line and any(at <= since and _is_over_untraded(order) for at, order in line):
            self._by_market[ticker] = deque(
                one for one in line if one[0] > since or not _is_over_untraded(one[1])
            )

    def _forget(self, now: Ns) -> None:
        # Asking makes it forget nothing: the same is asked at the moment of sending, which no replay knows.
        for line in (self._requests, self._reducing):
            while line and line[0] <= now - MINUTE:
                line.popleft()
        while self._placed and self._placed[0][0] <= now - MINUTE:
            _, order = self._placed.popleft()
            theirs = self._by_market.get(order.ticker)
            if theirs and theirs[0][1] is order:
                theirs.popleft()
            if not theirs:
                self._by_market.pop(order.ticker, None)


def _is_over_untraded(order: Order) -> bool:
    return order.is_done and not order.filled and not order.booked


def _within(line: Iterable[Ns], now: Ns, count: int) -> int:
    """Return how many of `count` ascending instants lie within a minute. The old ones are few, in front."""
    old = 0
    for at in line:
        if at > now - MINUTE:
            break
        old += 1
    return count - old
