"""What a proposal adds: positions, costs and its purpose, everything that may still trade included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.ledger import Position
from daemon.core.orders import ProposeAmend, ProposePlace
from daemon.core.risk.grounds import Weight, exposure, reach, stake_cost
from daemon.core.strategy import Target
from daemon.core.units import BookSide
from tests.core.risk.cases import buy, market, place, resting
from tests.core.worlds import TICKER

SIDES: st.SearchStrategy[BookSide] = st.sampled_from(["bid", "ask"])


@given(
    st.integers(-300, 300),
    st.lists(st.tuples(SIDES, st.integers(1, 200)), max_size=4),
    SIDES,
    st.integers(1, 300),
)
def test_reducing_is_what_can_never_add(
    held: int, orders: list[tuple[BookSide, int]], side: BookSide, qty: int
) -> None:
    """Against brute force: whatever of its own side fills, the position only comes nearer to flat."""
    position = Position()
    if held:
        position.trade(held, 4_000)
    mine = tuple(resting(s, 4_000, q) for s, q in orders)
    wish = ProposePlace(TICKER, "s", Target(side, 4_000, qty, "rest", ""))
    sign = 1 if side == "bid" else -1
    same = [q for s, q in orders if s == side] + [qty]
    ends = [
        held + sign * sum(q for number, q in enumerate(same) if subset >> number & 1)
        for subset in range(1 << len(same))
    ]
    never_adds = all(end * held >= 0 and abs(end) <= abs(held) for end in ends) and held != 0
    assert Weight(wish, market(position=position, open_orders=mine)).purpose == (
        "reduce" if never_adds else "enter"
    )


@pytest.mark.parametrize(("held", "expected"), [(0, 300), (100, 400), (-100, 300), (-400, 600)])
def test_the_reach_is_the_larger_side(held: int, expected: int) -> None:
    """300 may be bought and 200 sold."""
    assert reach(held, 300, 200) == expected


def test_a_stake_costs_the_price_of_its_outcome() -> None:
    """Selling YES at 40 cents is buying NO at 60."""
    assert [stake_cost(("bid", 4_000, 100)), stake_cost(("ask", 4_000, 100))] == [400_000, 600_000]


def test_an_amended_order_is_taken_at_the_worse_of_its_terms_and_once() -> None:
    """Price and count are those that cost more; what traded and is not booked comes on top."""
    order = resting("bid", 4_300, 1_000)
    wish = ProposeAmend(TICKER, "s", order.client_order_id, buy(4_100, 2_000))
    weight = Weight(wish, market(open_orders=(order,)))
    assert (weight.added, weight.stakes) == (("bid", 4_300, 2_000), [("bid", 4_300, 2_000)])
    assert weight.own_cost == 4_300_000
    order.filled = 300
    weight = Weight(wish, market(open_orders=(order,)))
    assert weight.added == ("bid", 4_300, 2_300)


def test_exposure_is_what_is_held_and_what_may_be_bought() -> None:
    """A position of 5 $, the bid of 10 at 41, an ask that closes, and of the dearest ask what opens."""
    asks = (resting("ask", 4_300, 1_000), resting("ask", 4_200, 100))
    m = market(position=Position(1_000, 5_000_000), open_orders=asks)
    assert Weight(place(), m).exposure(m) == 5_000_000 + 580_000 + 4_100_000
    flat = market(open_orders=asks)
    assert Weight(place(), flat).exposure(flat) == 5_700_000 + 580_000 + 4_100_000


@given(
    st.integers(-50, 50),
    st.lists(st.tuples(SIDES, st.integers(1, 99), st.integers(1, 40)), min_size=1, max_size=4),
    st.integers(0, 3),
    st.integers(1, 40),
)
def test_exposure_never_grows_by_what_fills(
    held: int, orders: list[tuple[BookSide, int, int]], chosen: int, part: int
) -> None:
    """What a fill costs was counted before it came."""
    position = Position()
    if held:
        position.trade(held, 5_000)
    stakes = [(side, cents * 100, qty) for side, cents, qty in orders]
    before = exposure(position, stakes)
    side, price, qty = stakes[chosen % len(stakes)]
    part = min(part, qty)
    stakes[chosen % len(stakes)] = (side, price, qty - part)
    position.trade(part if side == "bid" else -part, price)
    assert exposure(position, stakes) <= before
