"""What strategies of slow markets share: the bankroll, shares of it, and a limit order close to the mid."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.quoting import (
    bankroll,
    contracts_for,
    is_traded,
    near_mid,
    quotes,
    share_of_bankroll,
    wanted_near_mid,
)
from daemon.core.strategy import Target, Wanted
from daemon.core.units import MONEY_ONE, QTY_ONE, BookSide
from tests.strategies.views import EQUITY, view


def test_quotes_are_both_sides_or_none() -> None:
    """A missing side, or a locked book, is no market."""
    assert (4_000, 4_200) == quotes(view())
    assert quotes(view(None)) is quotes(view(4_000, None)) is quotes(view(4_200, 4_200)) is None


def test_the_bankroll_is_the_equity_or_the_strategys_own_capital() -> None:
    """Whichever is less."""
    assert EQUITY == bankroll(view()) == bankroll(view(capital=2 * EQUITY))
    assert 500 * MONEY_ONE == bankroll(view(capital=500 * MONEY_ONE))


def test_an_amount_buys_what_it_pays_for_with_the_fee() -> None:
    """100 dollars of YES at 50 c cost 51.75 c each, of NO the same, without the taker's fee 50 c."""
    assert 19_323 == contracts_for(100, view(), 5_000, "bid") == contracts_for(100, view(), 5_000, "ask")
    assert 20_000 == contracts_for(100, view(), 5_000, "bid", is_taker=False)
    assert 0 == contracts_for(-1, view(), 5_000, "bid")
    assert 19_323 == share_of_bankroll(0.01, view(), 5_000, "bid")


def test_what_is_offered_within_reach_is_taken_up_to_its_size() -> None:
    """A spread of 2 c is within 1 c of the mid on either side."""
    assert Target("bid", 4_200, 30_000, "take", "why") == near_mid(view(), "bid", 99_999, 100, "why")
    assert Target("ask", 4_000, 500, "take", "why") == near_mid(view(), "ask", 500, 100, "why")


def test_what_is_offered_farther_away_is_waited_for_at_the_mid() -> None:
    """On the grid, on our side of the mid, and moved only once it is off by half of the distance."""
    wide = view(4_000, 4_500)
    assert Target("bid", 4_200, 500, "rest", "why", 100) == near_mid(wide, "bid", 500, 200, "why")
    assert Target("ask", 4_300, 500, "rest", "why", 100) == near_mid(wide, "ask", 500, 200, "why")


@given(
    bid=st.integers(1, 99).map(lambda cents: cents * 100),
    ask=st.integers(1, 99).map(lambda cents: cents * 100),
    side=st.sampled_from(["bid", "ask"]),
    qty=st.integers(-100, 100_000),
    away=st.integers(0, 500),
)
def test_no_order_pays_more_than_the_limit(bid: int, ask: int, side: BookSide, qty: int, away: int) -> None:
    """Within the distance of the mid, on the grid, a contract at least; else no order."""
    shown = view(bid, ask)
    target = near_mid(shown, side, qty, away, "why")
    if target is None:
        return
    over = target.price - (bid + ask) / 2
    assert (over if side == "bid" else -over) <= away
    assert shown.grid.contains(target.price)
    assert 100 <= qty
    assert 0 < target.qty <= qty


def test_without_a_market_or_for_less_than_a_contract_there_is_no_order() -> None:
    """Nothing to be near to, or nothing to buy."""
    assert near_mid(view(None), "bid", 500, 200, "why") is None
    assert near_mid(view(), "bid", 99, 200, "why") is None


def test_an_answer_is_the_order_or_says_that_none_comes_of_it() -> None:
    """Half a contract is no order."""
    target = Target("bid", 4_200, 500, "take", "why")
    assert Wanted((target,), "why") == wanted_near_mid(view(), "bid", 500, 100, "why")
    assert Wanted((), "why; less than a contract to trade") == wanted_near_mid(view(), "bid", 50, 100, "why")


def test_a_volume_that_is_not_known_is_not_enough() -> None:
    """Unless none is asked for."""
    shown = view()
    traded = [
        msgspec.structs.replace(shown, spec=msgspec.structs.replace(shown.spec, volume_day=volume))
        for volume in (None, 499 * QTY_ONE, 500 * QTY_ONE)
    ]
    assert [False, False, True] == [is_traded(one, 500) for one in traded]
    assert [True, True, True] == [is_traded(one, 0) for one in traded]
