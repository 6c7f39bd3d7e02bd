"""A real Prometheus and Alertmanager watch a real daemon: panels have points, and a dead one is told.

What takes minutes is in `test_monitoring_alerts` (every alert is provoked) and `test_monitoring_load`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grafana.mixin.panel import MATCHERS
from tests.e2e.daemon_process import Daemon, end_sandbox, write_config
from tests.e2e.monitoring_rig import Monitoring, monitoring, needs_prometheus
from tests.test_dashboards import DASHBOARDS
from tests.test_grafana import recorded

# What there is nothing of while all is well and no market has ended: `test_monitoring_load` sees to those.
QUIET = {
    "Next maintenance: starts",
    "Next maintenance: ends",
    "Next maintenance: exchange is back",
    "Refused shapes: frame: {{shape}}",
    "Refused shapes: answer: {{shape}}",
    "Refused shapes: error {{code}}",
    "Refusals: {{reason}}",
    "Cancels: {{reason}}",
    "At stake by market: {{ticker}}",
    "Held by market: {{ticker}}",
    "Held by market: {{ticker}} mid",
    "Orders without an answer: seconds of the oldest",
    "Brier scores: {{source}}",
    "Model against the mid: {{slot}}",
    "Stability of features: {{slot}}",
    "Calibration error: {{slot}}",
    "Age of training: {{slot}}",
    "Difference of the challenger: mean absolute difference",
    "Swaps and absences: {{slot}} absent",
}


def listen_of(config: Path) -> str:
    """Where the daemon's metrics are."""
    return config.read_text().split('listen = "')[1].split('"')[0]


def queries() -> Iterator[tuple[str, str]]:
    """Every query of every panel, as Grafana would ask it with all that can be chosen."""
    for one in DASHBOARDS:
        for panel in one.panels:
            for query in panel.queries:
                expression = query.expr.replace("@", MATCHERS).replace("$__rate_interval", "10s")
                expression = expression.replace("$job", ".+").replace("$instance", ".+")
                yield f"{panel.title}: {query.legend}", expression


def until(happened: Callable[[], bool], within_s: float) -> bool:
    """Wait for something; whether it came."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if happened():
                return True
        except OSError:  # it does not listen yet
            pass
        time.sleep(0.2)
    return False


def empty(watch: Monitoring) -> set[str]:
    """Which queries have no point yet."""
    return {title for title, expression in queries() if not watch.points(expression)}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose sandbox ends with the test."""
    yield tmp_path
    end_sandbox(tmp_path)


def is_trading(watch: Monitoring) -> bool:
    """Whether a scrape has seen the daemon trade."""
    return watch.value("kalshid_ready") == 1


def test_panels_have_points_rules_are_well_and_a_dead_daemon_is_told(folder: Path) -> None:
    """Of a daemon on the sandbox: every query answers with points, every rule is healthy; a kill arrives."""
    needs_prometheus()
    config = write_config(folder)
    daemon = Daemon(config, "--for", "120s")
    try:
        with monitoring(folder, listen_of(config)) as watch:
            assert until(lambda: is_trading(watch), 60), daemon.log[-3000:]
            assert until(lambda: (watch.value("count_over_time(kalshid_ready[30s])") or 0) >= 4, 20)
            # It decides by itself when to send an order: what only orders show may come later.
            until(lambda: empty(watch) <= QUIET, 90)
            missing = empty(watch)
            rules = watch.rules()
            assert {"ok"} == {rule["health"] for rule in rules}, rules
            assert set(recorded()) <= {rule["name"] for rule in rules}
            daemon.kill()
            assert until(lambda: "KalshidDown" in watch.webhook.heard.get("/now", ()), 20)
            assert until(lambda: "KalshidWatchdog" in watch.webhook.heard.get("/alive", ()), 20)
        assert missing <= QUIET
    finally:
        daemon.kill()
