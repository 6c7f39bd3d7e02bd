"""The flow of nothing: no traders, no markets but those that the admin endpoint makes, a price that stands.

For tests and practice where every move must be one's own: what happens here was asked for, or is a clock.
"""

from __future__ import annotations

from typing import Final

from daemon.core.units import MONEY_ONE, SECOND, Money, Ns
from daemon.exchange.exchange import Exchange
from daemon.sandbox.flow import History, Resumed, SpotPrinted, Telling

SYMBOL: Final = "BTC/USD"
FIRST_PRICE: Final[Money] = 85_000 * MONEY_ONE
PAST_PRINTS: Final = 120
"""So many seconds of the standing price are there from the start, for charts and candles."""


class StillFlow:
    """See the module's head; the protocol is `daemon.sandbox.flow.Flow`.

    Markets of an earlier life close by their clock and stay closed until the admin settles them.
    """

    def __init__(self, resumed: Resumed) -> None:
        self.mode = "traders"
        self.speed: float | None = 1.0
        self.start_at = resumed.now
        self.price: Money = FIRST_PRICE if resumed.spot is None else resumed.spot
        """What the underlying costs: printed once a second, and changed by whoever owns this flow."""
        self._printed_at = resumed.now // SECOND * SECOND

    def history(self) -> History:
        """Return the standing price's past, and nothing else."""
        first = self._printed_at - (PAST_PRINTS - 1) * SECOND
        return History({}, (), (), tuple(self._print(first + step * SECOND) for step in range(PAST_PRINTS)))

    def advance(self, exchange: Exchange, now: Ns) -> list[Telling]:  # noqa: ARG002  # a flow's own form
        """Print the price of every second that passed."""
        told: list[Telling] = []
        while self._printed_at + SECOND <= now:
            self._printed_at += SECOND
            told.append(self._print(self._printed_at))
        return told

    def _print(self, at: Ns) -> SpotPrinted:
        # Seconds count better than prints: a restart goes on above its earlier life.
        return SpotPrinted(SYMBOL, self.price, 1_000_000, at // SECOND % 2 == 0, at // SECOND, at)
