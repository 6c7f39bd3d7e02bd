"""The features of the book's changes over a window."""

# `Statistic` documents the hooks once for all overrides, and most features of one instant need no `now`.
# ruff: noqa: D102

from __future__ import annotations

from daemon.core.features.definition import Bounds, Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.statistic import WHOLE_WINDOW, Statistic
from daemon.core.features.windows import WindowSum
from daemon.core.units import QTY_ONE, SECOND, Ns


class OrderFlowImbalance(Statistic):
    """Net size that joined the bid or left the ask at the best prices, over a window."""

    __slots__ = ("_sum",)
    families = (
        Family(
            name="ofi_#s",
            unit="contracts",
            numbers=(Bounds("seconds", 1, 300),),
            documented=((1,), (5,), (10,), (60,)),
            window_unit=SECOND,
            source="book",
            warm_up=WHOLE_WINDOW,
            citation="Cont, Kukanov, Stoikov 2014, The Price Impact of Order Book Events, eq. 2-3",
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        assert definition.window is not None
        self._sum = WindowSum(definition.window)

    def on_begin(self, at: Ns) -> None:
        self._sum.begin(at)

    def on_end(self) -> None:
        self._sum.end()

    def get(self, now: Ns) -> float | None:
        flow = self._sum.get(now)
        return None if flow is None else flow / QTY_ONE

    def on_top(self, at: Ns) -> None:
        flow = self._inputs.top.flow
        if flow:
            self._sum.add(at, flow)
