"""What the store says of a period: fills with the orders that they are of, payouts, the account, incidents.

Fills and payouts of before the period are read too: what was held when it began is made of them. Only runs
of one mode are looked at: another mode is another exchange, and the sandbox plays markets of the same names.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from daemon.core.units import Money, Ns, Price, Qty
from daemon.report.period import Period
from daemon.shell.store.reading import reading

NOBODY: Final = "no strategy"
"""Whose a fill is that no order of a strategy explains: a person's, or one to be flat."""
_OF_MODE = "epoch IN (SELECT epoch FROM runs WHERE mode = :mode)"
_WITHIN = "at >= :since AND at < :until"
_FILLS = f"""
WITH named AS (SELECT order_id, max(client_order_id) AS client_order_id FROM order_changes
               WHERE order_id IS NOT NULL GROUP BY order_id)
SELECT f.at, f.trade_id, f.order_id, coalesce(f.client_order_id, named.client_order_id),
       f.ticker, f.side, f.price, f.qty, f.fee, f.fee_predicted, f.is_taker, f.mid
FROM fills f LEFT JOIN named ON named.order_id = f.order_id
WHERE f.{_OF_MODE} AND f.at < :until ORDER BY f.at, f.trade_id, f.order_id
"""  # noqa: S608 - constants of ours
_INTENTS = f"""
SELECT at, client_order_id, price, strategy FROM intents
WHERE {_OF_MODE} AND action IN ('place', 'amend') AND at < :until ORDER BY at
"""  # noqa: S608
_SCORED = f"""
WITH ended AS (SELECT ticker, max(outcome) AS outcome FROM judged_markets
               WHERE {_OF_MODE} AND {_WITHIN} GROUP BY ticker)
SELECT intents.ticker, avg(score), ended.outcome FROM intents JOIN ended USING (ticker)
WHERE {_OF_MODE} AND action = 'place' AND score BETWEEN 0 AND 1
GROUP BY intents.ticker ORDER BY intents.ticker
"""  # noqa: S608
_JUDGED = f"""
SELECT count(*), sum(instants), sum(model * instants) / sum(instants), sum(mid * instants) / sum(instants)
FROM judged_markets WHERE {_OF_MODE} AND {_WITHIN}
"""  # noqa: S608
_Words: TypeAlias = dict[str, str | int]


class Decision(msgspec.Struct, frozen=True, gc=False):
    """When an order's price was decided, at what, and for whom."""

    at: Ns
    price: Price | None
    strategy: str | None


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One fill. `sign` is 1 for what buys YES, -1 for what sells it; `price` is YES's.

    `decision` is the newest one of its order when it was filled; None where no order of ours is known.
    """

    at: Ns
    trade_id: str
    order_id: str
    ticker: str
    sign: int
    price: Price
    qty: Qty
    fee: Money
    fee_predicted: Money | None
    is_taker: bool
    decision: Decision | None

    @property
    def strategy(self) -> str:
        """Whose it is."""
        return NOBODY if self.decision is None else self.decision.strategy or NOBODY


class Payout(msgspec.Struct, frozen=True, gc=False):
    """What one YES contract of a market was paid, or is paid from here on."""

    at: Ns
    ticker: str
    price: Price


class AccountPoint(msgspec.Struct, frozen=True, gc=False):
    """The account at an instant: its equity at marks, and the most that it could lose."""

    at: Ns
    equity: Money
    worst_loss: Money


class Incident(msgspec.Struct, frozen=True, gc=False):
    """Something that a person should know of. `kind`: halt, finding, breaker, run, feed, journal."""

    at: Ns
    kind: str
    words: str


class Judged(msgspec.Struct, frozen=True, gc=False):
    """Mean Brier scores of the markets that ended, over all instants that were looked at."""

    markets: int
    instants: int
    model: float
    mid: float


class Run(msgspec.Struct, frozen=True, gc=False):
    """One life of the daemon. One that was killed ended before the next one began; None still runs."""

    epoch: int
    at: Ns
    ended_at: Ns | None


class OrderChange(msgspec.Struct, frozen=True, gc=False):
    """One step of an order's life, in the run that wrote it."""

    epoch: int
    client_order_id: str
    state: str


class Facts(msgspec.Struct, frozen=True):
    """All that the store says.

    Attributes:
        fills: all up to the period's end, oldest first.
        mids: (instant, market, mid) at fills and their mark-outs, oldest first.
        scored: by ended market of the period, the mean score at which orders were placed, and what YES paid.
        refusals: how often each refusal began.
        sent: what was asked of the venue in the period, as (instant, action), oldest first.
        changes: the steps of the period's orders, oldest first.
    """

    runs: tuple[Run, ...]
    fills: tuple[Fill, ...]
    payouts: tuple[Payout, ...]
    mids: tuple[tuple[Ns, str, Price], ...]
    account: tuple[AccountPoint, ...]
    scored: tuple[tuple[str, float, float], ...]
    judged: Judged | None
    refusals: tuple[tuple[str, int], ...]
    incidents: tuple[Incident, ...]
    sent: tuple[tuple[Ns, str], ...]
    changes: tuple[OrderChange, ...]


def read_facts(path: Path, mode: str, period: Period) -> Facts:
    """Return what a store says of a period in one mode.

    Raises:
        StoreUnreadable: there is none, or it is of another version.
    """
    with reading(path) as store:
        # One reading sees one state of a store that is being written.
        store.execute("BEGIN")
        return _read(store, {"mode": mode, "since": period.since, "until": period.until})


