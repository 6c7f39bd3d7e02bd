"""One market's order book, from a snapshot and deltas.

A book is *synced* or it isn't. It starts unsynced; a snapshot syncs it; a loss or an impossible delta
unsyncs it until the next snapshot. An unsynced book has no best prices: unknown is `None`, never the
last thing that we happened to see. A snapshot replaces the book; it is never merged into an old one.

The venue publishes bids only, of both outcomes, each on its own price scale: a NO bid at q is a YES
ask at 1 - q. The ladders are kept so; `ask` turns them into the YES view.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from daemon.core.events import BookDeltaReceived, BookSnapshotReceived, Level
from daemon.core.units import PRICE_ONE, Ns, Price, Qty, Side


class Ladder:
    """One outcome's bids: sizes by price, and the prices sorted, best last."""

    __slots__ = ("_depth", "_depth_from", "_depth_levels", "prices", "sizes")

    def __init__(self) -> None:
        self._depth: Qty | None = None
        """The depth that was last asked for, kept up to date; None when other levels make it now."""
        self._depth_from: Price = 0
        """The lowest price that is in it; 0 when every level is."""
        self._depth_levels = 0
        self.sizes: dict[Price, Qty] = {}
        self.prices: list[Price] = []

    def replace(self, levels: tuple[Level, ...]) -> bool:
        """Take these levels instead; False if they are no ladder (a price twice, a size below 1)."""
        self._depth = None
        self.sizes = dict(levels)
        self.prices = sorted(self.sizes)
        return (
            len(self.sizes) == len(levels)
            and all(size > 0 for size in self.sizes.values())
            and (not self.prices or (self.prices[0] > 0 and self.prices[-1] < PRICE_ONE))
        )

    def add(self, price: Price, delta: Qty) -> bool:
        """Change one level's total; False, unchanged, if it would fall below zero."""
        sizes = self.sizes
        old = sizes.get(price)
        if old is None:
            if delta <= 0 or not 0 < price < PRICE_ONE:
                return False
            if price > self._depth_from:
                self._depth = None
            sizes[price] = delta
            prices = self.prices
            if not prices or price > prices[-1]:
                prices.append(price)
            else:
                insort(prices, price)
            return True
        new = old + delta
        if new > 0:
            sizes[price] = new
            if price >= self._depth_from and self._depth is not None:
                self._depth += delta
            return True
        if new < 0:
            return False
        if price >= self._depth_from:
            self._depth = None
        del sizes[price]
        prices = self.prices
        if prices[-1] == price:
            prices.pop()
        else:
            del prices[bisect_left(prices, price)]
        return True

    def depth(self, levels: int) -> Qty:
        """Return the summed size of the best `levels` prices."""
        if self._depth is None or levels != self._depth_levels:
            sizes, depth, best = self.sizes, 0, self.prices[-levels:]
            for price in best:
                depth += sizes[price]
            self._depth, self._depth_levels = depth, levels
            self._depth_from = best[0] if len(best) == levels else 0
        return self._depth


class Book:
    """The state of one market's book. See the module's head for what *synced* means."""

    __slots__ = ("changed_at", "is_synced", "lost_reason", "no", "sent_at", "ticker", "yes")

    def __init__(self, ticker: str) -> None:
        self.ticker = ticker
        self.yes = Ladder()
        self.no = Ladder()
        self.is_synced = False
        self.lost_reason = "no snapshot yet"
        self.changed_at: Ns | None = None
        """Our clock at the last change."""
        self.sent_at: Ns | None = None
        """The exchange's clock at the last change; None if it didn't say."""

    def apply_snapshot(self, event: BookSnapshotReceived) -> None:
        """Replace the book and sync it; an impossible snapshot unsyncs it."""
        is_ladder = self.yes.replace(event.yes)
        if not (self.no.replace(event.no) and is_ladder):
            self.lose("impossible snapshot")
            return
        self.is_synced = True
        self.changed_at = event.received_at
        self.sent_at = event.sent_at

    def apply_delta(self, event: BookDeltaReceived) -> None:
        """Change one level, or lose sync. An unsynced book ignores deltas."""
        if not self.is_synced:
            return
        ladder = self.yes if event.side == "yes" else self.no
        if ladder.add(event.price, event.delta):
            self.changed_at = event.received_at
            self.sent_at = event.sent_at
        else:
            # We and the venue disagree about the past. Clamping to zero would hide that, and leave
            # us quoting against a book that we know to be wrong.
            self.lose("impossible delta")

    def lose(self, reason: str) -> None:
        """Unsync the book until the next snapshot, and forget its levels."""
        self.is_synced = False
        self.lost_reason = reason
        self.yes.replace(())
        self.no.replace(())

    @property
    def bid(self) -> Price | None:
        """The best YES bid; None when unsynced or empty."""
        prices = self.yes.prices
        return prices[-1] if prices else None

    @property
    def ask(self) -> Price | None:
        """The best YES ask, from the best NO bid; None when unsynced or empty."""
        prices = self.no.prices
        return PRICE_ONE - prices[-1] if prices else None

    def best(self) -> tuple[Price | None, Price | None]:
        """Return the best YES bid and ask; None where unsynced or empty."""
        bids, asks = self.yes.prices, self.no.prices
        return bids[-1] if bids else None, PRICE_ONE - asks[-1] if asks else None

    @property
    def bid_size(self) -> Qty | None:
        """The size at the best YES bid; None when there is none."""
        ladder = self.yes
        return ladder.sizes[ladder.prices[-1]] if ladder.prices else None

    @property
    def ask_size(self) -> Qty | None:
        """The size at the best YES ask; None when there is none."""
        ladder = self.no
        return ladder.sizes[ladder.prices[-1]] if ladder.prices else None

    def ladder(self, side: Side) -> Ladder:
        """Return the bids of one outcome."""
        return self.yes if side == "yes" else self.no

    def age(self, now: Ns) -> Ns | None:
        """Return our clock's time since the last change; None when unsynced."""
        return now - self.changed_at if self.is_synced and self.changed_at is not None else None

    def sent_age(self, now: Ns) -> Ns | None:
        """Return `now` minus the exchange's stamp of the last change: an age that contains the clocks' skew.

        None when unsynced or when the exchange gave no stamp.
        """
        return now - self.sent_at if self.is_synced and self.sent_at is not None else None
