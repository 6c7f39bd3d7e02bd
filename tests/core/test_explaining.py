"""Why a strategy wants nothing: by its own `explain`, or in its own words where it has none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.explaining import Reason, edge_and_cost, explained, no_edge, unscored
from daemon.core.sizing import edge
from daemon.core.strategy import MarketView, Target, Wanted
from tests.core.worlds import Scripted
from tests.strategies.views import view

BUY = Target("bid", 4_000, 1_000, "rest", "because")


class Telling(Scripted):
    """A strategy that explains itself."""

    def explain(self, _view: MarketView) -> Reason:
        """Return always the same."""
        return Reason("market", "it rains")


def test_a_strategy_that_explains_is_asked() -> None:
    """Its verdict is handed on as it is."""
    assert Reason("market", "it rains") == explained(Telling(), view(), Wanted((), "no"))


def test_an_explain_that_fails_or_disagrees_is_not_believed() -> None:
    """An owner's own file may: the answer itself is told then, and why no more."""

    class Raising(Scripted):
        """Raises when it is asked why."""

        def explain(self, _view: MarketView) -> Reason:
            """Never return."""
            raise ValueError("nobody knows")

    told = explained(Raising(), view(), Wanted((), "no"))
    assert Reason("own words", "no (its explain raised ValueError)") == told
    told = explained(Telling(), view(), Wanted((BUY,), "yes"))
    assert Reason("trades", "yes (its explain says otherwise)") == told


def test_one_that_does_not_is_told_in_its_own_words() -> None:
    """Nothing is guessed of where it stopped; that it wants something is seen."""
    assert Reason("own words", "no") == explained(Scripted(), view(), Wanted((), "no"))
    assert Reason("trades", "yes") == explained(Scripted(), view(), Wanted((BUY,), "yes"))


def test_features_that_lack_are_warm_up_and_a_silent_model_is_not() -> None:
    """The one ends by waiting, the other may not."""
    assert "warm-up" == unscored(view(missing=("mid",))).stage
    assert "score" == unscored(view()).stage


@given(st.floats(0, 1), st.integers(1, 49), st.integers(50, 99), st.floats(0, 0.5))
def test_edge_less_cost_is_what_sizing_calls_the_edge(p: float, bid: int, ask: int, least: float) -> None:
    """On the side on which the probability is off the mid, after the taker's fee and the least gain."""
    shown = view(bid * 100, ask * 100)
    found = edge_and_cost(shown, p, least)
    assert found is not None
    is_bid = 2 * p * 10_000 >= (bid + ask) * 100
    side, price = ("bid", ask * 100) if is_bid else ("ask", bid * 100)
    after = edge(p, price, "bid" if side == "bid" else "ask", shown.spec.fees, is_taker=True)
    assert abs(after - least - (found[0] - found[1])) < 1e-9


def test_without_two_quotes_there_is_no_edge() -> None:
    """Unknown is None."""
    assert edge_and_cost(view(None, 4_200), 0.5, 0.02) is None


def test_no_edge_is_said_in_cents() -> None:
    """With both figures behind the words."""
    assert Reason("edge", "edge 0.4c below cost 1.1c", 0.004, 0.011) == no_edge(0.004, 0.011)
