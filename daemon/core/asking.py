"""Asks strategies what they want: each gets its own view, and one that raises is switched off.

Of the view only the strategy's own share, its capital and its peers differ from one strategy to the next: the
book, the features and the account are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from daemon.core.markets import MarketSpec
from daemon.core.models import DEFAULT
from daemon.core.peers import PeerIndex, WatchedPeers
from daemon.core.risk import Refusal
from daemon.core.state import State
from daemon.core.strategy import MarketView, Strategy, Wanted
from daemon.core.strategy_record import StrategyLimits
from daemon.core.units import Money, Ns

RAISED = "the strategy raised"
"""What its orders are cancelled for. What it said is for people: a text may differ from run to run."""
WORDS_MAX = 300
"""So much of an error is kept."""


class Slot(msgspec.Struct, frozen=True):
    """One strategy with the series and the categories that it trades, and its own limits."""

    strategy: Strategy
    series: frozenset[str]
    close_guard: Ns | None = None
    """So long before a market's close this strategy leaves it; None for the one of the limits."""
    model: str = DEFAULT
    """The slot of the model whose scores it reads."""
    capital: Money | None = None
    """The most that it may have at stake in all markets; None for the account's limits alone."""
    daily_loss_max: Money | None = None
    """The marked loss since midnight UTC at which it enters nothing more; None for the account's alone."""
    categories: frozenset[str] = frozenset()

    def trades(self, spec: MarketSpec) -> bool:
        """Whether a market is one of the strategy's."""
        return spec.series_ticker in self.series or spec.category in self.categories


def strategy_limits(slots: Iterable[Slot]) -> dict[str, StrategyLimits]:
    """Return the strategies' own limits by name."""
    return {slot.strategy.name: StrategyLimits(slot.capital, slot.daily_loss_max) for slot in slots}


class Asking:
    """Asks the strategies of one engine."""

    def __init__(self, state: State, score_of: Callable[[str, str], float | None]) -> None:
        """Build.

        Args:
            state: the beliefs.
            score_of: the last score that a strategy's model gave a market, by both names; None for none.
        """
        self._state = state
        self.has_switched = False
        """Whether one was switched off in this decision: its orders elsewhere are still to be taken out."""
        self._peers = PeerIndex(state, score_of)

    def view(self, slot: Slot, view: MarketView) -> MarketView:
        """Return what this strategy may read of a market, from what all may."""
        name = slot.strategy.name
        # By place: names cost as much again, for every market and tick.
        return MarketView(
            view.now, view.spec, view.grid, view.book, view.features, view.score, view.missing,
            view.position, view.equity, self._state.attribution.qty(name, view.spec.ticker), slot.capital,
            WatchedPeers(self._peers, name, slot.trades, view.spec),
        )  # fmt: skip

    def refusal(self, strategy: str) -> Refusal | None:
        """Return why a strategy is not asked, and nothing of it may rest; None when it is."""
        return "strategy_off" if self._state.switches.is_off(strategy) else None

    def wants(self, slot: Slot, view: MarketView) -> Wanted:
        """Return what a strategy wants; nothing from now on if it raises."""
        try:
            return slot.strategy.wants(self.view(slot, view))
        except Exception as error:  # noqa: BLE001 - whatever a person's file does must not end the daemon
            words = f"{type(error).__name__}: {error}"[:WORDS_MAX]
            self._state.switches.turn_off(slot.strategy.name, words, "raised", view.now)
            self._state.touch_all()
            self.has_switched = True
            return Wanted((), RAISED)
