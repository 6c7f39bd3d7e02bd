"""`kalshid run` from outside: the whole machine, over real sockets, in processes of its own."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from daemon.cli import main
from daemon.core.events import OrderSnapshot, PositionSnapshot
from daemon.core.units import Money
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.rest import Rest
from daemon.shell.clock import SystemClock
from tests.e2e.daemon_process import ROOT, Daemon, end_sandbox, free_port, sandbox_pid, write_config

LIVES = 5
"""So often is a daemon killed until one of its orders rests in that instant."""
TRADES_WITHIN_S = 240.0
FAILURES_BREAKER = b'kalshid_breaker_state{breaker="failures",scope="account"}'


def replayed(journal: Path) -> Any:
    """Run `kalshid replay` on a journal."""
    model = ROOT / "strategies/models/btc15m-demo/1"
    return CliRunner().invoke(main, ["replay", str(journal), "--model", str(model)])


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    """A folder whose sandbox ends with the test."""
    yield tmp_path
    end_sandbox(tmp_path)


async def _account(folder: Path) -> tuple[Money, tuple[PositionSnapshot, ...], tuple[OrderSnapshot, ...]]:
    ready = json.loads((folder / "var/sandbox/ready.json").read_bytes().splitlines()[0])
    signer = Signer(ready["key_id"], load_private_key(Path(ready["private_key_path"])))
    clock = SystemClock()
    async with Rest(ready["rest_url"], signer, clock.now) as rest:
        return await rest.balance(), await rest.positions(), await rest.orders()


def fetch(config: Path, path: str) -> tuple[int, bytes]:
    """Status and body of one of the daemon's pages; status 0 when it doesn't listen."""
    listen = config.read_text().split('listen = "')[1].split('"')[0]
    try:
        with urllib.request.urlopen(f"http://{listen}{path}", timeout=2) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def account(folder: Path) -> tuple[Money, dict[str, int], tuple[OrderSnapshot, ...]]:
    """What the exchange says of the account: cash, open positions, resting orders."""
    cash, positions, orders = asyncio.run(_account(folder))
    return cash, {told.ticker: told.qty for told in positions if told.qty}, orders


def has_filled(config: Path) -> bool:
    """Whether a fill was booked, as the metrics say."""
    told = re.search(rb'kalshid_fills_total\{liquidity="\w+"\} [1-9]', fetch(config, "/metrics")[1])
    return told is not None


def test_it_trades_on_the_sandbox_and_ends_clean(folder: Path) -> None:
    """Frames, decisions, orders, fills; then everything cancelled, confirmed, reconciled, and replayable.

    How soon it trades depends on the time of day: near a quarter's end no market is left to trade on.
    """
    config = write_config(folder)
    daemon = Daemon(config)
    daemon.wait_until(lambda: has_filled(config), TRADES_WITHIN_S)
    metrics = fetch(config, "/metrics")[1].decode()
    daemon.stop(signal.SIGINT)
    assert daemon.wait(60) == 0, daemon.log[-4000:]
    summary = daemon.summary
    assert summary["exit_code"] == 0
    assert summary["exit_reason"] == "SIGINT"
    assert summary["frames"] > 20  # the first fill may come within a second
    assert summary["gaps"] == 0
    assert summary["decisions"] > 0
    assert summary["orders"] > 0
    assert summary["fills"] > 0
    assert summary["reconciled"]
    assert summary["reconcile_findings"] == 0
    assert summary["orders_open"] == 0
    assert summary["latency_seconds"]["tick_to_decision"]["count"] > 0
    told = {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
    }
    assert told["kalshid_order_requests_total place accepted"] > 0
    assert told["kalshid_order_ack_seconds_count"] > 0
    assert told["kalshid_api_requests_total 2xx POST /portfolio/events/orders"] > 0
    assert told["kalshid_stage_seconds_count apply"] > 0
    # The table of endpoints has all that a run asks for.
    assert not [name for name, value in told.items() if name.endswith(" other") and "_api_" in name and value]
    assert sandbox_pid(folder) is None
    result = replayed(daemon.journals[-1])
    assert result.exit_code == 0, result.output
    assert "identical" in result.output


def test_a_killed_daemon_finds_its_position_and_leaves_no_order(folder: Path) -> None:
    """Kill -9 of the daemon alone: the exchange lives on, and the next start agrees with it."""
    config = write_config(folder)

    def has_position_and_order() -> bool:
        if sandbox_pid(folder) is None:
            return False
        _cash, positions, orders = account(folder)
        return bool(positions) and bool(orders)

    for _ in range(LIVES):
        daemon = Daemon(config)
        daemon.wait_until(has_position_and_order, TRADES_WITHIN_S)
        daemon.kill()
        time.sleep(1)  # the lists run behind
        if has_position_and_order():
            break
    pid = sandbox_pid(folder)
    assert pid is not None
    again = Daemon(config, "--for", "8s")
    assert again.wait(60) == 0, again.log[-4000:]
    summary = again.summary
    assert summary["reconciled"]
    assert summary["reconcile_findings"] == 0
    events = summary["events"]
    assert events.get("adopted_orders", 0) + events.get("recovered_orders", 0) > 0
    assert summary["orders_open"] == 0
    assert "sandbox.joined" in again.log
    for journal in again.journals:
        result = replayed(journal)
        assert result.exit_code == 0, result.output


def test_health_readiness_and_metrics_are_served(folder: Path) -> None:
    """Over HTTP while it runs; and SIGTERM ends it as Ctrl-C does."""
    config = write_config(folder)
    daemon = Daemon(config, "--for", "120s")
    daemon.wait_until(lambda: fetch(config, "/readyz")[0] == 200)
    assert fetch(config, "/healthz") == (200, b"ok\n")
    metrics = fetch(config, "/metrics")[1]
    assert b'kalshid_phase{phase="trading"} 1.0' in metrics
    assert b"kalshid_decision_seconds_bucket" in metrics
    daemon.stop(signal.SIGTERM)
    assert daemon.wait(60) == 0, daemon.log[-4000:]
    assert daemon.summary["exit_reason"] == "SIGTERM"
    assert daemon.summary["orders_open"] == 0


def test_a_second_daemon_on_the_same_folder_is_refused(folder: Path) -> None:
    """Two daemons would trade one account without knowing of each other."""
    config = write_config(folder)
    first = Daemon(config, "--for", "60s")
    first.wait_until(lambda: "phase.changed" in first.log)
    text = config.read_text().replace(
        config.read_text().split('listen = "')[1].split('"')[0], f"127.0.0.1:{free_port()}"
    )
    config.write_text(text)
    second = Daemon(config, "--for", "5s")
    assert second.wait(30) == 73
    assert str(first.process.pid) in second.log
    first.stop()
    assert first.wait(60) == 0, first.log[-4000:]


def test_a_dead_venue_is_said(folder: Path) -> None:
    """Nobody listens: exit 69, naming what can't be reached."""
    key = folder / "key.pem"
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    key.chmod(0o600)
    port = free_port()
    config = write_config(
        folder,
        mode='"demo"',
        rest_url=f'"http://127.0.0.1:{port}/trade-api/v2"',
        ws_url=f'"ws://127.0.0.1:{port}/trade-api/ws/v2"',
        kraken_ws_url=f'"ws://127.0.0.1:{port}/v2"',
        kraken_rest_url=f'"http://127.0.0.1:{port}/0/public"',
        key_id='"some-key"',
        private_key_file=f'"{key}"',
    )
    daemon = Daemon(config, "--for", "10s")
    assert daemon.wait(30) == 69
    assert "venue.unavailable" in daemon.log


