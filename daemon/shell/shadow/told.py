"""Between the shadow account's words and the venue's: requests in, answers, events and lists out."""

from __future__ import annotations

from typing import Final, Literal

from daemon.core import events as e
from daemon.core.commands import AmendOrder, PlaceOrder, ProbeOrder
from daemon.core.units import SECOND, Ns
from daemon.exchange.facts import Filled, OrderChanged, OrderState, PaidOut
from daemon.exchange.order_groups import GroupRecord
from daemon.exchange.requests import Amendment, NewOrder, RefusalCode
from daemon.exchange.requests import Refused as ExchangeRefused
from daemon.kalshi import bodies
from daemon.kalshi.errors import Refused
from daemon.shell.shadow.exchange import ACCOUNT

_STATUS: Final[dict[RefusalCode, int]] = {
    "exchange_is_paused": 409,
    "market_not_found": 404,
    "not_found": 404,
    "order_already_exists": 409,
    "order_group_not_found": 404,
    "trading_is_paused": 409,
}
"""400 for all others. Source: protocol sheet 4.5."""


def refused(refusal: ExchangeRefused) -> Refused:
    """Return the exchange's no as the REST client tells it."""
    return Refused(_STATUS.get(refusal.code, 400), refusal.code, refusal.details or "")


def new_order(order: PlaceOrder) -> NewOrder:
    """Return a new order as the exchange takes it, with the terms that `kalshi.encode` sends."""
    return NewOrder(
        account=ACCOUNT,
        ticker=order.ticker,
        side=order.side,
        price=order.price,
        qty=order.qty,
        time_in_force=order.time_in_force,
        self_trade_prevention="taker_at_cross",
        client_order_id=order.client_order_id,
        expires_at=order.expires_at,
        post_only=order.post_only,
        cancel_on_pause=order.time_in_force == "good_till_canceled",
        order_group_id=order.order_group_id,
    )


def probing(order: ProbeOrder) -> NewOrder:
    """Return the order that asks whether one of its id arrived: it rests nowhere."""
    return NewOrder(
        account=ACCOUNT,
        ticker=order.ticker,
        side=order.side,
        price=order.price,
        qty=order.qty,
        time_in_force="immediate_or_cancel",
        client_order_id=order.client_order_id,
    )


def amendment(order: AmendOrder) -> Amendment:
    """Return new terms as the exchange takes them."""
    return Amendment(
        account=ACCOUNT,
        order_id=order.order_id,
        ticker=order.ticker,
        side=order.side,
        price=order.price,
        qty=order.qty,
        client_order_id=order.client_order_id,
        expires_at=order.expires_at,
    )


def accepted(
    action: Literal["place", "amend", "probe"], client_order_id: str, state: OrderState, now: Ns
) -> e.OrderAccepted:
    """Return the answer to a place or an amend."""
    return e.OrderAccepted(
        action=action,
        client_order_id=client_order_id,
        order_id=state.order_id,
        filled=state.filled,
        remaining=state.remaining,
        received_at=now,
        sent_at=state.updated_at,
    )


def order_updated(fact: OrderChanged, now: Ns) -> e.OrderUpdated:
    """Return the private stream's word on an order."""
    order = fact.order
    return e.OrderUpdated(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        ticker=order.ticker,
        side=order.side,
        price=order.price,
        status=order.status,
        filled=order.filled,
        remaining=order.remaining,
        reason=order.reason,
        received_at=now,
        sent_at=fact.at,
    )


def order_filled(fill: Filled, now: Ns, *, is_streamed: bool) -> e.OrderFilled:
    """Return a fill; only the stream names its client order id."""
    return e.OrderFilled(
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        client_order_id=fill.client_order_id if is_streamed else None,
        ticker=fill.ticker,
        side=fill.side,
        price=fill.price,
        qty=fill.qty,
        fee=fill.fee,
        is_taker=fill.is_taker,
        received_at=now,
        sent_at=fill.at,
    )


def order_snapshot(state: OrderState) -> e.OrderSnapshot:
    """Return an order as the list has it."""
    return e.OrderSnapshot(
        state.order_id,
        state.client_order_id,
        state.ticker,
        state.side,
        state.price,
        state.filled,
        state.remaining,
    )


def settlement(paid: PaidOut) -> bodies.Settlement:
    """Return a payout as the list has it."""
    return bodies.Settlement(
        ticker=paid.ticker,
        event_ticker=paid.event_ticker,
        result=paid.result,
        yes_qty=paid.yes_qty,
        yes_cost=paid.yes_cost,
        no_qty=paid.no_qty,
        no_cost=paid.no_cost,
        revenue=paid.payout,
        fees=paid.fees,
        value=paid.settlement_price,
        settled_at=paid.at // SECOND * SECOND,
        exchange_index=paid.exchange_index,
    )


def group(record: GroupRecord, order_ids: tuple[str, ...]) -> bodies.OrderGroup:
    """Return an order group with its orders."""
    return bodies.OrderGroup(
        group_id=record.order_group_id,
        # A triggered group's flag is off until it is reset.
        is_auto_cancel_enabled=not record.is_triggered,
        limit=record.limit,
        exchange_index=record.exchange_index,
        order_ids=order_ids,
    )
