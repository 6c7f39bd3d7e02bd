"""The reference price's features by example; their twins are compared in test_feature_set."""

from __future__ import annotations

import math

from daemon.core.events import ReferencePriceReceived
from daemon.core.features import ReferenceFeatures
from daemon.core.units import MONEY_ONE, SECOND


def price(dollars: float, at_s: float) -> ReferencePriceReceived:
    return ReferencePriceReceived("x", "BTC/USD", round(dollars * MONEY_ONE), round(at_s * SECOND), None)


def test_returns_wait_for_a_price_a_window_old() -> None:
    """One second's return is known one second after the first price, and is the log of the ratio."""
    reference = ReferenceFeatures()
    reference.on_price(price(100, 10))
    reference.on_price(price(101, 10.5))
    assert reference.log_return(SECOND, round(10.9 * SECOND)) is None
    actual = reference.log_return(SECOND, 11 * SECOND)
    assert actual is not None
    assert math.isclose(math.log(1.01), actual, rel_tol=1e-12)


def test_volatility_is_the_root_mean_square_of_seconds() -> None:
    """Ten changes of one dollar at 100 dollars are one percent per square root of a second."""
    reference = ReferenceFeatures()
    for second in range(11):
        assert reference.volatility(second * SECOND) is None
        reference.on_price(price(100 + second % 2, second))
    assert reference.volatility(10 * SECOND + 1) == 0.01


def test_a_lost_feed_knows_nothing() -> None:
    """After the loss price, returns and volatility are None, and warm up from nothing."""
    reference = ReferenceFeatures()
    for second in range(40):
        reference.on_price(price(100, second))
    reference.on_lost()
    now = 41 * SECOND
    assert (
        reference.price,
        reference.log_return(SECOND, now),
        reference.volatility(now),
    ) == (None, None, None)
    reference.on_price(price(100, 42))
    assert reference.log_return(30 * SECOND, 43 * SECOND) is None


def test_an_impossible_price_ends_what_was_known() -> None:
    """A price of zero is no price: what came before it isn't vouched for either."""
    reference = ReferenceFeatures()
    reference.on_price(price(100, 1))
    reference.on_price(price(0, 2))
    assert reference.price is None


def test_the_past_is_one_object_as_long_as_it_says_the_same() -> None:
    """Markets find by a look at it that theirs stand; prices, windows and losses change it."""
    reference = ReferenceFeatures()
    unknown = reference.past(9 * SECOND)
    assert (None, None, None, None) == unknown
    reference.on_price(price(100, 10))
    assert reference.past(11 * SECOND - 1) is unknown
    begun = reference.past(11 * SECOND)
    assert (0.0, None, None, None) == begun
    assert reference.past(11 * SECOND + 5) is begun
    reference.on_price(price(101, 11.5))
    risen = reference.past(12 * SECOND)
    assert math.isclose(math.log(1.01), risen[0] or 0.0, rel_tol=1e-12)
    assert reference.past(12 * SECOND + SECOND // 2) == (0.0, None, None, None)
    reference.on_lost()
    assert unknown == reference.past(13 * SECOND)


def test_an_earlier_instant_finds_its_own_past() -> None:
    """What one instant found is not told to an earlier one: two feeds' stamps may come out of order."""
    reference = ReferenceFeatures()
    reference.on_price(price(100, 10))
    assert reference.past(11 * SECOND)[0] == 0.0
    assert reference.past(11 * SECOND - 1)[0] is None
