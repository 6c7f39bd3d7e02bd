"""What an account may ask of the exchange, and how the exchange says no."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemon.core.commands import TimeInForce
from daemon.core.units import BookSide, Ns, Price, Qty
from daemon.exchange.facts import SelfTradePrevention

RefusalCode: TypeAlias = Literal[
    "exceeded_order_group_risk_limit",
    "exchange_is_paused",
    "forbidden",
    "insufficient_balance",
    "invalid_price",
    "invalid_order",
    "invalid_order_size",
    "invalid_parameters",
    "market_inactive",
    "market_not_found",
    "not_found",
    "order_already_exists",
    "order_group_not_found",
    "order_id_and_client_order_id_mismatch",
    "order_side_mismatch",
    "order_ticker_mismatch",
    "trading_is_paused",
    "transfer_already_applied",
]


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The exchange said no: nothing changed. Codes and details are the venue's (protocol sheet 4.5)."""

    code: RefusalCode
    details: str | None = None


class NewOrder(msgspec.Struct, frozen=True, gc=False):
    """A new order. `price` is the YES price; no `client_order_id` is an empty one."""

    account: str
    ticker: str
    side: BookSide
    price: Price
    qty: Qty
    time_in_force: TimeInForce = "good_till_canceled"
    self_trade_prevention: SelfTradePrevention = "taker_at_cross"
    client_order_id: str = ""
    expires_at: Ns | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_on_pause: bool = False
    order_group_id: str | None = None


class Amendment(msgspec.Struct, frozen=True, gc=False):
    """New terms of a resting order. `qty` is the total: what is filled plus what shall rest.

    `expires_at`: None keeps the expiry, 0 removes it.
    """

    account: str
    order_id: str
    ticker: str
    side: BookSide
    price: Price
    qty: Qty
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    expires_at: Ns | None = None
