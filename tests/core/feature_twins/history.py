"""Everything that one market's features were told, as lists: what the twins read."""

from __future__ import annotations

from dataclasses import dataclass, field

SECOND = 10**9
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND


@dataclass
class Top:
    """The book as it was after one change; None for a lost book."""

    at: int
    bids: list[tuple[int, int]] | None
    """Best first."""
    asks: list[tuple[int, int]] | None

    @property
    def best(self) -> tuple[int, int, int, int]:
        """Bid price and size, ask price and size; an absent side at the end of the scale with nothing."""
        bid = self.bids[0] if self.bids else (0, 0)
        ask = self.asks[0] if self.asks else (10_000, 0)
        return (*bid, *ask)

    @property
    def twice_mid(self) -> int | None:
        if not self.bids or not self.asks:
            return None
        return self.bids[0][0] + self.asks[0][0]


@dataclass
class History:
    """Everything that one market's features were told, in order."""

    close_at: int
    strike: int | None
    books: list[Top] = field(default_factory=list)
    trades: dict[str, tuple[int, int]] = field(default_factory=dict)
    """(at, signed qty) by trade id: streamed or backfilled, as they were told first."""
    whole: list[tuple[int, int | None]] = field(default_factory=list)
    """Intervals [start, end) in which every trade is known; the one that is going on has no end."""
    trades_lost_at: int | None = None
    """A gap in the trades after which none came yet."""
    candles: list[tuple[int, int | None]] = field(default_factory=list)
    """(ended at, bid + ask), in the order of arrival, since the last loss."""
    prices: list[tuple[int, int]] = field(default_factory=list)
    """Since the last loss of the reference."""
    reference_candles: list[tuple[int, int]] = field(default_factory=list)
    """(minute in which it began, close), in order, since the last hole."""
    has_reference_hole: bool = False

    def is_observing(self) -> bool:
        return any(end is None for _, end in self.whole)

    def observe(self, at: int) -> None:
        if not self.is_observing() and self.trades_lost_at is None:
            self.whole.append((at, None))

    def stop_observing(self, whole_until: int) -> None:
        self.whole = [(start, max(start, whole_until) if end is None else end) for start, end in self.whole]
        self.trades_lost_at = None

    def lose_trades(self, at: int, whole_until: int) -> None:
        if self.is_observing() or self.trades_lost_at is not None:
            self.stop_observing(whole_until)
            self.trades_lost_at = at

    def observe_trade(self, at: int) -> None:
        if self.trades_lost_at is not None:
            self.whole.append((self.trades_lost_at, None))
            self.trades_lost_at = None
        self.observe(at)

    def fill(self, since: int, until: int) -> None:
        self.whole.append((since, until))

    def take_trade(self, at: int, trade_id: str, qty: int) -> None:
        self.trades.setdefault(trade_id, (at, qty))

    def take_reference_candle(self, minute: int, close: int) -> None:
        known = self.reference_candles
        if known and minute <= known[-1][0]:
            self.has_reference_hole = False
            return
        if known and self.has_reference_hole and minute > known[-1][0] + 1:
            known.clear()
        self.has_reference_hole = False
        known.append((minute, close))

    def lose_reference_candles(self) -> None:
        self.has_reference_hole = True

    def live(self) -> list[Top]:
        """The books since the last loss; empty if the book is lost now."""
        since: list[Top] = []
        for top in self.books:
            since = [] if top.bids is None else [*since, top]
        return since


def in_force(steps: list[tuple[int, int | None]], at: int) -> int | None:
    value = None
    for step_at, step in steps:
        if step_at <= at:
            value = step
    return value
