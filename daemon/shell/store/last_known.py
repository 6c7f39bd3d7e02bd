"""What the store knows last of a mode's account: for the commands of people, where no daemon answers.

It opens the file to read alone and disturbs nobody. Nothing is traded by what stands here.
"""

from __future__ import annotations

import sqlite3

import msgspec

from daemon.core.lifecycle import OPEN
from daemon.core.units import Ns, format_money, format_price, format_qty
from daemon.shell.account_view import AccountView, FindingLine, PositionLine
from daemon.shell.open_orders import OrderLine

NOT_RUNNING = "not running"
"""The phase of an account whose daemon doesn't run."""
_FINDINGS = 20
_FILLS = """
SELECT at, trade_id, order_id, client_order_id, ticker, side, price, qty, fee, is_taker,
  (SELECT strategy FROM intents WHERE intents.client_order_id = fills.client_order_id
   AND action = 'place' LIMIT 1) AS strategy
FROM fills WHERE epoch IN (SELECT epoch FROM runs WHERE mode = ?) AND at >= ? AND (? IS NULL OR ticker = ?)
ORDER BY at DESC, trade_id, order_id LIMIT ?
"""
_POSITIONS = """
SELECT ticker, qty, cost, realized, fees FROM (
  SELECT *, row_number() OVER (PARTITION BY ticker ORDER BY at DESC, rowid DESC) AS nth
  FROM positions WHERE epoch = ?) WHERE nth = 1 ORDER BY ticker
"""
_ORDERS = """
SELECT client_order_id, order_id, ticker, state, filled FROM (
  SELECT *, row_number() OVER (PARTITION BY client_order_id ORDER BY at DESC, rowid DESC) AS nth
  FROM order_changes WHERE epoch = ?) WHERE nth = 1 AND state IN (SELECT value FROM json_each(?))
ORDER BY client_order_id
"""
_TERMS = """
SELECT side, price, qty FROM intents WHERE client_order_id = ? AND action IN ('place', 'amend')
ORDER BY at DESC, rowid DESC LIMIT 1
"""
_LATEST = """
SELECT max(at) FROM (
  SELECT max(at) AS at FROM equity WHERE epoch = ?1 UNION ALL SELECT max(at) FROM fills WHERE epoch = ?1
  UNION ALL SELECT max(at) FROM positions WHERE epoch = ?1
  UNION ALL SELECT max(at) FROM order_changes WHERE epoch = ?1
  UNION ALL SELECT at FROM run_ends WHERE epoch = ?1 UNION ALL SELECT at FROM runs WHERE epoch = ?1)
"""


class LastRun(msgspec.Struct, frozen=True):
    """The last life of a mode. `ended_at` and what follows are None while it lives, or was killed."""

    epoch: int
    started_at: Ns
    mode: str
    version: str
    ended_at: Ns | None
    end_reason: str | None
    exit_code: int | None


class FillLine(msgspec.Struct, frozen=True):
    """One fill. Contracts and dollars as decimal text; `price` is the YES price, `at` Unix ns."""

    at: Ns
    trade_id: str
    order_id: str
    client_order_id: str | None
    ticker: str
    side: str
    price: str
    qty: str
    fee: str
    is_taker: bool
    strategy: str | None


def last_run(store: sqlite3.Connection, mode: str) -> LastRun | None:
    """Return the last life of a mode; None where it never ran."""
    row = store.execute(
        "SELECT runs.epoch, runs.at, mode, version, run_ends.at, reason, exit_code"
        " FROM runs LEFT JOIN run_ends USING (epoch) WHERE mode = ? ORDER BY epoch DESC LIMIT 1",
        (mode,),
    ).fetchone()
    return None if row is None else LastRun(*row)


def last_account(store: sqlite3.Connection, run: LastRun) -> AccountView:
    """Return the account as that life left it: nothing is marked, for no book is known any more."""
    epoch = (run.epoch,)
    (at,) = store.execute(_LATEST, epoch).fetchone()
    point = store.execute(
        "SELECT cash, equity FROM equity WHERE epoch = ? ORDER BY at DESC LIMIT 1", epoch
    ).fetchone()
    (fees, fills) = store.execute(
        "SELECT coalesce(sum(fee), 0), count(*) FROM fills WHERE epoch = ?", epoch
    ).fetchone()
    (findings,) = store.execute("SELECT count(*) FROM findings WHERE epoch = ?", epoch).fetchone()
    return AccountView(
        at=at,
        mode=run.mode,
        phase=NOT_RUNNING,
        is_reconciled=False,
        read_at=None,
        cash=None if point is None else format_money(point[0]),
        equity=None if point is None else format_money(point[1]),
        pnl=None,
        pnl_today=None,
        drawdown=None,
        fees=format_money(fees),
        fills=fills,
        positions=[
            PositionLine(
                ticker, format_qty(qty), format_money(cost), None, None, format_money(won), format_money(paid)
            )
            for ticker, qty, cost, won, paid in store.execute(_POSITIONS, epoch)
        ],
        orders=_orders(store, run.epoch),
        findings=[
            FindingLine(*row)
            for row in store.execute(
                "SELECT at, kind, subject, believed, told, rule FROM findings WHERE epoch = ?"
                " ORDER BY at DESC LIMIT ?",
                (run.epoch, _FINDINGS),
            )
        ][::-1],
        findings_total=findings,
    )


def _orders(store: sqlite3.Connection, epoch: int) -> list[OrderLine]:
    """Return the orders of a life whose end nobody told: at most these may still rest."""
    lines = []
    still = msgspec.json.encode(sorted(OPEN)).decode()
    for client_order_id, order_id, ticker, state, filled in store.execute(_ORDERS, (epoch, still)).fetchall():
        side, price, qty = store.execute(_TERMS, (client_order_id,)).fetchone() or (None, None, None)
        lines.append(
            OrderLine(
                client_order_id,
                order_id,
                ticker,
                side or "unknown",
                "unknown" if price is None else format_price(price),
                "unknown" if qty is None else format_qty(qty - filled),
                state,
            )
        )
    return lines


def fills_of(
    store: sqlite3.Connection, mode: str, *, since: Ns, ticker: str | None, limit: int
) -> list[FillLine]:
    """Return a mode's latest fills, oldest first.

    Args:
        store: the connection.
        mode: of which runs.
        since: not those before this instant.
        ticker: of this market alone; None is all.
        limit: so many at most.
    """
    return [
        FillLine(
            at, trade, order, client, market, side, format_price(price), format_qty(qty), format_money(fee),
            bool(is_taker), strategy,
        )
        for at, trade, order, client, market, side, price, qty, fee, is_taker, strategy in store.execute(
            _FILLS, (mode, since, ticker, ticker, limit)
        )
    ][::-1]  # fmt: skip
