"""How well it traded: the mid after fills, fills against their decisions, scores against what was paid.

All figures are means by contract in dollars, and come with the number of fills that they are of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from daemon.core.units import PRICE_ONE, SECOND, BookSide, Money, Ns, Price, Qty
from daemon.report.facts import Facts, Fill
from daemon.report.mids import Asked, Mids

HORIZONS: Final[tuple[Ns, ...]] = (SECOND, 5 * SECOND, 30 * SECOND, 300 * SECOND)
"""How long after a fill the mid is looked at."""
BINS: Final = 10


class Mean(msgspec.Struct, frozen=True):
    """A mean by contract in dollars over so many fills; None over none."""

    value: float | None
    fills: int


class MarkOut(msgspec.Struct, frozen=True):
    """What fills had gained so long after them: of all, of those that took, of those that rested."""

    after: Ns
    all: Mean
    takers: Mean
    makers: Mean


class Slippage(msgspec.Struct, frozen=True):
    """What one strategy's fills cost more than the decision; below 0 is better than it.

    Attributes:
        against_mid: than the mid when the order's price was decided.
        against_limit: than the price that was decided: never above 0, by the venue's rule.
    """

    strategy: str
    against_mid: Mean
    against_limit: Mean


class FillLine(msgspec.Struct, frozen=True):
    """One fill and what became of it, prices in 1e-4 $; None where the mid was not known.

    Attributes:
        against_mid: what it cost more than the mid when its price was decided; below 0 is better.
        gained: what a contract had gained at each horizon, at the mid, fees left out.
    """

    at: Ns
    ticker: str
    strategy: str
    side: BookSide
    price: Price
    qty: Qty
    fee: Money
    is_taker: bool
    against_mid: Price | None
    gained: tuple[Price | None, ...]


class ScoreBin(msgspec.Struct, frozen=True):
    """Ended markets whose mean score lies in [low, high): how many, their mean score, the share that paid."""

    low: float
    high: float
    markets: int
    said: float
    paid: float


def asked_by(fills: Iterable[Fill]) -> list[Asked]:
    """Return all instants at which the quality of fills needs a mid."""
    found: list[Asked] = []
    for fill in fills:
        found += [(fill.at + after, fill.ticker) for after in HORIZONS]
        if fill.decision is not None:
            found.append((fill.decision.at, fill.ticker))
    return found


def fill_lines(fills: Iterable[Fill], mids: Mids) -> tuple[FillLine, ...]:
    """Return each fill with what it cost against its decision, and gained at each horizon."""
    return tuple(
        FillLine(
            fill.at, fill.ticker, fill.strategy, "bid" if fill.sign > 0 else "ask", fill.price, fill.qty,
            fill.fee, fill.is_taker, _against_mid(fill, mids),
            tuple(_gained(fill, after, mids) for after in HORIZONS),
        )
        for fill in fills
    )  # fmt: skip


def mark_outs(fills: Sequence[Fill], mids: Mids) -> tuple[MarkOut, ...]:
    """Return what fills had gained at each horizon, fees left out."""
    found = []
    for after in HORIZONS:

        def gained(fill: Fill, after: Ns = after) -> int | None:
            return _gained(fill, after, mids)

        takers = [fill for fill in fills if fill.is_taker]
        makers = [fill for fill in fills if not fill.is_taker]
        found.append(MarkOut(after, _mean(fills, gained), _mean(takers, gained), _mean(makers, gained)))
    return tuple(found)


def slippages(fills: Sequence[Fill], mids: Mids) -> tuple[Slippage, ...]:
    """Return what fills cost against their decisions, by strategy."""

    def against_mid(fill: Fill) -> int | None:
        return _against_mid(fill, mids)

    def against_limit(fill: Fill) -> int | None:
        return _cost(fill, None if fill.decision is None else fill.decision.price)

    found = []
    for strategy in sorted({fill.strategy for fill in fills}):
        own = [fill for fill in fills if fill.strategy == strategy]
        found.append(Slippage(strategy, _mean(own, against_mid), _mean(own, against_limit)))
    return tuple(found)


def calibration(facts: Facts) -> tuple[ScoreBin, ...]:
    """Return what was scored beside what was paid, by tenths; only bins that hold a market.

    A score of a market is the mean one at which orders were placed there: it is of what we traded.
    """
    found = []
    for number in range(BINS):
        inside = [(said, paid) for _, said, paid in facts.scored if min(int(said * BINS), BINS - 1) == number]
        if inside:
            count = len(inside)
            said, paid = (sum(values) / count for values in zip(*inside, strict=True))
            found.append(ScoreBin(number / BINS, (number + 1) / BINS, count, said, paid))
    return tuple(found)


def _gained(fill: Fill, after: Ns, mids: Mids) -> Price | None:
    mid = mids.then.get((fill.at + after, fill.ticker))
    return None if mid is None else fill.sign * (mid - fill.price)


def _against_mid(fill: Fill, mids: Mids) -> Price | None:
    return _cost(fill, None if fill.decision is None else mids.then.get((fill.decision.at, fill.ticker)))


def _cost(fill: Fill, price: Price | None) -> int | None:
    return None if price is None else fill.sign * (fill.price - price)


def _mean(fills: Sequence[Fill], of: Callable[[Fill], int | None]) -> Mean:
    """Return the mean by contract of a difference of prices, over the fills of which it is known."""
    known = [(fill.qty, amount) for fill in fills if (amount := of(fill)) is not None]
    qty = sum(count for count, _ in known)
    if not qty:
        return Mean(None, 0)
    return Mean(sum(count * amount for count, amount in known) / qty / PRICE_ONE, len(known))
