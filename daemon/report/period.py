"""Which UTC days a report is about."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec

from daemon.core.units import DAY, SECOND, Ns

_EPOCH = date(1970, 1, 1)


class PeriodRefused(ValueError):
    """A text names no days; the message says what is allowed."""


class Period(msgspec.Struct, frozen=True):
    """UTC days from `since` up to, not including, `until`; named 2026-11-20, or 2026-11-18..2026-11-20."""

    name: str
    since: Ns
    until: Ns


def parse_range(text: str) -> Period:
    """Return the days of a text such as 2026-11-18..2026-11-20; both of these are in it.

    Raises:
        PeriodRefused: no such days, or the last one lies before the first.
    """
    first, dots, last = text.partition("..")
    if not dots:
        raise PeriodRefused(f"{text!r} is no range of days such as 2026-11-18..2026-11-20")
    begins, ends = _day(first), _day(last)
    if ends < begins:
        raise PeriodRefused(f"{text!r} ends before it begins")
    return Period(f"{first}..{last}", begins * DAY, (ends + 1) * DAY)


def parse_day(text: str) -> Period:
    """Return the one day of a text such as 2026-11-20. Raises PeriodRefused."""
    number = _day(text)
    return Period(text, number * DAY, (number + 1) * DAY)


def day_of(now: Ns) -> Period:
    """Return the day of an instant."""
    return parse_day(datetime.fromtimestamp(now // SECOND, UTC).date().isoformat())


def _day(text: str) -> int:
    """Return a day's number since 1970."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text or found < _EPOCH:
        raise PeriodRefused(f"{text!r} is no UTC day such as 2026-11-20")
    return (found - _EPOCH).days
