"""The features of trades, from the history alone."""

from __future__ import annotations

import statistics
from fractions import Fraction

from tests.core.feature_twins.history import MINUTE, SECOND, History, Row


def volume_z(history: History, now: int, seconds: int) -> float | None:
    period = seconds * SECOND
    end = now // period * period
    if not history.is_whole(end - 20 * period, now):
        return None
    trades = history.trades.values()
    volumes = [
        sum(trade.qty for trade in trades if end - back * period <= trade.at < end - (back - 1) * period)
        for back in range(20, 0, -1)
    ]
    deviation = statistics.pstdev(volumes)
    return (volumes[-1] - statistics.fmean(volumes)) / deviation if deviation else None


def vwap_distance(history: History, now: int, seconds: int) -> float | None:
    trades, live = history.trades_in(now, seconds * SECOND), history.live()
    if not trades or not live or live[-1].twice_mid is None:
        return None
    vwap = Fraction(sum(one.qty * one.price for one in trades), sum(one.qty for one in trades))
    return float((Fraction(live[-1].twice_mid, 2) - vwap) / 10_000)


def candle_volume(history: History, now: int, ago: int) -> float | None:
    begin = (now // MINUTE - ago) * MINUTE
    if not history.is_whole(begin, now):
        return None
    return sum(trade.qty for trade in history.trades.values() if begin <= trade.at < begin + MINUTE) / 100


def trades_row(history: History, now: int) -> Row:
    row: Row = {}
    for seconds in (10, 60, 300, 900):
        trades = history.trades_in(now, seconds * SECOND)
        row[f"trade_flow_{seconds}s"] = None if trades is None else sum(one.signed for one in trades) / 100
    trades = history.trades_in(now, 60 * SECOND)
    row["trade_rate_60s"] = None if trades is None else len(trades) / 60
    for seconds in (60, 300):
        row[f"vwap_distance_{seconds}s"] = vwap_distance(history, now, seconds)
    for seconds in (5, 60):
        row[f"volume_z_{seconds}s"] = volume_z(history, now, seconds)
    for ago in (1, 15):
        row[f"candle_volume_{ago}"] = candle_volume(history, now, ago)
    return row
