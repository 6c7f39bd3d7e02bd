"""One stake for an event's markets: the notes' formulas 7 and 8, the caps, and what is held."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.joint_sizing import (
    Candidate,
    EventStakes,
    Stake,
    States,
    exclusive_states,
    ladder_states,
    size_event,
    states_of,
)
from daemon.core.markets import Fees
from daemon.core.sizing import kelly_fraction, kelly_through_book
from daemon.core.units import MONEY_ONE, QTY_ONE, BookSide
from tests.core.worlds import spec

FEES = Fees("quadratic", 1_000_000)
FREE = Fees("quadratic", 0)
EQUITY = 10_000 * MONEY_ONE
DEEP = 10**9


def asked(*prices: int, fees: Fees = FREE, qty_max: int | None = None) -> list[Candidate]:
    """Markets without bids whose YES is offered in any amount."""
    return [
        Candidate(str(place), fees, ((price, DEEP),), (), qty_max=qty_max)
        for place, price in enumerate(prices)
    ]


def cost_of(stake: Stake, fees: Fees = FREE) -> float:
    """Dollars that a stake costs at its last price, fee included."""
    yes = stake.price / 10_000
    own = yes if stake.side == "bid" else 1 - yes
    return (own + 0.07 * fees.multiplier_ppm / 1e6 * yes * (1 - yes)) * stake.qty / QTY_ONE


def wealth_growth(states: States, sized: EventStakes, fees: Fees = FREE) -> float:
    """Expected log growth of the whole equity."""
    total = 0.0
    for state, chance in enumerate(states.chances):
        wealth = EQUITY / MONEY_ONE
        for stake in sized.stakes:
            is_paid = states.pays[int(stake.ticker)][state] == (stake.side == "bid")
            wealth += (stake.qty / QTY_ONE if is_paid else 0) - cost_of(stake, fees)
        total += chance * math.log(wealth / (EQUITY / MONEY_ONE)) if chance else 0
    return total


# --- states --------------------------------------------------------------------------------------


def test_exclusive_outcomes_and_none_of_them() -> None:
    """One state for each outcome, one for all others; what sums to more than 1 is scaled down to it."""
    assert exclusive_states([0.25, 0.5]) == States(
        (0.25, 0.5, 0.25), ((True, False, False), (False, True, False))
    )
    assert exclusive_states([0.75, 0.75]).chances == (0.5, 0.5, 0.0)


def test_a_ladder_is_the_gaps_between_its_strikes() -> None:
    """The number ends below all strikes, between two, or above all; a strike pays above itself."""
    assert ladder_states([0.75, 0.25]) == States(
        (0.25, 0.5, 0.25), ((False, True, True), (False, False, True))
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_a_ladder_whose_model_contradicts_itself_is_pooled(probabilities: list[float]) -> None:
    """Every state has a chance of at least 0 and they sum to 1; the mean probability is kept."""
    states = ladder_states(probabilities)
    assert all(chance >= 0 for chance in states.chances)
    assert math.fsum(states.chances) == pytest.approx(1)
    above = [
        sum(chance for chance, paid in zip(states.chances, pays, strict=True) if paid) for pays in states.pays
    ]
    assert sum(above) == pytest.approx(sum(probabilities))
    assert above == pytest.approx(sorted(above, reverse=True))


def test_how_markets_hang_together_is_the_venues_word() -> None:
    """Exclusive ones, one alone, strikes of a ladder in any order; anything else is not guessed."""
    low, high = spec("E-1", strike=1), spec("E-2", strike=2)
    assert ladder_states([0.8]) == states_of([low], [0.8])
    found = states_of([high, low], [0.3, 0.8])
    assert found is not None
    assert (ladder_states([0.8, 0.3]).chances, ladder_states([0.8, 0.3]).pays[::-1]) == (
        found.chances,
        found.pays,
    )
    exclusive = [spec("E-1", structure="exclusive"), spec("E-2", structure="exclusive")]
    assert exclusive_states([0.3, 0.4]) == states_of(exclusive, [0.3, 0.4])
    assert states_of([low, low], [0.8, 0.8]) is None
    assert states_of([low, spec("E-2", strike=None)], [0.8, 0.3]) is None
    assert states_of([low, exclusive[1]], [0.8, 0.3]) is None
    assert states_of([low, spec("E-2", strike=2, strike_type="less")], [0.8, 0.3]) is None


# --- formulas ------------------------------------------------------------------------------------


@given(q=st.floats(0.05, 0.95), price=st.integers(500, 9_500), fraction=st.floats(0.05, 1))
def test_one_market_is_kellys_own_formula(q: float, price: int, fraction: float) -> None:
    """An event of one market is sized as that market is, for YES and for NO."""
    alone = Candidate("0", FEES, ((price, DEEP),), ((price, DEEP),))
    sized = size_event(ladder_states([q]), [alone], EQUITY, fraction)
    expected = []
    sides: tuple[BookSide, ...] = ("bid", "ask")
    for side in sides:
        one = kelly_through_book(q, ((price, DEEP),), side, FEES, EQUITY, fraction, DEEP)
        if one.qty > 10:  # a stake of a hundredth of a contract may be lost in the last digits
            expected.append((side, one.qty))
    found = [(stake.side, stake.qty) for stake in sized.stakes if stake.qty > 10]
    assert [side for side, _ in expected] == [side for side, _ in found]
    assert [qty for _, qty in found] == pytest.approx([qty for _, qty in expected], abs=1, rel=1e-7)


def test_exclusive_outcomes_get_the_formula_of_smoczynski_and_tomkins() -> None:
    """f_i = q_i - c_i R over the outcomes whose q/c exceeds R; together more than one by one (formula 7)."""
    q, cost = [0.35, 0.30, 0.20], [0.30, 0.27, 0.22]
    states = exclusive_states(q)
    sized = size_event(states, asked(3_000, 2_700, 2_200), EQUITY, 1.0)
    rest = (1 - 0.35 - 0.30) / (1 - 0.30 - 0.27)
    assert cost[2] * rest < q[2]  # the third is in too, though its q/c is below 1: it hedges
    rest = (1 - sum(q)) / (1 - sum(cost))
    expected = [chance - paid * rest for chance, paid in zip(q, cost, strict=True)]
    found = [cost_of(stake) / (EQUITY / MONEY_ONE) for stake in sized.stakes]
    assert found == pytest.approx(expected, abs=1e-6)
    alone = [kelly_fraction(q[i], round(cost[i] * 10_000), "bid", FREE, True) for i in (0, 1)]
    assert found[0] > alone[0]
    assert found[1] > alone[1]


def test_a_ladder_sized_strike_by_strike_is_over_bet() -> None:
    """Strikes that win together: jointly less is staked, and growth is higher (formula 8)."""
    probabilities, markets = [0.75, 0.55, 0.33], asked(7_000, 5_000, 3_000)
    states = ladder_states(probabilities)
    joint = size_event(states, markets, EQUITY, 1.0)
    naive = EventStakes(
        tuple(
            Stake(str(place), "bid", one.qty, market.asks[0][0])
            for place, market in enumerate(markets)
            for one in [kelly_through_book(probabilities[place], market.asks, "bid", FREE, EQUITY, 1.0, DEEP)]
        ),
        0.0,
    )
    assert sum(map(cost_of, joint.stakes)) < sum(map(cost_of, naive.stakes))
    assert wealth_growth(states, joint) > wealth_growth(states, naive)
    assert joint.gap <= 1e-9


def test_an_error_of_the_model_shrinks_all_stakes() -> None:
    """The less the model knows, the less is staked; what it knows nothing of gets next to nothing."""
    states, markets = ladder_states([0.6, 0.4]), asked(5_500, 3_600)
    spent = [
        sum(map(cost_of, size_event(states, markets, EQUITY, 1.0, error=error).stakes))
        for error in (0.0, 0.02, 0.08, 5.0)
    ]
    assert spent == sorted(spent, reverse=True)
    assert spent[0] * 0.9 > spent[1] > spent[2] > 0
    assert spent[3] < spent[0] * 1e-3


# --- caps and holdings ---------------------------------------------------------------------------


@given(
    probabilities=st.lists(st.floats(0.02, 0.98), min_size=1, max_size=5),
    off=st.lists(st.integers(-800, 800), min_size=5, max_size=5),
    sizes=st.integers(1, 100_000),
    qty_max=st.one_of(st.none(), st.integers(0, 50_000)),
    stake_max=st.one_of(st.none(), st.integers(0, 1_000 * MONEY_ONE)),
    held=st.lists(st.integers(-20_000, 20_000), min_size=5, max_size=5),
    fraction=st.floats(0, 1),
    is_ladder=st.booleans(),
)
def test_whatever_is_bought_is_within_every_cap(
    probabilities: list[float],
    off: list[int],
    sizes: int,
    qty_max: int | None,
    stake_max: int | None,
    held: list[int],
    fraction: float,
    is_ladder: bool,
) -> None:
    """No more than is offered, than the market's cap, than the stake's cap; positive; one order a side."""
    if is_ladder:
        probabilities.sort(reverse=True)
    states = (ladder_states if is_ladder else exclusive_states)(probabilities)
    markets = []
    for place, probability in enumerate(probabilities):
        mid = min(9_700, max(300, round(probability * 10_000) + off[place]))
        asks = ((mid + 100, sizes), (mid + 200, sizes))
        bids = ((mid - 100, sizes), (mid - 200, sizes))
        markets.append(Candidate(str(place), FEES, asks, bids, held[place], qty_max))
    sized = size_event(states, markets, EQUITY, fraction, stake_max)
    assert sized.gap <= 1e-9
    assert len({(stake.ticker, stake.side) for stake in sized.stakes}) == len(sized.stakes)
    spent = 0.0
    for stake in sized.stakes:
        market = markets[int(stake.ticker)]
        offers = market.asks if stake.side == "bid" else market.bids
        assert stake.price in [price for price, _ in offers]
        reached = offers[: [price for price, _ in offers].index(stake.price) + 1]
        assert 0 < stake.qty <= sum(size for _, size in reached)
        assert qty_max is None or stake.qty <= qty_max
        left = stake.qty
        for price, size in reached:
            spent += cost_of(Stake("", stake.side, min(left, size), price), FEES)
            left -= min(left, size)
    assert stake_max is None or spent <= stake_max / MONEY_ONE + 1e-6
    assert spent <= fraction * EQUITY / MONEY_ONE + 1e-6


@given(price=st.integers(500, 9_000), gain=st.floats(0.0, 0.3))
def test_more_edge_is_never_a_smaller_stake(price: int, gain: float) -> None:
    """Monotone in the probability, and nothing without an edge after fees."""
    market = [Candidate("0", FEES, ((price, DEEP),), ())]
    win = min(0.99, price / 10_000 + gain)
    less, more = (
        sum(stake.qty for stake in size_event(ladder_states([one]), market, EQUITY, 0.25).stakes)
        for one in (win, min(1.0, win + 0.005))
    )
    assert less <= more
    assert () == size_event(ladder_states([price / 10_000]), market, EQUITY, 0.25).stakes


def test_what_is_held_counts_and_too_much_of_it_buys_nothing() -> None:
    """A strike that is held takes from the others' stakes; a holding above the wealth for it stops all."""
    states, (low, high) = ladder_states([0.62, 0.4]), asked(5_500, 3_600)
    free = size_event(states, [low, high], EQUITY, 0.25)
    held = Candidate("0", FREE, low.asks, (), held=20_000)
    beside = size_event(states, [held, high], EQUITY, 0.25)
    qty = {stake.ticker: stake.qty for stake in free.stakes}
    after = {stake.ticker: stake.qty for stake in beside.stakes}
    assert after["0"] == pytest.approx(qty["0"] - 20_000, abs=2)
    flood = Candidate("0", FREE, low.asks, (), held=1_000_000)
    assert () == size_event(states, [flood, high], EQUITY, 0.25).stakes


def test_what_nobody_offers_is_counted_at_its_chance() -> None:
    """A holding without a quote is worth what the model says."""
    states = ladder_states([0.62, 0.4])
    held = Candidate("0", FREE, (), (), held=-20_000)
    assert size_event(states, [held, asked(5_500, 3_600)[1]], EQUITY, 0.25).stakes


@pytest.mark.parametrize("equity", [0, -MONEY_ONE])
def test_without_equity_nothing_is_bought(equity: int) -> None:
    """No wealth, no stake; nor a fraction of nothing."""
    assert () == size_event(ladder_states([0.9]), asked(5_000), equity, 0.25).stakes
    assert () == size_event(ladder_states([0.9]), asked(5_000), EQUITY, 0.0).stakes


def test_nonsense_is_refused() -> None:
    """A fraction above all, or states of another number of markets."""
    with pytest.raises(ValueError, match="not a fraction"):
        size_event(ladder_states([0.9]), asked(5_000), EQUITY, 1.5)
    with pytest.raises(ValueError, match="1 markets for the states of 2"):
        size_event(ladder_states([0.9, 0.5]), asked(5_000), EQUITY, 0.25)
