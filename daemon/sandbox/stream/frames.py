r"""WebSocket message bodies as bytes: encoded once per fact, shared by all who receive it.

A frame is an envelope around a body:

    {"type":T,"sid":S,"seq":N,"msg":BODY,"sending_ts_ms":MS}\n

The envelope differs by connection (sid, seq), the body only by reader where the venue says so. Key
orders are the recorded ones. Source: protocol sheet 2.1, 2.7.
"""

from __future__ import annotations

from typing import Any

import msgspec

from daemon.core.events import Level
from daemon.core.units import MICROSECOND, MILLISECOND, PRICE_ONE, SECOND, Money, Ns
from daemon.exchange import facts
from daemon.exchange.market import Market
from daemon.exchange.matching import outcome
from daemon.sandbox.bodies import PRICE_TEXT, money_text, no_price, qty_text, time_text
from daemon.sandbox.market_bodies import market_id

_encode = msgspec.json.Encoder().encode


def frame(
    kind: str,
    body: bytes,
    sending_ts_ms: int,
    *,
    id: int | None = None,
    sid: int | None = None,
    seq: int | None = None,
) -> bytes:
    """Return a whole frame around a body."""
    head = f'{{"type":"{kind}"'
    if id is not None:
        head += f',"id":{id}'
    if sid is not None:
        head += f',"sid":{sid}'
    if seq is not None:
        head += f',"seq":{seq}'
    return b'%b,"msg":%b,"sending_ts_ms":%d}\n' % (head.encode(), body, sending_ts_ms)


def as_text_frame(payload: bytes) -> bytes:
    """Return a payload as an unmasked, final WebSocket text frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


HEARTBEAT = b"\x89\x09heartbeat"
"""The venue's keep-alive: a control ping with this payload."""


def subaccount_of(account: str) -> int:
    """Return the number of a subaccount: 3 of "client#3", 0 of a primary account."""
    return int(account.rpartition("#")[2]) if "#" in account else 0


def sees(reader: str, owner: str) -> bool:
    """Whether a key of one account is told another's orders: a primary's sees all of its subaccounts."""
    return owner == reader or ("#" not in reader and owner.startswith(f"{reader}#"))


def delta_body(fact: facts.LevelChanged, time: str, *, is_yes_price: bool, is_own: bool) -> bytes:
    """Return an orderbook_delta body; the owner of the order that caused it is told its id."""
    price = fact.price
    if is_yes_price and fact.side == "no":
        price = PRICE_ONE - price
    text = (
        f'{{"market_ticker":"{fact.ticker}","market_id":"{market_id(fact.ticker)}",'
        f'"price_dollars":"{PRICE_TEXT[price]}","delta_fp":"{qty_text(fact.delta)}",'
        f'"side":"{fact.side}","ts":"{time}","ts_ms":{fact.at // MILLISECOND}'
    ).encode()
    if is_own:
        number = subaccount_of(fact.account or "")
        return b'%b,"client_order_id":%b,"subaccount":%d}' % (text, _encode(fact.client_order_id), number)
    return text + b"}"


def _ladder(levels: tuple[Level, ...], *, is_turned: bool) -> list[list[str]]:
    if is_turned:
        # On the YES scale a side still ascends in price, so the best NO bid comes first.
        return [[PRICE_TEXT[PRICE_ONE - price], qty_text(size)] for price, size in reversed(levels)]
    return [[PRICE_TEXT[price], qty_text(size)] for price, size in levels]


def snapshot_body(ticker: str, yes: tuple[Level, ...], no: tuple[Level, ...], *, is_yes_price: bool) -> bytes:
    """Return an orderbook_snapshot body. A side without levels is absent."""
    body: dict[str, Any] = {"market_ticker": ticker, "market_id": market_id(ticker)}
    if yes:
        body["yes_dollars_fp"] = _ladder(yes, is_turned=False)
    if no:
        body["no_dollars_fp"] = _ladder(no, is_turned=is_yes_price)
    return _encode(body)


def trade_body(fact: facts.Traded) -> bytes:
    """Return a trade body."""
    return _encode(
        {
            "trade_id": fact.trade_id,
            "market_ticker": fact.ticker,
            "yes_price_dollars": PRICE_TEXT[fact.price],
            "no_price_dollars": no_price(fact.price),
            "count_fp": qty_text(fact.qty),
            "taker_side": fact.taker_side,
            "taker_outcome_side": fact.taker_side,
            "taker_book_side": "bid" if fact.taker_side == "yes" else "ask",
            "is_block_trade": False,
            "ts": fact.at // SECOND,
            "ts_ms": fact.at // MILLISECOND,
        }
    )


