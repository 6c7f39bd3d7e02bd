"""The models by slot: what each reads of a market's row, whether its score is traded on, how it is swapped.

A *slot* is a name for whichever model scores there now: "default", the names of `[model.named]`, and
"challenger", which is scored on the default's rows, measured (`model_record`), and read by no strategy.

Every market keeps one row: the columns of all models and the features of all strategies, each once, in a
stable order (`Models.schema`). A model reads its own columns by place. The row is made when the engine is: a
model that needs a column more can't be swapped in, only started with.

No score, or one that must not be traded on, has a reason with a name. A score whose model is expired, or
whose features are beyond what the model was trained on, is still given: a strategy may need it to get out.
What it must not do is enter: `entry_refusal` says so to the gate, and `vet` takes out what rests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from operator import itemgetter
from typing import Literal, Protocol, TypeAlias

import msgspec

from daemon.core.book import Book
from daemon.core.events import Event, MarketDetermined, ModelSwapped
from daemon.core.features import definition_of
from daemon.core.model_record import ModelRecord
from daemon.core.risk import Refused
from daemon.core.scorer import FeatureSchema, MemberScorer, Scorer
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import PRICE_ONE, SECOND, Ns, Qty

DEFAULT = "default"
CHALLENGER = "challenger"
COMPARED_EVERY: Ns = SECOND
"""At most so often the challenger scores a market's row: its cost has a bound, whatever the tick rate."""

Doubt: TypeAlias = Literal[
    "no_model", "unknown_features", "model_failed", "model_expired", "score_out_of_range"
]
"""Why there is no score, or (the last two) why nothing is entered on it."""
Row: TypeAlias = Sequence["float | None"]


class Range(msgspec.Struct, frozen=True):
    """Between which values a feature lay in training, both within."""

    name: str
    low: float
    high: float


class Model(msgspec.Struct, frozen=True):
    """A loaded model and what goes with it. `sha256` is its fingerprint, "" where it has none."""

    scorer: Scorer
    sha256: str = ""
    expires_at: Ns | None = None
    """From when on nothing is entered on it; None for never."""
    ranges: tuple[Range, ...] = ()
    """Of the features that have one: those that are required are held against it."""


class ScorerSource(Protocol):
    """Where the model of a `ModelSwapped` comes from. Raises, or returns None, where there is none such."""

    def get(self, event: ModelSwapped) -> Model | None:
        """Return the very model that the event names, loaded."""
        ...


class Score(msgspec.Struct, frozen=True, gc=False):
    """What a slot's model says of one row. `value` is None where there is no score."""

    value: float | None
    doubt: Doubt | None = None
    words: str | None = None
    """The doubt's particulars, for people."""


NO_MODEL = Score(None, "no_model")


