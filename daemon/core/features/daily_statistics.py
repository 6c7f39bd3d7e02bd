"""The daily pipeline: returns, volumes and distances over past days, computed once per day and market.

The names are an API of their own: a request for a prediction names them so. Days are UTC days, shifted by
one: on a day they say what the days before it were. Mean prices are weighted by size, of all public trades.

A return is the change of the mean price in dollars, not in percent of it. That is what a YES contract earns
and a NO contract loses, and it is no higher for a price that only bounces, while a percentage is biased by
the variance of the noise over the squared price: defects (b) and (c) in quant.md 1.
"""

# The hooks are documented once, in `Statistic`.
# ruff: noqa: ARG002, D102

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from math import sqrt

from daemon.core.features.daily_history import DailyHistory
from daemon.core.features.definition import Bounds, Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.statistic import Statistic
from daemon.core.units import DAY, MONEY_ONE, PRICE_ONE, QTY_ONE, SECOND, Ns

_DAYS = Bounds("days", 1, 10)
_EACH = tuple((day,) for day in range(1, 11))
_SPANS = Bounds("days", 5, 10, step=5)
_BOTH = ((5,), (10,))
_RANGE_DAYS = 20
_CITATION = "quant.md 1 (the daily pipeline)"
_BARS = "bars of those days, yesterday's included"
_TRADED = f"{_BARS}, each with a trade"


def _family(name: str, unit: str, warm_up: str = _BARS, *, days: int | None = None) -> Family:
    spans = name in ("RET_MEAN_#", "RET_STD_#", "VOL_MEAN_#")
    return Family(
        name=name,
        unit=unit,
        numbers=() if "#" not in name else (_SPANS,) if spans else (_DAYS,),
        documented=((),) if "#" not in name else _BOTH if spans else _EACH,
        window=None if days is None else days * DAY,
        window_unit=DAY if "#" in name else None,
        source="daily",
        warm_up=warm_up,
        citation=_CITATION,
        is_exact=name != "RET_STD_#",
    )


def _change(history: DailyHistory, day: int) -> Fraction | None:
    """The change of the mean price from the day before to a day, in dollars."""
    price, before = history.price(day), history.price(day - 1)
    return None if price is None or before is None else (price - before) / PRICE_ONE


def _changes(history: DailyHistory, yesterday: int, days: int) -> list[Fraction] | None:
    found = [_change(history, yesterday - back) for back in range(days)]
    known = [change for change in found if change is not None]
    return known if len(known) == days else None


