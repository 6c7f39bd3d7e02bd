"""The models by slot: what each reads of a market's row, whether its score is traded on, how it is swapped.

A *slot* is a name for whichever model scores there now: "default", the names of `[model.named]`, and
"challenger", which is scored on the default's rows, measured (`model_record`), and read by no strategy.

Every market keeps one row: the columns of all models and the features of all strategies, each once, in a
stable order (`Models.schema`). A model reads its own columns by place. The row is made when the engine is: a
model that needs a column more can't be swapped in, only started with.

No score, or one that must not be traded on, has a reason with a name. A score whose model is expired, or
whose features are beyond what the model was trained on, is still given: a strategy may need it to get out.
So is that of a model that has drifted (`drift`) and that nothing replaces.
What it must not do is enter: `entry_refusal` says so to the gate, and `vet` takes out what rests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from daemon.core.book import Book
from daemon.core.drift import Drift
from daemon.core.drift_record import DriftConfig
from daemon.core.events import DayRecovered, Event, MarketDetermined, ModelSwapped
from daemon.core.markets import MarketSpec
from daemon.core.model_record import ModelRecord
from daemon.core.model_slot import CHALLENGER, DEFAULT, FALLBACK, Model, ModelSlot, Range, Row, Score
from daemon.core.risk import Refused
from daemon.core.scorer import FeatureSchema, Scorer
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import PRICE_ONE, SECOND, Ns, Qty

__all__ = [
    "CHALLENGER",
    "DEFAULT",
    "FALLBACK",
    "Model",
    "ModelSlot",
    "Models",
    "Range",
    "Row",
    "Score",
    "ScorerSource",
]

COMPARED_EVERY: Ns = SECOND
"""At most so often a market's score is held against its mid, and the challenger scores its row: that cost has
a bound, whatever the tick rate."""
COMPARED_MAX = 1_000
"""So many markets are compared in each such time, of a slot: of more, whichever ticks next when one may be
again. So that cost has a bound whatever the number of markets, too."""
_APART: Ns = COMPARED_EVERY // COMPARED_MAX


class ScorerSource(Protocol):
    """Where the model of a `ModelSwapped` comes from. Raises, or returns None, where there is none such."""

    def get(self, event: ModelSwapped) -> Model | None:
        """Return the very model that the event names, loaded."""
        ...


class Models:
    """All slots over one row. `slot_of` says which one a strategy reads."""

    def __init__(
        self,
        models: Mapping[str, Model],
        features: Iterable[str] = (),
        *,
        readers: Mapping[str, str] | None = None,
        source: ScorerSource | None = None,
        expires_at: Ns | None = None,
        drift: DriftConfig | None = None,
    ) -> None:
        """Build.

        Args:
            models: by slot, and the fallback. A default and a challenger's slot there always is, maybe empty.
            features: what strategies read besides, in their order.
            readers: the slot that a strategy reads, by the strategy's name; the default for all others.
            source: where swapped models come from; None where nothing is ever swapped.
            expires_at: when a default that has no model expires.
            drift: by which terms the models are watched; None where they are not.

        Raises:
            ValueError: a strategy reads a slot that is none, or the challenger's.
        """
        names = (DEFAULT, *sorted(set(models) - {DEFAULT, CHALLENGER, FALLBACK}), CHALLENGER)
        columns: dict[str, None] = {}
        for name in (*names, FALLBACK):
            if name in models:
                columns.update(dict.fromkeys(models[name].scorer.schema.names))
        columns.update(dict.fromkeys(features))
        self.schema = FeatureSchema(tuple(columns))
        """The row that every market keeps up to date."""
        self.places: dict[str, int] = {name: place for place, name in enumerate(self.schema.names)}
        self.slots: dict[str, ModelSlot] = {name: ModelSlot(name) for name in names}
        self.default = self.slots[DEFAULT]
        self.default.expires_at = expires_at
        self.challenger = self.slots[CHALLENGER]
        for name, slot in self.slots.items():
            if name in models:
                slot.take(models[name], self.places)
        self.drift = Drift(drift, self.slots, self.places, models.get(FALLBACK))
        """How their world drifts, and what follows."""
        self.readers = dict(readers or {})
        for strategy, name in self.readers.items():
            if name not in self.traded:
                raise ValueError(
                    f"strategy {strategy}: no model {name!r}; there are: {', '.join(self.traded)}"
                )
        self.record = ModelRecord(has_challenger=CHALLENGER in models)
        """How the default and its challenger did, since one of them was last exchanged."""
        self.mark: Callable[[str], None] | None = None
        """Told where a stage of a decision ends, by who measures it from outside: we have no clock."""
        self.swaps = 0
        self.swaps_refused = 0
        self._source = source

    @property
    def traded(self) -> tuple[str, ...]:
        """The names of the slots that strategies may read."""
        return tuple(name for name in self.slots if name != CHALLENGER)

    def slot_of(self, strategy: str) -> ModelSlot:
        """Return the slot that a strategy reads; the default for a name that is nobody's."""
        return self.slots[self.readers.get(strategy, DEFAULT)]

    def score_of(self, strategy: str, ticker: str) -> float | None:
        """Return the last score that a strategy's model gave a market; None when it gave none."""
        return self.slot_of(strategy).scores.get(ticker)

    def sound_score_of(self, strategy: str, ticker: str) -> float | None:
        """Return the last score that a strategy's model gave a market; None too where it is doubted."""
        return self.slot_of(strategy).sound_score(ticker)

    def probability(self, strategy: str, ticker: str) -> float | None:
        """Return a market's last score if it is a P(YES): what a price is held against; None otherwise."""
        slot = self.slot_of(strategy)
        if slot.model is not None and slot.model.scorer.output != "probability":
            return None
        return slot.scores.get(ticker)

    def entry_refusal(self, strategy: str, ticker: str, now: Ns) -> Refused | None:
        """Return why a strategy may not enter a market on its model's last score; None when it may."""
        slot = self.slot_of(strategy)
        if slot.expires_at is not None and slot.is_expired(now):
            return Refused("model_expired")
        if slot.is_drifted:
            return Refused("model_drifted")
        doubted = slot.doubted.get(ticker)
        return None if doubted is None else Refused("score_out_of_range", value=doubted.words)

    def vet(self, wanted: Wanted, strategy: str, view: MarketView, refusals: Counter[str]) -> Wanted:
        """Return of what a strategy wants what its score is good for: a doubted one opens nothing.

        What rests on it goes too, where the gate would stop new orders only. `refusals` counts it.
        """
        if not wanted.targets:
            return wanted
        refused = self.entry_refusal(strategy, view.spec.ticker, view.now)
        if refused is None:
            return wanted
        targets = without_entries(wanted.targets, view.position)
        if targets == wanted.targets:
            return wanted
        refusals[refused.name] += 1
        return Wanted(targets, refused.text)

    def words(self, strategy: str, ticker: str) -> str | None:
        """Return which feature is beyond its range, in words; None when none is."""
        doubted = self.slot_of(strategy).doubted.get(ticker)
        return None if doubted is None else doubted.words

    # --- against the mid, and the challenger -----------------------------------------------------

    def compare(self, slot: ModelSlot, spec: MarketSpec, row: Row, book: Book, now: Ns) -> None:
        """Hold a slot's score of a row against the mid, and the default's against its challenger's, in time.

        Call it after the slot has scored the row.
        """
        if now < slot.compares_at:
            return  # before anything of the market is looked at
        ticker = spec.ticker
        last, value, model = slot.compared_at.get(ticker), slot.scores.get(ticker), slot.model
        if value is None or model is None or (last is not None and now - last < COMPARED_EVERY):
            return
        slot.compared_at[ticker] = now
        slot.compares_at = max(slot.compares_at, now - COMPARED_EVERY + _APART) + _APART
        other = None
        if slot is self.default and self.challenger.model is not None:
            other = self.challenger.score(ticker, row, now).value
            if other is not None:
                self.record.compare(value, other)
        bid, ask = book.bid, book.ask
        if model.scorer.output != "probability" or bid is None or ask is None:
            return
        mid = (bid + ask) / (2 * PRICE_ONE)
        self.drift.sample(slot.name, ticker, spec.event_ticker, value, mid, row, now)
        if slot is self.default:
            self.record.add(ticker, value, other, mid)
            if other is not None:
                self.drift.sample(CHALLENGER, ticker, spec.event_ticker, other, mid, row, now)

    # --- events ----------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Take a swap, and how markets end; all other facts are none of the models'."""
        if isinstance(event, MarketDetermined):
            self.record.judge(event.ticker, event.settlement_price, event.received_at)
            scored_by = self.default.model
            self.drift.determine(event.ticker, event.settlement_price, event.received_at)
            self._renew_unless(scored_by)
        elif isinstance(event, ModelSwapped):
            self._swap(event)
        elif isinstance(event, DayRecovered):
            scored_by = self.default.model
            self.drift.recover(event.record.drift)
            self._renew_unless(scored_by)

    def objection(self, slot: str, model: Model) -> str | None:
        """Return why a model can't be put into a slot of this run; None when it can."""
        if slot not in self.slots:
            return f"no slot {slot!r}; there are: {', '.join(self.slots)}"
        lacking = [name for name in model.scorer.schema.names if name not in self.places]
        if lacking:
            return f"it needs features that this run does not compute: {', '.join(lacking)}; restart with it"
        old = self.slots[DEFAULT if slot == CHALLENGER else slot].model
        if old is not None and old.scorer.output != model.scorer.output:
            return f"its output is a {model.scorer.output}, and that of the slot a {old.scorer.output}"
        return None

    def forget_gone(self, markets: Mapping[str, object]) -> None:
        """Forget markets that are no more."""
        kept_max = max(max(len(slot.scores), len(slot.compared_at)) for slot in self.slots.values())
        if kept_max <= len(markets):
            return
        for slot in self.slots.values():
            slot.forget_gone(markets)
        self.record.forget_gone(markets)
        scored_by = self.default.model
        self.drift.forget_gone(markets)
        self._renew_unless(scored_by)

    def _swap(self, event: ModelSwapped) -> None:
        """Exchange a model, or count that it could not be: whoever told the event has asked `objection`."""
        model = None if self._source is None else self._source.get(event)
        if model is None or model.sha256 != event.sha256 or self.objection(event.slot, model) is not None:
            self.swaps_refused += 1
            return
        # When it expires is the event's to say: metadata may have been edited since, a journal not.
        model = msgspec.structs.replace(model, expires_at=event.expires_at)
        self.slots[event.slot].take(model, self.places)
        self.drift.begin(event.slot)
        self.swaps += 1
        if event.slot in (DEFAULT, CHALLENGER):
            self._renew_record()

    def _renew_unless(self, model: Model | None) -> None:
        """Begin a new record where the default has been demoted: unless its model is still this one."""
        if self.default.model is not model:
            self._renew_record()

    def _renew_record(self) -> None:
        self.challenger.scores.clear()
        self.record = ModelRecord(has_challenger=self.challenger.model is not None)


def models_of(
    models: Scorer | Mapping[str, Model] | None,
    features: Iterable[str],
    *,
    readers: Mapping[str, str],
    source: ScorerSource | None,
    expires_at: Ns | None,
    drift: DriftConfig | None = None,
) -> Models:
    """Return all models as `Models` does, or one scorer that expires at `expires_at` as the default."""
    if models is None:
        models = {}
    elif not isinstance(models, Mapping):
        models = {DEFAULT: Model(models, expires_at=expires_at)}
    return Models(models, features, readers=readers, source=source, expires_at=expires_at, drift=drift)


def without_entries(targets: Sequence[Target], held: Qty) -> tuple[Target, ...]:
    """Return of targets what only gives up `held`, the signed position, or a part of it."""
    left, closing = abs(held), "ask" if held > 0 else "bid"
    kept = []
    for target in targets:
        qty = min(target.qty, left) if target.side == closing else 0
        if qty:
            left -= qty
            kept.append(target if qty == target.qty else msgspec.structs.replace(target, qty=qty))
    return tuple(kept)
