"""Every shipped strategy can say why it wants nothing, and what it says agrees with what it wants."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.explaining import CHAIN, Explains
from daemon.core.strategy import MarketView
from daemon.core.units import DAY, HOUR, MINUTE, QTY_ONE, SECOND
from strategies import SHIPPED
from tests.strategies.views import NOON, Around, peer, view

FEATURES = {name: built.features for name, built in ((n, s.build(s.params())) for n, s in SHIPPED.items())}
CHANGES = st.one_of(st.none(), st.floats(-0.6, 0.6))
CONTRACTS = st.integers(-250, 250).map(lambda count: count * QTY_ONE)


@st.composite
def views(draw: st.DrawFn, features: tuple[str, ...]) -> MarketView:
    """A view as they come: quotes or none, a score or none, any hour, any position."""
    values: Mapping[str, float | None] = {name: draw(CHANGES) for name in features}
    score = draw(st.one_of(st.none(), st.floats(0, 1)))
    return view(
        draw(st.one_of(st.none(), st.integers(1, 98).map(lambda cents: cents * 100))),
        draw(st.one_of(st.none(), st.integers(2, 99).map(lambda cents: cents * 100))),
        features=values,
        score=score,
        missing=() if score is not None else draw(st.sampled_from([(), ("mid",)])),
        sizes=(draw(st.integers(1, 40_000)), draw(st.integers(1, 40_000))),
        now=NOON + draw(st.sampled_from([0, -7 * HOUR - MINUTE, -2 * HOUR + MINUTE])),
        closes_in=draw(st.sampled_from([SECOND, MINUTE, HOUR, 5 * HOUR, 2 * DAY])),
        volume_day=draw(st.sampled_from([None, 0, 1_000 * QTY_ONE])),
        position=draw(CONTRACTS),
        own_position=draw(CONTRACTS),
        peers=Around([peer("KXTEST-1-T2", position=draw(CONTRACTS), score=draw(st.floats(0, 1)))]),
    )


@pytest.mark.parametrize("name", SHIPPED)
@given(given=st.data())
def test_it_says_trades_if_and_only_if_it_wants_something(name: str, given: st.DataObject) -> None:
    """Whatever it is shown; and it always has words."""
    strategy = SHIPPED[name].build(SHIPPED[name].params())
    assert isinstance(strategy, Explains)
    shown = given.draw(views(FEATURES[name]))
    reason = strategy.explain(shown)
    assert bool(strategy.wants(shown).targets) == (reason.stage == "trades")
    assert reason.stage in CHAIN
    assert reason.text


@pytest.mark.parametrize("name", ["fair_value", "volatility_event", "market_maker"])
def test_a_model_that_warms_up_is_told_from_one_that_gives_nothing(name: str) -> None:
    """The features that lack are named."""
    strategy = SHIPPED[name].build(SHIPPED[name].params())
    assert isinstance(strategy, Explains)
    warming = strategy.explain(view(missing=("ofi_60s",)))
    assert ("warm-up", "no score: ofi_60s unknown yet") == (warming.stage, warming.text)
    assert "score" == strategy.explain(view()).stage


def test_an_edge_below_its_cost_is_told_in_both_figures() -> None:
    """Bought at 42 cents what is worth 43: an edge of 1, which a fee of 1.7 and 3 of least gain exceed."""
    strategy = SHIPPED["volatility_event"].build(SHIPPED["volatility_event"].params())
    assert isinstance(strategy, Explains)
    reason = strategy.explain(view(score=0.43))
    assert ("edge", "edge 1.0c below cost 4.7c") == (reason.stage, reason.text)


def test_a_rule_that_sees_no_signal_says_how_far_it_is_from_one() -> None:
    """Two cents off its mean, and twelve are asked for."""
    strategy = SHIPPED["mean_reversion"].build(SHIPPED["mean_reversion"].params())
    assert isinstance(strategy, Explains)
    reason = strategy.explain(view(features={"mean_deviation_7d": 0.02}))
    assert ("edge", 0.02, 0.12) == (reason.stage, reason.edge, reason.cost)
