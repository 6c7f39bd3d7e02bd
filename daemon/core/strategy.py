"""What a strategy is: a pure class that reads a view of one market and says what should rest where.

A strategy never sees an order and never sends one. It returns *targets*; `orders` plans the
difference to what rests already, `risk` approves or refuses it by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from daemon.core.book import Book
from daemon.core.markets import MarketSpec
from daemon.core.units import BookSide, Money, Ns, Price, PriceGrid, Qty


class FeatureRow(Mapping[str, "float | None"]):
    """One row of features by name, without copying it."""

    __slots__ = ("_places", "_row")

    def __init__(self, places: Mapping[str, int], row: Sequence[float | None]) -> None:
        self._places = places
        self._row = row

    @property
    def row(self) -> Sequence[float | None]:
        """The values in the row's own order; what is unknown is None, in an array NaN."""
        return self._row

    def __getitem__(self, name: str) -> float | None:
        value = self._row[self._places[name]]
        return None if value != value else value  # an array has NaN for what is unknown

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Peer(msgspec.Struct, frozen=True, gc=False):
    """Another market of the same event or series, as it is at the instant of the view."""

    spec: MarketSpec
    bid: Price | None
    ask: Price | None
    bid_size: Qty | None
    ask_size: Qty | None
    position: Qty
    """Signed contracts of the account."""
    score: float | None
    """Its last score by this strategy's model; None before the first one, where it is beyond its training,
    and when the strategy would not be asked about the market now: then the last one is of another time."""


class Peers(Protocol):
    """The markets that belong together with the view's one. Nothing is computed that isn't asked for."""

    def of_event(self) -> tuple[Peer, ...]:
        """Return the other watched markets of the event, by ticker; not the view's own."""
        ...

    def of_series(self) -> tuple[Peer, ...]:
        """Return the other watched markets of all series that this strategy trades, by ticker."""
        ...


class Alone:
    """The peers of a market that has none: what tests and single markets say."""

    def of_event(self) -> tuple[Peer, ...]:
        """Return none."""
        return ()

    def of_series(self) -> tuple[Peer, ...]:
        """Return none."""
        return ()


class MarketView(msgspec.Struct, frozen=True):
    """What a strategy may read of one market at one instant. Valid only during the call."""

    now: Ns
    spec: MarketSpec
    grid: PriceGrid
    book: Book
    features: Mapping[str, float | None]
    """Feature values by name; None while warming up or unknown."""
    score: float | None
    """The model's P(YES), or the change that it expects (`Scorer.output`); None while it gives none."""
    missing: tuple[str, ...]
    """The required features that are not known, in schema order: why there is no score."""
    position: Qty
    """Signed contracts: YES positive, NO negative."""
    equity: Money
    """Cash plus positions at cost: the bankroll that sizes are a fraction of. Half of it, and of `capital`,
    while the strategy's model is warned of: so is every Kelly stake."""
    own_position: Qty = 0
    """Of `position`, what the fills of this strategy's own orders hold."""
    capital: Money | None = None
    """The most that this strategy may have at stake, in all markets; None for the account's own limits."""
    peers: Peers = Alone()

    @property
    def time_to_close(self) -> Ns:
        """How long the market stays open; negative after its close."""
        return self.spec.close_at - self.now

    @property
    def why_no_score(self) -> str:
        """Why there is no score, in words. What a model that failed said is in the log and in the metrics."""
        return (
            f"no score: {', '.join(self.missing)} unknown yet"
            if self.missing
            else "no score: the model gives none"
        )


class Target(msgspec.Struct, frozen=True, gc=False):
    """One thing that a strategy wants of a market: an order of this size at this price.

    `style` "rest": shall rest there, post-only. "take": shall trade at once up to this price, the
    remainder is cancelled.
    """

    side: BookSide
    price: Price
    qty: Qty
    style: Literal["rest", "take"]
    reason: str
    slack: Price = 0
    """How far from `price` an order that rests already may stay: not every tick is worth a request."""


class Wanted(msgspec.Struct, frozen=True):
    """A strategy's answer for one market: its targets (none: nothing shall rest) and why, in words."""

    targets: tuple[Target, ...]
    reason: str


class Strategy(Protocol):
    """The protocol. A strategy's file also has its `Params` struct, and says its idea, source and risks.

    One that reads anything but probabilities says so: `score_output = "change"`, or None for no score at all.
    """

    name: str
    features: tuple[str, ...]
    """The features that it reads, besides its model's; the engine keeps them up to date."""
    book_changed_max: Ns | None
    """Limit on the time since the book last changed; None for slow markets."""

    def wants(self, view: MarketView) -> Wanted:
        """Return what should rest in this market now. Pure: the same view gives the same answer."""
        ...


TARGETS_MAX = 100
"""More targets than this in one market are a mistake: every one is netted against the others and judged."""


def breach_of(wanted: object) -> str | None:
    """Return how a strategy's answer breaks the contract, in words; None for a sound one.

    Types alone are looked at: what an amount may be is for the limits to say, which judge each order. A price
    that is no whole number, or None where a tuple was meant, would end the daemon further on.
    """
    if not isinstance(wanted, Wanted):
        return f"wants(view) returned {wanted!r}, and not a Wanted"
    targets = wanted.targets
    if type(wanted.reason) is not str or type(targets) is not tuple:
        return f"Wanted takes a tuple of targets and a reason in words, and not {wanted!r}"
    if len(targets) > TARGETS_MAX:
        return f"{len(targets)} targets in one market; {TARGETS_MAX} are allowed"
    for target in targets:
        if not (
            isinstance(target, Target)
            and type(target.price) is type(target.qty) is type(target.slack) is int
            and type(target.reason) is str
            and target.side in _SIDES
            and target.style in _STYLES
        ):
            return _breach_of_target(target)
    return None


_SIDES, _STYLES = ("bid", "ask"), ("rest", "take")


def _breach_of_target(target: object) -> str:
    if not isinstance(target, Target):
        return f"{target!r} among the targets is no Target"
    if not (type(target.price) is type(target.qty) is type(target.slack) is int):
        return f"price, qty and slack must be whole numbers (int): {target!r}"
    if target.side not in _SIDES or target.style not in _STYLES:
        return f'side is "bid" or "ask", style "rest" or "take": {target!r}'
    return f"a target's reason must be words (str): {target!r}"
