"""Faults in an order's life: filled while it is being cancelled, and its market gone under it."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from aiohttp import web

from daemon.core.units import QTY_ONE, Qty
from daemon.exchange.facts import Filled, OrderChanged, PositionChanged
from daemon.exchange.matching import Order, outcome
from daemon.exchange.requests import NewOrder
from daemon.sandbox.flow import Telling
from daemon.sandbox.venue import Venue

TAKER: Final = "sim:unseen taker"
"""Who had matched the order: a house account of its own, so that it never meets itself."""


class _Ordered(msgspec.Struct):
    ticker: str | None = None


def find_order(venue: Venue, order_id: str) -> Order | None:
    """Return a client's order, whichever account it belongs to; None if there is none."""
    for account in venue.exchange.accounts.values():
        if not account.is_house and order_id in account.orders:
            return account.orders[order_id]
    return None


async def ticker_of(request: web.Request, venue: Venue) -> str | None:
    """Return the market that a request is about, by its path, order or body; None if it is not one."""
    if "ticker" in request.match_info:
        return request.match_info["ticker"]
    order = find_order(venue, request.match_info.get("order_id", ""))
    if order is not None:
        return order.ticker
    if request.method == "POST" and request.can_read_body:
        try:
            return msgspec.json.decode(await request.read(), type=_Ordered).ticker
        except msgspec.MsgspecError:
            return None
    return None


def fill_before_cancel(venue: Venue, order_id: str, told_after_ms: int) -> None:
    """Fill half of a resting order now, and tell its owner of it later.

    The fill is real: books, money and public trades have it at once, and the cancel finds half of the order
    gone. Only the private messages of fill and position are late; the order's own update comes with the
    cancel (and late too, if that was refused). What stands before the order in the queue is taken with it.
    """
    order = find_order(venue, order_id)
    if order is None or order.status != "resting":
        return
    part = _half(order.remaining)
    if not part:
        return
    now = venue.clock.now()
    book, side = venue.exchange.markets[order.ticker].book, outcome(order.side)
    ahead = book.ahead(order)
    ahead += sum(size for price, size in book.levels(side) if price > order.own_price)
    venue.exchange.open_account(TAKER, {}, is_house=True)
    taking = NewOrder(
        TAKER,
        order.ticker,
        "ask" if order.side == "bid" else "bid",
        order.price,
        ahead + part,
        time_in_force="immediate_or_cancel",
    )
    _, facts = venue.exchange.place(taking, now)
    late: list[Telling] = [fact for fact in facts if isinstance(fact, Filled | PositionChanged)]
    private = (Filled, PositionChanged, OrderChanged)
    venue.keep([*facts])
    venue.publish([fact for fact in facts if not isinstance(fact, private)])

    def tell() -> None:
        is_told = order.status != "resting"
        venue.publish(late if is_told else [OrderChanged(order.state(), venue.clock.now()), *late])

    asyncio.get_running_loop().call_later(told_after_ms / 1000, tell)


def _half(qty: Qty) -> Qty:
    """Return half of a count, in whole contracts if it has several."""
    half = qty // 2
    return half - half % QTY_ONE if half >= QTY_ONE else half


def end_market(venue: Venue, ticker: str, kind: str) -> None:
    """Close, pause or settle a market that trades, as a fault says; another is left alone."""
    exchange = venue.exchange
    now = venue.clock.now()
    if not exchange.markets[ticker].is_open(now):
        return
    if kind == "market_paused":
        venue.tell([*exchange.deactivate(ticker, now)])
        return
    facts = [*exchange.move_close(ticker, now, now), *exchange.advance(now)]
    if kind == "market_settled":
        facts += exchange.determine(ticker, "no", 0, now)
        facts += exchange.settle(ticker, now)
    venue.tell([*facts])
