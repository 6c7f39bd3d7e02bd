"""Asks strategies what they want: each gets its own view of a scored market; one that raises is switched off.

Of the view only the strategy's own share, its capital and its peers differ from one strategy to the next: the
book, the features and the account are the same for all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable

import msgspec

from daemon.core.market import Market
from daemon.core.markets import MarketSpec
from daemon.core.models import COMPARED_EVERY, DEFAULT, Models, Row
from daemon.core.peers import PeerIndex, WatchedPeers
from daemon.core.risk import Refusal
from daemon.core.state import State
from daemon.core.strategy import FeatureRow, MarketView, Strategy, Target, Wanted, breach_of
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


class Scored(msgspec.Struct, frozen=True):
    """A market's row at the instant of a decision, and what one model says of it."""

    features: FeatureRow
    score: float | None
    missing: tuple[str, ...]


class Asking:
    """Asks the strategies of one engine."""

    def __init__(self, state: State, models: Models) -> None:
        self._state = state
        self._models = models
        self.has_switched = False
        """Whether one was switched off in this decision: its orders elsewhere are still to be taken out."""
        self._peers = PeerIndex(state, models.sound_score_of)
        self._off = state.switches.off
        self._sound: dict[tuple[str, str], tuple[Target, ...]] = {}
        """By market and strategy, the last targets that keep to the contract: most answers repeat them."""

    def refusal(self, strategy: str) -> Refusal | None:
        """Return why a strategy is not asked, and nothing of it may rest; None when it is."""
        return "strategy_off" if strategy in self._off else None

    def wants(
        self, slot: Slot, market: Market, seen: dict[str, Scored], refusals: Counter[str], now: Ns
    ) -> Wanted:
        """Return what a strategy wants of a market; nothing from now on if it raises.

        Args:
            slot: whom to ask.
            market: one that may be traded now.
            seen: what was scored of it in this decision already, by model: all is of one row.
            refusals: counts what a doubt about the score took out.
            now: the instant of the decision.
        """
        scored = self.score(slot.model, market, seen, now)
        state, strategy, spec = self._state, slot.strategy, market.spec
        name, ticker, ledger = strategy.name, spec.ticker, state.ledger
        equity = ledger.equity
        assert equity is not None, "a view is made only of a reconciled account"
        capital, model = slot.capital, self._models.slots[slot.model]
        divisor = model.stake_divisor
        if divisor != 1:
            equity, capital = equity // divisor, None if capital is None else capital // divisor
        # By place: names cost as much again, for every market and tick.
        view = MarketView(
            now, spec, market.grid, market.book, scored.features, scored.score, scored.missing,
            ledger.position_qty(ticker), equity, state.attribution.qty(name, ticker), capital,
            WatchedPeers(self._peers, name, slot.trades, spec, strategy.book_changed_max, now),
        )  # fmt: skip
        try:
            wanted = self._heard((ticker, name), strategy.wants(view))
        except KeyboardInterrupt:
            raise  # a person's, not the file's
        except BaseException as error:  # noqa: BLE001 - whatever a person's file does must not end the daemon
            state.switches.turn_off(name, _words(error), "raised", now)
            state.touch_all()
            self.has_switched = True
            return Wanted((), RAISED)
        return wanted if model.is_sound(now) else self._models.vet(wanted, name, view, refusals)

    def _heard(self, key: tuple[str, str], wanted: Wanted) -> Wanted:
        """Return an answer with targets that keep to the contract; what only equals them may not do so."""
        sound = self._sound.get(key, ())
        if type(wanted) is Wanted and wanted.targets == sound and type(wanted.reason) is str:
            return Wanted(sound, wanted.reason)
        if (breach := breach_of(wanted)) is not None:
            raise TypeError(breach)
        self._sound[key] = wanted.targets
        return wanted

    def forget_gone(self, markets: Container[str]) -> None:
        """Forget markets that are no more."""
        for key in [key for key in self._sound if key[0] not in markets]:
            del self._sound[key]

    def score(self, name: str, market: Market, seen: dict[str, Scored], now: Ns) -> Scored:
        """Return a market's row and what the model of a slot says of it; `seen` are this decision's."""
        if name in seen:
            return seen[name]
        models, spec, mark = self._models, market.spec, self._models.mark
        if mark is not None:
            mark("decide")
        row: Row
        if seen:
            features = next(iter(seen.values())).features
            row = features.row
        else:
            row = market.features.values(now)
            features = FeatureRow(models.places, row)
        if mark is not None:
            mark("feature")
        model = models.slots[name]
        ticker = spec.ticker
        score = model.score(ticker, row, now)
        if mark is not None:
            mark("predict")
        if (
            now >= model.compares_at
            and now - model.compared_at.get(ticker, -COMPARED_EVERY) >= COMPARED_EVERY
        ):
            models.compare(model, spec, row, market.book, now)
        missing = model.missing(row) if score.doubt == "unknown_features" else ()
        scored = seen[name] = Scored(features, score.value, missing)
        return scored


def _words(error: BaseException) -> str:
    """Return what an error says of itself; its kind alone where it can't even do that."""
    kind = type(error).__name__
    try:
        return f"{kind}: {error}"[:WORDS_MAX]
    except Exception:  # noqa: BLE001 - a person's file may bring its own kinds of errors
        return kind
