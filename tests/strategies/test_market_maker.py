"""The market maker: two sides around fair value, leaning against what it and the event hold."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.markets import Fees
from daemon.core.sizing import edge
from daemon.core.strategy import MarketView, Wanted
from daemon.core.units import SECOND
from strategies.market_maker import MarketMaker, Params
from tests.strategies.views import Around, assert_sane, peer, told, view


def wants(shown: MarketView, params: Params | None = None) -> Wanted:
    return MarketMaker(params or Params()).wants(shown)


def test_flat_it_quotes_both_sides_around_the_models_value() -> None:
    """Two cents and the variance's share away, on the grid, post-only."""
    assert ["rest bid 20.00 at 38.0c", "rest ask 20.00 at 44.0c"] == told(wants(view(score=0.41)))
    wanted = wants(view(4_300, 4_400, score=0.41))
    assert ["rest bid 20.00 at 38.0c", "rest ask 20.00 at 44.0c"] == told(wanted)


def test_it_never_crosses_the_spread() -> None:
    """Far from the model's value it joins the book's own side, and no more."""
    assert "rest bid 20.00 at 41.0c" == told(wants(view(score=0.9)))[0]
    assert "rest ask 20.00 at 41.0c" == told(wants(view(score=0.1)))[-1]


@pytest.mark.parametrize(("position", "expected"), [(10_000, "36.0c"), (-10_000, "41.0c")])
def test_what_it_holds_moves_the_quotes_away_from_more_of_it(position: int, expected: str) -> None:
    """100 contracts at a variance of a quarter: 2.4 c."""
    params = Params(position_contracts_max=200)
    assert (
        f"rest bid 20.00 at {expected}"
        == told(wants(view(3_600, 4_500, score=0.41, position=position), params))[0]
    )


def test_the_events_other_strikes_count_by_what_they_share_with_this_one() -> None:
    """Long the next strike leans as long of this one; of an exclusive outcome it leans the other way."""
    params = Params(risk_aversion=0.002)
    shown = view(3_600, 4_300, score=0.41)
    flat = wants(shown, params).targets[0].price
    held = peer("KX-2", position=10_000, score=0.35)
    ladder = wants(msgspec.structs.replace(shown, peers=Around([held])), params).targets[0].price
    exclusive_spec = msgspec.structs.replace(shown.spec, structure="exclusive")
    exclusive = (
        wants(msgspec.structs.replace(shown, spec=exclusive_spec, peers=Around([held])), params)
        .targets[0]
        .price
    )
    assert ladder < flat < exclusive
    unknown = peer("KX-2", None, None, position=10_000)
    assert wants(msgspec.structs.replace(shown, peers=Around([unknown])), params).targets[0].price < flat


def test_limits_end_a_side_and_leave_the_other() -> None:
    """At the position's limit, and at the event's, only what reduces is quoted."""
    full = wants(view(3_600, 4_500, score=0.41, position=10_000))
    assert ["ask"] == [target.side for target in full.targets]
    crowd = Around([peer("KX-2", position=-20_000)])
    assert () == wants(view(4_400, 4_900, score=0.41, peers=crowd)).targets
    (out,) = wants(view(4_400, 4_900, score=0.41, peers=crowd, position=1_500)).targets
    assert ("ask", 1_500) == (out.side, out.qty)


def test_the_makers_fee_is_on_top_of_the_least_edge() -> None:
    """Where makers pay, the quotes stand wider."""
    shown = view(3_600, 4_500, score=0.40)
    paying = msgspec.structs.replace(shown.spec, fees=Fees("quadratic_with_maker_fees", 4_000_000))
    free, dear = wants(shown).targets, wants(msgspec.structs.replace(shown, spec=paying)).targets
    assert dear[0].price < free[0].price < free[1].price < dear[1].price


def test_what_keeps_it_out() -> None:
    """No fair value, no time, no market, or too far away to be filled."""
    assert Wanted((), "no score: the model gives none") == wants(view())
    assert Wanted((), "no score: mid unknown yet") == wants(view(missing=("mid",)))
    assert Wanted((), "quiet before the close") == wants(view(score=0.4, closes_in=59 * SECOND))
    assert Wanted((), "one-sided or crossed book") == wants(view(None, score=0.4))
    assert ["ask"] == [target.side for target in wants(view(score=0.2)).targets]


@given(
    score=st.floats(0, 1),
    bid=st.integers(1, 99).map(lambda cents: cents * 100),
    ask=st.integers(1, 99).map(lambda cents: cents * 100),
    position=st.integers(-15_000, 15_000),
    others=st.lists(st.tuples(st.integers(-15_000, 15_000), st.floats(0, 1)), max_size=3),
)
def test_whatever_it_wants_is_sane(
    score: float, bid: int, ask: int, position: int, others: list[tuple[int, float]]
) -> None:
    """Resting only, within the limits, each with its least edge against the reservation price."""
    peers = Around([peer(f"KX-{n}", position=held, score=chance) for n, (held, chance) in enumerate(others)])
    shown = view(bid, ask, score=score, position=position, peers=peers)
    wanted = wants(shown)
    assert_sane(shown, wanted)
    strategy = MarketMaker(Params())
    reservation = min(1.0, max(0.0, score - 0.001 * strategy._inventory(shown, score)))
    for target in wanted.targets:
        assert "rest" == target.style
        assert target.qty <= 2_000
        after = position + (target.qty if target.side == "bid" else -target.qty)
        assert abs(after) <= max(10_000, abs(position))
        assert edge(reservation, target.price, target.side, shown.spec.fees, is_taker=False) >= 0.02 - 1e-9
    if len(wanted.targets) == 2:
        assert wanted.targets[0].price < wanted.targets[1].price
