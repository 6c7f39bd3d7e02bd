"""What a decision found, and the next ones need not find again until something is told, asked for or due.

Between two ticks of a book our orders, the account and the listings stand still: what could stop a market,
and what is to be asked for so that the same targets rest, is the same. Whatever else is told makes the next
decision look after everything (`upkeep`), and that forgets what is kept here first, as every command does
and every heartbeat. So an answer that is kept is the one that would be found.
"""

from __future__ import annotations

from collections.abc import Sequence

from daemon.core.asking import Slot
from daemon.core.breakers import Breakers
from daemon.core.market import Market
from daemon.core.orders import Proposal, ProposeWithdraw, plan
from daemon.core.risk import Limits, Refusal
from daemon.core.sending import Sending
from daemon.core.state import State
from daemon.core.strategy import Target, Wanted
from daemon.core.units import Ns

_NOTHING: list[Proposal | ProposeWithdraw] = []


class Standing:
    """Who may trade a market, and what is to be asked for there; found once for many ticks."""

    def __init__(
        self, state: State, breakers: Breakers, sending: Sending, slots: Sequence[Slot], limits: Limits
    ) -> None:
        self._state = state
        self._breakers = breakers
        self._sending = sending
        self.slots = tuple(slots)
        """All strategies. Whoever exchanges one makes sure that the next decision forgets."""
        self.limits = limits
        self._traders: dict[tuple[str, str], tuple[Slot, ...]] = {}
        """Who trades a market, by its series and category: thousands have few of these."""
        self._clear: set[int] = set()
        """The shards on which nothing can stop a market until the next look but itself and its connection."""
        self._kept: dict[tuple[str, str], tuple[Target, ...]] = {}
        """By market and strategy, the targets for which nothing was to be asked for: they rest as wanted."""

    def book_changed_max(self, strategy: str) -> Ns | None:
        """Return how long a strategy trusts a book that stands still; None for ever."""
        return next(
            (one.strategy.book_changed_max for one in self.slots if one.strategy.name == strategy), None
        )

    def close_guard(self, strategy: str) -> Ns | None:
        """Return a strategy's own close guard; None for the one of the limits."""
        return next((slot.close_guard for slot in self.slots if slot.strategy.name == strategy), None)

    def forget(self) -> None:
        """Something is looked after, or was asked for: all is found anew."""
        self._traders.clear()
        self._clear.clear()
        self._kept.clear()

    def stop(self, market: Market, now: Ns) -> tuple[Refusal | None, tuple[Slot, ...]]:
        """Return what stops every strategy in a market, so that what rests goes, or None; and who trades it.

        "exchange_paused" is that the venue takes nothing at all, not even cancels.
        """
        state, spec = self._state, market.spec
        slots = self._traders.get((spec.series_ticker, spec.category))
        if slots is None:
            slots = tuple([slot for slot in self.slots if slot.trades(spec)])
            self._traders[spec.series_ticker, spec.category] = slots
        if spec.exchange_index in self._clear:
            stop = state.vouch_feeds(market, self.limits, now)
            return stop or (market.refusal if market.is_unwatched or market.is_backfill_due else None), slots
        if state.exchange.is_paused_somewhere and state.is_exchange_paused(spec.ticker, now):
            return "exchange_paused", slots
        stop = self._sending.stop_reason()
        if stop is None and not self._breakers.is_answered:
            stop = "breaker_open"
        stop = stop or state.vouch(market, self.limits, now)
        if stop is None and not state.exchange.windows:  # a maintenance begins by the clock
            self._clear.add(spec.exchange_index)
        return stop, slots

    def plan(self, ticker: str, strategy: str, wanted: Wanted) -> Sequence[Proposal | ProposeWithdraw]:
        """Return what must be asked for so that exactly what a strategy wants of a market rests there."""
        targets = wanted.targets
        if not targets and not self._state.orders:
            return _NOTHING
        key = (ticker, strategy)
        if self._kept.get(key) == targets:
            return _NOTHING
        proposals = plan(ticker, strategy, targets, self._state.live_orders(ticker, strategy), wanted.reason)
        if not proposals:
            self._kept[key] = targets
        return proposals
