"""A ward: one daemon and the exchange it trades at, watched by Prometheus, to be given faults.

The exchange stands still but for what its operator does, and a trickle of book messages. The daemon is
`kalshid run` (through `ailing`), with a strategy of its owner's in it that is never content.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.daemon_process import ROOT, Daemon, free_port
from tests.e2e.monitoring_rig import Monitoring
from tests.e2e.venue_rig import EVENT, SandboxProcess

FIRST = f"{EVENT}-M0"
RAISES = "KXTEST-OPERATOR-RAISES"
"""The market in which the strategy raises."""
DAY_MS = 86_400_000
TRICKLE_PER_S = 20
BIDS = [["0.4400", "100.00"], ["0.4300", "200.00"]]
ASKS = [["0.5600", "100.00"], ["0.5700", "200.00"]]
CONFIG: Mapping[str, Mapping[str, str]] = {
    "": {"mode": '"demo"', "strategy_path": '"own"'},
    "venue": {"request_timeout_s": "1"},
    "reference": {"underlyings": '[{ series = "KXTEST", kraken = "BTC/USD", cfbenchmarks = "BRTI" }]'},
    "markets": {"series": '["KXTEST"]', "refresh_s": "1"},
    "model": {},
    "feed": {},
    "orders": {"requests_per_s_max": "100", "in_flight_max": "32"},
    "risk": {
        "orders_per_minute_max": "100000",
        "requests_per_minute_max": "100000",
        "fair_away_max_cents": "99",
        "price_away_max_cents": "99",
        "repeated_fills_max": "100000",
        "spread_max_cents": "100",
        "losing_streak_max": "100000",
    },
    "breaker": {"probe_every_s": "1", "cool_down_s": "2"},
    "reconcile": {"every_s": "2"},
    "audit": {"every_s": "1"},
    "page": {"listen": '""'},
    "strategies.provoked": {"enabled": "true", "series": '["KXTEST"]', "close_guard_s": "0"},
}
STRATEGY = f'''"""Quotes on both sides and is never content; raises in one market."""

import msgspec

from daemon.core.strategy import MarketView, Target, Wanted


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Size of a quote, and how long one stays: markets take turns."""

    contracts: int = 1
    every_ms: int = 500