class ModelSlot:
    """One slot: its model, laid over the union row, and its last scores. Built by `Models`."""

    def __init__(self, name: str, expires_at: Ns | None = None) -> None:
        self.name = name
        self.model: Model | None = None
        self.expires_at = expires_at
        self.required: tuple[tuple[str, int], ...] = ()
        """The features without which there is no score, with their places in the row."""
        self.needs_reference = False
        """Whether one of these is the underlying's price."""
        self.scores: dict[str, float | None] = {}
        """The last score by market; None where there was none."""
        self.doubted: dict[str, Score] = {}
        """Those of the last scores on which nothing may be entered."""
        self.counts: Counter[str] = Counter()
        """Scores, and what was doubted, by `Doubt`."""
        self.scored_at: Ns | None = None
        self.failure: str | None = None
        """How the model failed the first time, in words; None while it never did."""
        self._columns: Callable[[Row], Row] = _whole
        self._members: MemberScorer | None = None
        self._ranges: tuple[tuple[Range, int], ...] = ()

    def take(self, model: Model, places: Mapping[str, int]) -> None:
        """Put a model in. `places` has every feature that it needs; the last one's scores are forgotten."""
        scorer = model.scorer
        names = scorer.schema.names
        self.model, self.expires_at = model, model.expires_at
        self._members = scorer if isinstance(scorer, MemberScorer) else None
        self.required = tuple((name, place) for name, place in places.items() if name in scorer.required)
        self.needs_reference = any(definition_of(name).source == "reference" for name, _ in self.required)
        self._ranges = tuple((one, places[one.name]) for one in model.ranges if one.name in scorer.required)
        self._columns = _columns([places[name] for name in names], len(places))
        self.failure = None
        self.scores.clear()
        self.doubted.clear()

    def missing(self, row: Row) -> tuple[str, ...]:
        """Return the required features that a row doesn't know, in the row's order."""
        return tuple([name for name, place in self.required if row[place] is None])

    def score(self, ticker: str, row: Row, now: Ns) -> Score:
        """Score a market's row, and remember what came of it."""
        score = self._judge(row, now)
        self.counts[score.doubt or "scored"] += 1
        self.scores[ticker] = score.value
        if score.value is not None:
            self.scored_at = now
        elif score.doubt == "model_failed" and self.failure is None:
            self.failure = score.words
        if score.doubt == "score_out_of_range":
            self.doubted[ticker] = score
        elif self.doubted:
            self.doubted.pop(ticker, None)
        return score

    def is_expired(self, now: Ns) -> bool:
        """Whether nothing may be entered on its scores any more."""
        return self.expires_at is not None and now >= self.expires_at

    @property
    def members_absent(self) -> int | None:
        """How many members of an ensemble took no part in its last score; None where it is none."""
        return None if self._members is None else self._members.members_absent

    def forget_gone(self, markets: Mapping[str, object]) -> None:
        """Forget markets that are no more."""
        for kept in (self.scores, self.doubted):
            for ticker in [ticker for ticker in kept if ticker not in markets]:
                del kept[ticker]

    def _judge(self, row: Row, now: Ns) -> Score:
        model = self.model
        if model is None:
            return NO_MODEL
        for _, place in self.required:
            if row[place] is None:
                return Score(None, "unknown_features", ", ".join(self.missing(row)))
        if self._members is not None:
            self._members.expire(now)
        try:
            value = model.scorer.score(self._columns(row))
        except Exception as error:  # noqa: BLE001 - a model is a file that somebody made: it must not end the run
            return Score(None, "model_failed", repr(error))
        is_sound = 0.0 <= value <= 1.0 if model.scorer.output == "probability" else isfinite(value)
        if not is_sound:
            return Score(None, "model_failed", f"it says {value!r}")
        if self.is_expired(now):
            return Score(value, "model_expired")
        for known, place in self._ranges:
            found = row[place]
            if found is not None and not known.low <= found <= known.high:
                return Score(value, "score_out_of_range", _beyond(known, found))
        return Score(value)


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
    ) -> None:
        """Build.

        Args:
            models: by slot. A default and a challenger's slot there always is, maybe empty.
            features: what strategies read besides, in their order.
            readers: the slot that a strategy reads, by the strategy's name; the default for all others.
            source: where swapped models come from; None where nothing is ever swapped.
            expires_at: when a default that has no model expires.

        Raises:
            ValueError: a strategy reads a slot that is none, or the challenger's.
        """
        names = (DEFAULT, *sorted(set(models) - {DEFAULT, CHALLENGER}), CHALLENGER)
        columns: dict[str, None] = {}
        for name in names:
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
        for name, model in models.items():
            self.slots[name].take(model, self.places)
        self.readers = dict(readers or {})
        for strategy, name in self.readers.items():
            if name not in self.traded:
                raise ValueError(
                    f"strategy {strategy}: no model {name!r}; there are: {', '.join(self.traded)}"
                )
        self.record = ModelRecord(has_challenger=CHALLENGER in models)
        """How the default and its challenger did, since one of them was last exchanged."""
        self.swaps = 0
        self.swaps_refused = 0
        self._source = source
        self._compared_at: dict[str, Ns] = {}

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

    # --- the challenger --------------------------------------------------------------------------

    def compare(self, ticker: str, row: Row, book: Book, now: Ns) -> None:
        """Hold the default's score of a row against the challenger's and the mid, if it is time to.

        Call it after the default has scored the row.
        """
        last = self._compared_at.get(ticker)
        value, model = self.default.scores.get(ticker), self.default.model
        if value is None or model is None or (last is not None and now - last < COMPARED_EVERY):
            return
        self._compared_at[ticker] = now
        other = None
        if self.challenger.model is not None:
            other = self.challenger.score(ticker, row, now).value
            if other is not None:
                self.record.compare(value, other)
        bid, ask = book.bid, book.ask
        if model.scorer.output == "probability" and bid is not None and ask is not None:
            self.record.add(ticker, value, other, (bid + ask) / (2 * PRICE_ONE))

    # --- events ----------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Take a swap, and how markets end; all other facts are none of the models'."""
        if isinstance(event, MarketDetermined):
            self.record.judge(event.ticker, event.settlement_price, event.received_at)
        elif isinstance(event, ModelSwapped):
            self._swap(event)

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
        kept_max = max(len(slot.scores) for slot in self.slots.values())
        if max(kept_max, len(self._compared_at)) <= len(markets):
            return
        for slot in self.slots.values():
            slot.forget_gone(markets)
        self._compared_at = {ticker: at for ticker, at in self._compared_at.items() if ticker in markets}
        self.record.forget_gone(markets)

    def _swap(self, event: ModelSwapped) -> None:
        """Exchange a model, or count that it could not be: whoever told the event has asked `objection`."""
        model = None if self._source is None else self._source.get(event)
        if model is None or model.sha256 != event.sha256 or self.objection(event.slot, model) is not None:
            self.swaps_refused += 1
            return
        # When it expires is the event's to say: metadata may have been edited since, a journal not.
        model = msgspec.structs.replace(model, expires_at=event.expires_at)
        self.slots[event.slot].take(model, self.places)
        self.swaps += 1
        if event.slot in (DEFAULT, CHALLENGER):
            self.challenger.scores.clear()
            self.record = ModelRecord(has_challenger=self.challenger.model is not None)


def models_of(
    models: Scorer | Mapping[str, Model] | None,
    features: Iterable[str],
    *,
    readers: Mapping[str, str],
    source: ScorerSource | None,
    expires_at: Ns | None,
) -> Models:
    """Return all models as `Models` does, or one scorer that expires at `expires_at` as the default."""
    if models is None:
        models = {}
    elif not isinstance(models, Mapping):
        models = {DEFAULT: Model(models, expires_at=expires_at)}
    return Models(models, features, readers=readers, source=source, expires_at=expires_at)


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


def _columns(places: Sequence[int], width: int) -> Callable[[Row], Row]:
    """Return what takes these places out of a row of some width, without a copy where they are all of it."""
    if list(places) == list(range(width)):
        return _whole
    if len(places) == 1:
        (place,) = places
        return lambda row: (row[place],)
    return itemgetter(*places)


def _whole(row: Row) -> Row:
    return row


def _beyond(known: Range, found: float) -> str:
    side, bound = ("below", known.low) if found < known.low else ("above", known.high)
    return f"{known.name} {found:.6g}, {side} the {bound:.6g} of its training"
