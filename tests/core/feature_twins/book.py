"""The book's features, from the history alone."""

from __future__ import annotations

import itertools

from tests.core.feature_twins.history import SECOND, History

Row = dict[str, float | None]


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


def shape_row(history: History) -> Row:
    live = history.live()
    top = live[-1] if live else None
    row: Row = dict.fromkeys(("spread", "mid", "weighted_mid", "top_imbalance"))
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
    return row


def book_row(history: History, now: int) -> Row:
    row = shape_row(history)
    for window_s in (1, 5, 10, 60):
        row[f"ofi_{window_s}s"] = ofi(history, now, window_s * SECOND)
    return row
