"""The volatility event: it takes clear edges, a quarter of Kelly, for all strikes of one close together."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.sizing import edge, kelly_through_book
from daemon.core.strategy import MarketView, Wanted
from daemon.core.units import MONEY_ONE, SECOND
from strategies.volatility_event import Params, VolatilityEvent
from tests.core.worlds import spec
from tests.strategies.views import EQUITY, Around, assert_sane, peer, told, view

WIDE = Params(order_contracts_max=10_000, position_contracts_max=10_000, event_dollars_max=100_000)


def wants(shown: MarketView, params: Params | None = None) -> Wanted:
    return VolatilityEvent(params or Params()).wants(shown)


def test_without_a_score_it_wants_nothing() -> None:
    """And says what is missing."""
    assert Wanted((), "no score: the model gives none") == wants(view())
    assert Wanted((), "no score: mid unknown yet") == wants(view(missing=("mid",)))


def test_alone_it_is_kelly_shrunk_by_the_models_error() -> None:
    """The size of one market, less than all that is offered; capped by the largest order."""
    offers, fees = ((4_200, 30_000),), spec().fees
    (target,) = wants(view(score=0.50), msgspec.structs.replace(WIDE, kelly_fraction=0.1)).targets
    alone = kelly_through_book(0.50, offers, "bid", fees, EQUITY, 0.1, 1_000_000, error=0.03)
    assert (4_200, "take") == (target.price, target.style)
    assert abs(alone.qty - target.qty) <= 1
    assert alone.qty < kelly_through_book(0.50, offers, "bid", fees, EQUITY, 0.1, 1_000_000).qty < 30_000
    assert ["take bid 50.00 at 42.0c"] == told(wants(view(score=0.50)))


def test_an_edge_below_the_least_is_none() -> None:
    """After the taker's fee."""
    fee = 0.07 * 0.42 * 0.58
    assert "edge 2.9c below 3.0c" == wants(view(score=0.42 + fee + 0.029)).reason
    assert ["ask"] == [target.side for target in wants(view(score=0.30)).targets]


def test_the_strikes_of_one_close_are_one_bet() -> None:
    """A second strike that wins with this one takes of its stake; without a score it doesn't count."""
    params = msgspec.structs.replace(WIDE, kelly_fraction=0.05)
    beside = peer("KXBTC15M-26SEP251530-T2", 3_000, 3_200, score=0.40, strike=85_000 * MONEY_ONE)
    (alone,) = wants(view(score=0.50), params).targets
    (both,) = wants(view(score=0.50, peers=Around([beside])), params).targets
    assert 0 < both.qty < alone.qty
    unscored = msgspec.structs.replace(beside, score=None)
    assert (alone,) == wants(view(score=0.50, peers=Around([unscored])), params).targets


def test_an_event_whose_structure_is_not_told_is_sized_market_by_market() -> None:
    """Nobody guesses how outcomes hang together; the event's cap still holds."""
    other = peer("KXBTC15M-26SEP251530-T2", score=0.40, strike=None)
    assert wants(view(score=0.50), WIDE) == wants(view(score=0.50, peers=Around([other])), WIDE)


def test_the_events_stake_has_a_cap_and_what_is_held_counts() -> None:
    """100 dollars in all strikes, at what they cost now; no more than its own capital, 80 of it held."""
    held = peer("KXBTC15M-26SEP251530-T2", 3_000, 3_200, position=25_000)
    (target,) = wants(view(score=0.60, peers=Around([held])), Params(order_contracts_max=1_000)).targets
    assert target.qty / 100 * 0.4372 == pytest.approx(100 - 250 * 0.32, abs=0.01)
    full = msgspec.structs.replace(held, position=40_000)
    assert (
        "edge 16.3c after fee, but the event's stake is full"
        == wants(view(score=0.60, peers=Around([full]))).reason
    )
    assert () == wants(view(score=0.60, capital=0)).targets
    assert () != wants(view(score=0.60, peers=Around([held]), capital=90 * MONEY_ONE)).targets
    spent = wants(view(score=0.60, peers=Around([held]), capital=80 * MONEY_ONE))
    assert "edge 16.3c after fee, but the event's stake is full" == spent.reason


def test_a_full_position_wants_no_more_of_that_side() -> None:
    """And the last order is cut to what is left."""
    assert ["take bid 10.00 at 42.0c"] == told(wants(view(score=0.60, position=19_000)))
    assert [] == told(wants(view(score=0.60, position=20_000)))
    assert ["take ask 50.00 at 40.0c"] == told(wants(view(score=0.20, position=20_000)))


def test_it_is_quiet_before_the_close_and_without_two_sides() -> None:
    """Nothing to compare with, or no time to be right."""
    assert "quiet before the close" == wants(view(score=0.9, closes_in=59 * SECOND)).reason
    assert "one-sided or crossed book" == wants(view(None, score=0.9)).reason


@given(
    score=st.floats(0, 1),
    bid=st.integers(1, 99).map(lambda cents: cents * 100),
    ask=st.integers(1, 99).map(lambda cents: cents * 100),
    position=st.integers(-30_000, 30_000),
    other=st.floats(0, 1),
    their_position=st.integers(-30_000, 30_000),
)
def test_whatever_it_wants_is_sane(
    score: float, bid: int, ask: int, position: int, other: float, their_position: int
) -> None:
    """One taking order at most, with an edge, within the caps."""
    beside = peer("KXBTC15M-26SEP251530-T2", score=other, position=their_position, strike=1)
    shown = view(bid, ask, score=score, position=position, peers=Around([beside]))
    wanted = wants(shown)
    assert_sane(shown, wanted)
    for target in wanted.targets:
        assert "take" == target.style
        assert target.qty <= 50 * 100
        assert edge(score, target.price, target.side, shown.spec.fees, is_taker=True) >= 0.03
