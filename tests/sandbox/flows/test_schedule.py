"""Names, times and strikes of the simulated markets."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import HOUR, MILLISECOND, MINUTE, SECOND, Ns
from daemon.sandbox.flows.schedule import (
    determined_at,
    hourly_specs,
    is_yes,
    new_york,
    quarter_spec,
    settled_at,
)

try:
    NEW_YORK: ZoneInfo | None = ZoneInfo("America/New_York")
except ZoneInfoNotFoundError:
    NEW_YORK = None


def instant(*parts: int) -> Ns:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND  # type: ignore[arg-type, misc]


@pytest.mark.skipif(NEW_YORK is None, reason="no time zone files on this machine to compare with")
@given(st.integers(1_704_067_200, 2_240_611_200))
def test_new_york_agrees_with_the_time_zone_files(second: int) -> None:
    """Any second of 2024-2040, summer and winter."""
    assert datetime.fromtimestamp(second, NEW_YORK).replace(tzinfo=None) == new_york(second * SECOND)


@pytest.mark.parametrize(
    ("utc", "hour"),
    [((2026, 3, 8, 6, 59), 1), ((2026, 3, 8, 7), 3), ((2026, 11, 1, 5, 59), 1), ((2026, 11, 1, 6), 1)],
)
def test_summer_time_begins_and_ends_on_its_sundays(utc: tuple[int, ...], hour: int) -> None:
    """Two o'clock is left out in March, one o'clock comes twice in November."""
    assert hour == new_york(instant(*utc)).hour


def test_quarter_market_is_named_by_its_close_in_new_york() -> None:
    """As the venue names it (protocol sheet 7.7)."""
    spec = quarter_spec(instant(2026, 9, 25, 19, 0), None)

    assert ("KXBTC15M-26SEP251515-15", "KXBTC15M-26SEP251515", "KXBTC15M") == (
        spec.ticker,
        spec.event_ticker,
        spec.series_ticker,
    )
    assert (15 * MINUTE, "greater_or_equal", 2) == (
        spec.close_at - spec.open_at,
        spec.strike_type,
        spec.exchange_index,
    )


def test_hourly_strikes_stand_around_the_price() -> None:
    """A cent below round sums, so that nothing settles on a strike."""
    specs = hourly_specs(instant(2026, 9, 25, 19, 0), 83_910_000_000)

    assert [
        "KXBTCD-26SEP2516-T83749.99",
        "KXBTCD-26SEP2516-T83999.99",
        "KXBTCD-26SEP2516-T84249.99",
    ] == [spec.ticker for spec in specs]
    assert {HOUR} == {spec.close_at - spec.open_at for spec in specs}


@given(st.integers(-3, 3))
def test_yes_settles_from_the_strike_on_or_above_it(cents: int) -> None:
    """`greater_or_equal` includes the strike, `greater` doesn't."""
    quarter = quarter_spec(0, 85_000_000_000)
    hourly = hourly_specs(0, 85_000_000_000)[1]
    assert hourly.strike is not None

    assert (cents >= 0) == is_yes(quarter, 85_000_000_000 + cents * 10_000)
    assert (cents > 0) == is_yes(hourly, hourly.strike + cents * 10_000)


def test_results_come_a_second_after_a_quarter_and_later_after_an_hour() -> None:
    """Determined and settled, after the close (protocol sheet 7.7)."""
    quarter, hourly = quarter_spec(0, None), hourly_specs(0, 85_000_000_000)[0]

    assert (1_100 * MILLISECOND, 7 * SECOND) == (
        determined_at(quarter) - quarter.close_at,
        settled_at(quarter) - quarter.close_at,
    )
    assert (90 * SECOND, 150 * SECOND) == (
        determined_at(hourly) - hourly.close_at,
        settled_at(hourly) - hourly.close_at,
    )
