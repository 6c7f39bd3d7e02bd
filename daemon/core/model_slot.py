"""One slot: the model that scores there, laid over the row that every market keeps, and its last scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from operator import itemgetter
from typing import Literal, TypeAlias, TypeGuard

import msgspec

from daemon.core.features import definition_of
from daemon.core.scorer import ArrayScorer, MemberScorer, Scorer
from daemon.core.stability import Bins
from daemon.core.units import Ns

DEFAULT = "default"
CHALLENGER = "challenger"
FALLBACK = "fallback"
"""No slot, but the name of the model that takes the place of one that drifted (`drift`)."""

Doubt: TypeAlias = Literal[
    "no_model", "unknown_features", "model_failed", "model_expired", "score_out_of_range"
]
"""Why there is no score, or (the last two) why nothing is entered on it."""
Row: TypeAlias = Sequence["float | None"]
"""What is unknown is None, or NaN: an array has no None."""


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
    bins: tuple[Bins, ...] = ()
    """How features lay in training, of those that say so: what is seen live is held against it."""
    trained_until: Ns | None = None
    """When the last outcome was known that it was fitted to; None where that is not known."""


class Score(msgspec.Struct, frozen=True, gc=False):
    """What a slot's model says of one row. `value` is None where there is no score."""

    value: float | None
    doubt: Doubt | None = None
    words: str | None = None
    """The doubt's particulars, for people."""


NO_MODEL = Score(None, "no_model")


def is_known(value: float | None) -> TypeGuard[float]:
    """Whether a row's value is known."""
    return value is not None and value == value  # NaN


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
        self.compared_at: dict[str, Ns] = {}
        """When a market's score was last held against its mid."""
        self.compares_at: Ns = 0
        """From when on another one may be; a time without any is made up for."""
        self.stake_divisor = 1
        """What strategies' bankrolls are divided by: 2 while the model is warned of."""
        self.is_drifted = False
        """Whether nothing may be entered on its scores, for its model was alarmed and nothing replaces it."""
        self.failure: str | None = None
        """How the model failed the first time, in words; None while it never did."""
        self._columns: Callable[[Row], Row] | None = None
        """What takes the model's columns out of a row; None where they are all of it."""
        self._needed: tuple[int, ...] = ()
        """The places of `required`."""
        self._reads_nan = False
        """Whether the model takes a row as it is."""
        self._members: MemberScorer | None = None
        self._ranges: tuple[tuple[Range, int], ...] = ()

    def take(self, model: Model, places: Mapping[str, int]) -> None:
        """Put a model in. `places` has every feature that it needs; the last one's scores are forgotten."""
        scorer = model.scorer
        names = scorer.schema.names
        self.model, self.expires_at = model, model.expires_at
        self._reads_nan = isinstance(scorer, ArrayScorer) and scorer.reads_nan
        self._members = scorer if isinstance(scorer, MemberScorer) else None
        self.required = tuple((name, place) for name, place in places.items() if name in scorer.required)
        self.needs_reference = any(definition_of(name).source == "reference" for name, _ in self.required)
        self._ranges = tuple((one, places[one.name]) for one in model.ranges if one.name in scorer.required)
        self._needed = tuple(place for _, place in self.required)
        self._columns = _columns([places[name] for name in names], len(places))
        self.failure = None
        self.scores.clear()
        self.doubted.clear()

    def missing(self, row: Row) -> tuple[str, ...]:
        """Return the required features that a row doesn't know, in the row's order."""
        return tuple([name for name, place in self.required if not is_known(row[place])])

    def score(self, ticker: str, row: Row, now: Ns) -> Score:
        """Score a market's row, and remember what came of it."""
        score = self._judge(row, now)
        self.scores[ticker] = value = score.value
        if value is not None:
            self.scored_at = now
        doubt = score.doubt
        if doubt is None:
            self.counts["scored"] += 1
            if self.doubted:
                self.doubted.pop(ticker, None)
        else:
            self._note(ticker, score, doubt)
        return score

    def _note(self, ticker: str, score: Score, doubt: Doubt) -> None:
        """Remember a doubt."""
        self.counts[doubt] += 1
        if doubt == "model_failed" and self.failure is None:
            self.failure = score.words
        if doubt == "score_out_of_range":
            self.doubted[ticker] = score
        else:
            self.doubted.pop(ticker, None)

    def sound_score(self, ticker: str) -> float | None:
        """Return a market's last score; None without one, and where it is doubted."""
        return None if ticker in self.doubted else self.scores.get(ticker)

    def is_expired(self, now: Ns) -> bool:
        """Whether nothing may be entered on its scores any more."""
        return self.expires_at is not None and now >= self.expires_at

    def is_sound(self, now: Ns) -> bool:
        """Whether nothing speaks against entering on its last score, in whichever market."""
        expires_at = self.expires_at
        return not (self.doubted or self.is_drifted or (expires_at is not None and now >= expires_at))

    @property
    def members_absent(self) -> int | None:
        """How many members of an ensemble took no part in its last score; None where it is none."""
        return None if self._members is None else self._members.members_absent

    def forget_gone(self, markets: Mapping[str, object]) -> None:
        """Forget markets that are no more."""
        for kept in (self.scores, self.doubted, self.compared_at):
            for ticker in [ticker for ticker in kept if ticker not in markets]:
                del kept[ticker]

    def _judge(self, row: Row, now: Ns) -> Score:
        model = self.model
        if model is None:
            return NO_MODEL
        for place in self._needed:
            value = row[place]
            if value is None or value != value:  # NaN
                return Score(None, "unknown_features", ", ".join(self.missing(row)))
        if self._members is not None:
            self._members.expire(now)
        try:
            own = row if self._columns is None else self._columns(row)
            if not self._reads_nan:
                own = [one if is_known(one) else None for one in own]
            value = model.scorer.score(own)
        except Exception as error:  # noqa: BLE001 - a model is a file that somebody made: it must not end the run
            return Score(None, "model_failed", repr(error))
        is_sound = 0.0 <= value <= 1.0 if model.scorer.output == "probability" else isfinite(value)
        if not is_sound:
            return Score(None, "model_failed", f"it says {value!r}")
        if self.expires_at is not None and now >= self.expires_at:
            return Score(value, "model_expired")
        for known, place in self._ranges:
            found = row[place]
            if found is not None and (found < known.low or found > known.high):
                return Score(value, "score_out_of_range", _beyond(known, found))
        return Score(value)


def _columns(places: Sequence[int], width: int) -> Callable[[Row], Row] | None:
    """Return what takes these places out of a row of some width; None where they are all of it, in order."""
    if list(places) == list(range(width)):
        return None
    if len(places) == 1:
        (place,) = places
        return lambda row: (row[place],)
    return itemgetter(*places)


def _beyond(known: Range, found: float) -> str:
    side, bound = ("below", known.low) if found < known.low else ("above", known.high)
    return f"{known.name} {found:.6g}, {side} the {bound:.6g} of its training"
