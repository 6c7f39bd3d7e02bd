"""Bodies of orders, fills and order groups. Source: protocol sheet 4.6, 4.7, 4.8."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemon.core.events import EndedOrder, OrderFilled, OrderSnapshot
from daemon.core.units import SECOND, BookSide, Money, Ns, Qty, parse_instant
from daemon.kalshi.decode import decode_count, decode_money, decode_price
from daemon.kalshi.wire import Millis, Seconds

RestOrderStatus: TypeAlias = Literal["resting", "canceled", "executed"]


PRIMARY = (None, 0)
"""The subaccount that we trade: the primary one, also where the venue names none."""


class Order(msgspec.Struct, frozen=True):
    """One of the account's orders in the list, of whatever subaccount."""

    order_id: str
    client_order_id: str
    ticker: str
    book_side: BookSide
    yes_price_dollars: str
    fill_count_fp: str
    remaining_count_fp: str
    status: RestOrderStatus
    subaccount_number: int | None = None


class WholeOrder(Order, frozen=True, kw_only=True):
    """One of our orders with what it has cost."""

    initial_count_fp: str
    taker_fill_cost_dollars: str
    maker_fill_cost_dollars: str
    taker_fees_dollars: str
    maker_fees_dollars: str
    created_time: str | None = None
    last_update_time: str | None = None
    order_group_id: str | None = None
    exchange_index: int | None = None
    subaccount_number: int | None = None


class SingleOrderReply(msgspec.Struct, frozen=True):
    """`GET /portfolio/orders/{id}`."""

    order: WholeOrder


class Fill(msgspec.Struct, frozen=True):
    """One of the account's fills in the list, of whatever subaccount. It carries no client_order_id."""

    trade_id: str
    order_id: str
    ticker: str
    book_side: BookSide
    count_fp: str
    yes_price_dollars: str
    is_taker: bool
    fee_cost: str
    created_time: str | None = None
    ts: Seconds | None = None
    subaccount_number: int | None = None


class OrderReply(msgspec.Struct, frozen=True):
    """The answer to a create or an amend; an amend may leave the counts out."""

    order_id: str
    client_order_id: str | None = None
    fill_count: str | None = None
    remaining_count: str | None = None
    ts_ms: Millis | None = None


class CancelReply(msgspec.Struct, frozen=True):
    """The answer to a cancel."""

    order_id: str
    reduced_by: str
    ts_ms: Millis | None = None


class DecreaseReply(msgspec.Struct, frozen=True):
    """The answer to a decrease."""

    order_id: str
    remaining_count: str
    ts_ms: Millis | None = None


class BatchReply(msgspec.Struct, frozen=True):
    """The answer to a batch: one entry for each order asked for, in the same order."""

    orders: list[msgspec.Raw]


class QueuePosition(msgspec.Struct, frozen=True):
    """How much stands before one of our orders."""

    order_id: str
    queue_position_fp: str


class QueuePositionsReply(msgspec.Struct, frozen=True):
    """`GET /portfolio/orders/queue_positions`."""

    queue_positions: list[QueuePosition]


class QueuePositionReply(msgspec.Struct, frozen=True):
    """`GET /portfolio/orders/{id}/queue_position`."""

    queue_position_fp: str


class GroupCreatedReply(msgspec.Struct, frozen=True):
    """The answer to the making of an order group."""

    order_group_id: str


class GroupBody(msgspec.Struct, frozen=True):
    """An order group in the list."""

    id: str
    is_auto_cancel_enabled: bool
    contracts_limit_fp: str | None = None
    exchange_index: int | None = None


class GroupsReply(msgspec.Struct, frozen=True):
    """`GET /portfolio/order_groups`: an empty object when there is none."""

    order_groups: list[GroupBody] = []


class GroupReply(msgspec.Struct, frozen=True):
    """`GET /portfolio/order_groups/{id}`."""

    is_auto_cancel_enabled: bool
    orders: list[str]
    contracts_limit_fp: str | None = None
    exchange_index: int | None = None


class OrderRecord(msgspec.Struct, frozen=True):
    """One of our orders in any state, with what it has cost; times are None where the venue leaves them out.

    `cost` is what its fills have cost or, for asks, the collateral that they took: the venue's figure.
    """

    order: OrderSnapshot
    status: RestOrderStatus
    placed: Qty
    cost: Money
    fees: Money
    created_at: Ns | None
    updated_at: Ns | None
    group_id: str | None
    exchange_index: int | None
    subaccount: int | None


class OrderGroup(msgspec.Struct, frozen=True):
    """An order group: its orders are cancelled when `limit` contracts match within 15 seconds.

    `limit` is None where the venue leaves it out; `order_ids` in a list of groups, which doesn't tell them.
    """

    group_id: str
    is_auto_cancel_enabled: bool
    limit: Qty | None
    exchange_index: int | None
    order_ids: tuple[str, ...] | None


def order_snapshot(order: Order) -> OrderSnapshot:
    """Return a listed order. Raises ValueError for a bad number."""
    return OrderSnapshot(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        ticker=order.ticker,
        side=order.book_side,
        price=decode_price(order.yes_price_dollars),
        filled=decode_count(order.fill_count_fp),
        remaining=decode_count(order.remaining_count_fp),
    )


def ended_order(order: Order) -> EndedOrder:
    """Return a listed order that rests no more. Raises ValueError for a bad number."""
    filled = decode_count(order.fill_count_fp)
    return EndedOrder(order.order_id, order.client_order_id, order.ticker, order.status, filled)


def order_record(order: WholeOrder) -> OrderRecord:
    """Return an order with what it has cost. Raises ValueError for a bad number or time."""
    taker, maker = order.taker_fill_cost_dollars, order.maker_fill_cost_dollars
    return OrderRecord(
        order=order_snapshot(order),
        status=order.status,
        placed=decode_count(order.initial_count_fp),
        cost=decode_money(taker) + decode_money(maker),
        fees=decode_money(order.taker_fees_dollars) + decode_money(order.maker_fees_dollars),
        created_at=parse_instant(order.created_time) if order.created_time else None,
        updated_at=parse_instant(order.last_update_time) if order.last_update_time else None,
        group_id=order.order_group_id or None,
        exchange_index=order.exchange_index,
        subaccount=order.subaccount_number,
    )


def order_filled(fill: Fill, received_at: Ns) -> OrderFilled:
    """Return a listed fill's event. Raises ValueError for a bad number or time."""
    sent_at: Ns | None = None
    if fill.created_time is not None:
        sent_at = parse_instant(fill.created_time)
    elif fill.ts is not None:
        sent_at = fill.ts * SECOND
    return OrderFilled(
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        client_order_id=None,
        ticker=fill.ticker,
        side=fill.book_side,
        price=decode_price(fill.yes_price_dollars),
        qty=decode_count(fill.count_fp),
        fee=decode_money(fill.fee_cost),
        is_taker=fill.is_taker,
        received_at=received_at,
        sent_at=sent_at,
    )


def order_group(group_id: str, body: GroupBody | GroupReply) -> OrderGroup:
    """Return an order group. Raises ValueError for a bad number."""
    limit = body.contracts_limit_fp
    return OrderGroup(
        group_id=group_id,
        is_auto_cancel_enabled=body.is_auto_cancel_enabled,
        limit=None if limit is None else decode_count(limit),
        exchange_index=body.exchange_index,
        order_ids=tuple(body.orders) if isinstance(body, GroupReply) else None,
    )
