"""A stream of events turned into labelled rows: what a model is trained and judged on.

The events go through the core's own `State`, so that a row is computed by the very code that computes
it live: the same books, the same windows, the same warm-up. A row is taken at instants of a grid and
sees only what was received up to its instant; its label is the market's result, known at the end, or the
probability of it that a simulation knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from daemon.core.events import Event, MarketDetermined, MarketDropped
from daemon.core.scorer import FeatureSchema
from daemon.core.state import State
from daemon.core.units import PRICE_ONE, Ns

Row = list[float | None]


Expected = Callable[[str, Ns], float]
"""P(a market settles YES) as known at an instant to whoever made the world; strictly a simulation's."""


class MarketSamples(msgspec.Struct, frozen=True):
    """The rows of one market in time order, and whether it settled YES.

    `expected` is each row's label: the simulation's probability, or the outcome as 0 or 1.
    """

    ticker: str
    open_at: Ns
    close_at: Ns
    is_yes: bool
    rows: tuple[Row, ...]
    expected: tuple[float, ...]


class _Open(msgspec.Struct):
    """A market whose result isn't known yet."""

    open_at: Ns
    close_at: Ns
    rows: list[Row]
    expected: list[float]


def collect(
    events: Iterable[Event],
    schema: FeatureSchema,
    required: frozenset[str],
    every: Ns,
    expected: Expected | None = None,
) -> Iterator[MarketSamples]:
    """Yield each market's samples when it is determined.

    Args:
        events: facts in the order in which they are received.
        schema: the features, in order.
        required: rows in which one of these is unknown are left out, as the daemon would not score them.
        every: the grid's step. Markets that settle neither YES nor NO are left out.
        expected: a simulation's probability of YES at an instant of the grid, if it tells.
    """
    state = State(schema, "lab")
    needed = [schema.names.index(name) for name in sorted(required)]
    waiting: dict[str, _Open] = {}
    next_at: Ns | None = None
    for event in events:
        now = event.received_at
        if next_at is None:
            next_at = -(-now // every) * every
        while next_at < now:
            for ticker in _sample(state, waiting, needed, next_at):
                if expected is not None:
                    waiting[ticker].expected.append(expected(ticker, next_at))
            next_at += every
        if isinstance(event, MarketDetermined):
            done = waiting.pop(event.ticker, None)
            if done is not None and done.rows and event.settlement_price in (0, PRICE_ONE):
                is_yes = event.settlement_price == PRICE_ONE
                labels = done.expected or [float(is_yes)] * len(done.rows)
                yield MarketSamples(
                    event.ticker, done.open_at, done.close_at, is_yes, tuple(done.rows), tuple(labels)
                )
            # A determined market has nothing more to tell, and a long stream has thousands of them.
            state.apply(MarketDropped(event.ticker, now))
        else:
            state.apply(event)


def _sample(state: State, waiting: dict[str, _Open], needed: list[int], at: Ns) -> list[str]:
    """Add a row to every open market that has one now; return their tickers."""
    sampled = []
    for ticker, market in state.markets.items():
        spec = market.spec
        if not spec.open_at <= at < spec.close_at:
            continue
        row = market.features.row(at)
        if all(row[index] is not None for index in needed):
            if ticker not in waiting:
                waiting[ticker] = _Open(spec.open_at, spec.close_at, [], [])
            waiting[ticker].rows.append(row)
            sampled.append(ticker)
    return sampled


class Parts(msgspec.Struct, frozen=True):
    """Markets for fitting, for stopping early, and for the judgement that nothing else has seen."""

    train: tuple[MarketSamples, ...]
    stop: tuple[MarketSamples, ...]
    test: tuple[MarketSamples, ...]


def split_by_time(markets: Iterable[MarketSamples], shares: tuple[float, float], embargo: Ns) -> Parts:
    """Return whole markets in three parts by time, purged: no market spans two parts.

    Args:
        markets: any order.
        shares: of the time up to which markets are for training, and for stopping; the rest is the test.
        embargo: a part begins this long after the boundary, at least the longest feature window, so
            that no feature of it reaches back into the part before.
    """
    ordered = sorted(markets, key=lambda market: (market.close_at, market.ticker))
    if not ordered:
        return Parts((), (), ())
    first = min(market.open_at for market in ordered)
    span = ordered[-1].close_at - first
    ends = [first + round(span * shares[0]), first + round(span * (shares[0] + shares[1]))]
    bounds = [(first, ends[0]), (ends[0] + embargo, ends[1]), (ends[1] + embargo, first + span)]
    train, stop, test = (
        tuple(market for market in ordered if begin <= market.open_at and market.close_at <= end)
        for begin, end in bounds
    )
    return Parts(train, stop, test)
