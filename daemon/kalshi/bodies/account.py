"""Bodies of cash, positions, settlements, subaccounts and API keys. Source: protocol sheet 4.7, 4.10."""

from __future__ import annotations

from typing import Literal

import msgspec

from daemon.core.events import CashFlow, PositionSnapshot
from daemon.core.markets import MarketResult
from daemon.core.units import (
    MONEY_CENT,
    PRICE_CENT,
    PRICE_ONE,
    SECOND,
    Money,
    Ns,
    Price,
    Qty,
    parse_instant,
)
from daemon.kalshi.decode import decode_count, decode_money, decode_qty
from daemon.kalshi.wire import Seconds


class ShardBalance(msgspec.Struct, frozen=True):
    """The cash on one shard."""

    exchange_index: int
    balance: str


class BalanceReply(msgspec.Struct, frozen=True):
    """`GET /portfolio/balance`; `balance` in cents is truncated and not read."""

    balance_dollars: str
    balance_breakdown: list[ShardBalance] = []


class Position(msgspec.Struct, frozen=True):
    """A position in the list."""

    ticker: str
    position_fp: str
    market_exposure_dollars: str
    realized_pnl_dollars: str
    fees_paid_dollars: str


class SettlementBody(msgspec.Struct, frozen=True):
    """A settlement in the list: `revenue` and `value` are whole cents, all else is text."""

    ticker: str
    event_ticker: str
    market_result: MarketResult
    yes_count_fp: str
    yes_total_cost_dollars: str
    no_count_fp: str
    no_total_cost_dollars: str
    revenue: int
    fee_cost: str
    settled_time: str
    value: int | None = None
    exchange_index: int | None = None


class CashFlowBody(msgspec.Struct, frozen=True):
    """A deposit or a withdrawal in the list."""

    id: str
    status: Literal["pending", "applied", "failed", "returned"]
    amount_cents: int
    fee_cents: int
    created_ts: Seconds


class SubaccountBalanceBody(msgspec.Struct, frozen=True):
    """The cash of one subaccount on one shard."""

    subaccount_number: int
    exchange_index: int
    balance: str
    updated_ts: Seconds


class SubaccountBalancesReply(msgspec.Struct, frozen=True):
    """`GET /portfolio/subaccounts/balances`."""

    subaccount_balances: list[SubaccountBalanceBody]


KeyScope = Literal[
    "read",
    "write",
    "read::block_trade_accept",
    "read::portfolio_balance",
    "write::trade",
    "write::transfer",
    "write::fcm_risk",
    "write::block_trade_accept",
]


class ApiKey(msgspec.Struct, frozen=True):
    """One of the account's API keys; bound to a subaccount unless that is None.

    Scopes are the venue's words. An unknown one grants us nothing that we know of, and refuses nothing.
    """

    api_key_id: str
    name: str
    scopes: list[str]
    subaccount: int | None = None

    def may(self, scope: KeyScope) -> bool:
        """Whether the key has a scope, itself or by the broad one (`write` for `write::trade`)."""
        return scope in self.scopes or scope.partition("::")[0] in self.scopes


class ApiKeysReply(msgspec.Struct, frozen=True):
    """`GET /api_keys`. Past `api_key_region_expiration_ts` (None: never attested) trading by key stops."""

    api_keys: list[ApiKey]
    api_key_region_expiration_ts: Seconds | None = None


class Settlement(msgspec.Struct, frozen=True):
    """What a settled market paid. Costs are those of all contracts bought.

    `value` is what one YES contract paid, None where the venue doesn't say.
    """

    ticker: str
    event_ticker: str
    result: MarketResult
    yes_qty: Qty
    yes_cost: Money
    no_qty: Qty
    no_cost: Money
    revenue: Money
    fees: Money
    value: Price | None
    settled_at: Ns
    exchange_index: int | None


class SubaccountBalance(msgspec.Struct, frozen=True):
    """The cash of one subaccount on one shard; 0 is the primary."""

    subaccount: int
    exchange_index: int
    cash: Money
    updated_at: Ns


def cash_by_shard(reply: BalanceReply) -> dict[int, Money]:
    """Return the cash on each shard that the balance breaks down into. Raises ValueError for a bad number."""
    return {one.exchange_index: decode_money(one.balance) for one in reply.balance_breakdown}


def position_snapshot(position: Position) -> PositionSnapshot:
    """Return a listed position. Raises ValueError for a bad number."""
    return PositionSnapshot(
        ticker=position.ticker,
        qty=decode_qty(position.position_fp),
        cost=decode_money(position.market_exposure_dollars),
        realized_pnl=decode_money(position.realized_pnl_dollars),
        fees=decode_money(position.fees_paid_dollars),
    )


def settlement(body: SettlementBody) -> Settlement:
    """Return a listed settlement. Raises ValueError for a bad number or time."""
    value = None if body.value is None else body.value * PRICE_CENT
    if value is not None and not 0 <= value <= PRICE_ONE:
        raise ValueError(f"{body.ticker}: settled at {body.value} cents")
    return Settlement(
        ticker=body.ticker,
        event_ticker=body.event_ticker,
        result=body.market_result,
        yes_qty=decode_count(body.yes_count_fp),
        yes_cost=decode_money(body.yes_total_cost_dollars),
        no_qty=decode_count(body.no_count_fp),
        no_cost=decode_money(body.no_total_cost_dollars),
        revenue=body.revenue * MONEY_CENT,
        fees=decode_money(body.fee_cost),
        value=value,
        settled_at=parse_instant(body.settled_time),
        exchange_index=body.exchange_index,
    )


def cash_flow(body: CashFlowBody, sign: Literal[1, -1]) -> CashFlow:
    """Return a deposit (`sign` 1) or a withdrawal (-1)."""
    return CashFlow(
        flow_id=body.id,
        amount=sign * body.amount_cents * MONEY_CENT,
        fee=body.fee_cents * MONEY_CENT,
        created_at=body.created_ts * SECOND,
    )


def subaccount_balance(body: SubaccountBalanceBody) -> SubaccountBalance:
    """Return a subaccount's cash on a shard. Raises ValueError for a bad number."""
    return SubaccountBalance(
        subaccount=body.subaccount_number,
        exchange_index=body.exchange_index,
        cash=decode_money(body.balance),
        updated_at=body.updated_ts * SECOND,
    )
