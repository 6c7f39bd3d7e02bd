"""REST bodies of an account: orders, fills, positions, settlements, balance (protocol sheet 4.6, 4.7)."""

from __future__ import annotations

from typing import Any

from daemon.core.units import MILLISECOND, MONEY_CENT, PRICE_ONE, SECOND, Money, Ns, Qty, format_decimal
from daemon.exchange.accounts import subaccount_number
from daemon.exchange.facts import Filled, OrderState, PaidOut, PositionChanged
from daemon.exchange.market import Market
from daemon.exchange.matching import outcome, own_price
from daemon.sandbox.bodies import PRICE_TEXT, average_text, money_text, no_price, qty_text, time_text
from daemon.sandbox.read_side import AccountView


def order_body(order: OrderState, user_id: str) -> dict[str, Any]:
    """Return an order as the lists show it."""
    is_bid = order.side == "bid"
    body: dict[str, Any] = {
        "action": "buy" if is_bid else "sell",
        "book_side": order.side,
        "client_order_id": order.client_order_id,
        "created_time": time_text(order.created_at),
        "exchange_index": order.exchange_index,
        "fill_count_fp": qty_text(order.filled),
        "initial_count_fp": qty_text(order.initial),
        "last_update_time": time_text(order.updated_at),
        "maker_fees_dollars": money_text(order.maker_fees),
        "maker_fill_cost_dollars": money_text(order.maker_cost),
        "no_price_dollars": no_price(order.price),
        "order_id": order.order_id,
        "outcome_side": outcome(order.side),
        "remaining_count_fp": qty_text(order.remaining),
        "self_trade_prevention_type": order.self_trade_prevention,
        # Action and side are the legacy pair: selling YES is how it names an ask.
        "side": "yes",
        "status": order.status,
        "subaccount_number": subaccount_number(order.account),
        "taker_fees_dollars": money_text(order.taker_fees),
        "taker_fill_cost_dollars": money_text(order.taker_cost),
        "ticker": order.ticker,
        "type": "limit",
        "user_id": user_id,
        "yes_price_dollars": PRICE_TEXT[order.price],
    }
    if order.expires_at is not None:
        body["expiration_time"] = time_text(order.expires_at)
    if order.cancel_on_pause:
        body["cancel_order_on_pause"] = True
    if order.order_group_id is not None:
        body["order_group_id"] = order.order_group_id
    return body


def _averages(order: OrderState) -> dict[str, Any]:
    """Return the averages over all fills of an order; nothing without fills. YES prices.

    The fee is the total by the filled count, to four decimals (protocol sheet 11, row 17).
    """
    if not order.filled:
        return {}
    cost = order.taker_cost + order.maker_cost
    if order.side == "ask":
        cost = PRICE_ONE * order.filled - cost
    return {
        "average_fee_paid": average_text(order.taker_fees + order.maker_fees, order.filled),
        "average_fill_price": average_text(cost, order.filled),
    }


def placed_body(order: OrderState, now: Ns) -> dict[str, Any]:
    """Return the reply to a create or an amend."""
    return {
        "client_order_id": order.client_order_id,
        "fill_count": qty_text(order.filled),
        "order_id": order.order_id,
        "remaining_count": qty_text(order.remaining),
        "ts_ms": now // MILLISECOND,
        **_averages(order),
    }


def cancelled_body(order_id: str, client_order_id: str, qty: Qty, now: Ns) -> dict[str, Any]:
    """Return the reply to a cancel."""
    return {
        "client_order_id": client_order_id,
        "order_id": order_id,
        "reduced_by": qty_text(qty),
        "ts_ms": now // MILLISECOND,
    }


def decreased_body(order: OrderState, now: Ns) -> dict[str, Any]:
    """Return the reply to a decrease."""
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "remaining_count": qty_text(order.remaining),
        "ts_ms": now // MILLISECOND,
    }


def fill_body(fill: Filled) -> dict[str, Any]:
    """Return a fill. It has no client order id, as at the venue."""
    return {
        "action": "buy" if fill.side == "bid" else "sell",
        "book_side": fill.side,
        "count_fp": qty_text(fill.qty),
        "created_time": time_text(fill.at),
        "exchange_index": fill.exchange_index,
        "fee_cost": money_text(fill.fee),
        "fill_id": fill.trade_id,
        "is_taker": fill.is_taker,
        "market_ticker": fill.ticker,
        "no_price_dollars": no_price(fill.price),
        "order_id": fill.order_id,
        "outcome_side": outcome(fill.side),
        "side": "yes",
        "subaccount_number": subaccount_number(fill.account),
        "ticker": fill.ticker,
        "trade_id": fill.trade_id,
        "ts": fill.at // SECOND,
        "yes_price_dollars": PRICE_TEXT[fill.price],
    }