def test_a_wrong_configuration_refuses_to_start(folder: Path) -> None:
    """Exit 78, with file, line, key, value and what is allowed; nothing was started."""
    config = write_config(folder, failures_max="0")
    daemon = Daemon(config, "--for", "5s")
    assert daemon.wait(30) == 78
    assert "breaker.failures_max: 0 is not allowed" in daemon.log
    assert sandbox_pid(folder) is None


def test_a_venue_that_hangs_opens_the_breaker_until_it_answers_again(folder: Path) -> None:
    """Three unanswered requests: cancel all, nothing new; when a probe is answered, trading goes on.

    The daemon meets a sandbox that somebody else runs, by its addresses and a key file, as it meets Kalshi.
    """
    venue = subprocess.Popen(
        [sys.executable, "-m", "daemon", "sandbox", "--state", str(folder / "venue"), "--idle-exit", "120s"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    try:
        assert venue.stdout is not None
        ready = json.loads(venue.stdout.readline())
        config = write_config(
            folder,
            mode='"demo"',
            rest_url=f'"{ready["rest_url"]}"',
            ws_url=f'"{ready["ws_url"]}"',
            kraken_ws_url=f'"{ready["reference_ws_url"]}"',
            kraken_rest_url=f'"{ready["reference_rest_url"]}"',
            key_id=f'"{ready["rsa_key_id"]}"',
            private_key_file=f'"{ready["rsa_private_key_path"]}"',
            request_timeout_s="1",
            refresh_s="1",
        )
        daemon = Daemon(config)
        daemon.wait_until(lambda: fetch(config, "/readyz")[0] == 200)
        venue.send_signal(signal.SIGSTOP)
        daemon.wait_until(lambda: FAILURES_BREAKER + b" 2.0" in fetch(config, "/metrics")[1])
        assert fetch(config, "/readyz")[0] == 503
        venue.send_signal(signal.SIGCONT)
        daemon.wait_until(lambda: fetch(config, "/readyz")[0] == 200)
        metrics = fetch(config, "/metrics")[1]
        assert FAILURES_BREAKER + b" 0.0" in metrics
        daemon.stop()
        assert daemon.wait(60) == 0, daemon.log[-4000:]
        assert daemon.summary["orders_open"] == 0
        assert replayed(daemon.journals[-1]).exit_code == 0
    finally:
        venue.send_signal(signal.SIGCONT)
        venue.terminate()
        venue.wait(30)
        if venue.stdout is not None:
            venue.stdout.close()
