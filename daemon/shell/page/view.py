"""What the page shows, copied out of the core's beliefs into plain values: the account, and one market.

Prices are in 1e-4 $, quantities in 0.01 contract, money in 1e-6 $, instants in Unix ms; unknown is None.
However many markets are watched, a bounded number is shown: which ones is decided once a second or two, for
that looks at all of them.
"""

from __future__ import annotations

import heapq
from collections import Counter

import msgspec

from daemon.core.decisions import Decision
from daemon.core.engine import Engine
from daemon.core.exposure import mark, marked_equity
from daemon.core.market import Market
from daemon.core.orders import Order
from daemon.core.state import State
from daemon.core.units import MILLISECOND, PRICE_ONE, SECOND, Money, Ns, Price, Qty
from daemon.shell.metrics import Metrics
from daemon.shell.page.decided import Decided
from daemon.shell.queue_places import Place, place_of

MARKETS_SHOWN = 40
LEVELS = 8
"""Price levels of a side of the ladder."""
ORDERS_SHOWN = 100
POSITIONS_SHOWN = 100
WORDS_CHARS_MAX = 240


class MarketLine(msgspec.Struct, frozen=True):
    """One line of the markets' table. `score` is the default model's P(YES)."""

    ticker: str
    status: str
    closes_in_s: int
    is_synced: bool
    bid: Price | None
    ask: Price | None
    score: float | None
    position: Qty
    orders: int


class PositionLine(msgspec.Struct, frozen=True):
    """One holding, or what is left of one: `qty` signed, `value` of the open part; None where no price is."""

    ticker: str
    qty: Qty
    cost: Money
    value: Money | None
    realized: Money
    fees: Money


class DecisionLine(msgspec.Struct, frozen=True):
    """One decision, as the core noted it."""

    at: int
    ticker: str
    strategy: str
    outcome: str
    reason: str


class LatencyLine(msgspec.Struct, frozen=True):
    """Durations counted in buckets: the n-th ends at 2^n µs, the last one never."""

    name: str
    counts: tuple[int, ...]


class AccountView(msgspec.Struct, frozen=True):
    """All but the chosen market."""

    at: int
    phase: str
    halt: str | None
    """Why it is halted."""
    is_latched: bool
    unready: str | None
    """Why it is not ready to trade."""
    notes: tuple[str, ...]
    frames: int
    breaker: str
    cash: Money | None
    equity: Money | None
    pnl: Money | None
    fees: Money
    fills: int
    orders: int
    orders_open: int
    markets_total: int
    markets: tuple[MarketLine, ...]
    positions: tuple[PositionLine, ...]
    decisions: tuple[DecisionLine, ...]
    """What was done or refused, newest first."""
    decisions_missed: int
    """Decisions that came and went unseen."""
    refusals: tuple[tuple[str, int], ...]
    latencies: tuple[LatencyLine, ...]


class OwnOrder(msgspec.Struct, frozen=True):
    """One order of ours in the chosen market. `ahead` is what stands before it, if it is known."""

    client_order_id: str
    side: str
    price: Price
    remaining: Qty
    state: str
    strategy: str
    ahead: Qty | None


class MarketView(msgspec.Struct, frozen=True):
    """The chosen market: its ladder in the YES view, best price first, and our orders."""

    at: int
    ticker: str | None
    """None where no market is watched."""
    title: str
    is_synced: bool
    bids: tuple[tuple[Price, Qty], ...]
    asks: tuple[tuple[Price, Qty], ...]
    mid: float | None
    """In 1e-4 $."""
    score: float | None
    orders: tuple[OwnOrder, ...]
    standing: tuple[DecisionLine, ...] = ()
    """What each strategy last decided there."""


class Words(msgspec.Struct, frozen=True):
    """What the core does not know of itself: told by the daemon around it."""

    is_latched: bool
    unready: str | None
    notes: tuple[str, ...]
    frames: int


def choose_markets(state: State, now: Ns) -> tuple[str, ...]:
    """Return the tickers that are shown: ours first, then open ones that close soonest, then what is over.

    "Ours" are those in which something is held or may still trade.
    """
    ours = {order.ticker for order in state.orders.values()}
    ours |= {ticker for ticker, position in state.ledger.positions.items() if position.qty}

    def rank(market: Market) -> tuple[bool, bool, int, str]:
        spec = market.spec
        return spec.ticker not in ours, spec.close_at <= now, abs(spec.close_at - now), spec.ticker

    shown = heapq.nsmallest(MARKETS_SHOWN, state.markets.values(), key=rank)
    return tuple(market.spec.ticker for market in shown)


