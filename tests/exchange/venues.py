"""Small exchanges for tests: one open market, two told accounts and one of the house."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from daemon.core.markets import Fees, FeeType, MarketSpec
from daemon.core.units import DAY, HOUR, MONEY_ONE, BookSide, Money, Ns, Price, Qty
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import BookReplaced, Fact, LevelChanged, OrderState
from daemon.exchange.matching import Order
from daemon.exchange.requests import NewOrder, Refused
from daemon.exchange.tick_tables import TAPERED_DECI_CENT

TICKER = "KXBTC15M-26SEP251515-15"
T0: Ns = 1_790_000_000_000_000_000
CASH: Money = 1_000 * MONEY_ONE
SHARD = 2


def spec_of(ticker: str = TICKER, fee_type: FeeType = "quadratic") -> MarketSpec:
    """Return a market that is open from T0 for an hour."""
    return MarketSpec(
        ticker,
        ticker.rpartition("-")[0],
        "KXBTC15M",
        "BTC price up in next 15 mins?",
        "initialized",
        T0,
        T0 + HOUR,
        84_000 * MONEY_ONE,
        "greater_or_equal",
        TAPERED_DECI_CENT,
        Fees(fee_type, MONEY_ONE),
        SHARD,
    )


def exchange_of(*, is_shadow: bool = False, fee_type: FeeType = "quadratic") -> Exchange:
    """Return an exchange with TICKER open and accounts "a", "b" (CASH each) and "sim:x" of the house."""
    count = itertools.count(1)
    exchange = Exchange(lambda: f"id-{next(count)}")
    exchange.list_market(spec_of(fee_type=fee_type), T0, is_shadow=is_shadow)
    for name in ("a", "b"):
        exchange.open_account(name, {SHARD: CASH})
    exchange.open_account("sim:x", {}, is_house=True)
    return exchange


def placed(
    exchange: Exchange, account: str, side: BookSide, price: Price, qty: Qty, now: Ns = T0, **terms: object
) -> OrderState:
    """Place an order that must be accepted; return it."""
    found, _ = exchange.place(NewOrder(account, TICKER, side, price, qty, **terms), now)  # type: ignore[arg-type]
    assert not isinstance(found, Refused), found
    return found


def refused(
    exchange: Exchange, account: str, side: BookSide, price: Price, qty: Qty, now: Ns = T0, **terms: object
) -> tuple[str, str | None]:
    """Place an order that must be refused; return code and details."""
    found, facts = exchange.place(NewOrder(account, TICKER, side, price, qty, **terms), now)  # type: ignore[arg-type]
    assert isinstance(found, Refused), found
    assert [] == facts
    return found.code, found.details


def order_of(order_id: str, account: str, side: BookSide, price: Price, qty: Qty) -> Order:
    """Return an order of no exchange."""
    return Order(
        order_id,
        account,
        order_id,
        TICKER,
        SHARD,
        side,
        price,
        qty,
        "good_till_canceled",
        "taker_at_cross",
        T0,
    )


def rebuilt(
    facts: Iterable[Fact], book: dict[tuple[str, int], Qty] | None = None
) -> dict[tuple[str, int], Qty]:
    """Return TICKER's levels by (side, own price) as whoever listens would have them."""
    levels: dict[tuple[str, int], Qty] = {} if book is None else book
    for fact in facts:
        if isinstance(fact, BookReplaced) and fact.ticker == TICKER:
            levels.clear()
            levels.update({("yes", price): size for price, size in fact.yes})
            levels.update({("no", price): size for price, size in fact.no})
        elif isinstance(fact, LevelChanged) and fact.ticker == TICKER:
            size = levels.get((fact.side, fact.price), 0) + fact.delta
            assert size >= 0, f"impossible {fact}"
            if size:
                levels[fact.side, fact.price] = size
            else:
                del levels[fact.side, fact.price]
    return levels


def shown(exchange: Exchange) -> dict[tuple[str, int], Qty]:
    """Return TICKER's levels as the book has them."""
    book = exchange.markets[TICKER].book
    return {
        **{("yes", price): size for price, size in book.levels("yes")},
        **{("no", price): size for price, size in book.levels("no")},
    }


CLOSED: Ns = T0 + HOUR
LATER: Ns = T0 + DAY
