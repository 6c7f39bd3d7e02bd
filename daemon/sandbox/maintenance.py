"""The weekly maintenance: Thursday 03:00 to 05:00 in New York, in the sandbox's own time.

It is announced in the schedule and, if the sandbox is started so, happens: all shards are paused, orders
stay. A clock that is moved by hand or runs fast meets it as well. Source: protocol sheet 7.6.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from daemon.core.units import HOUR, MINUTE, SECOND, Ns
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact
from daemon.sandbox.flows.schedule import new_york

Window: TypeAlias = tuple[Ns, Ns]
"""Start and end of a maintenance."""

WEEKS_AHEAD: Final = 2
THURSDAY: Final = 3
"""As `date.weekday` counts."""
FROM_HOUR, TO_HOUR = 3, 5
LEAD: Final[Ns] = 2 * MINUTE
"""How long before its start a window is put on the exchange's own list: longer than any step of the clock."""


def weekly_windows(now: Ns) -> list[Window]:
    """Return the weekly maintenance windows that are not over, soonest first."""
    today = new_york(now).replace(hour=0, minute=0, second=0)
    thursday = today - timedelta(days=(today.weekday() - THURSDAY) % 7)
    found = []
    for week in range(WEEKS_AHEAD + 1):
        day = thursday + timedelta(weeks=week)
        window = (_instant(day + timedelta(hours=FROM_HOUR)), _instant(day + timedelta(hours=TO_HOUR)))
        if window[1] > now:
            found.append(window)
    return found


def schedule_weekly(exchange: Exchange, now: Ns) -> list[Fact]:
    """Put the next weekly window on the exchange's list when it is near; it begins and ends by itself."""
    start_at, end_at = weekly_windows(now)[0]
    if now < start_at - LEAD or (start_at, end_at) in exchange.pauses.windows:
        return []
    return exchange.schedule_maintenance(start_at, end_at, now)


def _instant(local: datetime) -> Ns:
    """Return the instant of a wall clock time in New York, at hours when no clock is changed."""
    summer = int(local.replace(tzinfo=UTC).timestamp()) * SECOND + 4 * HOUR
    return summer if new_york(summer) == local else summer + HOUR
