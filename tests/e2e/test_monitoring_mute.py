"""The weekly maintenance mutes what follows from it, and only that: by a real Alertmanager, and its calendar.

Alertmanager reads the machine's clock, so the window is moved to where the clock is: the shipped file's own
interval, with other hours. It is narrow: were its time zone, or that zone's daylight saving, not heeded, the
clock would not be in it. One of the two zones has daylight saving time whenever this runs.
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from daemon.core.units import SECOND
from daemon.sandbox.maintenance import weekly_windows
from tests.e2e.monitoring_rig import Monitoring, monitoring, needs_prometheus
from tests.test_grafana import GRAFANA, alerts

NEW_YORK = ZoneInfo("America/New_York")
SHIPPED = r'weekdays: \[thursday\]\n +times: \[\{start_time: "03:00", end_time: "05:00"\}\]'
MARGIN = timedelta(minutes=25)
"""Less than any zone's daylight saving: half an hour, at Lord Howe Island."""
NO_INHIBITION = r"(?s)inhibit_rules:.*?\n\n"
"""Alerts that mute one another would hide that the calendar does not."""
SILENT_S = 3.0
"""What is not muted arrives within a second."""
FOLLOWS = (
    "NotTrading", "FeedDown", "FeedFlapping", "FeedSilent", "FeedLagging", "GapStorm", "ChannelQuiet",
    "BookAuditUnequal", "BookAuditFailed", "BooksUnsynced", "BackfillStuck", "NothingWatched",
    "ExchangePaused", "ReferenceFailedOver", "ReferenceNone", "ReconcileStale", "BreakerOpen",
)  # fmt: skip
"""What follows from an exchange that is closed, or is about its data: all else is told even then."""
MUTED = {f"Kalshid{name}" for name in FOLLOWS}
TOLD = set(alerts()) - MUTED


def around(now: datetime) -> str:
    """Return the interval's days and hours so that a local time is within; over midnight it has two days."""
    first, last = now - MARGIN, now + MARGIN
    pieces = (
        [(first, f"{first:%H:%M}", f"{last:%H:%M}")]
        if first.date() == last.date()
        else [(first, f"{first:%H:%M}", "24:00"), (last, "00:00", f"{last:%H:%M}")]
    )
    lines = [
        f'weekdays: [{day:%A}]\n        times: [{{start_time: "{start}", end_time: "{end}"}}]'.lower()
        for day, start, end in pieces
        if start != end
    ]
    return "\n        location: ZONE\n      - ".join(lines)


def tell(watch: Monitoring) -> None:
    """Let all alerts fire, as Prometheus says it to Alertmanager."""
    rules = (GRAFANA / "kalshid.rules.yml").read_text(encoding="utf-8")
    severity = dict(re.findall(r"alert: (\w+)\n.*\n(?: +for: .*\n)? +labels: \{severity: (\w+)", rules))
    body = [
        {"labels": {"alertname": name, "severity": severity[name], "instance": "a"}, "annotations": {}}
        for name in alerts()
    ]
    request = urllib.request.Request(
        f"http://{watch.alertmanager}/api/v2/alerts", json.dumps(body).encode(), method="POST"
    )
    request.add_header("Content-Type", "application/json")
    urllib.request.urlopen(request, timeout=10).close()


@pytest.mark.parametrize(
    "zone", ["America/New_York", pytest.param("Australia/Sydney", marks=pytest.mark.full)]
)
def test_in_the_window_what_follows_is_mute_and_the_rest_is_told(tmp_path: Path, zone: str) -> None:
    """All alerts fire: those about the market's data do not arrive, all others do."""
    needs_prometheus()
    moved = around(datetime.now(ZoneInfo(zone))).replace("ZONE", zone)
    changes = {SHIPPED: moved, r"location: America/New_York": f"location: {zone}", NO_INHIBITION: ""}
    with monitoring(tmp_path, "127.0.0.1:1", changes) as watch:
        assert TOLD == told_within(watch, TOLD)
        time.sleep(SILENT_S)
        assert TOLD == watch.webhook.names


@pytest.mark.full
def test_outside_of_the_window_all_is_told(tmp_path: Path) -> None:
    """The same alerts, hours later or earlier: nothing is mute."""
    needs_prometheus()
    moved = around(datetime.now(NEW_YORK) + timedelta(hours=6)).replace("ZONE", "America/New_York")
    with monitoring(tmp_path, "127.0.0.1:1", {SHIPPED: moved, NO_INHIBITION: ""}) as watch:
        assert set(alerts()) == told_within(watch, set(alerts()))


def told_within(watch: Monitoring, names: set[str], within_s: float = 30.0) -> set[str]:
    """Let all alerts fire until some have arrived; return those that have."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and not names <= watch.webhook.names:
        with suppress(OSError):  # it does not listen yet
            tell(watch)
        time.sleep(0.5)
    return watch.webhook.names


def test_the_window_is_the_exchanges_all_year_round() -> None:
    """The interval's hours in New York are those of the exchange's calendar, in summer and in winter."""
    assert re.search(SHIPPED, (GRAFANA / "alertmanager.yml").read_text(encoding="utf-8"))
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    hours = set()
    for week in range(52):
        now = begin + timedelta(weeks=week)
        start_at, end_at = weekly_windows(int(now.timestamp()) * SECOND)[0]
        start, end = (datetime.fromtimestamp(at // SECOND, NEW_YORK) for at in (start_at, end_at))
        assert ("Thursday 03:00", "Thursday 05:00") == (f"{start:%A %H:%M}", f"{end:%A %H:%M}")
        hours.add(start.astimezone(UTC).hour)
    assert {7, 8} == hours
