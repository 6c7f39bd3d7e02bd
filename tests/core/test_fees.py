"""Fees: exact to a millionth of a dollar, and never lost or invented by rounding."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.fees import BALANCE_STEP, charge, fee_per_contract, rate, trade_fee
from daemon.core.markets import Fees, FeeType
from daemon.core.units import PRICE_ONE, QTY_ONE, Money, Price, Qty

QUADRATIC = Fees("quadratic", 1_000_000)
FEE_TYPES: tuple[FeeType, ...] = (
    "quadratic",
    "quadratic_with_maker_fees",
    "quadratic_with_combo_maker_fees",
)
fee_rules = st.builds(Fees, st.sampled_from(FEE_TYPES), st.integers(0, 3_000_000))
prices = st.integers(1, PRICE_ONE - 1)
quantities = st.integers(1, 100_000 * QTY_ONE)
fills = st.lists(
    st.tuples(prices, quantities, st.booleans(), st.sampled_from((-1, 1))), min_size=1, max_size=30
)


@pytest.mark.parametrize(
    ("price", "qty", "expected"),
    [
        (5_200, 100, 17_472),  # 1 @ 0.52: model .017472
        (9_900, 100, 693),  # 1 @ 0.99: model .000693
        (550, 100, 3_639),  # 1 @ 0.055: model .00363825, up
        (5_000, 30, 5_250),  # 0.30 @ 0.50
    ],
)
def test_the_trade_fees_of_the_protocol_sheet(price: Price, qty: Qty, expected: Money) -> None:
    """The model fee rounds up to a millionth. Source: protocol sheet 6.2."""
    assert expected == trade_fee(QUADRATIC, price, qty, is_taker=True)


@pytest.mark.parametrize(("price", "expected"), [(5_200, 17_500), (9_900, 700)])
def test_recorded_fee_costs_of_one_contract(price: Price, expected: Money) -> None:
    """What the venue was seen to charge for one contract. Source: protocol sheet 6.2, recorded."""
    fee = trade_fee(QUADRATIC, price, QTY_ONE, is_taker=True)
    assert expected == charge(0, -price * QTY_ONE, fee)[0]


def test_three_fills_of_one_order_share_an_accumulator() -> None:
    """0.30 @ 0.50 three times: .0053, .0052, .0053. Source: protocol sheet 6.2."""
    accumulator, costs = 0, []
    for _ in range(3):
        cost, accumulator = charge(accumulator, -5_000 * 30, trade_fee(QUADRATIC, 5_000, 30, is_taker=True))
        costs.append(cost)
    assert [5_300, 5_200, 5_300] == costs


@pytest.mark.parametrize(
    ("fee_type", "maker"),
    [("quadratic", 0), ("quadratic_with_maker_fees", 175), ("quadratic_with_combo_maker_fees", 350)],
)
def test_rates_by_fee_type(fee_type: FeeType, maker: int) -> None:
    """Takers pay .07; makers by fee type. Source: protocol sheet 6.1."""
    fees = Fees(fee_type, 1_000_000)
    assert 700 == rate(fees, is_taker=True)
    assert maker == rate(fees, is_taker=False)


@given(fee_rules, prices, quantities, st.booleans())
def test_a_trade_fee_is_the_model_fee_rounded_up(fees: Fees, price: Price, qty: Qty, is_taker: bool) -> None:
    """Against decimal arithmetic, for every rule, price and count; symmetric in YES and NO."""
    share = Decimal(price) / PRICE_ONE
    model = (
        (Decimal(rate(fees, is_taker=is_taker)) / 10_000)
        * (Decimal(fees.multiplier_ppm) / 1_000_000)
        * (Decimal(qty) / QTY_ONE)
        * share
        * (1 - share)
    )
    expected = int((model * 1_000_000).to_integral_value(ROUND_CEILING))
    assert expected == trade_fee(fees, price, qty, is_taker=is_taker)
    assert expected == trade_fee(fees, PRICE_ONE - price, qty, is_taker=is_taker)


@given(fee_rules, fills)
def test_rounding_conserves_every_millionth(fees: Fees, order: list[tuple[Price, Qty, bool, int]]) -> None:
    """Over an order, what was charged is the trade fees plus what the accumulator still holds."""
    accumulator = charged = exact = 0
    for price, qty, is_taker, sign in order:
        fee = trade_fee(fees, price, qty, is_taker=is_taker)
        cost, accumulator = charge(accumulator, sign * price * qty, fee)
        charged, exact = charged + cost, exact + fee
        assert charged == exact + accumulator


@given(fee_rules, fills)
def test_charges_keep_balances_on_their_step_and_within_bounds(
    fees: Fees, order: list[tuple[Price, Qty, bool, int]]
) -> None:
    """Each fill moves the balance by whole steps; its cost is never negative, nor below fee minus credit."""
    accumulator = 0
    for price, qty, is_taker, sign in order:
        fee = trade_fee(fees, price, qty, is_taker=is_taker)
        revenue = sign * price * qty
        cost, after = charge(accumulator, revenue, fee)
        assert 0 == (revenue - cost) % BALANCE_STEP
        assert max(0, fee - accumulator) <= cost < fee + BALANCE_STEP
        assert 0 <= after
        accumulator = after


@given(fee_rules, prices, st.booleans())
def test_the_float_fee_of_a_decision_is_within_rounding_of_the_exact_one(
    fees: Fees, price: Price, is_taker: bool
) -> None:
    """The fee that decisions use differs from the charged trade fee by less than a millionth a contract."""
    exact = trade_fee(fees, price, 1_000 * QTY_ONE, is_taker=is_taker) / 1_000
    assert abs(exact - fee_per_contract(fees, price / PRICE_ONE, is_taker=is_taker) * 1e6) < 0.01
