"""The daily pipeline, from the history alone: tables of days, by the standard library's statistics."""

from __future__ import annotations

import statistics
from fractions import Fraction

from tests.core.feature_twins.history import DAY, History


def daily_row(history: History, now: int) -> dict[str, float | None]:
    today = now // DAY
    bars = history.bars
    newest = max(bars, default=0)
    known = {today - day: bar for day, bar in bars.items() if day > newest - 21}
    dollars = {back: Fraction(bar[1], bar[0] * 10_000) for back, bar in known.items() if bar[0]}
    changes = {back: price - dollars[back + 1] for back, price in dollars.items() if back + 1 in dollars}
    paid = {back: Fraction(bar[2] + bar[3], 10**6) for back, bar in known.items()}
    row: dict[str, float | None] = {"TS": float(today * 86_400)}
    for back in range(1, 11):
        bar = known.get(back)
        row[f"RET_{back}"] = float(changes[back]) if back in changes else None
        row[f"VOL_YES_{back}"] = None if bar is None else bar[2] / 10**6
        row[f"VOL_NO_{back}"] = None if bar is None else bar[3] / 10**6
        row[f"VOL_TOTAL_{back}"] = None if bar is None else float(paid[back])
        row[f"VOLUME_{back}"] = None if bar is None else bar[0] / 100
    for span in (5, 10):
        backs = range(1, span + 1)
        returns = [changes[back] for back in backs if back in changes]
        values = [paid[back] for back in backs if back in paid]
        is_whole = len(returns) == span
        row[f"RET_MEAN_{span}"] = float(sum(returns) / span) if is_whole else None
        row[f"RET_STD_{span}"] = float(statistics.stdev(map(float, returns))) if is_whole else None
        row[f"VOL_MEAN_{span}"] = float(sum(values) / span) if len(values) == span else None
    yesterday = known.get(1)
    price = dollars.get(1)
    row["DIST_50"] = None if price is None else float((price * 100 - 50) / 50)
    row |= {"DIST_MIN_20": None, "DIST_MAX_20": None, "VOL_IMBALANCE": None}
    if price is not None and all(back in known for back in range(1, 21)):
        prices = [dollars[back] for back in range(1, 21) if back in dollars]
        if max(prices) > min(prices):
            place = (price - min(prices)) / (max(prices) - min(prices))
            row["DIST_MIN_20"], row["DIST_MAX_20"] = float(place), float(1 - place)
    if yesterday is not None and yesterday[2] + yesterday[3]:
        row["VOL_IMBALANCE"] = (yesterday[2] - yesterday[3]) / (yesterday[2] + yesterday[3])
    return row
