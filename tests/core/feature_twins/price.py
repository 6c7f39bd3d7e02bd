"""The features of the market's own price, from the history alone."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

from tests.core.feature_twins.history import HOUR, MINUTE, SECOND, History, Row, in_force


def mid_at(history: History, then: int, period: int = MINUTE) -> int | None:
    """Twice the mid at an instant: live, or the last whole period's candle."""
    live = history.live()
    if live and live[0].at <= then:
        return in_force([(top.at, top.twice_mid) for top in live], then)
    return history.candle(period, then // period * period)


def change(history: History, now: int, window: int) -> int | None:
    live = history.live()
    if not live or live[-1].twice_mid is None:
        return None
    then = now - window
    if window < MINUTE and live[0].at > then:
        return None
    past = mid_at(history, then // MINUTE * MINUTE if window > 5 * MINUTE else then)
    return None if past is None else live[-1].twice_mid - past


def momentum_ratio(history: History, now: int, one: int, other: int) -> float | None:
    base, part = change(history, now, other * SECOND), change(history, now, one * SECOND)
    return float(Fraction(part, base)) if base and part is not None else None


def minute_mids(history: History, now: int, count: int) -> list[int] | None:
    last = (now - 1) // MINUTE
    mids = [mid_at(history, minute * MINUTE) for minute in range(last - count + 1, last + 1)]
    known = [mid for mid in mids if mid is not None]
    return known if len(known) == count else None


def realised_vol(history: History, now: int, minutes: int) -> float | None:
    known = minute_mids(history, now, minutes + 1)
    if known is None:
        return None
    return math.sqrt(sum((b - a) ** 2 for a, b in itertools.pairwise(known)) / minutes) / 20_000


def parkinson(history: History, now: int, minutes: int) -> float | None:
    live = history.live()
    end = now // MINUTE * MINUTE
    if not live or live[0].at > end - minutes * MINUTE:
        return None
    squares = []
    for start in range(end - minutes * MINUTE, end, MINUTE):
        carried = [top.twice_mid for top in live if top.at < start][-1:]
        mids = [*carried, *(top.twice_mid for top in live if start <= top.at < start + MINUTE)]
        known = [mid for mid in mids if mid is not None]
        if not known:
            return None
        squares.append((math.log(max(known)) - math.log(min(known))) ** 2)
    return math.sqrt(sum(squares) / minutes / (4 * math.log(2)))


def mean_deviation(history: History, now: int, days: int) -> float | None:
    live = history.live()
    last = (now - 1) // HOUR
    hours = [hour * HOUR for hour in range(last - 24 * days + 1, last + 1)]
    if not live or live[-1].twice_mid is None:
        return None
    if any(hour < live[0].at and not history.has_candle(HOUR, hour) for hour in hours):
        return None
    mids = [mid for hour in hours if (mid := mid_at(history, hour, HOUR)) is not None]
    if 2 * len(mids) < len(hours):
        return None
    return float((live[-1].twice_mid - Fraction(sum(mids), len(mids))) / 20_000)


def candle_mid(history: History, now: int, ago: int) -> float | None:
    """The mid at the end of one whole minute of the past."""
    mid = mid_at(history, ((now - 1) // MINUTE - ago + 1) * MINUTE)
    return None if mid is None else mid / 20_000


def price_row(history: History, now: int) -> Row:
    row: Row = {}
    for seconds in (5, 10, 30, 60, 300, 900, 3_600):
        moved = change(history, now, seconds * SECOND)
        row[f"mid_momentum_{seconds}s"] = None if moved is None else moved / 20_000
    for one, other in ((5, 60), (60, 300), (300, 900)):
        row[f"momentum_ratio_{one}s_{other}s"] = momentum_ratio(history, now, one, other)
    for minutes in (5, 15, 60):
        row[f"realised_vol_{minutes * 60}s"] = realised_vol(history, now, minutes)
    for minutes in (1, 5, 15, 60):
        row[f"parkinson_vol_{minutes}m"] = parkinson(history, now, minutes)
    for ago in (1, 15, 60):
        row[f"candle_mid_{ago}"] = candle_mid(history, now, ago)
    live = history.live()
    mid = live[-1].twice_mid if live else None
    mids = minute_mids(history, now, 20)
    row["low_distance_20m"] = None if mid is None or mids is None else (mid - min(mids)) / 20_000
    row["high_distance_20m"] = None if mid is None or mids is None else (mid - max(mids)) / 20_000
    row["distance_50"] = None if mid is None else (mid - 10_000) / 10_000
    for days in (1, 7):
        row[f"mean_deviation_{days}d"] = mean_deviation(history, now, days)
    return row
