"""The features of the market's own price, from the history alone."""

from __future__ import annotations

import itertools
import math

from tests.core.feature_twins.history import MINUTE, SECOND, History, in_force


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


def price_row(history: History, now: int) -> dict[str, float | None]:
    row: dict[str, float | None] = {}
    for window_s in (5, 60, 300):
        row[f"mid_momentum_{window_s}s"] = momentum(history, now, window_s * SECOND)
    row["realised_vol_300s"] = realised_vol(history, now)
    return row
