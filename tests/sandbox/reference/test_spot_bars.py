"""Tests of candles made from prints."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import DAY, MINUTE, SECOND, Money, Ns
from daemon.sandbox.flow import SpotPrinted
from daemon.sandbox.reference.spot_bars import TICK, Bar, Quote, SpotBars

T0: Ns = 1_790_366_400 * SECOND
"""A whole hour."""


def spot(at: Ns, price: Money, qty_e8: int = 100, *, is_buy: bool = True) -> SpotPrinted:
    return SpotPrinted("BTC/USD", price, qty_e8, is_buy, 1, T0 + at)


def test_a_bar_is_first_highest_lowest_last_and_their_weight() -> None:
    """And how many there were."""
    series = SpotBars()
    for second, (price, qty) in enumerate(((20, 1), (30, 1), (10, 2), (15, 1))):
        series.add(spot(second * SECOND, price * TICK, qty))
    [bar] = series.bars(MINUTE, 720)
    assert Bar(T0, 20 * TICK, 30 * TICK, 10 * TICK, 15 * TICK, 5, 85 * TICK, 4) == bar
    assert 17 * TICK == bar.vwap


@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=60),
    st.sampled_from([1, 5, 15, 60]),
)
def test_longer_bars_are_merged_minutes(prints: list[tuple[int, int, int]], minutes: int) -> None:
    """As if they had been made from the prints at once."""
    series, at, told = SpotBars(), 0, []
    for gap_s, price, qty in prints:
        at += gap_s * SECOND
        told.append(spot(at, price * TICK, qty))
        series.add(told[-1])
    period = minutes * MINUTE
    expected = []
    for began_at, group in groupby(told, key=lambda one: one.at - one.at % period):
        inside = list(group)
        prices = [one.price for one in inside]
        volume = sum(one.qty_e8 for one in inside)
        turnover = sum(one.price * one.qty_e8 for one in inside)
        bar = Bar(began_at, prices[0], max(prices), min(prices), prices[-1], volume, turnover, len(inside))
        expected.append(bar)
    assert expected == series.bars(period, 720)
    assert expected[-2:] == series.bars(period, 2)


def test_the_quote_follows_the_prints() -> None:
    """Buyers show the ask, sellers the bid; they never cross."""
    series = SpotBars()
    series.add(spot(0, 100 * TICK, 7))
    assert Quote(99 * TICK, 100 * TICK, 7, 7) == series.quote
    series.add(spot(1, 98 * TICK, 3, is_buy=False))
    assert Quote(98 * TICK, 100 * TICK, 3, 7) == series.quote
    series.add(spot(2, 97 * TICK, 4))
    assert Quote(96 * TICK, 97 * TICK, 3, 4) == series.quote


def test_a_day_is_24_hours() -> None:
    """Older minutes don't count; without a print there is none."""
    series = SpotBars()
    assert series.day(T0) is None
    series.add(spot(0, 50 * TICK))
    series.add(spot(DAY, 60 * TICK))
    series.add(spot(DAY + MINUTE, 70 * TICK))
    day = series.day(T0 + DAY + MINUTE)
    assert day is not None
    assert (60 * TICK, 70 * TICK, 200) == (day.first, day.bar.close, day.bar.volume_e8)
