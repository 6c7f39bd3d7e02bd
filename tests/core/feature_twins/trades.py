"""The features of trades, from the history alone."""

from __future__ import annotations

from tests.core.feature_twins.history import MINUTE, History


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


def trades_row(history: History, now: int) -> dict[str, float | None]:
    return {"trade_flow_60s": trade_flow(history, now, MINUTE)}
