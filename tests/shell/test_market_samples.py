"""What is told by ticker: only when asked for, no more markets than asked for, those with most at stake."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.units import MONEY_ONE
from daemon.shell.market_samples import market_samples
from tests.core.worlds import NOW, Scripted, engine
from tests.core.worlds import TICKER as FIRST
from tests.shell.beliefs import LATER, lived

STAKED, POSITION, MID = (
    f"kalshid_market_{name}" for name in ("staked_dollars", "position_contracts", "mid_dollars")
)


def test_by_default_no_ticker_is_told() -> None:
    """Asked for none, none: tickers come and go, and their series stay in Prometheus."""
    assert {STAKED: {}, POSITION: {}, MID: {}} == market_samples(lived(), 0)


def test_a_market_is_told_with_what_is_at_stake_there() -> None:
    """4 held at 40 c and 10 that may come; the mid of its book; nothing of a market where nothing is ours."""
    expected = {STAKED: {FIRST: 5.6}, POSITION: {FIRST: 4.0}, MID: {FIRST: 0.41}}
    assert expected == market_samples(lived(), 5)


def test_a_book_that_is_lost_has_no_mid() -> None:
    """Left out, as all that is unknown; what is held is still told."""
    subject = lived()
    subject.handle(e.BookLost(FIRST, "gap", LATER))
    samples = market_samples(subject, 5)
    assert ({}, {FIRST: 4.0}) == (samples[MID], samples[POSITION])


@given(st.lists(st.integers(1, 500), min_size=1, max_size=8), st.integers(1, 4))
def test_of_many_markets_those_with_most_at_stake_are_told(qtys: list[int], most: int) -> None:
    """As many as were asked for, and none that is left out has more at stake than one that is told."""
    subject = engine(Scripted())
    held = tuple(e.PositionSnapshot(f"KXM-{n:02d}", qty, qty * 4_000, 0, 0) for n, qty in enumerate(qtys))
    for at in (NOW, LATER):
        subject.handle(e.AccountReconciled(at, at, 1_000 * MONEY_ONE, held, (), ()))
        subject.decide(at)
    staked = market_samples(subject, most)[STAKED]
    assert isinstance(staked, Mapping)
    assert min(most, len(qtys)) == len(staked)
    largest = sorted((qty * 4_000 / MONEY_ONE for qty in qtys), reverse=True)[:most]
    assert largest == list(staked.values())
