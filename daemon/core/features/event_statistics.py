"""The features of a market's event: its outcomes together, and its place among them.

Of those markets of the event that are watched: a selection that leaves some out changes what these say.
"""

# The hooks are documented once, in `Statistic`.
# ruff: noqa: ARG002, D102

from __future__ import annotations

from math import log
from typing import ClassVar

from daemon.core.features.definition import Bounds, Family, FeatureDefinition
from daemon.core.features.implied import quantile
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.statistic import Statistic
from daemon.core.units import MONEY_ONE, PRICE_ONE, Ns

_PERCENT = Bounds("percent", 1, 99)
_DOCUMENTED = ((10,), (50,), (90,))
_QUOTED = "none: known while every watched market of the event has a synced book"
_IMPLIED = (
    f"{_QUOTED}, their strikes make a ladder or a partition that reaches the quantile, and all close at "
    "one time"
)
_POOLED = (
    "mids above (below) strikes, pooled to never rise: Barlow, Bartholomew, Bremner, Brunk 1972; mids of "
    "ranges divided by their sum: quant.md 4; linear between strikes"
)


class EventStatistic(Statistic):
    """A feature that reads the event: its market tells the event of its quotes."""

    __slots__ = ()

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        inputs.join_event()


class EventMidSum(EventStatistic):
    """The mids of all outcomes of an event of which at most one ends YES: one, were they probabilities.

    An absent bid counts as 0 and an absent ask as one dollar. None while a book is lost or without any
    quote, and where the event's outcomes don't exclude each other.
    """

    families = (
        Family(
            name="event_mid_sum",
            unit="$",
            source="event",
            warm_up=f"{_QUOTED} and a quote",
            citation="quant.md 4 (mids sum to 1.90 per event)",
        ),
    )

    def get(self, now: Ns) -> float | None:
        inputs = self._inputs
        double_sum = inputs.event.double_sum() if inputs.spec.structure == "exclusive" else None
        return None if double_sum is None else double_sum / (2 * PRICE_ONE)


class LadderRank(EventStatistic):
    """How many of the event's markets stand below this one, by strike; 0 is the lowest."""

    families = (
        Family(name="ladder_rank", unit="1", source="event", warm_up="none: known with the market's strike"),
    )

    def get(self, now: Ns) -> float | None:
        rank = self._inputs.event.rank(self._inputs.spec)
        return None if rank is None else float(rank[0])


class LadderPlace(EventStatistic):
    """The rank as a part of the ladder: 0 the lowest strike, 1 the highest; None when there is one alone."""

    families = (
        Family(name="ladder_place", unit="1", source="event", warm_up="as ladder_rank, with another market"),
    )

    def get(self, now: Ns) -> float | None:
        rank = self._inputs.event.rank(self._inputs.spec)
        return None if rank is None or not rank[1] else rank[0] / rank[1]


class ImpliedQuantile(EventStatistic):
    """The number that the outcome stays below with a probability in percent, by the event's own quotes."""

    __slots__ = ("_above",)
    families: ClassVar[tuple[Family, ...]] = (
        Family(
            name="implied_quantile_#",
            unit="as the strike, $",
            numbers=(_PERCENT,),
            documented=_DOCUMENTED,
            source="event",
            warm_up=_IMPLIED,
            citation=_POOLED,
            is_exact=False,
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._above = (100 - definition.numbers[0]) / 100

    def money(self) -> float | None:
        """Return the quantile in Money; None when unknown."""
        inputs = self._inputs
        points = inputs.event.distribution(inputs.spec.close_at)
        return None if points is None else quantile(points, self._above)

    def get(self, now: Ns) -> float | None:
        found = self.money()
        return None if found is None else found / MONEY_ONE


class ImpliedReturn(ImpliedQuantile):
    """Log return from the reference price now to an implied quantile."""

    families: ClassVar[tuple[Family, ...]] = (
        Family(
            name="implied_return_#",
            unit="1",
            numbers=(_PERCENT,),
            documented=_DOCUMENTED,
            source="event",
            warm_up="as implied_quantile, and a reference price",
            citation=_POOLED,
            is_exact=False,
        ),
    )

    def get(self, now: Ns) -> float | None:
        found, price = self.money(), self._inputs.spot.price
        return None if found is None or found <= 0 or price is None else log(found / price)
