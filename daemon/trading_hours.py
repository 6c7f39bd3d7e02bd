"""Trading hours in the words of config.toml: "Mon-Fri 09:30-16:00 America/New_York".

The core reads no time zones: what a zone's clocks do is written down here, once, for all years that matter.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from daemon.core.limits import TradingHours
from daemon.core.units import MINUTE, SECOND, Ns

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
FORM = '"Mon-Fri 09:30-16:00 America/New_York"'
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
LAST = datetime(2051, 1, 1, tzinfo=UTC)

_HOURS = re.compile(r"(\w{3})(?:-(\w{3}))? (\d\d):(\d\d)-(\d\d):(\d\d) (\S+)", re.ASCII)


@cache
def parse_trading_hours(text: str) -> TradingHours | None:
    """Return trading hours; None for an empty text, which is always.

    Raises:
        ValueError: not of the form, or no such zone or day; the message says what is allowed.
    """
    if not text:
        return None
    match = _HOURS.fullmatch(text)
    if match is None:
        raise ValueError(f"expected {FORM}, or nothing for always")
    first, last, zone = match.group(1), match.group(2) or match.group(1), match.group(7)
    if first not in DAYS or last not in DAYS:
        raise ValueError(f"days are {', '.join(DAYS)}")
    start, length = DAYS.index(first), (DAYS.index(last) - DAYS.index(first)) % 7 + 1
    hours, minutes = (int(match.group(3)), int(match.group(5))), (int(match.group(4)), int(match.group(6)))
    opens, closes = ((60 * hours[end] + minutes[end]) * MINUTE for end in (0, 1))
    if max(minutes) > 59 or not opens < closes <= 24 * 60 * MINUTE:
        raise ValueError("hours go from 00:00 to 24:00, and open before they close")
    days = tuple(sorted((start + step) % 7 for step in range(length)))
    try:
        offsets = _offsets(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{zone!r} is no time zone that this machine knows") from None
    return TradingHours(text, days, opens, closes, offsets)


def _offsets(zone: ZoneInfo) -> tuple[tuple[Ns, Ns], ...]:
    """Return the zone's offsets from UTC, as (from this instant on, offset), of the years that matter."""
    day = timedelta(days=1)
    found: list[tuple[Ns, Ns]] = [(0, _offset(zone, FIRST))]
    at = FIRST
    while at < LAST:
        if _offset(zone, at + day) != _offset(zone, at):
            low, high = int(at.timestamp()), int((at + day).timestamp())
            while high - low > 1:
                middle = (low + high) // 2
                is_before = _offset(zone, datetime.fromtimestamp(middle, UTC)) == _offset(zone, at)
                low, high = (middle, high) if is_before else (low, middle)
            found.append((high * SECOND, _offset(zone, at + day)))
        at += day
    return tuple(found)


def _offset(zone: ZoneInfo, at: datetime) -> Ns:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None, "an instant in a zone has an offset"
    return int(offset.total_seconds()) * SECOND
