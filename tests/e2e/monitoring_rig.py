"""A Prometheus and an Alertmanager of our configuration, on free ports, with a webhook that hears them."""

from __future__ import annotations

import json
import os
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
from typing import Any, NamedTuple

import pytest

from tests.e2e.daemon_process import free_port
from tests.test_grafana import GRAFANA

ENDS_WITHIN_S = 15


class Told(NamedTuple):
    """One alert in one notice; `at` is `monotonic` when the notice arrived, `instance` "" for none."""

    name: str
    instance: str
    is_firing: bool
    path: str
    at: float


class Webhook(ThreadingHTTPServer):
    """Where Alertmanager's notices arrive: by path, the names of the alerts that fire; and all in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Notice)
        self.heard: dict[str, set[str]] = {}
        self.told: list[Told] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def told_of(self, name: str, instance: str, since: float, *, is_firing: bool) -> Told | None:
        """Return the first notice of an alert since a moment that says that it fires, or that it is over."""
        wanted = (name, instance, is_firing)
        return next((one for one in self.told if wanted == one[:3] and one.at >= since), None)

    @property
    def names(self) -> set[str]:
        """All alerts of which anything was heard."""
        return {name for names in self.heard.values() for name in names}


class _Notice(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        notice = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        at = time.monotonic()
        told = [
            Told(
                one["labels"]["alertname"], one["labels"].get("instance", ""), one["status"] == "firing",
                self.path, at,
            )
            for one in notice["alerts"]
        ]  # fmt: skip
        self.server.told += told
        names = {one.name for one in told if one.is_firing}
        self.server.heard.setdefault(self.path, set()).update(names)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


class Monitoring:
    """What was started, and where it is asked."""

    def __init__(
        self, prometheus: str, alertmanager: str, webhook: Webhook, configuration: Path, pid: int
    ) -> None:
        self._prometheus = prometheus
        self.alertmanager = alertmanager
        self.webhook = webhook
        self._configuration = configuration
        self._pid = pid

    def reload(self, changes: Mapping[str, str]) -> None:
        """Change Prometheus' configuration, and have it read anew."""
        path = self._configuration / "prometheus.yml"
        path.write_text(changed(path.read_text(encoding="utf-8"), changes), encoding="utf-8")
        for child in Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "prometheus":
                os.kill(int(child), signal.SIGHUP)

    def ask(self, path: str, **words: str) -> Any:
        """Return what Prometheus' API answers."""
        query = urllib.parse.urlencode(words)
        with urllib.request.urlopen(f"http://{self._prometheus}/api/v1/{path}?{query}", timeout=10) as reply:
            return json.load(reply)["data"]

    def points(self, expression: str, seconds: float = 60.0) -> int:
        """Return how many values of the last minute, or of another time, a query has that are numbers."""
        now = time.time()
        found = self.ask("query_range", query=expression, start=str(now - seconds), end=str(now), step="1")
        return sum(value != "NaN" for series in found["result"] for _, value in series["values"])

    def value(self, expression: str) -> float | None:
        """Return the first value of a query at this instant; None for none."""
        found = self.ask("query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[tuple[str, str]]:
        """Return the alerts that fire now, as (name, instance); an instance is "" where there is none."""
        return {
            (one["labels"]["alertname"], one["labels"].get("instance", ""))
            for one in self.ask("alerts")["alerts"]
            if one["state"] == "firing"
        }

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules with their health."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]


def needs_prometheus() -> None:
    """Skip, loudly, where Debian's packages are absent."""
    for program in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: apt-get install {program}): nothing is scraped")


def changed(text: str, changes: Mapping[str, str]) -> str:
    """Return a text with every pattern replaced, in order."""
    for old, new in changes.items():
        text = re.sub(old, new, text)
    return text


def shortened(rules: str, factor: int) -> str:
    """Return rules in which all that has to last, and every window, is so many times shorter.

    Nothing else is another: what is compared, also an age in seconds, is what is shipped.
    """
    in_ms = {"s": 1_000, "m": 60_000, "h": 3_600_000}

    def short(found: re.Match[str]) -> str:
        return f"{found[1]}{int(found[2]) * in_ms[found[3]] // factor}ms{found[4]}"

    return re.sub(r"(\bfor: |\[)(\d+)([smh])(\]|$)", short, rules, flags=re.MULTILINE)


@contextmanager
def monitoring(
    folder: Path,
    target: str,
    others: Mapping[str, str] = MappingProxyType({}),
    *,
    shorter: int | None = None,
) -> Iterator[Monitoring]:
    """Watch targets by `grafana/monitoring.sh` and the shipped files; only times and addresses are others.

    It is scraped and judged every second. What must last before it is told must last for a second, the
    windows are as shipped; or with `shorter`, both are so many times shorter. `target` is an address, or
    several, with commas. `others` are more changes, from a pattern to a text.
    """
    webhook = Webhook()
    prometheus, alertmanager = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    changes = {
        r"127\.0\.0\.1:9464": target.replace(",", '", "'),
        r"127\.0\.0\.1:9093": alertmanager,
        r"127\.0\.0\.1:9095": f"127.0.0.1:{webhook.server_port}",
        r"_interval: 5s": "_interval: 1s",
        **({} if shorter else {r"(?m)^( *)for: .*$": r"\1for: 1s"}),
        r"group_wait: 10s": "group_wait: 0s",
        r"group_interval: 1m": "group_interval: 1s",
        **others,
    }
    configuration = folder / "monitoring"
    configuration.mkdir()
    for name in ("prometheus.yml", "alertmanager.yml", "kalshid.rules.yml"):
        text = changed((GRAFANA / name).read_text(encoding="utf-8"), changes)
        if shorter is not None and name == "kalshid.rules.yml":
            text = shortened(text, shorter)
        (configuration / name).write_text(text, encoding="utf-8")
    log_path = folder / "monitoring.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            ["bash", str(GRAFANA / "monitoring.sh"), str(configuration), str(folder / "kept")],
            env={"PATH": "/usr/bin:/bin", "PROMETHEUS": prometheus, "ALERTMANAGER": alertmanager},
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield Monitoring(prometheus, alertmanager, webhook, configuration, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(ENDS_WITHIN_S)
        webhook.shutdown()
        webhook.server_close()
    assert 0 == code, log_path.read_text(encoding="utf-8")
