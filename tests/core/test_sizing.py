"""Kelly with fees: the notes' own examples, the numeric optimum, the no-trade band and the caps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.markets import Fees
from daemon.core.sizing import edge, kelly_fraction, kelly_qty
from daemon.core.units import MONEY_ONE, PRICE_ONE, BookSide

FEES = Fees("quadratic", 1_000_000)
EQUITY = 10_000 * MONEY_ONE


@pytest.mark.parametrize(
    ("price", "q", "side", "expected"),
    [
        (5_000, 0.55, "bid", 0.0674),
        (1_000, 0.15, "bid", 0.0489),
        (9_000, 0.95, "bid", 0.4664),
        (6_800, 0.46, "ask", 0.308),
    ],
)
def test_the_published_examples(price: int, q: float, side: BookSide, expected: float) -> None:
    """Full Kelly fractions as in the notes, taker fees included."""
    assert expected == pytest.approx(
        kelly_fraction(q, price, side, FEES, True), abs=6e-4 if side == "ask" else 5e-5
    )


def test_a_maker_without_fees_gets_the_textbook_fraction() -> None:
    """Without a fee an even-money contract believed at 0.55 is worth a tenth of the wealth."""
    assert pytest.approx(kelly_fraction(0.55, 5_000, "bid", FEES, False)) == 0.1


@given(price=st.integers(100, 9_900), q=st.floats(0, 1))
def test_inside_the_fee_band_nothing_is_bought(price: int, q: float) -> None:
    """Without spread, q within the fee of the price is worth neither YES nor NO; outside it, one of them."""
    fee = 0.07 * (price / PRICE_ONE) * (1 - price / PRICE_ONE)
    away = abs(q - price / PRICE_ONE) - fee
    both = [kelly_fraction(q, price, side, FEES, True) for side in ("bid", "ask")]
    if away < -1e-12:
        assert both == [0.0, 0.0]
    elif away > 1e-12:
        assert sum(fraction > 0 for fraction in both) == 1


def growth(q: float, cost: float, wealth: float, held: float, bought: float) -> float:
    """Expected log wealth after buying contracts at a cost, with some held already."""
    cash = wealth - bought * cost
    return q * math.log(cash + held + bought) + (1 - q) * math.log(cash)


@given(
    price=st.integers(500, 9_500),
    gain=st.floats(0.02, 0.3),
    held_share=st.floats(0, 0.2),
    side=st.sampled_from(["bid", "ask"]),
)
def test_no_other_size_grows_faster(price: int, gain: float, held_share: float, side: BookSide) -> None:
    """Full Kelly is the optimum of expected log wealth, also beside an existing position."""
    own = price / PRICE_ONE if side == "bid" else 1 - price / PRICE_ONE
    cost = own + 0.07 * own * (1 - own)
    win = min(cost + gain, 0.995)
    q = win if side == "bid" else 1 - win
    cash = 1_000.0
    held = float(round(held_share * cash))
    equity = round((cash + cost * held) * MONEY_ONE)
    qty = kelly_qty(q, price, side, FEES, True, equity, 1.0, 10**9, held=round(held * 100)) / 100
    best = growth(win, cost, cash, held, qty)
    for other in (qty - 1, qty - 0.1, qty + 0.1, qty + 1):
        if 0 <= other < cash / cost:
            assert growth(win, cost, cash, held, other) <= best + 1e-6


def test_a_fraction_scales_and_the_result_is_floored() -> None:
    """A quarter of Kelly's 0.0674 of 10,000 dollars at 0.5175 a contract, floored to a hundredth."""
    full = kelly_fraction(0.55, 5_000, "bid", FEES, True)
    assert math.floor(0.25 * full * 10_000 / 0.5175 * 100) == kelly_qty(
        0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 10**9
    )


def test_caps_and_what_is_held() -> None:
    """Never more than the cap; what is held counts; the other outcome is bought back on top."""
    free = kelly_qty(0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 10**9)
    assert kelly_qty(0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 1_000) == 1_000
    assert free - 700 == kelly_qty(0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 10**9, held=700)
    assert free + 700 == kelly_qty(0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 10**9, held=-700)
    assert kelly_qty(0.55, 5_000, "bid", FEES, True, EQUITY, 0.25, 10**9, held=free + 1) == 0


def test_without_equity_nothing_is_bought() -> None:
    """No wealth, no stake."""
    assert kelly_qty(0.9, 5_000, "bid", FEES, True, 0, 0.25, 10**9) == 0
    assert kelly_qty(0.9, 5_000, "bid", FEES, True, -1, 0.25, 10**9) == 0


def test_edges_of_both_sides() -> None:
    """The edge is probability minus cost: buying YES at 0.50, and NO at 0.50, at the taker's fee."""
    assert pytest.approx(edge(0.55, 5_000, "bid", FEES, True)) == 0.0325
    assert pytest.approx(edge(0.55, 5_000, "ask", FEES, True)) == -0.0675
    assert pytest.approx(edge(0.55, 5_000, "bid", FEES, False)) == 0.05


@pytest.mark.parametrize(
    ("q", "price", "fraction", "message"),
    [
        (math.nan, 5_000, 0.25, "not a probability"),
        (1.01, 5_000, 0.25, "not a probability"),
        (0.5, 0, 0.25, "not an order price"),
        (0.5, 10_000, 0.25, "not an order price"),
        (0.5, 5_000, 1.5, "not a fraction of Kelly"),
    ],
)
def test_nonsense_is_refused(q: float, price: int, fraction: float, message: str) -> None:
    """A sizer that is fed nonsense says so; it never bets on it."""
    with pytest.raises(ValueError, match=message):
        kelly_qty(q, price, "bid", FEES, True, EQUITY, fraction, 100)
