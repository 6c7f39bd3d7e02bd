"""What we send: WebSocket commands and order bodies. Prices and counts are strings: numbers are refused.

Source: protocol sheet 2.2 (commands) and 4.6 (orders).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from daemon.core.commands import AmendOrder, PlaceOrder, ProbeOrder
from daemon.core.units import SECOND, BookSide, Ns, format_price, format_qty

IS_YES_PRICED = False
"""Whether we ask for, and read, the NO side on the YES price scale (`use_yes_price`): decided here only."""

UpdateAction: TypeAlias = Literal["add_markets", "delete_markets", "get_snapshot"]

_encoder = msgspec.json.Encoder()


class _PlaceBody(msgspec.Struct, frozen=True, omit_defaults=True):
    ticker: str
    client_order_id: str
    side: BookSide
    count: str
    price: str
    time_in_force: str
    self_trade_prevention_type: str
    post_only: bool
    exchange_index: int
    expiration_time: int | None = None
    order_group_id: str | None = None
    cancel_order_on_pause: bool = False


class _AmendBody(msgspec.Struct, frozen=True, omit_defaults=True):
    ticker: str
    client_order_id: str
    side: BookSide
    count: str
    price: str
    exchange_index: int
    expiration_time: int | None = None


def encode_place(order: PlaceOrder) -> bytes:
    """Return the body of a create request.

    An order of ours that would meet another of ours is cancelled (`taker_at_cross`): the resting one
    has its place in the queue. One that rests is taken out when its market is paused: what trades on after
    a pause is another market than the one that it was meant for.
    """
    rests = order.time_in_force == "good_till_canceled"
    assert rests or order.expires_at is None, "the venue refuses an expiry of an order that doesn't rest"
    return _encoder.encode(
        _PlaceBody(
            ticker=order.ticker,
            client_order_id=order.client_order_id,
            side=order.side,
            count=format_qty(order.qty),
            price=format_price(order.price),
            time_in_force=order.time_in_force,
            self_trade_prevention_type="taker_at_cross",
            post_only=order.post_only,
            exchange_index=order.exchange_index,
            expiration_time=_seconds(order.expires_at),
            order_group_id=order.order_group_id,
            cancel_order_on_pause=rests,
        )
    )


def encode_probe(order: ProbeOrder) -> bytes:
    """Return the body of a create request that must not rest: under the id of the order in doubt."""
    return _encoder.encode(
        _PlaceBody(
            ticker=order.ticker,
            client_order_id=order.client_order_id,
            side=order.side,
            count=format_qty(order.qty),
            price=format_price(order.price),
            time_in_force="immediate_or_cancel",
            self_trade_prevention_type="taker_at_cross",
            post_only=False,
            exchange_index=order.exchange_index,
        )
    )


def encode_amend(order: AmendOrder) -> bytes:
    """Return the body of an amend request; its count is what is filled plus what shall rest."""
    return _encoder.encode(
        _AmendBody(
            ticker=order.ticker,
            client_order_id=order.client_order_id,
            side=order.side,
            count=format_qty(order.qty),
            price=format_price(order.price),
            exchange_index=order.exchange_index,
            expiration_time=_seconds(order.expires_at),
        )
    )


def _seconds(expires_at: Ns | None) -> int | None:
    """Return an expiry as the venue wants it, in whole seconds; what is left of one is given away."""
    return None if expires_at is None else expires_at // SECOND


def encode_subscribe(
    command_id: int,
    channels: Sequence[str],
    tickers: Sequence[str],
    index_ids: Sequence[str] = (),
    *,
    is_yes_priced: bool = IS_YES_PRICED,
) -> str:
    """Return a subscribe command; without tickers it is for all markets.

    `use_yes_price` is sent explicitly with the book, because the venue will change its default.
    """
    params: dict[str, object] = {"channels": list(channels)}
    if tickers:
        params["market_tickers"] = list(tickers)
    if "orderbook_delta" in channels:
        params["use_yes_price"] = is_yes_priced
    if index_ids:
        params["index_ids"] = list(index_ids)
    return _encode_command(command_id, "subscribe", params)


def encode_update(command_id: int, sid: int, action: UpdateAction, tickers: Sequence[str]) -> str:
    """Return an update_subscription command."""
    params = {"sid": sid, "action": action, "market_tickers": list(tickers)}
    return _encode_command(command_id, "update_subscription", params)


def encode_unsubscribe(command_id: int, sid: int) -> str:
    """Return an unsubscribe command."""
    return _encode_command(command_id, "unsubscribe", {"sids": [sid]})


def encode_list(command_id: int) -> str:
    """Return a list_subscriptions command, which the venue answers whatever is subscribed."""
    return _encode_command(command_id, "list_subscriptions")


def _encode_command(command_id: int, cmd: str, params: object = None) -> str:
    command = {"id": command_id, "cmd": cmd}
    return _encoder.encode(command if params is None else {**command, "params": params}).decode()
