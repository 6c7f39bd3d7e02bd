"""The features of the public trades over a window of our clock."""

# `Statistic` documents the hooks once for all overrides, and most features of one instant need no `now`.
# ruff: noqa: D102

from __future__ import annotations

from daemon.core.features.definition import Family
from daemon.core.features.statistic import Statistic
from daemon.core.features.trade_tape import WINDOW
from daemon.core.units import QTY_ONE, Ns


class TradeFlow(Statistic):
    """Contracts that takers bought as YES minus those bought as NO, over a window of our clock."""

    families = (
        Family(
            name="trade_flow_60s",
            unit="contracts",
            window=WINDOW,
            source="trades",
            warm_up="every trade of the whole window was streamed, or backfilled",
        ),
    )

    def get(self, now: Ns) -> float | None:
        flow = self._inputs.trades.flow(now)
        return None if flow is None else flow / QTY_ONE
