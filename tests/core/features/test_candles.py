"""Closed candles by hand; against their batch twin they are compared in test_statistics."""

from __future__ import annotations

import math

import pytest

from daemon.core.events import ReferenceCandleClosed
from daemon.core.features.candles import FILLED_MAX, GRACE, ClosedCandles
from daemon.core.units import MINUTE, Ns


def candle(minute: int, close: int, period: Ns = MINUTE, late: Ns = 0) -> ReferenceCandleClosed:
    """A candle that began at a minute."""
    began_at = minute * MINUTE + late
    return ReferenceCandleClosed("kraken", "BTC/USD", period, began_at, 1, 1, 1, close, 0, began_at + period)


def series(*candles: tuple[int, int]) -> ClosedCandles:
    """Candles by minute and close."""
    built = ClosedCandles()
    for minute, close in candles:
        built.on_candle(candle(minute, close))
    return built


def test_the_close_in_force_is_the_last_one_before_the_minute() -> None:
    """A candle that began at minute 10 says what was in force at minute 11."""
    candles = series((10, 100), (11, 101))
    assert [candles.close_at(minute) for minute in (10, 11, 12)] == [None, 100, 101]


def test_empty_minutes_are_filled_forward_but_a_silence_is_not() -> None:
    """A market without trades for some minutes keeps its price; without any sign it is unknown."""
    candles = series((10, 100))
    assert candles.close_at(11 + FILLED_MAX) == 100
    assert candles.close_at(12 + FILLED_MAX) is None


def test_a_candle_on_its_way_is_no_empty_minute() -> None:
    """Just after the minute the last one counts still as the one before."""
    candles = series(*((minute, 100 + minute) for minute in range(10, 16)))
    now = 16 * MINUTE
    assert candles.log_return(5, now + GRACE - 1) is None
    assert candles.log_return(5, now + GRACE) == pytest.approx(math.log(115 / 110))


@pytest.mark.parametrize("after", [15, 14, 12], ids=["the next one", "the last one again", "an older one"])
def test_a_hole_that_was_backfilled_is_trusted(after: int) -> None:
    """The first candle after a loss follows or repeats what is known: nothing is missing."""
    candles = series((12, 100), (13, 101), (14, 102))
    candles.on_lost()
    assert candles.close_at(15) is None
    candles.on_candle(candle(after, 103))
    assert candles.close_at(14) == 101


def test_a_hole_that_was_not_backfilled_is_not_trusted() -> None:
    """A minute is missing: it may have had trades, so what was before is forgotten."""
    candles = series((13, 101), (14, 102))
    candles.on_lost()
    candles.on_candle(candle(16, 103))
    assert [candles.close_at(minute) for minute in (15, 16, 17)] == [None, None, 103]


@pytest.mark.parametrize(
    "odd", [candle(11, 5, period=5 * MINUTE), candle(11, 5, late=1), candle(11, 0)], ids=["5m", "off", "zero"]
)
def test_other_candles_are_ignored(odd: ReferenceCandleClosed) -> None:
    """Another period, another beginning, an impossible close."""
    candles = series((10, 100))
    candles.on_candle(odd)
    assert candles.close_at(12) == 100


def test_volatility_is_the_root_mean_square_of_fifteen_minutes() -> None:
    """Changes of one at a price of a hundred are one percent per square root of a minute."""
    candles = series(*((minute, 100 + (minute + 1) % 2) for minute in range(15)))
    assert candles.volatility(15 * MINUTE + GRACE) is None
    candles.on_candle(candle(15, 100))
    assert candles.volatility(16 * MINUTE + GRACE) == 0.01


def test_only_what_is_needed_is_kept() -> None:
    """Memory is bounded, however long the past that REST tells."""
    candles = series(*((minute, 100) for minute in range(720)))
    assert len(candles._closes) < 250
    assert candles.log_return(15, 720 * MINUTE + GRACE) == 0.0


def ranged(*minutes: int) -> ClosedCandles:
    """Candles that range over one percent."""
    built = ClosedCandles()
    for minute in minutes:
        began_at = minute * MINUTE
        built.on_candle(
            ReferenceCandleClosed(
                "kraken", "BTC/USD", MINUTE, began_at, 100, 101, 100, 101, 0, began_at + MINUTE
            )
        )
    return built


def test_ranges_tell_the_variance_and_an_empty_minute_has_none() -> None:
    """Ten minutes, two of them without a trade: eight ranges over ten minutes, by Parkinson's formula."""
    candles = ranged(*(minute for minute in range(1, 11) if minute not in (4, 5)))
    expected = 8 / 10 * math.log(1.01) ** 2 / (4 * math.log(2))
    assert candles.parkinson(10, 11 * MINUTE + GRACE) == pytest.approx(expected)
    assert candles.parkinson(11, 11 * MINUTE + GRACE) is None


def test_ranges_are_unknown_with_a_hole_in_them() -> None:
    """After a loss, and through a silence, nothing is said of the minutes that may be missing."""
    candles = ranged(1, 2, 3, 11, 12)
    assert candles.parkinson(2, 13 * MINUTE + GRACE) is not None
    assert candles.parkinson(6, 13 * MINUTE + GRACE) is None
    candles.on_lost()
    assert candles.parkinson(2, 13 * MINUTE + GRACE) is None
