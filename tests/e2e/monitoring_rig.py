"""A Prometheus and an Alertmanager of our configuration, on free ports, with a webhook that hears them."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.e2e.daemon_process import free_port
from tests.test_grafana import GRAFANA

ENDS_WITHIN_S = 15


class Webhook(ThreadingHTTPServer):
    """Where Alertmanager's notices arrive: by path, the names of the alerts that fire."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Notice)
        self.heard: dict[str, set[str]] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def names(self) -> set[str]:
        """All alerts of which anything was heard."""
        return {name for names in self.heard.values() for name in names}


class _Notice(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        notice = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        names = {one["labels"]["alertname"] for one in notice["alerts"] if one["status"] == "firing"}
        self.server.heard.setdefault(self.path, set()).update(names)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class Monitoring:
    """What was started, and where it is asked."""

    def __init__(self, prometheus: str, webhook: Webhook) -> None:
        self._prometheus = prometheus
        self.webhook = webhook

    def ask(self, path: str, **words: str) -> Any:
        """Return what Prometheus' API answers."""
        query = urllib.parse.urlencode(words)
        with urllib.request.urlopen(f"http://{self._prometheus}/api/v1/{path}?{query}", timeout=10) as reply:
            return json.load(reply)["data"]

    def points(self, expression: str) -> int:
        """Return how many values of the last minute a query has that are numbers."""
        now = time.time()
        found = self.ask("query_range", query=expression, start=str(now - 60), end=str(now), step="1")
        return sum(value != "NaN" for series in found["result"] for _, value in series["values"])

    def value(self, expression: str) -> float | None:
        """Return the first value of a query at this instant; None for none."""
        found = self.ask("query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else None

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules with their health."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]


def needs_prometheus() -> None:
    """Skip, loudly, where Debian's packages are absent."""
    for program in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: apt-get install {program}): nothing is scraped")


@contextmanager
def monitoring(
    folder: Path, target: str, others: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Monitoring]:
    """Watch a target by `grafana/monitoring.sh` and the shipped files; only times and addresses are others.

    It is scraped and judged every second, and what must last before it is told must last for a second.
    `others` are more changes, from a pattern to a text.
    """
    webhook = Webhook()
    prometheus, alertmanager = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    changes = {
        r"127\.0\.0\.1:9464": target,
        r"127\.0\.0\.1:9093": alertmanager,
        r"127\.0\.0\.1:9095": f"127.0.0.1:{webhook.server_port}",
        r"_interval: 5s": "_interval: 1s",
        r"(?m)^( *)for: .*$": r"\1for: 1s",
        r"group_wait: 10s": "group_wait: 0s",
        r"group_interval: 1m": "group_interval: 1s",
        **others,
    }
    configuration = folder / "monitoring"
    configuration.mkdir()
    for name in ("prometheus.yml", "alertmanager.yml", "kalshid.rules.yml"):
        text = (GRAFANA / name).read_text(encoding="utf-8")
        for old, new in changes.items():
            text = re.sub(old, new, text)
        (configuration / name).write_text(text, encoding="utf-8")
    log_path = folder / "monitoring.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            ["bash", str(GRAFANA / "monitoring.sh"), str(configuration), str(folder / "kept")],
            env={"PATH": "/usr/bin:/bin", "PROMETHEUS": prometheus, "ALERTMANAGER": alertmanager},
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield Monitoring(prometheus, webhook)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(ENDS_WITHIN_S)
        webhook.shutdown()
        webhook.server_close()
    assert 0 == code, log_path.read_text(encoding="utf-8")
