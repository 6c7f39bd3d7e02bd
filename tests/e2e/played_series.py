"""The series of the rules' unit tests, played to a real Prometheus: one value further at each scrape."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.test_grafana import RULES_TEST


def expanded(values: str) -> list[float | None]:
    """Return what promtool's notation says: `a+bxn` is a and n more, `axn` the same, `_` is no value."""
    found: list[float | None] = []
    for token in values.split():
        repeated = re.fullmatch(r"(_|-?[\d.e]+?)([+-][\d.e]+)?x(\d+)", token)
        start, step, times = repeated.groups() if repeated else (token, None, "0")
        count = int(times) + (start != "_" or not repeated)
        found += [None if start == "_" else float(start) + float(step or 0) * n for n in range(count)]
    return found


def played() -> dict[str, list[float | None]]:
    """Return all series but `up`, with an instance of its own for each test that they stand in."""
    found: dict[str, list[float | None]] = {}
    for number, test in enumerate(RULES_TEST.read_text(encoding="utf-8").split("\n  - name: ")[1:]):
        for series, values in re.findall(r"series: '([^']+)', values: '([^']+)'", test):
            name = series.replace('instance="', f'instance="test{number}-')
            if not name.startswith("up{"):
                found[name] = expanded(values)
    return found


class Exporter(ThreadingHTTPServer):
    """Serves the series; when they are over their last values stay."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Scrape)
        self.series = played()
        self.scrapes = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def exposition(self) -> str:
        """Return the next values."""
        at = self.scrapes
        self.scrapes += 1
        lines = []
        for name, values in self.series.items():
            value = values[min(at, len(values) - 1)]
            if value is not None:
                lines.append(f"{name} {value!r}\n")
        return "".join(lines)


class _Scrape(BaseHTTPRequestHandler):
    server: Exporter

    def do_GET(self) -> None:
        body = self.server.exposition().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""
