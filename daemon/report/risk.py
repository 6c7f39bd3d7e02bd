"""How much of the limits was used: the most of each, over time, as the store tells it.

Positions are those of the fills, without what rested besides; the gate counts that too, and so stops sooner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from daemon.core.limits import Limits
from daemon.core.units import DAY, MINUTE, Money, Ns, Qty
from daemon.report.facts import AccountPoint, Facts, OrderChange
from daemon.report.period import Period
from daemon.report.results import open_tickers

_OVER = frozenset({"canceled", "executed", "rejected", "dropped"})
"""An order's states in which it may trade no more."""


class RiskUse(msgspec.Struct, frozen=True):
    """The most of a limit that was used: dollars in 1e-6, contracts in 0.01. None is unknown, or off."""

    name: str
    unit: Literal["dollars", "contracts", "count"]
    most: Money | Qty | None
    limit: Money | Qty | None


def risk_uses(facts: Facts, period: Period, limits: Limits, events: Mapping[str, str]) -> tuple[RiskUse, ...]:
    """Return how much of the limits was used.

    Args:
        facts: from the store.
        period: from its first instant up to its last one.
        limits: those that are configured now.
        events: the event of each market; one that is in none stands for itself.
    """
    one, event, everywhere = _largest_positions(facts, period, events)
    worst = max((point.worst_loss for point in facts.account), default=None)
    fall = _drawdown(facts.account, [run.at for run in facts.runs])
    placed = _within_a_minute(at for at, action in facts.sent if action == "place")
    sent = _within_a_minute(at for at, _ in facts.sent)
    return (
        RiskUse("loss if all went wrong", "dollars", worst, limits.total_loss_max),
        RiskUse("fall of equity within a UTC day", "dollars", _fall(facts.account), limits.daily_loss_max),
        RiskUse("fall from a run's highest equity", "dollars", fall, limits.drawdown_max),
        RiskUse("position in one market", "contracts", one, limits.position_qty_max),
        RiskUse("positions in one event", "contracts", event, limits.event_qty_max),
        RiskUse("positions in all markets", "contracts", everywhere, limits.total_qty_max),
        RiskUse("open orders at once", "count", _open_at_once(facts.changes), limits.open_orders_max),
        RiskUse("new orders within a minute", "count", placed, limits.orders_per_minute_max),
        RiskUse("requests within a minute", "count", sent, limits.requests_per_minute_max),
    )


def _largest_positions(facts: Facts, period: Period, events: Mapping[str, str]) -> tuple[Qty, Qty, Qty]:
    """Return the largest positions that were held at some time: in a market, in an event, in all of them."""
    held = dict.fromkeys(open_tickers(facts, period.since), 0)
    steps: list[tuple[Ns, int, str, Qty]] = []
    paid_at = {one.ticker: one.at for one in facts.payouts}
    for fill in facts.fills:
        qty = fill.sign * fill.qty
        if fill.at < period.since:
            if fill.ticker in held:
                held[fill.ticker] += qty
        elif fill.at <= paid_at.get(fill.ticker, fill.at):
            steps.append((fill.at, 0, fill.ticker, qty))
    # What is paid out is held no longer: a step too, behind a fill of the same instant.
    steps += [(at, 1, ticker, 0) for ticker, at in paid_at.items() if at >= period.since]
    one, event, everywhere = _sizes(held, events)
    for _, is_payout, ticker, qty in sorted(steps):
        if is_payout:
            held.pop(ticker, None)
            continue
        held[ticker] = held.get(ticker, 0) + qty
        now = _sizes(held, events)
        one, event, everywhere = max(one, now[0]), max(event, now[1]), max(everywhere, now[2])
    return one, event, everywhere


def _sizes(held: Mapping[str, Qty], events: Mapping[str, str]) -> tuple[Qty, Qty, Qty]:
    by_event: dict[str, Qty] = {}
    for ticker, qty in held.items():
        name = events.get(ticker, ticker)
        by_event[name] = by_event.get(name, 0) + abs(qty)
    sizes = [abs(qty) for qty in held.values()]
    return max(sizes, default=0), max(by_event.values(), default=0), sum(sizes)


def _fall(account: Sequence[AccountPoint]) -> Money | None:
    """Return how far equity fell below where a day began; None without points."""
    if not account:
        return None
    fall, day, began = 0, -1, 0
    for point in account:
        if point.at // DAY != day:
            day, began = point.at // DAY, point.equity
        fall = max(fall, began - point.equity)
    return fall


def _drawdown(account: Sequence[AccountPoint], starts: Iterable[Ns]) -> Money | None:
    """Return how far equity fell below the highest of its run; None without points."""
    if not account:
        return None
    fall, highest, runs = 0, account[0].equity, deque(starts)
    for point in account:
        while runs and runs[0] <= point.at:
            runs.popleft()
            highest = point.equity
        highest = max(highest, point.equity)
        fall = max(fall, highest - point.equity)
    return fall


def _open_at_once(changes: Iterable[OrderChange]) -> int:
    """Return how many orders may have traded at one time; a run tells anew of those that it takes over."""
    rests: dict[str, None] = {}
    most, epoch = 0, None
    for change in changes:
        if change.epoch != epoch:
            epoch = change.epoch
            rests.clear()
        if change.state in _OVER:
            rests.pop(change.client_order_id, None)
        else:
            rests[change.client_order_id] = None
            most = max(most, len(rests))
    return most


def _within_a_minute(instants: Iterable[Ns]) -> int:
    """Return how many ascending instants lay within one minute, at most."""
    line: deque[Ns] = deque()
    most = 0
    for at in instants:
        line.append(at)
        while line[0] <= at - MINUTE:
            line.popleft()
        most = max(most, len(line))
    return most