class DailyStatistic(Statistic):
    """A feature of past days: computed when a day begins or one of its bars comes, else as it was."""

    __slots__ = ("_computed", "_computed_for", "_name", "_number")

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        inputs.daily.is_read = True
        self._number = definition.numbers[0] if definition.numbers else 0
        self._name = definition.name
        self._computed_for = (-1, -1)
        self._computed: float | None = None

    def get(self, now: Ns) -> float | None:
        history = self._inputs.daily
        key = (now // DAY, history.revision)
        if key != self._computed_for:
            self._computed_for = key
            self._computed = self.of_day(history, key[0])
        return self._computed

    @abstractmethod
    def of_day(self, history: DailyHistory, today: int) -> float | None:
        """Return the feature of a day from the days before it; None when unknown."""


class DailyReturn(DailyStatistic):
    """The change of the mean price in dollars, so many days ago, from the day before."""

    families = (_family("RET_#", "$", _TRADED),)

    def of_day(self, history: DailyHistory, today: int) -> float | None:
        change = _change(history, today - self._number)
        return None if change is None else float(change)


class DailyValue(DailyStatistic):
    """What takers of YES, of NO, or both paid on a day, in dollars: contracts times their side's price."""

    families = (_family("VOL_YES_#", "$"), _family("VOL_NO_#", "$"), _family("VOL_TOTAL_#", "$"))

    def of_day(self, history: DailyHistory, today: int) -> float | None:
        values = history.values(today - self._number)
        if values is None:
            return None
        if self._name.startswith("VOL_TOTAL"):
            return sum(values) / MONEY_ONE
        return values[self._name.startswith("VOL_NO")] / MONEY_ONE


class DailyReturnMean(DailyStatistic):
    """The mean of the last days' returns, in dollars."""

    families = (_family("RET_MEAN_#", "$", _TRADED),)

    def of_day(self, history: DailyHistory, today: int) -> float | None:
        changes = _changes(history, today - 1, self._number)
        return None if changes is None else float(sum(changes, Fraction(0)) / len(changes))


class DailyReturnDeviation(DailyStatistic):
    """The standard deviation of the last days' returns, in dollars; of a sample, so with one degree less."""

    families = (_family("RET_STD_#", "$", _TRADED),)

    def of_day(self, history: DailyHistory, today: int) -> float | None:
        changes = _changes(history, today - 1, self._number)
        if changes is None:
            return None
        mean = sum(changes, Fraction(0)) / len(changes)
        return sqrt(sum(((change - mean) ** 2 for change in changes), Fraction(0)) / (len(changes) - 1))


class DailyValueMean(DailyStatistic):
    """The mean of what was paid on each of the last days, in dollars."""

    families = (_family("VOL_MEAN_#", "$"),)

    def of_day(self, history: DailyHistory, today: int) -> float | None:
        found = [history.values(today - back) for back in range(1, self._number + 1)]
        known = [sum(values) for values in found if values is not None]
        return sum(known) / (MONEY_ONE * self._number) if len(known) == self._number else None


class DailyDistanceToEven(DailyStatistic):
    """Yesterday's mean price from even odds: (p - 50) / 50 in cents; -1 is worthless, 1 is certain."""

    families = (_family("DIST_50", "1", _TRADED, days=1),)

    def of_day(self, history: DailyHistory, today: int) -> float | None:
        price = history.price(today - 1)
        return None if price is None else float(2 * price / PRICE_ONE - 1)


class DailyPlaceInRange(DailyStatistic):
    """Where yesterday's mean price lies in the range of the last 20 days': from the least, or to the most.

    Days without a trade are left out; None while all that traded had one price.
    """

    families = tuple(
        _family(name, "1", f"{_BARS}, and a trade yesterday", days=_RANGE_DAYS)
        for name in ("DIST_MIN_20", "DIST_MAX_20")
    )

    def of_day(self, history: DailyHistory, today: int) -> float | None:
        days = range(today - _RANGE_DAYS, today)
        price = history.price(today - 1)
        if price is None or any(history.qty(day) is None for day in days):
            return None
        prices = [one for one in map(history.price, days) if one is not None]
        least, most = min(prices), max(prices)
        if least == most:
            return None
        away = price - least if self._name == "DIST_MIN_20" else most - price
        return float(away / (most - least))


class DailyImbalance(DailyStatistic):
    """What takers of YES paid yesterday less what those of NO did, of both; None where nobody paid."""

    families = (_family("VOL_IMBALANCE", "1", f"{_BARS}, with a trade", days=1),)

    def of_day(self, history: DailyHistory, today: int) -> float | None:
        values = history.values(today - 1)
        if values is None or not sum(values):
            return None
        return (values[0] - values[1]) / sum(values)


class DailyContracts(DailyStatistic):
    """The contracts that were traded so many days ago: the older pipeline's volume."""

    families = (_family("VOLUME_#", "contracts"),)

    def of_day(self, history: DailyHistory, today: int) -> float | None:
        qty = history.qty(today - self._number)
        return None if qty is None else qty / QTY_ONE


class DailyStamp(DailyStatistic):
    """When the day began, in Unix seconds: the older pipeline's time stamp."""

    families = (
        Family(
            name="TS", unit="s", source="daily", warm_up="none", citation="quant.md 1 (the older version)"
        ),
    )

    def of_day(self, history: DailyHistory, today: int) -> float | None:
        return float(today * DAY // SECOND)
