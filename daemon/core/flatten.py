"""Closing all positions at a person's word: one order at a time per market, none beyond the slippage.

What rests is cancelled first. Then an order that trades at once takes what the book shows on the other side,
up to the limit, and no more than what is held; when it has ended, and a moment later, the next one takes what
is left. The limit is counted from the best opposite price that was seen first, not from that of each order:
else a thin book would be followed down one slippage at a time. A person who wants to go further asks again.
"""

from __future__ import annotations

from daemon.core.book import Book
from daemon.core.events import FlattenRequested
from daemon.core.limits import Limits
from daemon.core.strategy import Target
from daemon.core.units import PRICE_ONE, SECOND, Ns, Price, PriceGrid, Qty

FLATTEN = "flatten"
"""The strategy's name of its orders: no strategy may have it."""
APART: Ns = SECOND
"""Between two orders for one market: a book that does not do what it shows is not hammered."""


class Flattening:
    """What a wish to close everything needs to remember: from which price each market's slippage counts."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._wish: FlattenRequested | None = None
        self._best: dict[str, Price] = {}
        self._tried_at: dict[str, Ns] = {}

    def target(
        self, wish: FlattenRequested, book: Book, grid: PriceGrid, position: Qty, now: Ns
    ) -> Target | str:
        """Return the next order for a market in which something is held and none of our orders is open.

        A reason in words where there is none to be sent now. A book that is not synced has no price.
        """
        if wish is not self._wish:
            self._wish = wish
            self._best.clear()
            self._tried_at.clear()
        ticker = book.ticker
        best = book.bid if position > 0 else book.ask
        if best is None:
            return "nobody_opposite" if book.is_synced else "book_unsynced"
        if now - self._tried_at.get(ticker, now - APART) < APART:
            return "just_tried"
        first = self._best.setdefault(ticker, best)
        # Further from the present price than any order may go would be refused, and is not needed.
        slippage, away = wish.slippage, self.limits.price_away_max
        if position > 0:
            limit = grid.ceil(max(first - slippage, best - away))
            is_within = limit is not None and best >= limit
        else:
            limit = grid.floor(min(first + slippage, best + away))
            is_within = limit is not None and best <= limit
        if limit is None or not is_within:
            return "slippage_limit"
        qty = min(abs(position), self.limits.order_qty_max, _visible(book, position, limit))
        self._tried_at[ticker] = now
        return Target("ask" if position > 0 else "bid", limit, qty, "take", f"flatten: {wish.reason}")


def _visible(book: Book, position: Qty, limit: Price) -> Qty:
    """Return the contracts that the book shows on the other side up to a YES price."""
    ladder, worst = (book.yes, limit) if position > 0 else (book.no, PRICE_ONE - limit)
    return sum(size for price, size in ladder.sizes.items() if price >= worst)
