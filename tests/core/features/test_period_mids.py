"""The mids at whole periods and the minutes' ranges, by hand; against their twins in test_catalogue."""

from __future__ import annotations

from daemon.core.events import CandleBackfilled
from daemon.core.features.period_mids import MinuteRanges, PeriodMids
from daemon.core.units import HOUR, MINUTE, SECOND


def kept(count: int = 7) -> PeriodMids:
    """Whole minutes, so many of them."""
    minutes = PeriodMids(MINUTE)
    minutes.keep(count)
    return minutes


def candle(minute: int, bid: int | None) -> CandleBackfilled:
    return CandleBackfilled("T", MINUTE, minute * MINUTE, bid, 5_000, 0, 10**18)


def test_live_samples_win_over_candles() -> None:
    """A candle fills only minutes that the live book did not see."""
    minutes = kept()
    minutes.add(100 * MINUTE - 1, 9_000)
    minutes.sample(101 * MINUTE)
    for minute in (99, 100, 101):
        minutes.on_candle(candle(minute, 3_000))
    assert minutes.known == {99: 8_000, 100: 9_000}


def test_only_the_last_minutes_are_kept() -> None:
    """However long the past that is backfilled, and however long the silence, memory is bounded."""
    minutes = kept()
    for minute in range(1, 500):
        minutes.on_candle(candle(minute, 3_000))
    assert list(range(500 - 7, 500)) == sorted(minutes.known)
    minutes.add(500 * MINUTE, 9_000)
    minutes.sample(10**6 * MINUTE)
    assert len(minutes.known) == 7


def test_a_one_sided_candle_is_an_unknown_mid() -> None:
    """A candle without a bid says that the mid was unknown."""
    minutes = kept()
    minutes.on_candle(candle(7, None))
    assert minutes.known == {7: None}


def test_hours_take_hourly_candles_only() -> None:
    """A minute's candle that ends on the hour is another thing."""
    hours = PeriodMids(HOUR)
    hours.keep(24)
    hours.on_candle(CandleBackfilled("T", MINUTE, 7 * HOUR, 1_000, 2_000, 0, 8 * HOUR))
    hours.on_candle(CandleBackfilled("T", HOUR, 7 * HOUR, 4_000, 5_000, 0, 8 * HOUR))
    assert hours.last(7 * HOUR + 1, 2) == [None, 9_000]


def ranges(count: int = 3) -> MinuteRanges:
    found = MinuteRanges()
    found.keep(count)
    return found


def test_a_minute_covers_the_mid_that_was_carried_into_it() -> None:
    """A minute without a step has a range all the same: that of the mid that stood."""
    found = ranges()
    found.add(0, 100)
    found.add(30 * SECOND, 140)
    found.add(61 * SECOND, 120)
    assert found.last(MINUTE + SECOND, 1) == [(100, 140)]
    assert found.last(3 * MINUTE, 3) == [(100, 140), (120, 140), (120, 120)]


def test_a_minute_that_began_without_the_book_is_unknown() -> None:
    """Half a minute's range is not the minute's."""
    found = ranges()
    found.add(SECOND, 100)
    assert found.last(MINUTE + SECOND, 1) is None
    assert found.last(2 * MINUTE, 1) == [(100, 100)]


def test_moments_without_a_mid_say_nothing() -> None:
    """A flicker of one side doesn't spoil a minute; a minute without any mid is unknown."""
    found = ranges()
    found.add(0, 100)
    found.add(10 * SECOND, None)
    found.add(20 * SECOND, 90)
    found.add(50 * SECOND, None)
    assert found.last(MINUTE, 1) == [(90, 100)]
    assert found.last(2 * MINUTE, 1) is None


def test_ranges_keep_what_was_asked_for() -> None:
    """However long the silence, memory is bounded."""
    found = ranges()
    found.add(0, 100)
    found.add(10**6 * MINUTE, 110)
    assert len(found._known) == 3
