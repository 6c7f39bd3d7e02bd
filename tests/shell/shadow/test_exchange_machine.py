"""Whatever the market and we do: the core's ledger, fed with what is told, equals the shadow account."""

from __future__ import annotations

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.ledger import Ledger
from daemon.core.units import BookSide, Price, Qty
from daemon.exchange.facts import OrderState
from daemon.shell.shadow import told
from tests.exchange.venues import TICKER
from tests.shell.shadow.paper import CASH, NOW, Paper, delta, snapshot

PRICES = st.sampled_from([3_800, 3_900, 4_000, 4_100, 4_200, 4_300, 4_400])
SIZES = st.integers(1, 900)
SIDES: st.SearchStrategy[BookSide] = st.sampled_from(["bid", "ask"])
OUTCOMES: st.SearchStrategy[Literal["yes", "no"]] = st.sampled_from(["yes", "no"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), SIDES, PRICES, SIZES),
        st.tuples(st.just("level"), OUTCOMES, PRICES, st.integers(-400, 400)),
        st.tuples(st.just("print"), OUTCOMES, PRICES, SIZES),
        st.tuples(st.just("lost"), OUTCOMES, PRICES, SIZES),
        st.tuples(st.just("cancel"), OUTCOMES, PRICES, SIZES),
    ),
    max_size=25,
)


def take(paper: Paper, kind: str, side: str, price: Price, size: Qty) -> None:
    """Let one thing happen; prices are YES prices, a NO level's is its mirror."""
    match kind:
        case "order":
            paper.place(side, price, size)  # type: ignore[arg-type]  # the strategy's
        case "level":
            paper.hear(delta(side, price if side == "yes" else 10_000 - price, size))
        case "print":
            paper.hear(e.TradePrinted(TICKER, "t", price, size, side, NOW, NOW))  # type: ignore[arg-type]
        case "lost":
            paper.hear(e.BookLost(TICKER, "gap", NOW), snapshot())
        case _:
            book = paper.shadow.exchange.markets[TICKER].book
            for order in list(book.orders()):
                paper.shadow.cancel(order.order_id, NOW)


@given(STEPS, st.sampled_from([0, 2_500, 10_000]))
def test_cash_and_position_equal_what_was_told(
    steps: list[tuple[str, str, Price, Qty]], settled_at: Price
) -> None:
    """To the last unit, fees included, and over the payout; no order trades more than it was for."""
    paper, ledger = Paper(), Ledger()
    ledger.cash = CASH
    for step in steps:
        take(paper, *step)
    for fill in paper.fills:
        assert ledger.apply_fill(told.order_filled(fill, NOW, is_streamed=True))
    account = paper.shadow.account
    assert (ledger.cash, ledger.position_qty(TICKER)) == (paper.cash, account.qty(TICKER))
    for order in account.orders.values():
        state: OrderState = order.state()
        assert state.initial == state.filled + state.remaining + state.canceled
        assert state.filled == sum(fill.qty for fill in paper.fills if fill.order_id == state.order_id)
    result: Literal["yes", "no", "scalar"] = (
        "yes" if settled_at == 10_000 else "scalar" if settled_at else "no"
    )
    paper.hear(e.MarketDetermined(TICKER, result, settled_at, NOW), e.MarketSettled(TICKER, NOW))
    ledger.settle(TICKER, settled_at)
    assert ledger.cash == paper.cash
