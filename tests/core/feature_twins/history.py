"""Everything that one market's features were told, as lists: what the twins read."""

from __future__ import annotations

from dataclasses import dataclass, field

Row = dict[str, float | None]

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 86_400 * SECOND


@dataclass
class Top:
    """The book as it was after one change; None for a lost book."""

    at: int
    bids: list[tuple[int, int]] | None
    """Best first."""
    asks: list[tuple[int, int]] | None
    removed: int = 0
    """What the change took away from a level."""

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
class Trade:
    """A public trade, at the instant at which it counts."""

    at: int
    signed: int
    """The contracts that went to YES."""
    price: int

    @property
    def qty(self) -> int:
        return abs(self.signed)


@dataclass
class Peer:
    """Another market of the event: what it asks, and how it is quoted."""

    kind: str
    """"below", "between" or "above"."""
    number: int | None
    top: int | None = None
    """Where a range ends."""
    is_synced: bool = False
    twice_mid: int | None = None
    """With an absent side at the end of the scale; None without any."""
    has_ended: bool = False


@dataclass
class History:
    """Everything that one market's features were told, in order."""

    close_at: int
    strike: int | None
    books: list[Top] = field(default_factory=list)
    trades: dict[str, Trade] = field(default_factory=dict)
    """By trade id: streamed or backfilled, as they were told first."""
    whole: list[tuple[int, int | None]] = field(default_factory=list)
    """Intervals [start, end) in which every trade is known; the one that is going on has no end."""
    trades_lost_at: int | None = None
    """A gap in the trades after which none came yet."""
    candles: list[tuple[int, int, int | None]] = field(default_factory=list)
    """(period, ended at, bid + ask), in the order of arrival, since the last loss."""
    prices: list[tuple[int, int]] = field(default_factory=list)
    """Since the last loss of the reference."""
    reference_candles: list[tuple[int, int]] = field(default_factory=list)
    """(minute in which it began, close), in order, since the last hole."""
    has_reference_hole: bool = False
    reference_ranges: dict[int, tuple[int, int]] = field(default_factory=dict)
    """(high, low) by the minute in which a candle began."""
    index_price: int | None = None
    """Of the settlement index, while it is well."""
    kind: str = "above"
    is_exclusive: bool = False
    peers: dict[str, Peer] = field(default_factory=dict)
    """The event's other markets."""
    releases: tuple[int, ...] = ()
    bars: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    """(contracts, turnover, paid for YES, paid for NO) by day."""

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

    def take_trade(self, at: int, trade_id: str, signed: int, price: int) -> None:
        self.trades.setdefault(trade_id, Trade(at, signed, price))

    def knows(self, at: int) -> bool:
        """Whether an instant lies in an interval of which all trades are known."""
        return any(start <= at and (end is None or at < end) for start, end in self.whole)

    def is_whole(self, since: int, now: int) -> bool:
        """Whether every instant from then to now lies in an interval of which all trades are known."""
        if not self.is_observing():
            return False
        reached = since
        for start, end in sorted(self.whole, key=lambda interval: interval[0]):
            if start <= reached:
                reached = now if end is None else max(reached, end)
        return reached >= now

    def trades_in(self, now: int, window: int) -> list[Trade] | None:
        """The trades of a window; None unless all of them are known."""
        start = window_start(now, window)
        if not self.is_whole(start, now):
            return None
        first = start if window > 300 * SECOND else start + 1
        return [trade for trade in self.trades.values() if first <= trade.at <= now]

    def has_candle(self, period: int, ended_at: int) -> bool:
        return any((period, ended_at) == candle[:2] for candle in self.candles)

    def candle(self, period: int, ended_at: int) -> int | None:
        return next((mid for *of, mid in self.candles if of == [period, ended_at]), None)

    def take_reference_candle(self, minute: int, close: int, high: int, low: int) -> None:
        known = self.reference_candles
        is_new = not known or minute > known[-1][0]
        if is_new:
            self.reference_ranges[minute] = (high, low)
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
        first = next(
            (place for place in range(len(self.books), 0, -1) if self.books[place - 1].bids is None), 0
        )
        return self.books[first:]


def in_force(steps: list[tuple[int, int | None]], at: int) -> int | None:
    value = None
    for step_at, step in steps:
        if step_at <= at:
            value = step
    return value


def window_start(now: int, window: int) -> int:
    """Where a window begins: one over five minutes at a whole multiple of its sixtieth, in whole seconds."""
    then = now - window
    step = window // 60 // SECOND * SECOND
    return then if window <= 300 * SECOND else then // step * step
