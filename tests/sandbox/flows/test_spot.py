"""The simulated price and its index."""

import math
from statistics import pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import MINUTE, MONEY_CENT, SECOND
from daemon.sandbox.flows.spot import YEAR_S, Index, SpotModel, mean_cents, seeded, to_cents


def test_the_seed_is_all_that_the_price_depends_on() -> None:
    """Same seed, same path; another seed, another path."""
    paths = []
    for seed in (1, 1, 2):
        model = SpotModel(seeded(seed), 85_000.0)
        path = []
        for _ in range(50):
            model.step(1.0)
            path.append(model.price)
        paths.append(path)

    assert paths[0] == paths[1]
    assert paths[0] != paths[2]


def test_realised_volatility_is_realistic() -> None:
    """Twelve simulated hours: realised within 30-70 % a year, the model's own mostly within 35-60 %."""
    model = SpotModel(seeded("volatility"), 85_000.0)
    moves, volatilities = [], []
    for _ in range(12 * 360):
        before = model.price
        model.step(10.0)
        moves.append(math.log(model.price / before))
        volatilities.append(model.volatility)

    assert 0.30 < pstdev(moves) * math.sqrt(YEAR_S / 10) < 0.70
    assert 0.8 < sum(0.35 <= each <= 0.60 for each in volatilities) / len(volatilities)


def test_settlement_is_the_mean_of_the_60_values_before_the_close() -> None:
    """T-60 … T-1: neither the value stamped at the close counts, nor the one of T-61."""
    index = Index()
    close_at = 1_000 * SECOND
    for second in range(900, 1_010):
        counts = 940 <= second <= 999
        index.add(second * SECOND, (second - 900) * 10_000_000 if counts else 10**15)

    assert sum(range(40, 100)) * 10_000_000 // 60 == index.settlement(close_at)


def test_settlement_is_unknown_without_all_60_values() -> None:
    """None, never the mean of fewer."""
    index = Index()
    for second in range(941, 1_000):
        index.add(second * SECOND, MONEY_CENT)

    assert index.settlement(1_000 * SECOND) is None
    assert index.settlement(2_000 * SECOND) is None
    assert Index().settlement(0) is None


def test_the_index_forgets_what_no_settlement_asks_for() -> None:
    """Memory is bounded; what is kept is addressed by its stamp."""
    index = Index(keep=70)
    for second in range(500):
        index.add(second * SECOND, second * MONEY_CENT)

    assert [478 * MONEY_CENT, 479 * MONEY_CENT] == index.between(478 * SECOND, 480 * SECOND)
    assert [] == index.between(0, MINUTE)
    assert 430 * MONEY_CENT == index.nearest(0)


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=60))
def test_means_are_rounded_half_up_to_the_cent(cents: list[int]) -> None:
    """As exact fractions say, without a float."""
    mean = mean_cents([each * MONEY_CENT for each in cents]) // MONEY_CENT

    assert mean == (2 * sum(cents) + len(cents)) // (2 * len(cents))


def test_dollars_become_whole_cents() -> None:
    """The index is published to the cent."""
    assert 85_000_120_000 == to_cents(85_000.1234)


def test_an_index_with_a_hole_is_a_programmer_error() -> None:
    """A missing second would shift every settlement."""
    index = Index()
    index.add(SECOND, MONEY_CENT)
    with pytest.raises(AssertionError, match="skips"):
        index.add(3 * SECOND, MONEY_CENT)
