"""The fair value agrees with what the price does."""

import math

from daemon.sandbox.flows.fair import probability
from daemon.sandbox.flows.spot import seeded

V = 0.45 / math.sqrt(365 * 24 * 3600)


def test_at_the_strike_it_is_a_coin() -> None:
    """Half, at any time to the close."""
    assert [0.5, 0.5] == [round(probability(85_000, 85_000, V, left, 0, 0), 9) for left in (900.0, 60.0)]


def test_it_rises_with_the_price_and_hardens_with_time() -> None:
    """The same distance means more when less time is left."""
    far, near = (probability(85_050, 85_000, V, left, 0, 0) for left in (800.0, 100.0))

    assert 0.5 < far < near < 1.0
    assert probability(84_950, 85_000, V, 100.0, 0, 0) < 0.5


def test_within_the_last_minute_the_stamped_values_count() -> None:
    """With 59 values known far above the strike, a price below it changes nothing."""
    assert 0.9999 == probability(84_000, 85_000, V, 1.0, 59 * 86_000.0, 59)
    assert 0.0001 == probability(86_000, 85_000, V, 1.0, 59 * 84_000.0, 59)


def test_with_all_values_known_it_is_decided() -> None:
    """At the close the mean has reached the strike, or it hasn't."""
    assert 0.9999 == probability(1.0, 85_000, V, 0.0, 60 * 85_000.0, 60)
    assert 0.0001 == probability(1.0, 85_000, V, 0.0, 60 * 84_999.0, 60)


def test_it_agrees_with_simulated_settlements() -> None:
    """4,000 Brownian paths settle above as often as it says, within three standard errors."""
    random, paths, above = seeded("fair"), 4_000, 0
    for _ in range(paths):
        price, total = 85_020.0, 0.0
        price *= math.exp(V * math.sqrt(240) * random.gauss(0, 1))
        for _ in range(60):
            total += price
            price *= math.exp(V * random.gauss(0, 1))
        above += total / 60 >= 85_000
    chance = probability(85_020, 85_000, V, 300.0, 0, 0)

    assert abs(above / paths - chance) < 3 * math.sqrt(chance * (1 - chance) / paths)
