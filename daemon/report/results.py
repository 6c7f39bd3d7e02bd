"""Profit, loss and fees of a period, by market, event and strategy: exact integers, from fills and payouts.

A position is worth what its market paid, else the last mid that is known at that instant. The result of a
period is what was worth more at its end, with what trading moved in between, fees taken off. So neither
deposits nor what was earned before are in it. Where a worth is not known, neither is the result.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import msgspec

from daemon.core.units import Money, Ns, Price, Qty
from daemon.report.facts import Facts, Fill
from daemon.report.mids import Mids
from daemon.report.period import Period

Worths: TypeAlias = Callable[[str, Ns], Price | None]
"""What one YES contract of a market was worth just before an instant; None where nobody knows."""


class Result(msgspec.Struct, frozen=True):
    """What one market, event or strategy came to in a period.

    Attributes:
        pnl: with fees taken off; None where what is held has no known worth.
        fees: paid in the period.
        fees_predicted: by our own rule, of the same fills; None where it is not known of all.
        fills: how many in the period.
        traded_qty: contracts bought and sold in the period.
        held_qty: signed YES contracts at its end that were not paid out.
    """

    name: str
    pnl: Money | None
    fees: Money
    fees_predicted: Money | None
    fills: int
    traded_qty: Qty
    held_qty: Qty


class _Share:
    """What one strategy did in one market."""

    def __init__(self) -> None:
        self.before_qty = self.qty = self.traded_qty = self.flow = self.fees = self.fills = 0
        self.predicted: Money | None = 0

    def add(self, fill: Fill, since: Ns) -> None:
        self.qty += fill.sign * fill.qty
        if fill.at < since:
            self.before_qty = self.qty
            return
        self.flow -= fill.sign * fill.price * fill.qty + fill.fee
        self.fees += fill.fee
        self.fills += 1
        self.traded_qty += fill.qty
        if self.predicted is None or fill.fee_predicted is None:
            self.predicted = None
        else:
            self.predicted += fill.fee_predicted

    def pnl(self, before: Price | None, after: Price | None) -> Money | None:
        if (self.before_qty and before is None) or (self.qty and after is None):
            return None
        return self.flow + self.qty * (after or 0) - self.before_qty * (before or 0)


class Results(msgspec.Struct, frozen=True):
    """The results of a period, the best first; `total` is their sum."""

    total: Result
    by_market: tuple[Result, ...]
    by_event: tuple[Result, ...]
    by_strategy: tuple[Result, ...]


def worths_of(facts: Facts, mids: Mids) -> Worths:
    """Return what contracts were worth: by payouts, else the journals' books, else the store's mids."""
    paid = _histories((one.at, one.ticker, one.price) for one in facts.payouts)
    seen = _histories(facts.mids)

    def worth(ticker: str, at: Ns) -> Price | None:
        price = _before(paid, ticker, at)
        if price is None:
            price = mids.last.get((at - 1, ticker))
        return _before(seen, ticker, at) if price is None else price

    return worth


def open_tickers(facts: Facts, at: Ns) -> list[str]:
    """Return the markets in which something is held just before an instant and was not paid out by then."""
    held: dict[str, Qty] = {}
    for fill in facts.fills:
        if fill.at < at:
            held[fill.ticker] = held.get(fill.ticker, 0) + fill.sign * fill.qty
    over = {one.ticker for one in facts.payouts if one.at < at}
    return [ticker for ticker, qty in held.items() if qty and ticker not in over]


def results(facts: Facts, period: Period, worth: Worths, events: Mapping[str, str]) -> Results:
    """Return what a period came to.

    Args:
        facts: from the store.
        period: from its first instant up to its last one, which may be now.
        worth: what contracts were worth.
        events: the event of each market; one that is in none stands for itself.
    """
    shares: dict[tuple[str, str], _Share] = {}
    for fill in facts.fills:
        shares.setdefault((fill.ticker, fill.strategy), _Share()).add(fill, period.since)
    over = {one.ticker for one in facts.payouts if one.at < period.until}
    rows: list[tuple[str, str, Result]] = []
    for (ticker, strategy), share in shares.items():
        pnl = share.pnl(worth(ticker, period.since), worth(ticker, period.until))
        held = 0 if ticker in over else share.qty
        if share.fills or pnl != 0 or held:
            found = Result(
                ticker, pnl, share.fees, share.predicted, share.fills, share.traded_qty, held
            )  # fmt: skip
            rows.append((ticker, strategy, found))
    return Results(
        total=_sum("all", [row for *_, row in rows]),
        by_market=_grouped((ticker, row) for ticker, _, row in rows),
        by_event=_grouped((events.get(ticker, ticker), row) for ticker, _, row in rows),
        by_strategy=_grouped((strategy, row) for _, strategy, row in rows),
    )


def _grouped(rows: Iterable[tuple[str, Result]]) -> tuple[Result, ...]:
    groups: dict[str, list[Result]] = {}
    for name, row in rows:
        groups.setdefault(name, []).append(row)
    found = [_sum(name, group) for name, group in groups.items()]
    return tuple(sorted(found, key=lambda one: (one.pnl is None, -(one.pnl or 0), one.name)))


def _sum(name: str, rows: list[Result]) -> Result:
    return Result(
        name,
        _all_or_none(row.pnl for row in rows),
        sum(row.fees for row in rows),
        _all_or_none(row.fees_predicted for row in rows),
        sum(row.fills for row in rows),
        sum(row.traded_qty for row in rows),
        sum(row.held_qty for row in rows),
    )


def _all_or_none(amounts: Iterable[Money | None]) -> Money | None:
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


_Histories: TypeAlias = dict[str, tuple[list[Ns], list[Price]]]


def _histories(told: Iterable[tuple[Ns, str, Price]]) -> _Histories:
    found: _Histories = {}
    for at, ticker, price in told:
        ats, prices = found.setdefault(ticker, ([], []))
        ats.append(at)
        prices.append(price)
    return found


def _before(histories: _Histories, ticker: str, at: Ns) -> Price | None:
    """Return the last price of a market that was told before an instant."""
    ats, prices = histories.get(ticker, ([], []))
    place = bisect_right(ats, at - 1)
    return prices[place - 1] if place else None