class Provoked:
    """See the module's head."""

    name = "provoked"
    features: tuple[str, ...] = ()
    book_changed_max = None

    def __init__(self, params: Params) -> None:
        self.params = params

    def wants(self, view: MarketView) -> Wanted:
        """Return this moment's quotes."""
        if view.book.bid is None or view.book.ask is None:
            return Wanted((), "one-sided")
        if view.spec.ticker == "{RAISES}":
            raise ValueError("not this market")
        turn = view.now // 1_000_000 + 97 * sum(view.spec.ticker.encode())
        bid = 4_500 + 100 * (turn // self.params.every_ms % 2)
        return Wanted(
            (
                Target("bid", bid, 100 * self.params.contracts, "rest", "quote"),
                Target("ask", 10_000 - bid, 100 * self.params.contracts, "rest", "quote"),
            ),
            "quote",
        )
'''


class Ward:
    """See the module's head.

    Args:
        folder: all of it is in here.
        model: the model folder.
        overrides: values of keys by table, as TOML text.
        markets: so many at first, in one event.
        trickle_per_s: book messages a second, in these markets.
    """

    def __init__(
        self,
        folder: Path,
        model: Path,
        overrides: Mapping[str, Mapping[str, str]],
        *,
        markets: int = 1,
        trickle_per_s: int = TRICKLE_PER_S,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._model = model
        self._overrides = overrides
        self._sandbox = SandboxProcess(folder / "sandbox")
        self._markets = markets
        self._trickle_per_s = trickle_per_s
        self.port = free_port()
        self.instance = f"127.0.0.1:{self.port}"
        self.config = folder / "config.toml"
        self.daemon: Daemon
        self.watch: Monitoring

    # --- life ------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the exchange with its markets, and the daemon."""
        asyncio.run(self._sandbox.start())
        self.call("/account/tier", tier="prestige")
        if self._markets:
            self.call("/markets", series_ticker="KXTEST", event_ticker=EVENT, count=self._markets,
                      closes_in_ms=DAY_MS)  # fmt: skip
            self.quote()
            if self._trickle_per_s:
                self.call("/load/start", event_ticker=EVENT, per_s=self._trickle_per_s, seconds=3600.0)
        urls = self.folder / "urls"
        urls.touch(0o600)
        urls.write_text("json://127.0.0.1:1/nobody\n", encoding="utf-8")
        own = self.folder / "own"
        own.mkdir()
        (own / "provoked.py").write_text(STRATEGY, encoding="utf-8")
        self.configure()
        self.begin_life()

    def configure(self, changes: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Write the configuration, with changes to it that last until the next time."""
        ready = self._sandbox.ready
        venue = {name: json.dumps(ready[name]) for name in ("rest_url", "ws_url", "key_id")}
        places: dict[str, dict[str, str]] = {
            "venue": {**venue, "private_key_file": json.dumps(ready["private_key_path"])},
            "reference": {
                "kraken_ws_url": json.dumps(ready["reference_ws_url"]),
                "kraken_rest_url": json.dumps(ready["reference_rest_url"]),
            },
            "model": {"path": json.dumps(str(self._model))},
            "metrics": {"listen": json.dumps(self.instance), "tickers_max": "5"},
        }
        tables: dict[str, dict[str, str]] = {}
        for layer in (CONFIG, places, self._overrides, changes or {}):
            for name, values in layer.items():
                tables.setdefault(name, {}).update(values)
        text = ""
        for name, values in tables.items():
            text += f"[{name}]\n" if name else ""
            text += "".join(f"{key} = {value}\n" for key, value in values.items())
        self.config.write_text(text, encoding="utf-8")

    def begin_life(self) -> None:
        """Start the daemon."""
        self.daemon = Daemon(self.config, program=("-m", "tests.e2e.ailing", str(self.folder)))

    def end_life(self) -> None:
        """Kill the daemon."""
        self.daemon.kill()

    def restart(self, changes: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Kill the daemon and start it anew, with changes to its configuration."""
        self.end_life()
        self.configure(changes)
        self.begin_life()

    def close(self) -> None:
        """End all of it."""
        if hasattr(self, "daemon"):
            self.daemon.process.send_signal(signal.SIGCONT)
            self.daemon.kill()
        self._sandbox.end()

    # --- what is done to it ----------------------------------------------------------------------

    @property
    def sandbox_pid(self) -> int:
        """The exchange's process."""
        return int(self._sandbox.ready["pid"])

    def call(self, path: str, /, **body: object) -> Any:
        """Make a call of the exchange's operator and return the answer."""
        request = urllib.request.Request(
            self._sandbox.ready["admin_url"] + path, json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)

    def fault(self, kind: str, **options: object) -> None:
        """Begin a fault of the exchange's."""
        self.call("/faults", kind=kind, **options)

    def heal(self) -> None:
        """End all faults of the exchange's."""
        self.call("/faults/clear")

    def quote(self, ticker: str = FIRST, bids: object = BIDS, asks: object = ASKS) -> None:
        """Put the operator's quotes into a book, around which ours are better."""
        self.call("/book", ticker=ticker, bids=bids, asks=asks)

    def command(self, *words: str) -> str:
        """Run one of kalshid's commands on this daemon and return what it says."""
        ran = subprocess.run(
            [sys.executable, "-m", "daemon", *words, "--config", str(self.config)],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return ran.stdout + ran.stderr

    # --- what is seen of it ----------------------------------------------------------------------

    def until(self, happened: Callable[[], bool], what: str, within_s: float = 60.0) -> float:
        """Wait until something is true; return the seconds that it took."""
        began = time.monotonic()
        while not _is(happened):
            took = time.monotonic() - began
            assert took < within_s, f"not within {within_s:g} s: {what}\n{self.log}"
            time.sleep(0.25)
        return time.monotonic() - began

    @property
    def log(self) -> str:
        """The end of what the daemon said."""
        return self.daemon.log[-3000:]

    def value(self, metric: str, **labels: str) -> float | None:
        """Return what the daemon's own page says of a metric now; None for nothing."""
        try:
            with urllib.request.urlopen(f"http://{self.instance}/metrics", timeout=5) as reply:
                text = reply.read().decode()
        except OSError:
            return None
        wanted = "".join(rf'(?=[^}}]*{name}="{value}")' for name, value in labels.items())
        found = re.search(rf"(?m)^{metric}(?:\{{{wanted}[^}}]*\}})? (\S+)$", text)
        return float(found[1]) if found else None

    def is_trading(self) -> bool:
        """Whether it says that it trades."""
        return self.value("kalshid_ready") == 1

    def fires(self, name: str) -> bool:
        """Whether an alert fires on this daemon."""
        return (name, self.instance) in self.watch.firing()


def _is(happened: Callable[[], bool]) -> bool:
    """Whether something is true; who is asked may not listen yet."""
    try:
        return happened()
    except OSError:
        return False


class Meddler:
    """Does something again and again in a thread of its own, until the block ends."""

    def __init__(self, act: Callable[[], object], every_s: float) -> None:
        self._act, self._every_s = act, every_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._is_over.wait(self._every_s):
            self._act()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
