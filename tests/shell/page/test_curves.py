"""The curves: bounded, begun when a market is first shown, forgotten when it no longer is."""

from __future__ import annotations

from daemon.core.units import MILLISECOND, SECOND
from daemon.shell.page.curves import POINTS_MAX, AccountPoint, Curves, MarketPoint
from tests.core.worlds import TICKER
from tests.shell.beliefs import LATER, SECOND_TICKER, lived


def test_a_market_has_its_mid_and_its_score_and_unknown_is_none() -> None:
    """In 1e-4 $ and as a probability; a market without a book has neither."""
    engine, curves = lived(), Curves()
    engine.scores[TICKER] = 0.43
    curves.add_markets(engine, (TICKER, SECOND_TICKER, "not watched"), LATER)
    assert (MarketPoint(LATER // MILLISECOND, 4_100.0, 0.43),) == curves.market(TICKER)
    assert (MarketPoint(LATER // MILLISECOND, None, None),) == curves.market(SECOND_TICKER)
    assert () == curves.market("not watched") == curves.market(None)


def test_curves_are_bounded() -> None:
    """A run of days costs what an hour does; a market that is shown no more costs nothing."""
    engine, curves = lived(), Curves()
    for number in range(POINTS_MAX + 3):
        curves.add_markets(engine, (TICKER,), LATER + number * SECOND)
        curves.add_account(number, None, LATER + number * SECOND)
    assert POINTS_MAX == len(curves.market(TICKER)) == len(curves.account)
    last = (LATER + (POINTS_MAX + 2) * SECOND) // MILLISECOND
    assert AccountPoint(last, POINTS_MAX + 2, None) == curves.account[-1]
    curves.add_markets(engine, (SECOND_TICKER,), LATER)
    assert () == curves.market(TICKER)
