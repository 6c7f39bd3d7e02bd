"""Trading hours in words: what is read, and what is refused with what is allowed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import HOUR, MINUTE, SECOND
from daemon.trading_hours import parse_trading_hours

INSTANTS = st.datetimes(datetime(2020, 1, 2), datetime(2050, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_nothing_is_always() -> None:
    """An empty text sets no hours."""
    assert parse_trading_hours("") is None


@given(INSTANTS, st.sampled_from(["America/New_York", "Europe/Berlin", "Asia/Tokyo", "UTC"]))
def test_the_hours_are_those_of_the_zones_own_clock(at: datetime, zone: str) -> None:
    """Against the standard library, whatever the season."""
    hours = parse_trading_hours(f"Mon-Fri 09:30-16:00 {zone}")
    local = at.astimezone(ZoneInfo(zone))
    minutes = 60 * local.hour + local.minute
    expected = local.weekday() < 5 and 570 <= minutes < 960
    assert hours is not None
    whole = at - timedelta(microseconds=at.microsecond)
    assert hours.is_open(int(whole.timestamp()) * SECOND) is expected


def test_days_may_go_over_the_weekend_and_hours_to_midnight() -> None:
    """Friday to Monday, all day; one day alone."""
    weekend = parse_trading_hours("Fri-Mon 00:00-24:00 UTC")
    assert weekend is not None
    assert (weekend.days, weekend.opens, weekend.closes) == ((0, 4, 5, 6), 0, 24 * HOUR)
    sunday = parse_trading_hours("Sun 08:00-08:01 UTC")
    assert sunday is not None
    assert (sunday.days, sunday.closes - sunday.opens) == ((6,), MINUTE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9-17", "expected"),
        ("Mon-Fri 9:30-16:00 UTC", "expected"),
        ("Mon-Fry 09:30-16:00 UTC", "days are Mon"),
        ("Mon-Fri 16:00-09:30 UTC", "open before they close"),
        ("Mon-Fri 09:60-16:00 UTC", "00:00 to 24:00"),
        ("Mon-Fri 09:30-24:01 UTC", "00:00 to 24:00"),
        ("Mon-Fri 09:30-16:00 New_York", "'New_York' is no time zone"),
    ],
)
def test_what_is_wrong_is_said(text: str, expected: str) -> None:
    """With what is allowed instead."""
    with pytest.raises(ValueError, match=expected):
        parse_trading_hours(text)
