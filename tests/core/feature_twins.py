"""The features again, written the slow way: from the whole history, with no state kept between rows.

Independent of `daemon.core.features` on purpose: nothing is imported from there. A twin reads the list
of everything that was seen since the start and answers what the feature must be at an instant.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from fractions import Fraction

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


def ofi(history: History, now: int, window: int) -> float | None:
    live = history.live()
    if not live or live[0].at > now - window:
        return None
    total = 0
    for before, after in itertools.pairwise(live):
        if after.at <= now - window:
            continue
        bid0, bid_size0, ask0, ask_size0 = before.best
        bid1, bid_size1, ask1, ask_size1 = after.best
        total += bid_size1 if bid1 > bid0 else (bid_size1 - bid_size0 if bid1 == bid0 else -bid_size0)
        total -= ask_size1 if ask1 < ask0 else (ask_size1 - ask_size0 if ask1 == ask0 else -ask_size0)
    return total / 100


def trade_flow(history: History, now: int, window: int) -> float | None:
    # Every instant of the window lies in an interval of which all trades are known.
    reached = now - window
    if not history.is_observing():
        return None
    for start, end in sorted(history.whole, key=lambda interval: interval[0]):
        if start <= reached:
            reached = now if end is None else max(reached, end)
    if reached < now:
        return None
    return sum(qty for at, qty in history.trades.values() if now - window < at <= now) / 100


def mid_at(history: History, then: int) -> int | None:
    """Twice the mid at an instant: live, or the last whole minute's candle."""
    live = history.live()
    if live and live[0].at <= then:
        return in_force([(top.at, top.twice_mid) for top in live], then)
    for ended_at, mid in history.candles:
        if ended_at == then // MINUTE * MINUTE:
            return mid
    return None


def momentum(history: History, now: int, window: int) -> float | None:
    live = history.live()
    if not live or live[-1].twice_mid is None:
        return None
    if window < MINUTE and live[0].at > now - window:
        return None
    past = mid_at(history, now - window)
    return None if past is None else (live[-1].twice_mid - past) / 20_000


def realised_vol(history: History, now: int) -> float | None:
    last = (now - 1) // MINUTE
    mids = [mid_at(history, minute * MINUTE) for minute in range(last - 5, last + 1)]
    if any(mid is None for mid in mids):
        return None
    known = [mid for mid in mids if mid is not None]
    return math.sqrt(sum((b - a) ** 2 for a, b in itertools.pairwise(known)) / 5) / 20_000


def reference_return(history: History, now: int, window: int) -> float | None:
    prices: list[tuple[int, int | None]] = [*history.prices]
    then = in_force(prices, now - window)
    if then is None:
        return None
    return math.log(Fraction(history.prices[-1][1], then)) if then else None


def reference_vol(history: History, now: int) -> float | None:
    if not history.prices:
        return None
    first = -(-history.prices[0][0] // SECOND)
    last = (now - 1) // SECOND
    seconds = range(max(first, last - 300), last + 1)
    prices: list[tuple[int, int | None]] = [*history.prices]
    samples = [in_force(prices, second * SECOND) for second in seconds]
    changes = [b - a for a, b in itertools.pairwise(samples) if a is not None and b is not None]
    if len(changes) < 10:
        return None
    return math.sqrt(sum(change * change for change in changes) / len(changes)) / history.prices[-1][1]


def reference_close(history: History, minute: int) -> int | None:
    """The close in force at a whole minute: of the last candle before it, at most six minutes old."""
    known = history.reference_candles
    if history.has_reference_hole or not known or minute <= known[0][0]:
        return None
    began, close = [candle for candle in known if candle[0] < minute][-1]
    return close if began >= minute - 6 else None


def candle_return(history: History, now: int, minutes: int) -> float | None:
    last = (now - 5 * SECOND) // MINUTE
    close, then = reference_close(history, last), reference_close(history, last - minutes)
    return None if close is None or then is None else math.log(Fraction(close, then))


def candle_volatility(history: History, now: int) -> float | None:
    last = (now - 5 * SECOND) // MINUTE
    closes = [reference_close(history, minute) for minute in range(last - 15, last + 1)]
    known = [close for close in closes if close is not None]
    if len(known) < 16:
        return None
    return math.sqrt(sum((b - a) ** 2 for a, b in itertools.pairwise(known)) / 15) / known[-1]


def strike_distance(history: History) -> float | None:
    if history.strike is None or not history.prices:
        return None
    return math.log(Fraction(history.prices[-1][1], history.strike))


def strike_distance_sigma(history: History, now: int) -> float | None:
    distance, sigma = strike_distance(history), reference_vol(history, now)
    if distance is None or not sigma or now >= history.close_at:
        return None
    return distance / (sigma * math.sqrt((history.close_at - now) / SECOND))


def twin_row(history: History, now: int) -> dict[str, float | None]:
    """Return every feature by name, from the history alone."""
    live = history.live()
    top = live[-1] if live else None
    row: dict[str, float | None] = dict.fromkeys(("spread", "mid", "weighted_mid", "top_imbalance"))
    row["depth_imbalance_5"] = None
    if top is not None and top.twice_mid is not None:
        bid, bid_size, ask, ask_size = top.best
        row["spread"] = (ask - bid) / 10_000
        row["mid"] = (ask + bid) / 20_000
        row["weighted_mid"] = (bid * ask_size + ask * bid_size) / (10_000 * (bid_size + ask_size))
        row["top_imbalance"] = (bid_size - ask_size) / (bid_size + ask_size)
    if top is not None and (top.bids or top.asks):
        bids = sum(size for _, size in (top.bids or [])[:5])
        asks = sum(size for _, size in (top.asks or [])[:5])
        row["depth_imbalance_5"] = (bids - asks) / (bids + asks)
    for window_s in (1, 10, 60):
        row[f"ofi_{window_s}s"] = ofi(history, now, window_s * SECOND)
    row["trade_flow_60s"] = trade_flow(history, now, MINUTE)
    for window_s in (5, 60, 300):
        row[f"mid_momentum_{window_s}s"] = momentum(history, now, window_s * SECOND)
    row["realised_vol_300s"] = realised_vol(history, now)
    for window_s in (1, 5, 30):
        row[f"reference_return_{window_s}s"] = reference_return(history, now, window_s * SECOND)
    row["reference_vol_300s"] = reference_vol(history, now)
    row["strike_distance"] = strike_distance(history)
    row["strike_distance_sigma"] = strike_distance_sigma(history, now)
    row["seconds_to_close"] = (history.close_at - now) / SECOND
    for minutes in (5, 15):
        row[f"reference_return_{minutes}m"] = candle_return(history, now, minutes)
    row["reference_volatility_15m"] = candle_volatility(history, now)
    angle = 2 * math.pi * (now % DAY) / DAY
    row["tod_sin"], row["tod_cos"] = math.sin(angle), math.cos(angle)
    return row
