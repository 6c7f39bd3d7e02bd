"""From facts and commands to rows: what a run's pump handled, seen from the store's side.

Asked after each decision, with the beliefs as they are then. A tick that concerns nobody's order costs a look
at its type. Nothing here changes anything that trades.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import islice

from daemon.core import events as e
from daemon.core.commands import (
    AmendOrder,
    CancelOrder,
    Command,
    LatchHalt,
    LiftHalt,
    PlaceOrder,
    ProbeOrder,
    WithdrawOrder,
)
from daemon.core.engine import Engine
from daemon.core.exposure import event_losses, mark, marked_equity
from daemon.core.fees import trade_fee
from daemon.core.ledger import Paid
from daemon.core.orders import Order
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.shell.store import rows as r

MARKS: tuple[Ns, ...] = (SECOND, 10 * SECOND, 60 * SECOND)
"""How long after a fill the mid is looked at again."""
EQUITY_EVERY: Ns = 10 * SECOND
_SEEN_MAX = 10_000
_QUIET = frozenset({e.BookDeltaReceived, e.ReferencePriceReceived, e.FeedHeard, e.TradePrinted})
"""Facts that concern no order, fill or person; nearly all are of these kinds."""
_ANSWERS = (
    e.OrderAccepted,
    e.OrderRejected,
    e.OrderUnknown,
    e.OrderDropped,
    e.OrderUpdated,
    e.OrderRecovered,
)
_PAYOUTS = (e.MarketSettled, e.MarketDetermined, e.SettlementCorrected, e.SettlementsRead)


class Projection:
    """Remembers what was written of orders, positions and fills, so that only changes are rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._orders: dict[str, tuple[Order, str, int]] = {}
        """Orders that are not over, with the state and fill that were written."""
        self._seen: dict[tuple[str, str], None] = {}
        self._due: deque[tuple[Ns, Ns, str, str, str]] = deque()
        """Mark-outs to come: when, how long after its fill, the fill's two names, its market."""
        self._positions: dict[str, tuple[int, int, int, int]] = {}
        self._paid: dict[str, Paid] = {}
        self._findings = 0
        self._noted = 0
        self._refused: Counter[tuple[str, str, str]] = Counter()
        self._minute: Ns = 0
        self._equity_at: Ns = 0

    def rows(self, events: Sequence[e.Event], commands: Sequence[Command], now: Ns) -> list[r.Row]:
        """Return what is new after one decision."""
        found: list[r.Row] = []
        for event in events:
            if type(event) not in _QUIET:
                self._take(event, found)
        for command in commands:
            self._order(command, found)
        if self._engine.decisions.noted_total != self._noted:
            self._count_refusals()
        if self._due and self._due[0][0] <= now:
            self._mark(now, found)
        if now - self._equity_at >= EQUITY_EVERY:
            self._keep_time(now, found)
        return found

    def close(self, now: Ns) -> list[r.Row]:
        """Return what is left at the end of a run: the last equity, the minute's refusals."""
        found: list[r.Row] = []
        self._keep_time(now, found)
        self._refusals(found)
        return found

    # --- facts ---------------------------------------------------------------------------------

    def _take(self, event: e.Event, found: list[r.Row]) -> None:
        told_by = type(event).__name__
        if isinstance(event, _ANSWERS):
            self._follow(event.client_order_id, told_by, event.received_at, found)
        elif isinstance(event, e.OrderFilled):
            self._fill(event, told_by, found)
        elif isinstance(event, e.FillsRead | e.AccountReconciled):
            for fill in event.fills:
                self._fill(fill, told_by, found)
            for client_order_id in [*self._orders, *self._engine.state.orders]:
                self._follow(client_order_id, told_by, event.received_at, found)
            self._move(self._engine.state.ledger.positions, event.received_at, found)
        elif isinstance(
            event, e.MarketSettled | e.MarketDetermined | e.SettlementCorrected | e.SettlementsRead
        ):
            self._settle(event.received_at, found)
        elif isinstance(event, e.HaltRequested | e.ResumeRequested | e.FlattenRequested):
            kind = {e.HaltRequested: "halt", e.ResumeRequested: "resume", e.FlattenRequested: "flatten"}
            found.append(r.Halt(event.received_at, kind[type(event)], event.reason, event.by))
        log = self._engine.state.account.log
        if log.total != self._findings:
            found += [
                r.Finding(one.at, one.kind, one.subject, one.believed, one.told, one.rule)
                for one in log.since(self._findings)
            ]
            self._findings = log.total

    def _follow(self, client_order_id: str, told_by: str, at: Ns, found: list[r.Row]) -> None:
        """Write an order's state where it is another one now."""
        known = self._orders.get(client_order_id)
        order = self._engine.state.orders.get(client_order_id) or (None if known is None else known[0])
        if order is None:
            return
        if known is None or known[1:] != (order.state, order.filled):
            found.append(
                r.OrderChange(
                    at, client_order_id, order.order_id, order.ticker, order.state, order.filled, told_by
                )
            )
        if order.is_done:
            self._orders.pop(client_order_id, None)
        else:
            self._orders[client_order_id] = order, order.state, order.filled

    def _fill(self, fill: e.OrderFilled, told_by: str, found: list[r.Row]) -> None:
        key = fill.trade_id, fill.order_id
        if key in self._seen:
            return
        self._seen[key] = None
        if len(self._seen) > _SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        state = self._engine.state
        market = state.markets.get(fill.ticker)
        predicted = None
        if market is not None:
            predicted = trade_fee(market.spec.fees, fill.price, fill.qty, is_taker=fill.is_taker)
        at = fill.received_at if fill.sent_at is None else fill.sent_at
        is_news = fill.received_at - at < MARKS[0]
        found.append(
            r.Fill(
                at, fill.trade_id, fill.order_id, fill.client_order_id, fill.ticker, fill.side, fill.price,
                fill.qty, fill.fee, predicted, int(fill.is_taker),
                mark(state, fill.ticker) if is_news else None,
            )
        )  # fmt: skip
        if is_news:
            self._due.extend((at + after, after, *key, fill.ticker) for after in MARKS)
            self._due = deque(sorted(self._due))
        if fill.client_order_id is not None:
            self._follow(fill.client_order_id, told_by, fill.received_at, found)
        self._move((fill.ticker,), fill.received_at, found)

    def _settle(self, at: Ns, found: list[r.Row]) -> None:
        """Write the payouts that are new, or other ones than were written."""
        paid = self._engine.state.ledger.paid
        for ticker, payout in islice(reversed(paid.items()), 64):
            if self._paid.get(ticker) != payout:
                self._paid[ticker] = payout
                if payout.qty:
                    found.append(
                        r.Settlement(at, ticker, payout.price, payout.qty, payout.revenue, payout.fees)
                    )
        if len(self._paid) > 2 * len(paid) + 64:
            self._paid = {ticker: payout for ticker, payout in self._paid.items() if ticker in paid}
        self._move(tuple(self._positions), at, found)

    def _move(self, tickers: Iterable[str], at: Ns, found: list[r.Row]) -> None:
        """Write the positions among these that have changed."""
        positions = self._engine.state.ledger.positions
        for ticker in tickers:
            position = positions.get(ticker)
            if position is None:
                continue
            point = position.qty, position.cost, position.realized, position.fees
            if self._positions.get(ticker, (0, 0, 0, 0)) != point:
                self._positions[ticker] = point
                found.append(r.PositionPoint(at, ticker, *point))

    # --- commands ------------------------------------------------------------------------------

    def _order(self, command: Command, found: list[r.Row]) -> None:
        match command:
            case PlaceOrder():
                is_take = command.time_in_force != "good_till_canceled"
                self._intend(command, "place", "take" if is_take else "rest", found)
                self._follow(command.client_order_id, "decided", command.decided_at, found)
            case AmendOrder():
                self._intend(command, "amend", "rest", found)
                self._follow(command.client_order_id, "decided", command.decided_at, found)
            case CancelOrder() | ProbeOrder() | WithdrawOrder():
                self._intend_other(command, found)
                self._follow(command.client_order_id, "decided", command.decided_at, found)
            case LatchHalt():
                found.append(r.Halt(command.decided_at, "latch", command.reason, command.by))
            case LiftHalt():
                found.append(r.Halt(command.decided_at, "lift", command.reason, command.by))
            case _:
                return

    def _intend(self, command: PlaceOrder | AmendOrder, action: str, style: str, found: list[r.Row]) -> None:
        found.append(
            r.Intent(
                command.decided_at, command.client_order_id, action, command.ticker, command.side,
                command.price, command.qty, style, command.purpose, command.strategy, command.reason,
                self._engine.scores.get(command.ticker),
            )
        )  # fmt: skip

    def _intend_other(self, command: CancelOrder | ProbeOrder | WithdrawOrder, found: list[r.Row]) -> None:
        order = self._engine.state.orders.get(command.client_order_id)
        action = {CancelOrder: "cancel", ProbeOrder: "probe", WithdrawOrder: "withdraw"}[type(command)]
        ticker = command.ticker if isinstance(command, CancelOrder | ProbeOrder) else ""
        reason = "of unknown outcome" if isinstance(command, ProbeOrder) else command.reason
        found.append(
            r.Intent(
                command.decided_at, command.client_order_id, action,
                ticker or (order.ticker if order is not None else ""), None, None, None, None, None,
                None if order is None else order.strategy, reason, None,
            )
        )  # fmt: skip

    # --- what only time brings -----------------------------------------------------------------

    def _mark(self, now: Ns, found: list[r.Row]) -> None:
        while self._due and self._due[0][0] <= now:
            _, after, trade_id, order_id, ticker = self._due.popleft()
            found.append(r.Mark(now, trade_id, order_id, after, mark(self._engine.state, ticker)))

    def _keep_time(self, now: Ns, found: list[r.Row]) -> None:
        """Write the account's point, and the refusals of a minute that is over."""
        state = self._engine.state
        self._equity_at = now
        equity, cash = marked_equity(state), state.ledger.cash
        if state.account.is_reconciled and equity is not None and cash is not None:
            worst = sum(event_losses(state).values())
            ledger = state.ledger
            found.append(r.EquityPoint(now, cash, equity, worst, ledger.realized, ledger.fees))
        minute = now // MINUTE * MINUTE
        if minute != self._minute:
            self._refusals(found)
            self._minute = minute

    def _refusals(self, found: list[r.Row]) -> None:
        for (ticker, strategy, name), count in self._refused.items():
            found.append(r.RefusalCount(self._minute, ticker, strategy, name, count))
        self._refused.clear()

    def _count_refusals(self) -> None:
        decisions = self._engine.decisions
        new = decisions.noted_total - self._noted
        self._noted = decisions.noted_total
        for decision in islice(reversed(decisions.last), new):
            if decision.outcome == "refused":
                name = decision.reason.partition(":")[0]
                self._refused[decision.ticker, decision.strategy, name] += 1
