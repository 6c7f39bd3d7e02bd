"""The limits: old journals have fewer of them, and trading hours are of a place."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core.limits import Limits, TradingHours
from daemon.core.units import DAY, HOUR, parse_instant
from tests.core.worlds import LIMITS

NEW_YORK = TradingHours(
    "Mon-Fri 09:30-16:00 America/New_York",
    (0, 1, 2, 3, 4),
    9 * HOUR + HOUR // 2,
    16 * HOUR,
    (
        (0, -5 * HOUR),
        (parse_instant("2026-03-08T07:00:00Z"), -4 * HOUR),
        (parse_instant("2026-11-01T06:00:00Z"), -5 * HOUR),
    ),
)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-09-25T13:29:59.999Z", False),
        ("2026-09-25T13:30:00Z", True),
        ("2026-09-25T19:59:59.999Z", True),
        ("2026-09-25T20:00:00Z", False),
        ("2026-09-26T15:00:00Z", False),  # Saturday
        ("2026-11-02T13:45:00Z", False),  # the clock was set back: 08:45
        ("2026-11-02T14:30:00Z", True),
    ],
)
def test_the_hours_are_the_places_own(instant: str, expected: bool) -> None:
    """Half past nine is half past nine there, in summer and in winter; a Saturday is none of the days."""
    assert NEW_YORK.is_open(parse_instant(instant)) is expected


def test_the_day_is_the_places_own() -> None:
    """Early on Monday in Tokyo it is still Sunday in UTC."""
    tokyo = TradingHours("", (0,), 0, DAY, ((0, 9 * HOUR),))
    assert tokyo.is_open(parse_instant("2026-09-27T15:00:00Z"))
    assert not tokyo.is_open(parse_instant("2026-09-27T14:59:59Z"))


def test_the_limits_of_an_old_journal_are_read() -> None:
    """What came later is off there."""
    old = {name: getattr(LIMITS, name) for name in Limits.__struct_fields__[:11]}
    read = msgspec.convert(old, Limits)
    assert [getattr(read, name) for name in Limits.__struct_fields__[12:]] == [
        0 if name == "cash_reserve" else None for name in Limits.__struct_fields__[12:]
    ]