def account_view(
    engine: Engine, metrics: Metrics, decided: Decided, shown: tuple[str, ...], words: Words, now: Ns
) -> AccountView:
    """Return a copy of how the account and these markets stand."""
    state = engine.state
    open_orders = Counter(order.ticker for order in state.orders.values() if order.is_open)
    markets = tuple(
        _market_line(engine, state.markets[ticker], open_orders[ticker], now)
        for ticker in shown
        if ticker in state.markets
    )
    return AccountView(
        at=now // MILLISECOND,
        phase=engine.phase,
        halt=state.halt_reason,
        is_latched=words.is_latched,
        unready=words.unready,
        notes=words.notes,
        frames=words.frames,
        breaker=engine.breakers.worst,
        cash=state.ledger.cash,
        equity=marked_equity(state),
        pnl=engine.gathering.pnl(),
        fees=state.ledger.fees,
        fills=state.ledger.fills_total,
        orders=engine.orders_total,
        orders_open=open_orders.total(),
        markets_total=len(state.markets),
        markets=markets,
        positions=_positions(state),
        decisions=tuple(_decision_line(one) for one in reversed(decided.acts)),
        decisions_missed=decided.missed,
        refusals=tuple(engine.refusals.most_common(10)),
        latencies=(
            LatencyLine("tick to decision", tuple(metrics.decision.buckets)),
            LatencyLine("wait in the order queue", tuple(metrics.queue_wait.buckets)),
            LatencyLine("order request", tuple(metrics.order_request.buckets)),
        ),
    )


def market_view(
    engine: Engine, decided: Decided, ticker: str | None, ahead: dict[Place, Qty], now: Ns
) -> MarketView:
    """Return a copy of a market's book and of our orders there.

    Args:
        engine: whose beliefs.
        decided: what was decided lately.
        ticker: None, or a market that is not watched, is shown as none.
        ahead: what stands before our orders, as far as it is known.
        now: our clock.
    """
    market = None if ticker is None else engine.state.markets.get(ticker)
    if market is None or ticker is None:
        return MarketView(now // MILLISECOND, None, "", False, (), (), None, None, ())
    book = market.book
    bids = tuple((price, book.yes.sizes[price]) for price in reversed(book.yes.prices[-LEVELS:]))
    # A NO bid at q is a YES ask at 1 - q.
    asks = tuple((PRICE_ONE - price, book.no.sizes[price]) for price in reversed(book.no.prices[-LEVELS:]))
    open_here = [order for order in engine.state.open_orders(ticker) if order.is_open]
    return MarketView(
        at=now // MILLISECOND,
        ticker=ticker,
        title=market.spec.title,
        is_synced=book.is_synced,
        bids=bids,
        asks=asks,
        mid=mid_of(market),
        score=engine.scores.get(ticker),
        orders=tuple(_own_order(order, ahead) for order in open_here[:ORDERS_SHOWN]),
        standing=tuple(_decision_line(one) for one in decided.standing(ticker)),
    )


def mid_of(market: Market) -> float | None:
    """Return the middle of a book's best prices in 1e-4 $; None where one is missing."""
    bid, ask = market.book.bid, market.book.ask
    return None if bid is None or ask is None else (bid + ask) / 2


def _decision_line(one: Decision) -> DecisionLine:
    reason = one.reason[:WORDS_CHARS_MAX]
    return DecisionLine(one.at // MILLISECOND, one.ticker, one.strategy, one.outcome, reason)


def _market_line(engine: Engine, market: Market, orders: int, now: Ns) -> MarketLine:
    ticker, position = market.spec.ticker, engine.state.ledger.positions.get(market.spec.ticker)
    return MarketLine(
        ticker=ticker,
        status=market.spec.status,
        closes_in_s=(market.spec.close_at - now) // SECOND,
        is_synced=market.book.is_synced,
        bid=market.book.bid,
        ask=market.book.ask,
        score=engine.scores.get(ticker),
        position=0 if position is None else position.qty,
        orders=orders,
    )


def _positions(state: State) -> tuple[PositionLine, ...]:
    """Return what is held, the dearest first, and then what was."""
    dearest = heapq.nsmallest(
        POSITIONS_SHOWN,
        state.ledger.positions.items(),
        key=lambda one: (not one[1].qty, -one[1].cost, one[0]),
    )
    lines = []
    for ticker, position in dearest:
        price = mark(state, ticker)
        value = None if price is None else position.value(price)
        lines.append(
            PositionLine(ticker, position.qty, position.cost, value, position.realized, position.fees)
        )
    return tuple(lines)


def _own_order(order: Order, ahead: dict[Place, Qty]) -> OwnOrder:
    place = place_of(order)
    return OwnOrder(
        client_order_id=order.client_order_id,
        side=order.side,
        price=order.price,
        remaining=order.qty - order.filled,
        state=order.state,
        strategy=order.strategy,
        ahead=None if place is None else ahead.get(place),
    )
