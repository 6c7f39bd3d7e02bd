"""The book's features, from the history alone."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

from tests.core.feature_twins.history import SECOND, History, Row, Top, window_start


def ofi(history: History, now: int, window: int) -> float | None:
    live = history.live()
    start = window_start(now, window)
    if not live or live[0].at > start:
        return None
    total = 0
    for before, after in itertools.pairwise(live):
        if after.at <= start - (window > 300 * SECOND):
            continue
        bid0, bid_size0, ask0, ask_size0 = before.best
        bid1, bid_size1, ask1, ask_size1 = after.best
        total += bid_size1 if bid1 > bid0 else (bid_size1 - bid_size0 if bid1 == bid0 else -bid_size0)
        total -= ask_size1 if ask1 < ask0 else (ask_size1 - ask_size0 if ask1 == ask0 else -ask_size0)
    return total / 100


def recent(history: History, now: int, window: int) -> list[Top] | None:
    """The messages in a window, without the one with which the book began; None if it isn't whole."""
    live = history.live()
    start = window_start(now, window)
    if not live or live[0].at > start:
        return None
    return [top for top in live[1:] if top.at > start or (window > 300 * SECOND and top.at == start)]


def message_rate(history: History, now: int, seconds: int) -> float | None:
    messages = recent(history, now, seconds * SECOND)
    return None if messages is None else len(messages) / seconds


def cancel_share(history: History, now: int, seconds: int) -> float | None:
    messages = recent(history, now, seconds * SECOND)
    trades = history.trades_in(now, seconds * SECOND)
    if messages is None or trades is None:
        return None
    removed = sum(top.removed for top in messages)
    cancelled = removed - sum(trade.qty for trade in trades)
    return float(Fraction(max(cancelled, 0), removed)) if removed else None


def slope(levels: list[tuple[int, int]], twice_mid: int, sign: int) -> float | None:
    distance = sign * (Fraction(twice_mid, 2) - levels[-1][0])
    if distance <= 0:
        return None
    return float(Fraction(sum(size for _, size in levels), 100) / (distance / 10_000))


def shape_row(top: Top | None) -> Row:
    names = ("spread", "mid", "weighted_mid", "microprice", "top_imbalance", "bid_size", "ask_size")
    row: Row = dict.fromkeys(
        (*names, "depth_imbalance_5", "bid_slope_5", "ask_slope_5", "bid_gap", "ask_gap")
    )
    if top is None:
        return row
    bids, asks = top.bids or [], top.asks or []
    bid, bid_size, ask, ask_size = top.best
    row["bid_size"], row["ask_size"] = bid_size / 100, ask_size / 100
    if top.twice_mid is not None:
        row["spread"] = (ask - bid) / 10_000
        row["mid"] = (ask + bid) / 20_000
        row["weighted_mid"] = (bid * ask_size + ask * bid_size) / (10_000 * (bid_size + ask_size))
        row["microprice"] = bid / 1e4 + (ask - bid) / 1e4 * (2 / math.pi) * math.atan(bid_size / ask_size)
        row["top_imbalance"] = (bid_size - ask_size) / (bid_size + ask_size)
        row["bid_slope_5"] = slope(bids[:5], top.twice_mid, 1)
        row["ask_slope_5"] = slope(asks[:5], top.twice_mid, -1)
    if bids or asks:
        depths = [sum(size for _, size in levels[:5]) for levels in (bids, asks)]
        row["depth_imbalance_5"] = (depths[0] - depths[1]) / sum(depths)
    for name, levels in (("bid_gap", bids), ("ask_gap", asks)):
        if len(levels) > 1:
            row[name] = abs(levels[0][0] - levels[1][0]) / 10_000
    return row


def book_row(history: History, now: int) -> Row:
    live = history.live()
    row = shape_row(live[-1] if live else None)
    for seconds in (1, 5, 10, 60, 900):
        row[f"ofi_{seconds}s"] = ofi(history, now, seconds * SECOND)
    for seconds in (1, 10, 60, 900):
        row[f"message_rate_{seconds}s"] = message_rate(history, now, seconds)
    for seconds in (10, 60):
        row[f"cancel_share_{seconds}s"] = cancel_share(history, now, seconds)
    row["book_age"] = (now - live[-1].at) / SECOND if live else None
    changes = [after.at for before, after in itertools.pairwise(live) if before.best != after.best]
    row["top_age"] = (now - changes[-1]) / SECOND if changes else None
    return row
