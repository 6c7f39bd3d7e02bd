"""The portfolio: weights that sum to one, a rebalancing a day, and a band in which nothing is done."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.strategy import MarketView, Wanted
from daemon.core.units import DAY, HOUR, MINUTE, SECOND
from strategies.portfolio import Params, Portfolio
from tests.strategies.views import NOON, Around, assert_sane, peer, told, view

WIDE = Params(order_contracts_max=100_000, position_contracts_max=100_000)
TEN = NOON - 2 * HOUR
"""10:00 in New York."""


def at(change: float | None, *others: float | None, **changes: object) -> MarketView:
    """A market of which the model expects this change, beside others."""
    peers = Around(series=[peer(f"KX-{place}", score=score) for place, score in enumerate(others)])
    return view(**{"score": change, "now": TEN, "peers": peers, **changes})  # type: ignore[arg-type]  # words of `view`


def wants(shown: MarketView, params: Params | None = None) -> Wanted:
    return Portfolio(params or Params()).wants(shown)


def test_alone_a_market_gets_the_whole_stake() -> None:
    """A fifth of the portfolio: YES where a rise is expected, NO where a fall."""
    deep = (10_000_000, 10_000_000)
    cost = 0.42 + 0.07 * 0.42 * 0.58
    (target,) = wants(at(0.05, sizes=deep), WIDE).targets
    assert ("bid", 4_200) == (target.side, target.price)
    assert target.qty / 100 * cost == pytest.approx(2_000, abs=0.01)
    (target,) = wants(at(-0.05, sizes=deep), WIDE).targets
    assert ("ask", 4_000) == (target.side, target.price)
    assert target.qty / 100 * (0.60 + 0.07 * 0.40 * 0.60) == pytest.approx(2_000, abs=0.01)


def test_the_stake_is_shared_by_the_sizes_of_the_expected_changes() -> None:
    """L1: what falls counts like what rises; a market that is about to close does not."""
    assert "weight +0.25 of the series" in wants(at(0.05, -0.10, 0.05)).reason
    soon = peer("KX-SOON", score=9.0, close_at=TEN + DAY - SECOND)
    assert "weight +1.00 of the series" in wants(at(0.05, peers=Around(series=[soon]))).reason


def test_the_first_market_that_is_scored_is_not_given_the_stake_of_all() -> None:
    """After a start no other one has a forecast yet: each counts like this one until it has."""
    assert "weight +0.25 of the series" in wants(at(0.05, None, None, None)).reason
    assert "weight +0.25 of the series" in wants(at(0.05, -0.10, None)).reason


@given(changes=st.lists(st.floats(-1, 1), min_size=1, max_size=8), known=st.integers(0, 8))
def test_the_weights_never_sum_to_more_than_one(changes: list[float], known: int) -> None:
    """Whatever is expected, and however many are scored yet, the gross stake is what was allowed."""
    strategy = Portfolio(Params())
    total = 0.0
    scored = [change if place < known else None for place, change in enumerate(changes)]
    for place, change in enumerate(changes[:known]):
        others = scored[:place] + scored[place + 1 :]
        total += abs(strategy._weight(at(change, *others), change))
    assert total <= 1 + 1e-9


def test_what_is_near_enough_to_its_weight_is_left() -> None:
    """Within a quarter of the target nothing is worth its cost; beyond it the whole way is gone."""
    (whole,) = wants(at(0.05, 0.95, sizes=(10**7, 10**7)), WIDE).targets
    near = at(0.05, 0.95, sizes=(10**7, 10**7), own_position=round(whole.qty * 0.76))
    assert wants(near, WIDE).reason.endswith("near enough")
    far = msgspec.structs.replace(near, own_position=round(whole.qty * 0.7))
    assert whole.qty - far.own_position == wants(far, WIDE).targets[0].qty
    over = msgspec.structs.replace(near, own_position=whole.qty * 2)
    assert ("ask", whole.qty) == (wants(over, WIDE).targets[0].side, wants(over, WIDE).targets[0].qty)


def test_a_large_stake_comes_in_orders_of_the_largest_size_up_to_the_largest_position() -> None:
    """Whatever the weight says."""
    assert ["take bid 50.00 at 42.0c"] == told(wants(at(0.05)))
    assert wants(at(0.05, own_position=20_000)).reason.endswith("near enough")
    assert ["take ask 50.00 at 40.0c"] == told(wants(at(-0.05, own_position=20_000)))


def test_a_forecast_that_the_costs_eat_adds_nothing() -> None:
    """Half the spread and the fee come off; what is held the wrong way is given up all the same."""
    assert wants(at(0.03)).reason.endswith("are too little to add for")
    assert () == wants(at(0.03, own_position=1_000)).targets
    (target,) = wants(at(0.03, own_position=-1_000)).targets
    assert ("bid", 1_000) == (target.side, target.qty)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"now": TEN - SECOND}, "rebalanced in its hours only"),
        ({"now": TEN + 30 * MINUTE}, "rebalanced in its hours only"),
        ({"closes_in": DAY - SECOND}, "closes within the forecast's horizon"),
        ({"score": None}, "no score: the model gives none"),
        ({"score": None, "missing": ("mid",)}, "no score: mid unknown yet"),
        ({"bid": None}, "one-sided or crossed book"),
    ],
)
def test_what_keeps_it_out(changes: dict[str, object], reason: str) -> None:
    """Nothing is wanted, and it says why; what is held stays."""
    assert Wanted((), reason) == wants(at(0.2, own_position=5_000, **changes))


@given(
    bid=st.integers(1, 99).map(lambda cents: cents * 100),
    ask=st.integers(1, 99).map(lambda cents: cents * 100),
    change=st.floats(-1, 1),
    other=st.floats(-1, 1),
    held=st.integers(-500_000, 500_000),
)
def test_whatever_it_wants_is_sane(bid: int, ask: int, change: float, other: float, held: int) -> None:
    """One order at most, near the mid."""
    shown = at(change, other, bid=bid, ask=ask, own_position=held)
    wanted = wants(shown)
    assert_sane(shown, wanted)
    assert len(told(wanted)) <= 1
