"""The mean reversion: where it enters, what it gives up, and what keeps it out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.features import definition_of
from daemon.core.strategy import MarketView, Wanted
from daemon.core.units import DAY, HOUR, MONEY_ONE, SECOND
from strategies.mean_reversion import MeanReversion, Params
from tests.strategies.views import NOON, assert_sane, told, view

DEVIATION = "mean_deviation_7d"

WIDE = Params(order_contracts_max=10_000, position_contracts_max=10_000)


def at(deviation: float | None, **changes: object) -> MarketView:
    """A market so far from its mean."""
    return view(features={DEVIATION: deviation}, **changes)  # type: ignore[arg-type]  # words of `view`


def wants(shown: MarketView, params: Params | None = None) -> Wanted:
    return MeanReversion(params or Params()).wants(shown)


def test_its_feature_exists_for_every_window() -> None:
    """Its name follows the window, and the catalogue knows it."""
    for days in (1, 7, 30):
        strategy = MeanReversion(Params(window_days=days))
        assert (f"mean_deviation_{days}d",) == strategy.features
        assert definition_of(strategy.features[0]).name == strategy.features[0]


@pytest.mark.parametrize(
    ("deviation", "expected"),
    [(-0.13, ["take bid 300.00 at 42.0c"]), (0.13, ["take ask 324.25 at 40.0c"]), (0.119, [])],
    ids=["below", "above", "near"],
)
def test_it_trades_towards_the_mean(deviation: float, expected: list[str]) -> None:
    """YES below it, NO above it, for 2% of the portfolio at cost, as far as offered; nothing within 12 c."""
    assert expected == told(wants(at(deviation), WIDE))


def test_the_stake_counts_what_it_holds_itself_and_its_capital() -> None:
    """What other strategies hold is theirs."""
    (whole,) = wants(at(-0.2, capital=1_000 * MONEY_ONE)).targets
    (rest,) = wants(at(-0.2, capital=1_000 * MONEY_ONE, position=9_000, own_position=whole.qty - 500)).targets
    assert 500 == rest.qty
    full = wants(at(-0.2, capital=1_000 * MONEY_ONE, own_position=whole.qty))
    assert () == full.targets
    assert full.reason.endswith("less than a contract to trade")


def test_a_large_stake_comes_in_orders_of_the_largest_size_up_to_the_largest_position() -> None:
    """One after the other, in and out."""
    assert ["take bid 50.00 at 42.0c"] == told(wants(at(-0.2)))
    assert ["take bid 20.00 at 42.0c"] == told(wants(at(-0.2, own_position=18_000)))
    assert [] == told(wants(at(-0.2, own_position=20_000)))
    assert ["take ask 50.00 at 40.0c"] == told(wants(at(0.0, own_position=18_000)))


@pytest.mark.parametrize(("held", "deviation", "side"), [(5_000, -0.01, "ask"), (-5_000, 0.01, "bid")])
def test_what_came_back_is_given_up_whole(held: int, deviation: float, side: str) -> None:
    """And what has not is kept."""
    (target,) = wants(at(deviation, own_position=held)).targets
    assert (side, 5_000) == (target.side, target.qty)
    assert () == wants(at(deviation * 5, own_position=held)).targets


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"now": NOON - 4 * HOUR - SECOND}, "outside its hours"),
        ({"now": NOON + 6 * HOUR}, "outside its hours"),
        ({"closes_in": 4 * HOUR - SECOND}, "quiet before the close"),
        ({"volume_day": 499 * 100}, "too little traded in a day"),
        ({"volume_day": None}, "too little traded in a day"),
        ({"bid": None}, "one-sided or crossed book"),
    ],
)
def test_what_keeps_it_out(changes: dict[str, object], reason: str) -> None:
    """Hours, the close, a thin market, a book without two sides: nothing is wanted, and it says why."""
    assert Wanted((), reason) == wants(at(-0.3, **changes))


def test_an_unknown_mean_is_no_opinion() -> None:
    """Also for what it holds."""
    assert Wanted((), "mean_deviation_7d unknown yet") == wants(at(None, own_position=5_000))


def test_hours_are_in_new_york_also_in_winter() -> None:
    """08:00 there is 13:00 UTC from November on."""
    winter = NOON + 60 * DAY - 3 * HOUR  # 24 November, 08:00 in New York
    assert () != wants(at(-0.3, now=winter)).targets
    assert "outside its hours" == wants(at(-0.3, now=winter - SECOND)).reason
    assert () != wants(at(-0.3, now=winter - HOUR), Params(hours="")).targets
    with pytest.raises(ValueError, match="expected"):
        MeanReversion(Params(hours="always"))


@given(
    bid=st.integers(1, 99).map(lambda cents: cents * 100),
    ask=st.integers(1, 99).map(lambda cents: cents * 100),
    deviation=st.floats(-1, 1),
    held=st.integers(-50_000, 50_000),
)
def test_whatever_it_wants_is_sane(bid: int, ask: int, deviation: float, held: int) -> None:
    """One order at most, and never away from the mean, but to give up what is held."""
    shown = at(deviation, bid=bid, ask=ask, own_position=held)
    wanted = wants(shown)
    assert_sane(shown, wanted)
    assert len(wanted.targets) <= 1
    for target in wanted.targets:
        is_towards = (target.side == "bid") == (deviation < 0)
        assert is_towards or target.qty <= abs(held)


@pytest.mark.parametrize("exit_at", [0.12, 0.20])
def test_an_entry_is_never_an_exit_too(exit_at: float) -> None:
    """Bought and given up at once, it would pay the spread with every tick: refused at the start."""
    with pytest.raises(ValueError, match=r"exit_deviation: 0\.\d+ must be below deviation_min "):
        MeanReversion(Params(deviation_min=0.12, exit_deviation=exit_at))
