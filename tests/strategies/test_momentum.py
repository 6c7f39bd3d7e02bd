"""The momentum: where it follows, when it leaves, and that it keeps off the mean reversion's ground."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.features import definition_of
from daemon.core.strategy import MarketView, Wanted
from daemon.core.units import HOUR, SECOND
from strategies import mean_reversion
from strategies.momentum import Momentum, Params
from tests.strategies.views import NOON, assert_sane, told, view

MOVE, DEVIATION = "mid_momentum_3600s", "mean_deviation_7d"

WIDE = Params(order_contracts_max=10_000, position_contracts_max=10_000)


def at(move: float | None, deviation: float | None = 0.05, **changes: object) -> MarketView:
    """A market that moved so far within the hour, so far from its mean."""
    return view(features={MOVE: move, DEVIATION: deviation}, **changes)  # type: ignore[arg-type]  # words of `view`


def wants(shown: MarketView, params: Params | None = None) -> Wanted:
    return Momentum(params or Params()).wants(shown)


def test_its_features_exist() -> None:
    """By the names of the catalogue."""
    strategy = Momentum(Params(window_s=900))
    assert ("mid_momentum_900s", DEVIATION) == strategy.features
    assert list(strategy.features) == [definition_of(name).name for name in strategy.features]


@pytest.mark.parametrize(
    ("move", "expected"),
    [(0.05, ["take bid 300.00 at 42.0c"]), (-0.05, ["take ask 324.25 at 40.0c"]), (0.039, [])],
    ids=["up", "down", "little"],
)
def test_it_goes_with_the_move(move: float, expected: list[str]) -> None:
    """YES where the price rises, NO where it falls, for 2% of the portfolio."""
    assert expected == told(wants(at(move), WIDE))


@pytest.mark.parametrize(("held", "move", "side"), [(5_000, -0.001, "ask"), (-5_000, 0.0, "bid")])
def test_a_position_is_left_when_the_move_has_ended(held: int, move: float, side: str) -> None:
    """At once and whole; while it goes on, it is kept."""
    (target,) = wants(at(move, own_position=held)).targets
    assert (side, 5_000) == (target.side, target.qty)
    going_on = 0.01 if held > 0 else -0.01
    assert () == wants(at(going_on, own_position=held)).targets


@given(move=st.floats(-1, 1), deviation=st.floats(-1, 1))
def test_it_never_enters_where_mean_reversion_does(move: float, deviation: float) -> None:
    """The two stand on disjoint ground: their correlation is of their results, not of their orders."""
    shown = at(move, deviation)
    other = mean_reversion.MeanReversion(mean_reversion.Params()).wants(shown)
    assert () in (wants(shown).targets, other.targets)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"now": NOON - 4 * HOUR - SECOND}, "outside its hours"),
        ({"closes_in": 4 * HOUR - SECOND}, "quiet before the close"),
        ({"volume_day": 499 * 100}, "too little traded in a day"),
        ({"ask": None}, "one-sided or crossed book"),
        ({"deviation": None}, "mean_deviation_7d unknown yet"),
        ({"deviation": -0.12}, "-12.0c from its mean: too far to follow"),
        ({"move": None}, "mid_momentum_3600s unknown yet"),
    ],
)
def test_what_keeps_it_out(changes: dict[str, object], reason: str) -> None:
    """Nothing is wanted, and it says why."""
    assert Wanted((), reason) == wants(at(**{"move": 0.1, **changes}))  # type: ignore[arg-type]  # words of `at`


@given(
    bid=st.integers(1, 99).map(lambda cents: cents * 100),
    ask=st.integers(1, 99).map(lambda cents: cents * 100),
    move=st.floats(-1, 1),
    held=st.integers(-50_000, 50_000),
)
def test_whatever_it_wants_is_sane(bid: int, ask: int, move: float, held: int) -> None:
    """One order at most, and never against the move, but to give up what is held."""
    shown = at(move, bid=bid, ask=ask, own_position=held)
    wanted = wants(shown)
    assert_sane(shown, wanted)
    assert len(wanted.targets) <= 1
    for target in wanted.targets:
        assert (target.side == "bid") == (move > 0) or target.qty <= abs(held)


@pytest.mark.parametrize("exit_at", [0.12, 0.20])
def test_an_entry_is_never_an_exit_too(exit_at: float) -> None:
    """Bought and given up at once, it would pay the spread with every tick: refused at the start."""
    with pytest.raises(ValueError, match=r"exit_momentum: 0\.\d+ must be below momentum_min "):
        Momentum(Params(momentum_min=0.12, exit_momentum=exit_at))
