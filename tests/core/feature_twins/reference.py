"""The features of the reference price, from the history alone."""

from __future__ import annotations

import itertools
import math
import statistics
from fractions import Fraction

from tests.core.feature_twins.history import MINUTE, SECOND, History, in_force


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


def past_candle(history: History, now: int, ago: int) -> tuple[float | None, float | None]:
    """Return and range of one closed minute."""
    ends = (now - 5 * SECOND) // MINUTE - ago + 1
    close, before = reference_close(history, ends), reference_close(history, ends - 1)
    moved = None if close is None or before is None else math.log(Fraction(close, before))
    if close is None:
        return moved, None
    is_traded = ends - 1 in {began for began, _ in history.reference_candles}
    high, low = history.reference_ranges[ends - 1] if is_traded else (1, 1)
    return moved, math.log(Fraction(high, low))


def strike_distance(history: History) -> float | None:
    if history.strike is None or not history.prices:
        return None
    return math.log(Fraction(history.prices[-1][1], history.strike))


def strike_distance_sigma(history: History, now: int) -> float | None:
    distance, sigma = strike_distance(history), reference_vol(history, now)
    if distance is None or not sigma or now >= history.close_at:
        return None
    return distance / (sigma * math.sqrt((history.close_at - now) / SECOND))


def parkinson(history: History, now: int, minutes: int) -> float | None:
    """The variance per minute, by the textbook: the mean of ln(H/L)^2 over 4 ln 2."""
    last = (now - 5 * SECOND) // MINUTE
    known = {began for began, _ in history.reference_candles}
    first = min(known, default=0)
    if history.has_reference_hole or not known:
        return None
    squares = []
    for minute in range(last - minutes, last):
        if minute < first or not any(minute - back in known for back in range(6)):
            return None
        high, low = history.reference_ranges[minute] if minute in known else (1, 1)
        squares.append(math.log(Fraction(high, low)) ** 2 / (4 * math.log(2)))
    return statistics.fmean(squares)


def left_deviation(history: History, now: int, variances: dict[int, float | None]) -> float | None:
    left_s = (history.close_at - now) / SECOND
    if left_s <= 0 or not history.prices:
        return None
    hour, hours = variances[60], variances[240]
    if hour is None or hours is None:
        per_second = reference_vol(history, now)
        return per_second * math.sqrt(left_s) if per_second else None
    return math.sqrt((hour + hours) / 2 * left_s / 60) or None


def structural(history: History, now: int, variances: dict[int, float | None]) -> dict[str, float | None]:
    deviation = left_deviation(history, now, variances)
    normal = statistics.NormalDist()
    row: dict[str, float | None] = dict.fromkeys(
        ("structural_fair_value", "move_probability_50bp", "move_probability_100bp")
    )
    if deviation is None:
        return row
    distance = strike_distance(history)
    if distance is not None:
        row["structural_fair_value"] = normal.cdf(distance / deviation)
    for points in (50, 100):
        row[f"move_probability_{points}bp"] = 2 * normal.cdf(-points / 10_000 / deviation)
    return row


def basis(history: History) -> float | None:
    if not history.prices or history.index_price is None:
        return None
    return float(Fraction(history.prices[-1][1] - history.index_price, history.index_price))


def reference_row(history: History, now: int) -> dict[str, float | None]:
    row: dict[str, float | None] = {}
    for window_s in (1, 5, 30):
        row[f"reference_return_{window_s}s"] = reference_return(history, now, window_s * SECOND)
    row["reference_vol_300s"] = reference_vol(history, now)
    row["strike_distance"] = strike_distance(history)
    row["strike_distance_sigma"] = strike_distance_sigma(history, now)
    for minutes in (5, 15):
        row[f"reference_return_{minutes}m"] = candle_return(history, now, minutes)
    row["reference_volatility_15m"] = candle_volatility(history, now)
    for ago in (1, 15, 60):
        moved, ranged = past_candle(history, now, ago)
        row[f"reference_candle_return_{ago}"] = moved
        row[f"reference_candle_range_{ago}"] = ranged
    variances = {minutes: parkinson(history, now, minutes) for minutes in (5, 15, 60, 240)}
    for minutes, variance in variances.items():
        row[f"reference_parkinson_{minutes}m"] = None if variance is None else math.sqrt(variance)
    row |= structural(history, now, variances)
    row["reference_basis"] = basis(history)
    return row