def _read(store: sqlite3.Connection, words: _Words) -> Facts:
    lives = store.execute(
        "SELECT epoch, runs.at, coalesce(run_ends.at, lead(runs.at) OVER (ORDER BY epoch))"
        " FROM runs LEFT JOIN run_ends USING (epoch) WHERE mode = :mode AND runs.at < :until ORDER BY epoch",
        words,
    )
    return Facts(
        runs=tuple(Run(*row) for row in lives),
        fills=tuple(_fills(store, words)),
        payouts=tuple(Payout(*row) for row in _rows(store, "settlements", "at, ticker, price", words)),
        mids=tuple(_mids(store, words)),
        account=tuple(
            AccountPoint(*row)
            for row in _rows(store, "equity", "at, equity, worst_loss", words, is_within=True)
        ),
        scored=tuple(store.execute(_SCORED, words).fetchall()),
        judged=_judged(store, words),
        refusals=tuple(
            store.execute(
                f"SELECT name, sum(count) FROM refusals WHERE {_OF_MODE} AND {_WITHIN}"  # noqa: S608
                " GROUP BY name ORDER BY 2 DESC, 1",
                words,
            ).fetchall()
        ),
        incidents=tuple(sorted(_incidents(store, words), key=lambda one: one.at)),
        sent=tuple(
            (at, action)
            for at, action in _rows(store, "intents", "at, action", words, is_within=True)
            if action != "withdraw"
        ),
        changes=tuple(
            OrderChange(*row)
            for row in _rows(store, "order_changes", "epoch, client_order_id, state", words, is_within=True)
        ),
    )


def _rows(
    store: sqlite3.Connection, table: str, columns: str, words: _Words, *, is_within: bool = False
) -> Iterator[Any]:
    """Yield a table's rows of the mode, oldest first: of the period, or all up to its end."""
    when = _WITHIN if is_within else "at < :until"
    query = f"SELECT {columns} FROM {table} WHERE {_OF_MODE} AND {when} ORDER BY at, rowid"  # noqa: S608
    yield from store.execute(query, words)


def _fills(store: sqlite3.Connection, words: _Words) -> Iterator[Fill]:
    decided: dict[str, list[Decision]] = {}
    for at, client_order_id, price, strategy in store.execute(_INTENTS, words):
        decided.setdefault(client_order_id, []).append(Decision(at, price, strategy))
    for at, trade, order, client, ticker, side, price, qty, fee, told, took, _ in store.execute(
        _FILLS, words
    ):
        decisions = decided.get(client, [])
        # The venue's stamp of a fill may lie before our stamp of the order, by the clocks' difference.
        before = [one for one in decisions if one.at <= at] or decisions[:1]
        sign = 1 if side == "bid" else -1
        yield Fill(
            at, trade, order, ticker, sign, price, qty, fee, told, bool(took), before[-1] if before else None
        )


def _mids(store: sqlite3.Connection, words: _Words) -> list[tuple[Ns, str, Price]]:
    query = (
        f"SELECT at, ticker, mid FROM fills WHERE mid IS NOT NULL AND {_OF_MODE} AND at < :until"  # noqa: S608
        f" UNION ALL SELECT m.at, f.ticker, m.mid FROM marks m JOIN fills f USING (trade_id, order_id)"
        f" WHERE m.mid IS NOT NULL AND m.{_OF_MODE} AND m.at < :until ORDER BY 1"
    )
    return store.execute(query, words).fetchall()


def _judged(store: sqlite3.Connection, words: _Words) -> Judged | None:
    markets, instants, model, mid = store.execute(_JUDGED, words).fetchone()
    return Judged(markets, instants, model, mid) if instants else None


def _incidents(store: sqlite3.Connection, words: _Words) -> Iterator[Incident]:
    for at, kind, reason, by in _rows(store, "halts", "at, kind, reason, told_by", words, is_within=True):
        yield Incident(at, "halt", f"{kind} by {by}: {reason}")
    columns = "at, kind, subject, believed, told, rule"
    for at, kind, subject, believed, told, rule in _rows(store, "findings", columns, words, is_within=True):
        ours, theirs = ("unknown" if value is None else str(value) for value in (believed, told))
        yield Incident(at, "finding", f"{kind} {subject}: believed {ours}, told {theirs}; {rule}")
    columns = "at, name, subject, state, reason"
    for at, name, subject, state, reason in _rows(store, "breakers", columns, words, is_within=True):
        yield Incident(at, "breaker", f"{name} {subject} {state}{': ' if reason else ''}{reason}")
    for at, reason, code in _rows(store, "run_ends", "at, reason, exit_code", words, is_within=True):
        yield Incident(at, "run", f"ended: {reason} (exit code {code})")
    query = (
        f"SELECT at, epoch IN (SELECT epoch FROM run_ends) OR epoch = (SELECT max(epoch) FROM runs"  # noqa: S608
        f" WHERE {_OF_MODE}) FROM runs WHERE {_OF_MODE} AND {_WITHIN}"
    )
    for at, has_ended in store.execute(query, words):
        if not has_ended:
            yield Incident(at, "run", "the run that began now was killed: its end was never written")
    for at, version in _rows(store, "runs", "at, version", words, is_within=True):
        yield Incident(at, "run", f"began, version {version}")
