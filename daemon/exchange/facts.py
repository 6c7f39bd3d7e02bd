"""What happens on the exchange, one fact per struct: the pure exchange's output, which the sandbox publishes.

Rules: past tense, frozen. `at` is the exchange's time. Prices are YES prices unless said. Facts of one
call come in the order user_order, fill, position, then delta, trade (protocol sheet 11, row 13). What
becomes of an order group is told among the orders, before the cancels that follow from it; cash is told
after positions.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemon.core.commands import TimeInForce
from daemon.core.events import Level, OrderStatus
from daemon.core.markets import MarketResult, MarketSpec
from daemon.core.units import BookSide, Money, Ns, Price, PriceBand, Qty, Side
from daemon.exchange.cash_facts import CashFact

SelfTradePrevention: TypeAlias = Literal["taker_at_cross", "maker"]
UpdateReason: TypeAlias = Literal[
    "Decrease",
    "Amend",
    "MarginCancel",
    "SelfTradeCancel",
    "ExpiryCancel",
    "CloseCancel",
    "HaltCancel",
    "Trade",
    "PostOnlyCrossCancel",
    "ReduceOnlyCancel",
]
"""Why an order changed, in the venue's words; None on create."""


class _Fact(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What all facts share: how they are built and encoded. Holds scalars only unless said."""


# --- books and trades --------------------------------------------------------------------------


class LevelChanged(_Fact, frozen=True):
    """A level's displayed total changed by `delta`; `price` is on that side's own scale.

    `account` and `client_order_id` name the resting order that caused it, None where nobody that is
    told: the depth of a tape, or an account of the house.
    """

    ticker: str
    side: Side
    price: Price
    delta: Qty
    at: Ns
    account: str | None
    client_order_id: str | None


class BookReplaced(_Fact, frozen=True, gc=True):
    """The whole book is another: a recorded snapshot, or empty at close. Levels ascend, own scales."""

    ticker: str
    yes: tuple[Level, ...]
    no: tuple[Level, ...]
    at: Ns


class Traded(_Fact, frozen=True):
    """A public trade; `taker_side` is the outcome that the taker bought."""

    ticker: str
    trade_id: str
    price: Price
    qty: Qty
    taker_side: Side
    at: Ns


class TickerTold(_Fact, frozen=True):
    """A tape's own summary of a market: then no summary is made from the book. None: no such price."""

    ticker: str
    bid: Price | None
    ask: Price | None
    bid_size: Qty
    ask_size: Qty
    last: Price | None
    last_qty: Qty | None
    volume: Qty
    open_interest: Qty
    at: Ns


# --- an account's orders, fills and positions --------------------------------------------------


class OrderState(_Fact, frozen=True):
    """One order as it stands: filled + remaining + canceled == initial.

    Costs are cash paid per contract bought of either outcome, fees apart; `accumulator` is the fee
    rounding not yet rebated (`daemon.core.fees`). `queued_at` is when it last went to the back of a level;
    None in states that were kept before it was.
    """

    order_id: str
    account: str
    client_order_id: str
    ticker: str
    exchange_index: int
    side: BookSide
    price: Price
    initial: Qty
    filled: Qty
    remaining: Qty
    canceled: Qty
    status: OrderStatus
    time_in_force: TimeInForce
    self_trade_prevention: SelfTradePrevention
    post_only: bool
    cancel_on_pause: bool
    expires_at: Ns | None
    taker_cost: Money
    maker_cost: Money
    taker_fees: Money
    maker_fees: Money
    accumulator: Money
    created_at: Ns
    updated_at: Ns
    reason: UpdateReason | None
    order_group_id: str | None = None
    queued_at: Ns | None = None


class OrderChanged(_Fact, frozen=True, gc=True):
    """An order of a told account changed."""

    order: OrderState
    at: Ns


class Filled(_Fact, frozen=True):
    """A fill of a told account; `position_after` is signed."""

    account: str
    trade_id: str
    order_id: str
    client_order_id: str
    ticker: str
    exchange_index: int
    side: BookSide
    price: Price
    qty: Qty
    fee: Money
    is_taker: bool
    position_after: Qty
    at: Ns


class PositionChanged(_Fact, frozen=True):
    """A told account's position: signed YES contracts, cost of the open part, contracts and cash traded.

    `pairs` are YES and NO held at once, where netting is off: each pays 1 $ at settlement.
    """

    account: str
    ticker: str
    exchange_index: int
    qty: Qty
    cost: Money
    realized: Money
    fees: Money
    volume: Qty
    traded: Money
    at: Ns
    pairs: Qty = 0


class PaidOut(_Fact, frozen=True):
    """A told account's position was settled; counts and costs are those of the position paid out."""

    account: str
    ticker: str
    event_ticker: str
    exchange_index: int
    result: MarketResult
    settlement_price: Price
    yes_qty: Qty
    yes_cost: Money
    no_qty: Qty
    no_cost: Money
    payout: Money
    fees: Money
    at: Ns


class OrderGroupChanged(_Fact, frozen=True):
    """An order group of a told account was made, triggered, reset, deleted, or its limit changed.

    `contracts_limit` is told on "created" and "limit_updated" only. `exchange_index` is the shard that the
    group lives on.
    """

    account: str
    order_group_id: str
    event_type: Literal["created", "triggered", "reset", "deleted", "limit_updated"]
    contracts_limit: Qty | None
    at: Ns
    exchange_index: int = 0


class EventFeesChanged(_Fact, frozen=True):
    """An event's own fee rule, in place of its series'; both None when it is lifted."""

    event_ticker: str
    fee_type: str | None
    multiplier_ppm: int | None
    at: Ns


class PauseChanged(_Fact, frozen=True):
    """A shard is paused or goes on; `resumes_at` is the announced end, None when none is."""

    exchange_index: int
    is_exchange_paused: bool
    is_trading_paused: bool
    resumes_at: Ns | None
    at: Ns


class MaintenanceScheduled(_Fact, frozen=True):
    """The whole exchange will be paused from `start_at` to `end_at`."""

    start_at: Ns
    end_at: Ns
    at: Ns


class Disputed(_Fact, frozen=True):
    """A market's result is in doubt: nothing is paid until it is amended."""

    ticker: str
    at: Ns


# --- markets -----------------------------------------------------------------------------------


class MarketCreated(_Fact, frozen=True, gc=True):
    """A market was listed."""

    spec: MarketSpec
    at: Ns


class MarketOpened(_Fact, frozen=True):
    """A market's open time passed (the venue has no message for it)."""

    ticker: str
    at: Ns


class MarketClosed(_Fact, frozen=True):
    """A market's close time passed (the venue has no message for it)."""

    ticker: str
    at: Ns


class MarketActivated(_Fact, frozen=True):
    """A market trades again after a deactivation."""

    ticker: str
    at: Ns


class MarketDeactivated(_Fact, frozen=True):
    """Trading in a market is suspended."""

    ticker: str
    at: Ns


class StrikeSet(_Fact, frozen=True):
    """A market's strike became known."""

    ticker: str
    strike: Money
    strike_type: str | None
    at: Ns


class CloseMoved(_Fact, frozen=True):
    """A market's close time changed."""

    ticker: str
    close_at: Ns
    at: Ns


class GridChanged(_Fact, frozen=True, gc=True):
    """A market's tick table changed."""

    ticker: str
    bands: tuple[PriceBand, ...]
    at: Ns


class Determined(_Fact, frozen=True):
    """A market has a result; `settlement_price` is what one YES contract pays."""

    ticker: str
    result: MarketResult
    settlement_price: Price
    at: Ns


class Settled(_Fact, frozen=True):
    """A market's positions were paid out."""

    ticker: str
    at: Ns


MarketFact: TypeAlias = (
    MarketCreated
    | MarketOpened
    | MarketClosed
    | MarketActivated
    | MarketDeactivated
    | StrikeSet
    | CloseMoved
    | GridChanged
    | Determined
    | Settled
)
Fact: TypeAlias = (
    LevelChanged
    | Traded
    | BookReplaced
    | TickerTold
    | OrderChanged
    | Filled
    | PositionChanged
    | PaidOut
    | OrderGroupChanged
    | EventFeesChanged
    | PauseChanged
    | MaintenanceScheduled
    | Disputed
    | CashFact
    | MarketFact
)
