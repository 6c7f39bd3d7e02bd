"""From facts and commands to rows: what a run's pump handled, seen from the store's side.

Asked after each decision, with the beliefs as they are then. A tick that concerns nobody's order costs a look
at its type. Nothing here changes anything that trades.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, TypeAlias

from daemon.core import events as e
from daemon.core.breakers import Opened
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
from daemon.core.fees import charge, trade_fee
from daemon.core.ledger import Paid
from daemon.core.orders import Order
from daemon.core.units import MINUTE, PRICE_ONE, SECOND, Money, Ns
from daemon.shell.store import rows as r

MARKS: tuple[Ns, ...] = (SECOND, 10 * SECOND, 60 * SECOND)
"""How long after a fill the mid is looked at again."""
LOOK_EVERY: Ns = SECOND
"""How often breakers are looked at."""
EQUITY_EVERY: Ns = 10 * SECOND
_REMEMBERED = 10_000
"""Fills, fees and payouts that are remembered; what is told again later is the store's to refuse."""
_Taker: TypeAlias = Callable[[Any, list[r.Row]], None]


class Projection:
    """Remembers what was written of orders, positions and fills, so that only changes are rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._orders: dict[str, tuple[Order, str, int]] = {}
        """Orders that are not over, with the state and fill that were written."""
        self._seen: dict[tuple[str, str], None] = {}
        self._rounded: dict[str, Money] = {}
        """What rounding has cost an order so far, by its id: its next fee depends on it."""
        self._due: list[tuple[Ns, Ns, str, str, str]] = []
        """A heap of mark-outs to come: when, how long after its fill, the fill's two names, its market."""
        self._positions: dict[str, tuple[int, int, int, int]] = {}
        self._paid: dict[str, Paid] = {}
        self._breakers: dict[tuple[str, str], str] = {}
        self._findings = 0
        self._noted = 0
        self._refused: Counter[tuple[Ns, str, str, str]] = Counter()
        """By the minute, the market, the strategy and the refusal's name."""
        self._looked_at: Ns = 0
        self._equity_at: Ns = 0
        self._takers: dict[type[Any], _Taker] = {
            e.OrderAccepted: self._hear,
            e.OrderRejected: self._hear,
            e.OrderUnknown: self._hear,
            e.OrderDropped: self._hear,
            e.OrderUpdated: self._hear,
            e.OrderRecovered: self._hear,
            e.OrderFilled: self._fill_alone,
            e.FillsRead: self._read,
            e.AccountReconciled: self._read,
            e.MarketSettled: self._settle,
            e.MarketDetermined: self._determine,
            e.SettlementCorrected: self._settle,
            e.HaltRequested: self._ask,
            e.ResumeRequested: self._ask,
            e.FlattenRequested: self._ask,
            e.ModelSwapped: self._swap,
            e.ConfigChanged: self._reload,
        }
        """The kinds of facts that concern an order, money or a person; nearly all others are ticks."""

    def rows(self, events: Sequence[e.Event], commands: Sequence[Command], now: Ns) -> list[r.Row]:
        """Return what is new after one decision."""
        found: list[r.Row] = []
        takers = self._takers
        for event in events:
            take = takers.get(type(event))
            if take is not None:
                take(event, found)
        for command in commands:
            self._order(command, found)
        log = self._engine.state.account.log
        if log.total != self._findings:
            found += [
                r.Finding(one.at, one.kind, one.subject, one.believed, one.told, one.rule)
                for one in log.since(self._findings)
            ]
            self._findings = log.total
        if self._engine.decisions.noted_total != self._noted:
            self._count_refusals()
        if self._due and self._due[0][0] <= now:
            self._mark(now, found)
        if now - self._looked_at >= LOOK_EVERY:
            self._look(now, found)
        return found

    def close(self, now: Ns) -> list[r.Row]:
        """Return what is left at the end of a run: the last equity, all refusals, breakers."""
        found: list[r.Row] = []
        self._look(now, found)
        self._weigh(now, found)
        self._tell_refusals(now + MINUTE, found)
        return found

    # --- facts ---------------------------------------------------------------------------------

    def _hear(
        self,
        event: e.OrderAccepted
        | e.OrderRejected
        | e.OrderUnknown
        | e.OrderDropped
        | e.OrderUpdated
        | e.OrderRecovered,
        found: list[r.Row],
    ) -> None:
        self._follow(event.client_order_id, type(event).__name__, event.received_at, found)

    def _read(self, event: e.FillsRead | e.AccountReconciled, found: list[r.Row]) -> None:
        told_by = type(event).__name__
        for fill in event.fills:
            self._fill(fill, told_by, found)
        for client_order_id in dict.fromkeys((*self._orders, *self._engine.state.orders)):
            self._follow(client_order_id, told_by, event.received_at, found)
        self._move(self._engine.state.ledger.positions, event.received_at, found)

    def _ask(
        self, event: e.HaltRequested | e.ResumeRequested | e.FlattenRequested, found: list[r.Row]
    ) -> None:
        kind = {e.HaltRequested: "halt", e.ResumeRequested: "resume", e.FlattenRequested: "flatten"}
        found.append(r.Halt(event.received_at, kind[type(event)], event.reason, event.by))

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

    # --- fills ---------------------------------------------------------------------------------

    def _fill_alone(self, fill: e.OrderFilled, found: list[r.Row]) -> None:
        self._fill(fill, "OrderFilled", found)

    def _fill(self, fill: e.OrderFilled, told_by: str, found: list[r.Row]) -> None:
        key = fill.trade_id, fill.order_id
        if key in self._seen:
            return
        self._seen[key] = None
        _forget_oldest(self._seen)
        at = fill.received_at if fill.sent_at is None else fill.sent_at
        is_news = fill.received_at - at < MARKS[0]
        found.append(
            r.Fill(
                at, fill.trade_id, fill.order_id, fill.client_order_id, fill.ticker, fill.side, fill.price,
                fill.qty, fill.fee, self._predict(fill), int(fill.is_taker),
                mark(self._engine.state, fill.ticker) if is_news else None,
            )
        )  # fmt: skip
        for after in MARKS:
            # Of one that was told late the first ones are past: what the mid was then nobody knows.
            if at + after >= fill.received_at:
                heapq.heappush(self._due, (at + after, after, *key, fill.ticker))
        if fill.client_order_id is not None:
            self._follow(fill.client_order_id, told_by, fill.received_at, found)
        self._pay(fill.ticker, fill.received_at, found)
        self._move((fill.ticker,), fill.received_at, found)

    def _predict(self, fill: e.OrderFilled) -> Money | None:
        """Return the fee that our own rule says, rounding included; None without the market's terms."""
        market = self._engine.state.markets.get(fill.ticker)
        if market is None:
            return None
        own_price = fill.price if fill.side == "bid" else PRICE_ONE - fill.price
        fee = trade_fee(market.spec.fees, fill.price, fill.qty, is_taker=fill.is_taker)
        accumulator = self._rounded.pop(fill.order_id, 0)
        fee, self._rounded[fill.order_id] = charge(accumulator, -own_price * fill.qty, fee)
        _forget_oldest(self._rounded)
        return fee

    def _mark(self, now: Ns, found: list[r.Row]) -> None:
        while self._due and self._due[0][0] <= now:
            _, after, trade_id, order_id, ticker = heapq.heappop(self._due)
            found.append(r.Mark(now, trade_id, order_id, after, mark(self._engine.state, ticker)))

    # --- positions and payouts -----------------------------------------------------------------

    def _settle(
        self, event: e.MarketSettled | e.MarketDetermined | e.SettlementCorrected, found: list[r.Row]
    ) -> None:
        self._pay(event.ticker, event.received_at, found)
        self._move((event.ticker,), event.received_at, found)

    def _pay(self, ticker: str, at: Ns, found: list[r.Row]) -> None:
        """Write a market's payout where it is new, or another one than was written."""
        paid = self._engine.state.ledger.paid.get(ticker)
        if paid is None or not paid.qty or self._paid.get(ticker) == paid:
            return
        self._paid.pop(ticker, None)
        self._paid[ticker] = paid
        _forget_oldest(self._paid)
        found.append(r.Settlement(at, ticker, paid.price, paid.qty, paid.revenue, paid.fees))

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

    def _determine(self, event: e.MarketDetermined, found: list[r.Row]) -> None:
        """Write how the models did in a market that has ended."""
        found += [
            r.JudgedMarket(one.at, one.ticker, one.instants, one.outcome, one.model, one.mid, one.challenger)
            for one in self._engine.models.record.last
            if one.ticker == event.ticker and one.at == event.received_at
        ]
        self._settle(event, found)

    def _swap(self, event: e.ModelSwapped, found: list[r.Row]) -> None:
        found.append(r.ModelSwap(event.received_at, event.slot, event.name, event.version, event.sha256))

    def _reload(self, event: e.ConfigChanged, found: list[r.Row]) -> None:
        found.append(r.ConfigReload(event.received_at, event.sha256))

    # --- commands ------------------------------------------------------------------------------

    def _order(self, command: Command, found: list[r.Row]) -> None:
        match command:
            case PlaceOrder():
                is_take = command.time_in_force != "good_till_canceled"
                self._intend(command, "place", "take" if is_take else "rest", found)
            case AmendOrder():
                self._intend(command, "amend", "rest", found)
            case CancelOrder() | ProbeOrder() | WithdrawOrder():
                self._intend_other(command, found)
            case LatchHalt():
                found.append(r.Halt(command.decided_at, "latch", command.reason, command.by))
                return
            case LiftHalt():
                found.append(r.Halt(command.decided_at, "lift", command.reason, command.by))
                return
            case _:
                return
        self._follow(command.client_order_id, "decided", command.decided_at, found)

    def _intend(self, command: PlaceOrder | AmendOrder, action: str, style: str, found: list[r.Row]) -> None:
        found.append(
            r.Intent(
                command.decided_at, command.client_order_id, action, command.ticker, command.side,
                command.price, command.qty, style, command.purpose, command.strategy, command.reason,
                self._engine.models.slot_of(command.strategy).scores.get(command.ticker),
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

    def _look(self, now: Ns, found: list[r.Row]) -> None:
        """Write the breakers that changed, and from time to time the account and the refusals."""
        self._looked_at = now
        standing: dict[tuple[str, str], Opened] = {
            (one.rule.name, one.key): one for one in self._engine.breakers.not_closed()
        }
        for (name, subject), one in standing.items():
            if self._breakers.get((name, subject)) != one.state:
                found.append(r.BreakerChange(now, name, subject, one.state, one.why))
        closed = [key for key in self._breakers if key not in standing]
        found += [r.BreakerChange(now, *key, "closed", "") for key in closed]
        self._breakers = {key: one.state for key, one in standing.items()}
        if now - self._equity_at >= EQUITY_EVERY:
            self._weigh(now, found)
            self._tell_refusals(now, found)

    def _weigh(self, now: Ns, found: list[r.Row]) -> None:
        """Write the account's point."""
        state = self._engine.state
        self._equity_at = now
        equity, cash = marked_equity(state), state.ledger.cash
        if state.account.is_reconciled and equity is not None and cash is not None:
            worst = sum(event_losses(state).values())
            ledger = state.ledger
            found.append(
                r.EquityPoint(now, cash, equity, worst, ledger.realized, ledger.fees, self._engine.phase)
            )

    def _tell_refusals(self, now: Ns, found: list[r.Row]) -> None:
        """Write the refusals of the minutes that are over."""
        over = [key for key in self._refused if key[0] + MINUTE <= now]
        found += [r.RefusalCount(*key, self._refused.pop(key)) for key in over]

    def _count_refusals(self) -> None:
        decisions = self._engine.decisions
        new = decisions.noted_total - self._noted
        self._noted = decisions.noted_total
        for decision in islice(reversed(decisions.last), new):
            if decision.outcome == "refused":
                name = decision.reason.partition(":")[0]
                minute = decision.at // MINUTE * MINUTE
                self._refused[minute, decision.ticker, decision.strategy, name] += 1


def _forget_oldest(remembered: dict[Any, Any]) -> None:
    if len(remembered) > _REMEMBERED:
        del remembered[next(iter(remembered))]
