"""Net value at executable prices: exact by hand, never bought without an edge, and honest about spreads."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.markets import Fees
from daemon.core.units import PRICE_ONE, QTY_ONE
from daemon.lab.judging.arrays import NotJudged
from daemon.lab.judging.blocks import blocks_of
from daemon.lab.judging.execution import Purchases, fee_table, net_value, net_values, order_fee

FEES = Fees("quadratic", 1_000_000)


def test_a_fee_is_the_cores() -> None:
    """Ten contracts at 50c cost 0.07 x 10 x 0.25 = 0.175 $, and the table has every price."""
    assert 175_000 == order_fee(FEES, 5_000)
    table = fee_table(FEES)
    assert (10_001, 0, 175_000, 0) == (len(table), table[0], table[5_000], table[10_000])


def test_sides_and_money_by_hand() -> None:
    """YES at 52c that wins, NO at 1 - 0.60 that loses, nothing inside the spread and its fees."""
    bought = Purchases([0.7, 0.3, 0.5], [1, 1, 1], [5000, 6000, 4900], [5200, 6200, 5100], FEES)
    assert [1, -1, 0] == bought.bought.tolist()
    assert [5200, 4000, 0] == bought.price.tolist()
    yes_fee, no_fee = order_fee(FEES, 5200), order_fee(FEES, 4000)
    assert [yes_fee, no_fee, 0] == bought.fee.tolist()
    assert [4_800_000 - yes_fee, -4_000_000 - no_fee, 0] == bought.net.tolist()


def test_the_band_of_no_trade_is_the_fee() -> None:
    """At 50c both ways, an expectation must be beyond 51.75c or below 48.25c to be traded on."""
    said = [0.5174, 0.5176, 0.4826, 0.4824]
    bought = Purchases(said, [0] * 4, [5000] * 4, [5000] * 4, FEES)
    assert [0, 1, 0, -1] == bought.bought.tolist()


def test_an_empty_side_cannot_be_bought() -> None:
    """Without an ask there is no YES to buy, without a bid no NO."""
    bought = Purchases([0.9, 0.1], [1, 0], [nan, nan], [nan, 5000], FEES)
    assert [0, 0] == bought.bought.tolist()


def test_a_price_that_is_none_is_named() -> None:
    """Fractions of a unit and what is beyond the scale."""
    with pytest.raises(NotJudged, match=r"ask\[0\] is no price"):
        Purchases([0.5], [1], [5000], [5200.5], FEES)
    with pytest.raises(NotJudged, match=r"bid\[1\] is no price"):
        Purchases([0.5, 0.5], [1, 1], [5000, 10_000], [5200, 5200], FEES)


ROWS = st.lists(
    st.tuples(st.floats(0, 1), st.booleans(), st.integers(1, 9998), st.integers(1, 400)),
    min_size=1,
    max_size=30,
)


@given(ROWS, st.floats(0, 0.2))
def test_only_an_edge_is_bought(rows: list[tuple[float, bool, int, int]], margin: float) -> None:
    """What is bought is expected to earn more than the margin; net is gross less the fee; money is whole."""
    said = [p for p, _, _, _ in rows]
    happened = [float(y) for _, y, _, _ in rows]
    bid = [price for _, _, price, _ in rows]
    ask = [min(PRICE_ONE - 1, price + spread) for _, _, price, spread in rows]
    bought = Purchases(said, happened, bid, ask, FEES, margin)
    assert (bought.net == bought.gross - bought.fee).all()
    chosen = bought.bought != 0
    assert (bought.expected[chosen] > margin * 10_000_000).all()
    assert (bought.net[~chosen] == 0).all()
    worth = np.where((bought.bought == 1) == np.array(happened, dtype=bool), PRICE_ONE, 0)
    assert (bought.gross[chosen] == ((worth - bought.price) * 10 * QTY_ONE)[chosen]).all()


def test_a_market_that_is_right_pays_nobody() -> None:
    """Outcomes drawn from the mid: a noisy model loses fees and half the spread, and expects to gain."""
    rng = np.random.default_rng(3)
    mid = rng.uniform(0.1, 0.9, 3000)
    happened = (rng.random(3000) < mid).astype(float)
    said = np.clip(mid + rng.normal(0, 0.08, 3000), 0.01, 0.99)
    bid, ask = np.floor(mid * 10_000 - 100), np.ceil(mid * 10_000 + 100)
    blocks = blocks_of(np.arange(3000))
    found = net_values(Purchases(said, happened, bid, ask, FEES), blocks, seed=1)
    whole, yes, no = found[:3]
    assert ("all", "YES", "NO") == (whole.name, yes.name, no.name)
    assert whole.trades == yes.trades + no.trades == sum(one.trades for one in found[3:])
    assert whole.net.value is not None
    assert whole.gross is not None
    assert whole.fee is not None
    assert whole.expected is not None
    assert whole.net.is_below_zero
    assert whole.expected > 0
    assert whole.net.value == pytest.approx(whole.gross - whole.fee, abs=1e-9)


def test_nothing_bought_is_unknown() -> None:
    """No trades have no mean, rather than one of 0."""
    bought = Purchases([0.5], [1], [4900], [5100], FEES)
    found = net_value(bought, blocks_of(["e"]), seed=1)
    assert (0, None, None, None) == (found.trades, found.net.value, found.gross, found.expected)
