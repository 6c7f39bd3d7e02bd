"""What each strategy has at stake and has lost today, against its own limits.

A strategy's result is marked: what its trades realised, less their fees, and what its open shares are worth
now against what they cost. The day's goes on where a life before left it, as the account's own does: a
restart makes no room for another loss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from daemon.core.attribution import NOBODY
from daemon.core.marks import Marks
from daemon.core.orders import Stake
from daemon.core.risk.grounds import StrategyRisk, exposure
from daemon.core.state import State
from daemon.core.units import DAY, Money, Ns


class StrategyLimits(msgspec.Struct, frozen=True):
    """A strategy's own limits. None is off."""

    capital: Money | None = None
    daily_loss_max: Money | None = None


class StrategyRecord:
    """Reads `State` for the limits of strategies."""

    def __init__(
        self, state: State, limits: Mapping[str, StrategyLimits], marks: Marks | None = None
    ) -> None:
        self._state = state
        self.limits = limits
        self._marks = Marks() if marks is None else marks
        self._day = -1
        self._at_day_start: dict[str, Money] = {}
        self.orders: Counter[str] = Counter()
        """Orders approved, by strategy."""

    def look(self, now: Ns) -> None:
        """Begin a new day at midnight UTC; cheap at all other times."""
        day = now // DAY
        if day != self._day:
            self._day = day
            self._at_day_start = {name: self.pnl(name) for name in self.limits}

    def told(self) -> tuple[tuple[str, Money], ...]:
        """Return each strategy's result of the day but for what is open, for the next life; no zeros."""
        names = sorted({**self._at_day_start, **self.limits})
        found = [(name, self._realized(name) - self._at_day_start.get(name, 0)) for name in names]
        return tuple(entry for entry in found if entry[1])

    def recover(self, day: int, results: Iterable[tuple[str, Money]]) -> None:
        """Go on where a life before left it, on that day (UTC, days since 1970); another one begins anew.

        What is open is counted from what it cost, in this life as in that one.
        """
        self._day = day
        self._at_day_start = {name: -result for name, result in results}

    def _realized(self, strategy: str) -> Money:
        result = self._state.attribution.results.get(strategy)
        return 0 if result is None else result.realized - result.fees

    def pnl(self, strategy: str) -> Money:
        """Return a strategy's marked profit and loss of this life and of what is open, fees taken off."""
        state, total = self._state, self._realized(strategy)
        for ticker, share in state.attribution.open_of(strategy):
            if share.qty:
                total += self._marks.worth(share, state.markets.get(ticker), ticker) - share.cost
        return total

    def loss_today(self, strategy: str) -> Money:
        """Return a strategy's marked loss since midnight UTC, fees included; a profit is negative."""
        return self._at_day_start.get(strategy, 0) - self.pnl(strategy)

    def staked(self, strategy: str, without: str = "") -> Money:
        """Return what a strategy's shares cost and its orders may cost, in all markets but one.

        Orders in flight and of unknown fate count as filled where that costs most.
        """
        stakes: dict[str, list[Stake]] = {}
        for order in self._state.orders.values():
            if order.strategy == strategy and order.ticker != without and not order.is_done:
                stakes.setdefault(order.ticker, []).append(order.stake)
        attribution, total = self._state.attribution, 0
        for ticker, share in attribution.open_of(strategy):
            if ticker != without:
                total += exposure(share, stakes.pop(ticker, ()))
        return total + sum(exposure(None, theirs) for theirs in stakes.values())

    def of_market(self, strategy: str, ticker: str) -> StrategyRisk | None:
        """Return what a strategy's proposal for a market is checked against; None where it has no limits."""
        limits = self.limits.get(strategy)
        if limits is None or (limits.capital is None and limits.daily_loss_max is None):
            return None
        attribution = self._state.attribution
        return StrategyRisk(
            capital=limits.capital,
            share=attribution.share(strategy, ticker),
            staked_elsewhere=0 if limits.capital is None else self.staked(strategy, ticker),
            daily_loss_max=limits.daily_loss_max,
            loss_today=0 if limits.daily_loss_max is None else self.loss_today(strategy),
            held=attribution.qty(strategy, ticker) + attribution.qty(NOBODY, ticker),
        )