def position_body(told: PositionChanged) -> dict[str, Any]:
    """Return a market's position; exposure is the cost of the open part."""
    return {
        "exchange_index": told.exchange_index,
        "fees_paid_dollars": money_text(told.fees),
        "last_updated_ts": time_text(told.at),
        "market_exposure_dollars": money_text(told.cost),
        "position_fp": qty_text(told.qty),
        "realized_pnl_dollars": money_text(told.realized),
        "ticker": told.ticker,
        "total_traded_dollars": money_text(told.traded),
    }


def event_position_body(event_ticker: str, positions: list[PositionChanged]) -> dict[str, Any]:
    """Return the sum of an event's positions."""
    return {
        "event_exposure_dollars": money_text(sum(told.cost for told in positions)),
        "event_ticker": event_ticker,
        "fees_paid_dollars": money_text(sum(told.fees for told in positions)),
        "realized_pnl_dollars": money_text(sum(told.realized for told in positions)),
        "total_cost_dollars": money_text(sum(told.traded for told in positions)),
        "total_cost_shares_fp": qty_text(sum(told.volume for told in positions)),
    }


def settlement_body(paid: PaidOut) -> dict[str, Any]:
    """Return a settlement; revenue and value are integer cents."""
    return {
        "event_ticker": paid.event_ticker,
        "exchange_index": paid.exchange_index,
        "fee_cost": money_text(paid.fees),
        "market_result": paid.result,
        "no_count_fp": qty_text(paid.no_qty),
        "no_total_cost_dollars": money_text(paid.no_cost),
        "revenue": paid.payout // MONEY_CENT,
        "settled_time": time_text(paid.at),
        "ticker": paid.ticker,
        "value": paid.settlement_price // 100,
        "yes_count_fp": qty_text(paid.yes_qty),
        "yes_total_cost_dollars": money_text(paid.yes_cost),
    }


def dollars_text(money: Money) -> str:
    """Return a balance with its four decimals, rounded toward minus infinity."""
    return format_decimal(money // 100, 4)


def indexed_bodies(by_shard: dict[int, Money]) -> list[dict[str, Any]]:
    """Return amounts by shard."""
    return [
        {"balance": dollars_text(money), "exchange_index": shard} for shard, money in sorted(by_shard.items())
    ]


def _worth(told: PositionChanged, market: Market | None) -> Money:
    """Return what a position is marked at: the last price (protocol sheet 11, row 15)."""
    pairs = told.pairs * PRICE_ONE
    last = market.last if market is not None else None
    if last is None:
        # Without a trade the cost is the only price there is.
        return told.cost + pairs
    return (told.qty * last if told.qty >= 0 else -told.qty * (PRICE_ONE - last)) + pairs


def balance_body(
    view: AccountView, markets: dict[str, Market], exchange_index: int | None, now: Ns
) -> dict[str, Any]:
    """Return an account's balance, of one shard or summed; positions are marked at the last price."""
    shards = {shard: cash for shard, cash in view.cash.items() if exchange_index in {None, shard}}
    worth = sum(
        _worth(told, markets.get(told.ticker))
        for told in view.positions.values()
        if exchange_index in {None, told.exchange_index}
    )
    total = sum(shards.values())
    return {
        "balance": total // MONEY_CENT,
        "balance_breakdown": indexed_bodies(shards),
        "balance_dollars": dollars_text(total),
        "portfolio_value": worth // MONEY_CENT,
        "updated_ts": now // SECOND,
    }


def resting_value_body(views: list[AccountView]) -> dict[str, Any]:
    """Return what the resting orders of accounts would cost, in cents and by shard."""
    by_shard: dict[int, Money] = {}
    for view in views:
        for order_id in view.resting:
            order = view.orders[order_id]
            cost = order.remaining * own_price(order.side, order.price)
            by_shard[order.exchange_index] = by_shard.get(order.exchange_index, 0) + cost
    return {
        "resting_order_value_breakdown": indexed_bodies(by_shard),
        "total_resting_order_value": sum(by_shard.values()) // MONEY_CENT,
    }
