"""Worst cases, against brute force: every subset of fills, every outcome that can be."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.ledger import Position
from daemon.core.markets import MarketSpec
from daemon.core.risk.worst_case import Contingency, Results, worst_event_loss, worst_loss
from daemon.core.strategy import Target
from daemon.core.units import MONEY_ONE, PRICE_ONE, SECOND, BookSide
from tests.core.worlds import spec

SIDES: st.SearchStrategy[BookSide] = st.sampled_from(["bid", "ask"])


@given(
    st.integers(-200, 200),
    st.lists(st.tuples(SIDES, st.integers(1, 99), st.integers(0, 300)), max_size=5),
    st.integers(1, 99),
)
def test_worst_loss_is_the_worst_of_all_fills_and_results(
    held: int, orders: list[tuple[BookSide, int, int]], paid: int
) -> None:
    """Against brute force: every subset of the orders filled, both results."""
    position = Position()
    if held:
        position.trade(held, paid * 100)
    targets = [Target(side, cents * 100, qty, "rest", "") for side, cents, qty in orders]
    worst = 0
    for subset in range(1 << len(targets)):
        for result in (0, PRICE_ONE):
            trial = Position(position.qty, position.cost)
            cash = -trial.cost
            for index, target in enumerate(targets):
                if subset >> index & 1 and target.qty:
                    delta = target.qty if target.side == "bid" else -target.qty
                    cash += trial.trade(delta, target.price)
            worst = min(worst, cash + trial.value(result))
    assert worst_loss(position, [(target.side, target.price, target.qty) for target in targets]) == -worst


RESULTS = st.builds(Results, st.integers(-50, 50), st.integers(-50, 50))
STRIKES = st.integers(1, 4)
LADDER: st.SearchStrategy[MarketSpec] = st.one_of(
    st.builds(
        lambda kind, strike: spec(strike_type=kind, strike=strike * MONEY_ONE),
        st.sampled_from(["greater", "greater_or_equal", "less", "less_or_equal"]),
        STRIKES,
    ),
    st.builds(
        lambda low, more: spec(
            strike_type="between", strike=None, strike_range=(low * MONEY_ONE, (low + more) * MONEY_ONE)
        ),
        STRIKES,
        st.integers(0, 2),
    ),
)


def ends_yes(market: MarketSpec, value: int) -> bool:
    """What the venue's words say of a number."""
    low, high = market.strike_range or (market.strike or 0, market.strike or 0)
    return {
        "greater": value > low,
        "greater_or_equal": value >= low,
        "less": value < high,
        "less_or_equal": value <= high,
        "between": low <= value <= high,
    }[market.strike_type or ""]


@given(st.lists(st.tuples(LADDER, RESULTS), max_size=5), st.integers(-60, 60))
def test_a_ladder_ends_as_one_number_says(ladder: list[tuple[MarketSpec, Results]], realized: int) -> None:
    """Against every value on a fine enough line: what can be is counted, and nothing else."""
    values = [quarter * MONEY_ONE // 4 for quarter in range(32)]
    ends = [
        realized + sum(r.if_yes if ends_yes(market, value) else r.if_no for market, r in ladder)
        for value in values
    ]
    found = worst_event_loss([Contingency(market, True, r) for market, r in ladder], realized)
    assert max(0, -min(ends)) == found


@given(st.lists(RESULTS, max_size=5), st.integers(-60, 60))
def test_of_an_exclusive_event_one_market_ends_yes_at_most(markets: list[Results], realized: int) -> None:
    """Each in turn, or none."""
    none = realized + sum(r.if_no for r in markets)
    ends = [none, *(none - r.if_no + r.if_yes for r in markets)]
    exclusive = spec(structure="exclusive", strike_type=None, strike=None)
    found = worst_event_loss([Contingency(exclusive, False, r) for r in markets], realized)
    assert max(0, -min(ends)) == found


def test_what_is_not_known_adds_up() -> None:
    """No structure, no strike yet, no listing at all, another close: every market may end as it likes."""
    one = Results(-10, 4)
    unknown = [
        Contingency(spec(), False, one),
        Contingency(spec(strike=None), True, one),
        Contingency(spec(strike_type="custom"), True, one),
        Contingency(None, False, one),
        Contingency(spec(), True, one),
        Contingency(spec(strike_type="less", close_at=spec().close_at + SECOND), True, one),
    ]
    assert worst_event_loss(unknown) == 60


def test_a_spread_of_two_strikes_loses_what_it_cost_less_a_dollar() -> None:
    """YES above 100 and NO above 110 at 60 cents each: one of the two wins in any case."""
    low, high = spec(strike=100 * MONEY_ONE), spec(strike=110 * MONEY_ONE)
    yes, no = Position(), Position()
    yes.trade(100, 6_000)
    no.trade(-100, 4_000)
    ends = [Results(400_000, -600_000), Results(-600_000, 400_000)]
    assert [worst_loss(yes, []), worst_loss(no, [])] == [600_000, 600_000]
    legs = [Contingency(low, True, ends[0]), Contingency(high, True, ends[1])]
    assert worst_event_loss(legs) == 200_000
    # The first leg is paid out: what it brought stays with the other one.
    assert worst_event_loss(legs[1:], realized=400_000) == 200_000


def test_a_market_alone_is_its_own_worst_case_whatever_its_event() -> None:
    """The event's figure of one market is the market's."""
    held = Results(-7, 3)
    for market in (spec(), spec(structure="exclusive"), spec(structure="ladder")):
        for is_ladder in (True, False):
            lone = Contingency(msgspec.structs.replace(market), is_ladder, held)
            assert worst_event_loss([lone]) == held.loss == 7
