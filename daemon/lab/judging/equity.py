"""An account's worth at the end of each day: from fills and settlements, or from a log of values.

The ledger's own `Position` books the fills, so that a backtest's money is counted as live money is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from daemon.core.events import OrderFilled
from daemon.core.ledger import Position
from daemon.core.units import DAY, Money, Ns, Price
from daemon.lab.judging.arrays import Floats, Integers, NotJudged, matched, vector


def days_of(instants: ArrayLike, zone_offset: Ns = 0) -> Integers:
    """Return the day of each instant, as whole days since 1970.

    Args:
        instants: Ns, shape (rows,).
        zone_offset: of the days' midnight, Ns east of UTC; 0 for days in UTC.
    """
    return (np.asarray(instants, dtype=np.int64) + zone_offset) // DAY


def last_of_days(days: ArrayLike, values: ArrayLike) -> tuple[Integers, Floats]:
    """Return the days that have a value, in order, and each day's last value.

    Args:
        days: shape (rows,), in the order of time.
        values: shape (rows,): the account's worth.

    Raises:
        NotJudged: days that go backward.
    """
    day = np.asarray(days, dtype=np.int64)
    worth = matched(values, "values", len(day))
    if (np.diff(day) < 0).any():
        raise NotJudged(f"days[{int(np.argmax(np.diff(day) < 0)) + 1}] is before the day of the row above it")
    ends = np.append(np.flatnonzero(np.diff(day)), len(day) - 1)
    return day[ends], worth[ends]


def every_day(days: Integers, worth: Floats) -> tuple[Integers, Floats]:
    """Return all days from the first to the last; one without a value keeps the worth of the day before.

    An account that did nothing on a day earned 0 that day; leaving the day out makes a year of fewer days.
    """
    calendar = np.arange(days[0], days[-1] + 1, dtype=np.int64)
    return calendar, worth[np.searchsorted(days, calendar, side="right") - 1]


def returns_of(worth: ArrayLike, start: float | None = None) -> Floats:
    """Return the change of each value as a share of the one before it.

    Args:
        worth: shape (n,), above 0.
        start: what the account was worth before the first value; the first value is the start when None.

    Returns:
        Shape (n,), or (n - 1,) without `start`.

    Raises:
        NotJudged: a worth of 0 or below, of which no share can be taken.
    """
    values = vector(worth, "worth")
    if start is not None:
        values = np.concatenate(([start], values))
    wrong = ~(values > 0)
    if wrong.any():
        raise NotJudged(f"worth is {values[int(np.argmax(wrong))]}, where numbers above 0 are allowed")
    return values[1:] / values[:-1] - 1


def _marked(position: Position, ticker: str, day: int, marks: Mapping[tuple[str, int], Price]) -> Money:
    if not position.qty:
        return 0
    mark = marks.get((ticker, day))
    if mark is None:
        raise NotJudged(f"marks: {ticker} is held over the end of day {day} and has no mid there")
    return position.value(mark)


def daily_equity(
    fills: Iterable[OrderFilled],
    settlements: Mapping[str, tuple[Ns, Price]],
    marks: Mapping[tuple[str, int], Price],
    start: Money,
    zone_offset: Ns = 0,
) -> tuple[Integers, Integers]:
    """Return the days from the first fill to the last movement, and the account's worth in Money at each end.

    Args:
        fills: in any order.
        settlements: by ticker, when it paid and what one YES contract paid.
        marks: by ticker and day, the YES price at the day's end of what was held over it.
        start: cash before the first fill.
        zone_offset: as in `days_of`.

    Raises:
        NotJudged: no fills, a fill after its market's settlement, or a position held over a day's end
            without a mark.
    """
    ordered = sorted(fills, key=lambda fill: (fill.received_at, fill.trade_id))
    if not ordered:
        raise NotJudged("fills: none, where at least 1 is needed")
    payments = []
    for ticker in sorted({fill.ticker for fill in ordered} & set(settlements)):
        at, price = settlements[ticker]
        payments.append((at, ticker, price))
        for fill in ordered:
            if fill.ticker == ticker and fill.received_at > at:
                raise NotJudged(f"fill {fill.trade_id} of {ticker} comes after its settlement")
    moves: list[tuple[Ns, int, str, OrderFilled | Price]]
    moves = [(fill.received_at, 0, fill.ticker, fill) for fill in ordered]
    moves += [(at, 1, ticker, price) for at, ticker, price in payments]
    moves.sort(key=lambda move: move[:3])
    positions: dict[str, Position] = {}
    cash, days, worth = start, [], []
    for number, (at, _, ticker, move) in enumerate(moves):
        position = positions.setdefault(ticker, Position())
        if isinstance(move, OrderFilled):
            delta = move.qty if move.side == "bid" else -move.qty
            cash += position.trade(delta, move.price) - move.fee
        else:
            cash += position.value(move)
            del positions[ticker]
        day = int(days_of([at], zone_offset)[0])
        is_last = number == len(moves) - 1
        ends = day + 1 if is_last else int(days_of([moves[number + 1][0]], zone_offset)[0])
        for passed in range(day, ends):
            days.append(passed)
            worth.append(cash + sum(_marked(held, name, passed, marks) for name, held in positions.items()))
    return np.array(days, dtype=np.int64), np.array(worth, dtype=np.int64)