def ticker_body(told: facts.TickerTold, dollar_volume: Money) -> bytes:
    """Return a ticker body."""
    return _encode(
        {
            "market_id": market_id(told.ticker),
            "market_ticker": told.ticker,
            "price_dollars": PRICE_TEXT[told.last or 0],
            "yes_bid_dollars": PRICE_TEXT[told.bid or 0],
            "yes_ask_dollars": PRICE_TEXT[PRICE_ONE if told.ask is None else told.ask],
            "volume_fp": qty_text(told.volume),
            "open_interest_fp": qty_text(told.open_interest),
            "dollar_volume": dollar_volume // 1_000_000,
            "dollar_open_interest": told.open_interest // 200,
            "yes_bid_size_fp": qty_text(told.bid_size),
            "yes_ask_size_fp": qty_text(told.ask_size),
            "last_trade_size_fp": qty_text(told.last_qty or 0),
            "ts": told.at // SECOND,
            "ts_ms": told.at // MILLISECOND,
            "time": time_text(told.at // MICROSECOND * MICROSECOND),
        }
    )


def ticker_of(market: Market, last_qty: int | None, now: Ns) -> facts.TickerTold:
    """Return the summary of a market's book as it stands."""
    book = market.book
    bid, ask = book.bid, book.ask
    return facts.TickerTold(
        market.ticker,
        bid,
        ask,
        book.size("yes", bid) if bid is not None else 0,
        book.size("no", PRICE_ONE - ask) if ask is not None else 0,
        market.last,
        last_qty,
        market.volume,
        market.open_interest,
        now,
    )


def fill_body(fact: facts.Filled) -> bytes:
    """Return a fill body."""
    bought = outcome(fact.side)
    return _encode(
        {
            "trade_id": fact.trade_id,
            "order_id": fact.order_id,
            "client_order_id": fact.client_order_id,
            "market_ticker": fact.ticker,
            "exchange_index": fact.exchange_index,
            "is_taker": fact.is_taker,
            "side": bought,
            "yes_price_dollars": PRICE_TEXT[fact.price],
            "count_fp": qty_text(fact.qty),
            "fee_cost": money_text(fact.fee),
            "action": "buy",
            "ts": fact.at // SECOND,
            "ts_ms": fact.at // MILLISECOND,
            "post_position_fp": qty_text(fact.position_after),
            "purchased_side": bought,
            "outcome_side": bought,
            "book_side": fact.side,
            "subaccount": subaccount_of(fact.account),
        }
    )


def user_order_body(order: facts.OrderState, user_id: str) -> bytes:
    """Return a user_order body."""
    bought = outcome(order.side)
    body: dict[str, Any] = {
        "order_id": order.order_id,
        "user_id": user_id,
        "ticker": order.ticker,
        "exchange_index": order.exchange_index,
        "status": order.status,
        "side": bought,
        "is_yes": order.side == "bid",
        "outcome_side": bought,
        "book_side": order.side,
        "yes_price_dollars": PRICE_TEXT[order.price],
        "fill_count_fp": qty_text(order.filled),
        "remaining_count_fp": qty_text(order.remaining),
        "initial_count_fp": qty_text(order.initial),
        "taker_fill_cost_dollars": money_text(order.taker_cost),
        "maker_fill_cost_dollars": money_text(order.maker_cost),
        "taker_fees_dollars": money_text(order.taker_fees),
        "maker_fees_dollars": money_text(order.maker_fees),
        "client_order_id": order.client_order_id,
        "self_trade_prevention_type": order.self_trade_prevention,
        "created_time": time_text(order.created_at),
        "created_ts_ms": order.created_at // MILLISECOND,
        "last_update_time": time_text(order.updated_at),
        "last_updated_ts_ms": order.updated_at // MILLISECOND,
    }
    if order.expires_at is not None:
        body["expiration_time"] = time_text(order.expires_at)
        body["expiration_ts_ms"] = order.expires_at // MILLISECOND
    if order.reason is not None:
        body["last_update_reason"] = order.reason
    if order.order_group_id is not None:
        body["order_group_id"] = order.order_group_id
    body["subaccount_number"] = subaccount_of(order.account)
    return _encode(body)


def position_body(fact: facts.PositionChanged, user_id: str) -> bytes:
    """Return a market_position body."""
    return _encode(
        {
            "user_id": user_id,
            "market_ticker": fact.ticker,
            "position_fp": qty_text(fact.qty),
            "position_cost_dollars": money_text(fact.cost),
            "realized_pnl_dollars": money_text(fact.realized),
            "fees_paid_dollars": money_text(fact.fees),
            "position_fee_cost_dollars": money_text(fact.fees),
            "volume_fp": qty_text(fact.volume),
            "subaccount": subaccount_of(fact.account),
        }
    )


def order_group_body(fact: facts.OrderGroupChanged) -> bytes:
    """Return an order_group_updates body; the limit is told where it is news."""
    body: dict[str, Any] = {"event_type": fact.event_type, "order_group_id": fact.order_group_id}
    if fact.contracts_limit is not None:
        body["contracts_limit_fp"] = qty_text(fact.contracts_limit)
    body["ts_ms"] = fact.at // MILLISECOND
    return _encode(body)
