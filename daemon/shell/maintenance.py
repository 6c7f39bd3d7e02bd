"""When the venue is down for maintenance: what it plans itself, and the standing weekly window. Pure.

Source: protocol sheet 7.6: "Trading 24/7 except scheduled maintenance Thursday 03:00-05:00 New York time";
4.1: `maintenance_windows` of the schedule, whose real contents were never recorded. So the standing window
is believed unless the venue plans one of its own for the same day in New York.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

from daemon.core.units import SECOND, Ns

Window: TypeAlias = tuple[Ns, Ns]
"""Start and end of a maintenance."""

WEEKS_AHEAD = 2
STANDING_WEEKDAY = 3
"""Thursday, as `date.weekday` counts."""
STANDING_FROM = time(3)
STANDING_TO = time(5)


@cache
def _new_york() -> ZoneInfo:
    # At its first use: a machine without time zone files fails where it says what is missing.
    return ZoneInfo("America/New_York")


def standing_windows(now: Ns) -> tuple[Window, ...]:
    """Return the weekly windows that are not over, of the next WEEKS_AHEAD weeks, in order.

    Raises:
        ZoneInfoNotFoundError: the machine has no time zone files.
    """
    today = _day(now)
    thursday = today - timedelta(days=(today.weekday() - STANDING_WEEKDAY) % 7)
    windows = []
    for week in range(WEEKS_AHEAD + 1):
        day = thursday + timedelta(weeks=week)
        window = (_instant(day, STANDING_FROM), _instant(day, STANDING_TO))
        if window[1] > now:
            windows.append(window)
    return tuple(windows)


def planned_windows(venue: tuple[Window, ...], now: Ns, *, has_standing: bool = True) -> tuple[Window, ...]:
    """Return the windows that are not over, in order: the venue's, and the standing ones of other days.

    Args:
        venue: the venue's own list; empty when it plans nothing, or has not been read.
        now: our clock.
        has_standing: whether the venue has the standing window though it may not plan it.
    """
    days = {_day(start) for start, _ in venue}
    standing = []
    if has_standing:
        standing = [window for window in standing_windows(now) if _day(window[0]) not in days]
    return tuple(sorted({*standing, *(window for window in venue if window[1] > now)}))


def _day(at: Ns) -> date:
    return datetime.fromtimestamp(at // SECOND, UTC).astimezone(_new_york()).date()


def _instant(day: date, at: time) -> Ns:
    return int(datetime.combine(day, at, _new_york()).timestamp()) * SECOND
