"""Under load: nothing is told while all is well, and every query of every panel has points."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.confident import write_confident, write_stacked
from tests.e2e.monitoring_rig import Monitoring, monitoring, needs_prometheus
from tests.e2e.test_monitoring import queries, until
from tests.e2e.venue_rig import EVENT
from tests.e2e.ward import DAY_MS, Ward

MARKETS = 50
PER_S = 1500
"""Book messages a second that the exchange is asked for."""
FRAMES_MIN = 1000
"""Frames a second that count as load."""
WELL_FOR_S = 120.0
EVENTS = 80
"""That end: the smallest window over which a model is judged, and some that were scored too late."""
HELD = 5
"""Of these markets something is held before they end."""
TROUBLED = {
    "feed": {"channel_quiet_max_s": "4", "refused_per_minute_max": "100"},
    "drift": {"events": "50", "warn_z": "100", "warn_psi": "100"},
    "breaker": {"failures_max": "100"},
    "risk": {"open_orders_max": "40"},
}


PATIENT = {"_interval: 1s": "_interval: 3s"}
"""A scrape is rendered between ticks: where the machine is busy, that takes longer than a second."""


@contextmanager
def loaded(
    folder: Path, overrides: Mapping[str, Mapping[str, str]], shorter: int | None
) -> Iterator[tuple[Ward, Monitoring]]:
    """A daemon with a challenger that trades under load, and what watches it."""
    default, other = (write_confident(folder, version) for version in (1, 2))
    overrides = {
        **overrides,
        "model": {"challenger": f'"{write_stacked(folder, default, other)}"'},
        "strategies.provoked": {"every_ms": "10000"},
    }
    ward = Ward(folder / "load", default, overrides, markets=MARKETS, trickle_per_s=PER_S)
    try:
        ward.open()
        with monitoring(folder, ward.instance, PATIENT, shorter=shorter) as watch:
            ward.watch = watch
            ward.until(ward.is_trading, "it trades")
            yield ward, watch
    finally:
        ward.close()


@pytest.mark.full
def test_nothing_is_told_while_all_is_well(tmp_path: Path) -> None:
    """Two minutes under load, with durations a quarter of what is shipped: the watchdog alone fires."""
    needs_prometheus()
    with loaded(tmp_path, {}, shorter=4) as (ward, watch):
        ward.until(lambda: frames_per_s(watch) >= FRAMES_MIN, f"{FRAMES_MIN} frames a second")
        began, told = time.monotonic(), set[tuple[str, str]]()
        while time.monotonic() - began < WELL_FOR_S:
            told |= watch.firing()
            time.sleep(0.5)
        sys.stdout.write(f"{frames_per_s(watch):.0f} frames a second\n")
        assert {("KalshidWatchdog", "")} == told


def frames_per_s(watch: Monitoring) -> float:
    """Return the venue's frames a second of the last thirty."""
    return watch.value('sum(rate(kalshid_frames_total{feed="kalshi"}[30s]))') or 0.0


def trouble(ward: Ward) -> None:
    """Let all happen once that some panel shows and a quiet day does not have."""
    ward.fault("unknown_type", channel="orderbook_delta", next=5)
    ward.fault("malformed_reply", path="*/orderbook*", next=5)
    ward.fault("drop", channel="cfbenchmarks_value")
    ward.fault("command_error", code=18, next=1)
    ward.fault("channel_error", channel="ticker")
    ward.fault("hang", path="*/portfolio/events/orders*", for_ms=8_000)
    ward.call("/exchange/pause", what="exchange", resumes_in_ms=60_000)
    back_at = "kalshid_exchange_resume_timestamp_seconds"
    ward.until(lambda: ward.value(back_at) is not None, "the status is read: every 15 s")
    time.sleep(5)  # a scrape
    ward.call("/exchange/resume")
    ward.until(lambda: (ward.value("kalshid_orders_open", state="resting") or 0) > 9, "it quotes again")
    ward.fault("delay", channel="orderbook_delta", ms=1_200, for_ms=4_000)  # what rests is cancelled
    time.sleep(6)
    for number in range(EVENTS):
        event = f"{EVENT}-D{number}"
        ward.call("/markets", series_ticker="KXTEST", event_ticker=event, closes_in_ms=DAY_MS)
        ward.quote(f"{event}-M0")
    synced = MARKETS + EVENTS
    ward.until(lambda: (ward.value("kalshid_books_synced") or 0) >= synced, "it has the books")
    time.sleep(5)  # each is scored, and quoted
    for number in range(HELD):
        ward.call("/orders", ticker=f"{EVENT}-D{number}-M0", side="ask", price="0.4500", count="1.00")
    time.sleep(5)  # what is held is scraped
    for number in range(EVENTS):
        ward.call("/markets/close", ticker=f"{EVENT}-D{number}-M0")
        ward.call("/markets/determine", ticker=f"{EVENT}-D{number}-M0", result="yes")
    ward.until(lambda: ward.value("kalshid_model_psi_max") is not None, "a window of events is judged", 90)
    ward.heal()


@pytest.mark.full
def test_every_query_of_every_panel_has_points_under_load(tmp_path: Path) -> None:
    """None is empty: what only trouble shows is there once there was trouble, at 1,000 frames a second."""
    needs_prometheus()
    with loaded(tmp_path, TROUBLED, shorter=None) as (ward, watch):
        ward.until(lambda: frames_per_s(watch) >= FRAMES_MIN, f"{FRAMES_MIN} frames a second")
        began = time.time()
        trouble(ward)

        def empty() -> set[str]:
            since_s = time.time() - began
            return {title for title, asked in queries() if not watch.points(asked, since_s)}

        until(lambda: not empty(), 60)
        assert set() == empty()
        sys.stdout.write(f"{frames_per_s(watch):.0f} frames a second\n")
        assert frames_per_s(watch) >= FRAMES_MIN
