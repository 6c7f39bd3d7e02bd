"""A bitcoin price that never was: stochastic volatility, jumps, printed trades, and the one-second index.

The model's clock is a grid of fixed steps, so what it does depends on the seed and the time alone, not
on how often it is asked. Volatility reverts to 45 % a year and stays mostly within 35-60 %; a jump of a
few hundredths of a percent comes every ten minutes or so.

Markets settle on the index: one value per second, the price at that second, to the cent.
"""

from __future__ import annotations

import math
from collections import deque
from random import Random
from typing import Final

from daemon.core.units import MINUTE, MONEY_CENT, SECOND, Money, Ns

YEAR_S: Final = 365 * 24 * 3600
SETTLEMENT_VALUES: Final = 60

_VOLATILITY_MEAN = 0.45
_VOLATILITY_SPREAD = 0.16
"""Standard deviation of the volatility's logarithm: nine tenths of the time within 35-60 %."""
_VOLATILITY_MEMORY_S = 20 * 60.0
_JUMPS_PER_S = 1 / 600
_JUMP_SIZE = 0.0005


def seeded(*parts: object) -> Random:
    """Return a stream of randomness that the parts alone determine, whatever the hash seed."""
    return Random(":".join(str(part) for part in parts))  # noqa: S311  # a simulation, not a secret


class SpotModel:
    """The price, moved in steps. `price` is in dollars, `volatility` per root of a year."""

    def __init__(self, random: Random, price: float) -> None:
        self.price = price
        self._random = random
        self._log_volatility = random.gauss(0.0, _VOLATILITY_SPREAD)

    @property
    def volatility(self) -> float:
        """The present volatility of the price's logarithm, per root of a year."""
        return _VOLATILITY_MEAN * math.exp(self._log_volatility)

    @property
    def volatility_s(self) -> float:
        """The present volatility, per root of a second."""
        return self.volatility / math.sqrt(YEAR_S)

    def step(self, seconds: float) -> None:
        """Move the price by so much time."""
        random = self._random
        keep = math.exp(-seconds / _VOLATILITY_MEMORY_S)
        shock = _VOLATILITY_SPREAD * math.sqrt(1 - keep * keep)
        self._log_volatility = keep * self._log_volatility + shock * random.gauss(0.0, 1.0)
        move = self.volatility_s * math.sqrt(seconds) * random.gauss(0.0, 1.0)
        if random.random() < _JUMPS_PER_S * seconds:
            move += random.gauss(0.0, _JUMP_SIZE)
        self.price *= math.exp(move)


def to_cents(price: float) -> Money:
    """Return dollars as Money on a whole cent."""
    return round(price * 100) * MONEY_CENT


class Index:
    """The one-second values, kept for as long as a settlement may still ask for them."""

    def __init__(self, keep: int = 4 * 3600) -> None:
        self._values: deque[tuple[Ns, Money]] = deque(maxlen=keep)

    def add(self, at: Ns, value: Money) -> None:
        """Append the value stamped `at`, a whole second behind the last."""
        assert at % SECOND == 0, f"an index value between two seconds: {at}"
        assert not self._values or at == self._values[-1][0] + SECOND, f"the index skips to {at}"
        self._values.append((at, value))

    def between(self, begin: Ns, end: Ns) -> list[Money]:
        """Return the values stamped begin, begin + 1 s, … before `end`, as far as they are known."""
        if not self._values:
            return []
        first = self._values[0][0]
        low = max(0, -((first - begin) // SECOND))
        high = min(len(self._values), max(0, -((first - end) // SECOND)))
        return [self._values[place][1] for place in range(low, high)]

    def settlement(self, close_at: Ns) -> Money | None:
        """Return the mean of the 60 values stamped T-60 … T-1 s, rounded half up to the cent.

        None when not all of them are known. Source: protocol sheet 7.7.
        """
        values = self.between(close_at - MINUTE, close_at)
        if len(values) < SETTLEMENT_VALUES:
            return None
        return mean_cents(values)

    def nearest(self, at: Ns) -> Money:
        """Return the value closest in time: what a market settles on that closed while nobody counted."""
        assert self._values, "the index has no value yet"
        return min(self._values, key=lambda entry: abs(entry[0] - at))[1]


def mean_cents(values: list[Money]) -> Money:
    """Return the mean of Money values, rounded half up to the cent."""
    unit = MONEY_CENT * len(values)
    return (2 * sum(values) + unit) // (2 * unit) * MONEY_CENT
