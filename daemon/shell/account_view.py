"""The account as the daemon believes it to be, for people: positions at marks, orders, profit and loss.

`GET /account` on the control socket answers it; `POST /reconcile` has the venue's lists read now, and
compared with our books as at any other time. Amounts are decimal text, exact: dollars and contracts. What
isn't known is null.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from aiohttp import web

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.exposure import mark, marked_equity
from daemon.core.units import Money, Ns, format_money, format_price, format_qty
from daemon.shell.control import read_order
from daemon.shell.open_orders import OrderLine, open_orders

FINDINGS_TOLD = 20
"""The newest findings that are told."""
RECONCILE_REASON = "kalshid reconcile"


class ReadOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /reconcile: nothing is to be said."""


class PositionLine(msgspec.Struct, frozen=True):
    """One position: signed YES contracts, what the open part cost, and what it is worth at the mark.

    `mark` is the settlement price or the book's mid; None, and so `unrealized`, where neither is known.
    `realized` and `fees` are those of the run.
    """

    ticker: str
    qty: str
    cost: str
    mark: str | None
    unrealized: str | None
    realized: str
    fees: str


class FindingLine(msgspec.Struct, frozen=True):
    """A belief that the venue did not share, in the units of the core, and the rule that was followed."""

    at: Ns
    kind: str
    subject: str
    believed: int | None
    told: int | None
    rule: str


class AccountView(msgspec.Struct, frozen=True):
    """What the daemon believes of the account at one instant.

    `pnl` is that of the run, `pnl_today` since midnight UTC: both at marks, fees taken off, without what the
    owner moved. `drawdown` is what the equity lacks to the run's highest.
    """

    at: Ns
    mode: str
    phase: str
    is_reconciled: bool
    read_at: Ns | None
    """When the venue's lists came last."""
    cash: str | None
    equity: str | None
    pnl: str | None
    pnl_today: str | None
    drawdown: str | None
    fees: str
    fills: int
    positions: list[PositionLine]
    """Those that are held, and those that were traded in this run and are flat."""
    orders: list[OrderLine]
    findings: list[FindingLine]
    findings_total: int


def account_view(engine: Engine, mode: str, now: Ns) -> AccountView:
    """Return how the account stands now."""
    state, gathering = engine.state, engine.gathering
    ledger, log = state.ledger, state.account.log
    return AccountView(
        at=now,
        mode=mode,
        phase=engine.phase,
        is_reconciled=state.account.is_reconciled,
        read_at=state.account.read_at,
        cash=_money(ledger.cash),
        equity=_money(marked_equity(state, gathering.marks)),
        pnl=_money(gathering.pnl()),
        pnl_today=_money(_pnl_today(engine)),
        drawdown=_money(None if gathering.equity_at_start is None else gathering.drawdown()),
        fees=format_money(ledger.fees),
        fills=ledger.fills_total,
        positions=_positions(engine),
        orders=open_orders(state),
        findings=[
            FindingLine(one.at, one.kind, one.subject, one.believed, one.told, one.rule)
            for one in log.since(max(0, log.total - FINDINGS_TOLD))
        ],
        findings_total=log.total,
    )


def _pnl_today(engine: Engine) -> Money | None:
    """Return the day's P&L at the marks that the run's is told at; None before the account is reconciled.

    The core's own is of its last look: up to a second old, and the two stand beside each other.
    """
    gathering = engine.gathering
    pnl, start = gathering.pnl(), gathering.equity_at_start
    if pnl is None or start is None:
        return None
    return pnl + start - gathering.record.equity_at_day_start


def _positions(engine: Engine) -> list[PositionLine]:
    lines = []
    for ticker, position in sorted(engine.state.ledger.positions.items()):
        if not (position.qty or position.realized or position.fees):
            continue
        price = mark(engine.state, ticker)
        unrealized = None if price is None else position.value(price) - position.cost
        lines.append(
            PositionLine(
                ticker=ticker,
                qty=format_qty(position.qty),
                cost=format_money(position.cost),
                mark=None if price is None else format_price(price),
                unrealized=_money(unrealized),
                realized=format_money(position.realized),
                fees=format_money(position.fees),
            )
        )
    return lines


def _money(money: Money | None) -> str | None:
    return None if money is None else format_money(money)


def account_routes(
    engine: Engine, mode: str, emit: Callable[[e.Event], None], now: Callable[[], Ns]
) -> list[web.RouteDef]:
    """Return the control socket's calls on the account."""

    def answer() -> web.Response:
        view = account_view(engine, mode, now())
        return web.Response(body=msgspec.json.encode(view), content_type="application/json")

    async def show(_request: web.Request) -> web.Response:
        return answer()

    async def reconcile(request: web.Request) -> web.Response:
        await read_order(request, ReadOrder)
        emit(e.ReadingRequested(RECONCILE_REASON, now()))
        return answer()

    return [web.get("/account", show), web.post("/reconcile", reconcile)]
