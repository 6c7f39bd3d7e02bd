"""A market book for tapes: recorded public depth, and our orders matched against it by a stated rule.

The recorded market can't react to us. The queue rule, chosen to err against ourselves:

- An arriving order takes from the recorded depth what it crosses, best level first. What it took stays
  taken (own impact) until the next snapshot of the market, or until the recording takes it away itself.
- A resting order's place starts at the recorded size then shown at its price: all of that is ahead.
  The place gets better only when the level shrinks below it: `front = min(front, new level size)`. So
  cancels are assumed to have come from behind us until they can't have.
- A resting order is filled when the other side's recorded levels reach its price or go through it: a
  book that later crosses a resting order fills it, for as much as crosses, at the resting order's price.
- A recorded print through its price fills it; a print at its price first eats `front`, then fills it.
- Recorded prints and levels never trade with each other here: the recording already shows that they did.
- Orders of ours meet each other as in any book, behind the recorded depth of their level.

What the public sees is the recorded depth less what was taken, plus our resting orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from daemon.core.events import Level
from daemon.core.units import PRICE_ONE, Price, Qty, Side
from daemon.exchange.matching import MatchingBook, Order, outcome


class Reached(NamedTuple):
    """The recorded market reached a resting order: so much of it trades, at its own price."""

    order: Order
    qty: Qty
    level: Price | None
    """The other side's level that it trades with, on that side's own scale; None for a print."""


class ShadowBook(MatchingBook):
    """Recorded depth and our own orders. See the module's head for the queue rule."""

    is_shadow = True

    def __init__(self, ticker: str) -> None:
        super().__init__(ticker)
        self._recorded: dict[Side, dict[Price, Qty]] = {"yes": {}, "no": {}}
        self._taken: dict[Side, dict[Price, Qty]] = {"yes": {}, "no": {}}
        self.has_snapshot = False
        """Whether the recording has told this book; before that it is unknown, not empty."""
        self.clamped_total = 0
        """Recorded deltas that took more than there was: behind a gap of the recording."""

    @property
    def has_orders(self) -> bool:
        """Whether any order of ours rests here."""
        return bool(self._queues["yes"] or self._queues["no"])

    def rest(self, order: Order) -> None:
        """Put an order behind everything shown at its level."""
        order.front = self._available(outcome(order.side), order.own_price)
        super().rest(order)

    def take_depth(self, side: Side, level: Price, qty: Qty) -> None:
        """Take so much from the recorded depth."""
        taken = self._taken[side]
        taken[level] = taken.get(level, 0) + qty
        self._show(side, level, -qty)

    def apply_delta(self, side: Side, price: Price, delta: Qty) -> Qty:
        """Take in a recorded change of a level; return the change of what the public sees."""
        recorded = self._recorded[side]
        old = recorded.get(price, 0)
        before = self._available(side, price)
        new = old + delta
        if new < 0:
            self.clamped_total += 1
            new = 0
        if new:
            recorded[price] = new
        else:
            recorded.pop(price, None)
        taken = self._taken[side]
        if taken.get(price, 0) > new:
            taken[price] = new
        after = self._available(side, price)
        if after != before:
            self._show(side, price, after - before)
        if delta < 0:
            for order in self._queues[side].get(price, {}).values():
                order.front = min(order.front, after)
        # An impossible delta is passed on as it was recorded: what we show stays possible, but whoever
        # rebuilds the book from the stream is to notice as it would have then.
        return delta if old + delta < 0 and not taken.get(price) else after - before

    def apply_snapshot(self, yes: tuple[Level, ...], no: tuple[Level, ...]) -> None:
        """Replace the recorded depth; what we took is forgotten, our own orders stay."""
        self.has_snapshot = True
        for side, levels in (("yes", yes), ("no", no)):
            self._replace(side, levels)  # type: ignore[arg-type]  # mypy widens the literals of a tuple

    def _replace(self, side: Side, levels: tuple[Level, ...]) -> None:
        recorded = dict(levels)
        self._recorded[side] = recorded
        self._taken[side] = {}
        totals = dict(recorded)
        for price, queue in self._queues[side].items():
            for order in queue.values():
                order.front = min(order.front, recorded.get(price, 0))
                totals[price] = totals.get(price, 0) + order.remaining
        is_ladder = self.shown[side].replace(tuple(totals.items()))
        assert is_ladder, f"{self.ticker}: recorded levels are no ladder: {levels}"

    def reached(self) -> Reached | None:
        """Return the next resting order that the recorded levels reach; None when there is none.

        To be asked again after the trade was made, until None.
        """
        for side, other in (("yes", "no"), ("no", "yes")):
            queues = self._queues[side]  # type: ignore[index]  # as above
            if not queues:
                continue
            own = max(queues)
            for level in reversed(self.shown[other].prices):  # type: ignore[index]
                if level + own < PRICE_ONE:
                    break
                size = self._available(other, level)  # type: ignore[arg-type]
                if size:
                    order = next(iter(queues[own].values()))
                    return Reached(order, min(size, order.remaining), level)
        return None

    def printed(self, price: Price, qty: Qty, taker_side: Side) -> list[Reached]:
        """Return which resting orders a recorded trade at a YES price fills, and eat their queues."""
        side: Side = "no" if taker_side == "yes" else "yes"
        at = price if side == "yes" else PRICE_ONE - price
        queues = self._queues[side]
        found: list[Reached] = []
        left = qty
        for level in sorted((level for level in queues if level >= at), reverse=True):
            eaten = left
            for order in queues[level].values():
                ahead = order.front if level == at else 0
                filled = min(order.remaining, max(0, left - ahead))
                if level == at:
                    order.front = max(0, order.front - eaten)
                if filled:
                    left -= filled
                    found.append(Reached(order, filled, None))
        return found

    def _makers(self, side: Side, level: Price) -> Iterator[tuple[Order | None, Qty]]:
        size = self._available(side, level)
        if size:
            yield None, size
        yield from super()._makers(side, level)

    def _available(self, side: Side, price: Price) -> Qty:
        return self._recorded[side].get(price, 0) - self._taken[side].get(price, 0)
