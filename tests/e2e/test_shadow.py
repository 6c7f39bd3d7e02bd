"""`kalshid run` in mode shadow: paper on an exchange that somebody else runs, to which nothing is ever sent.

A sandbox process with its traders plays the live exchange, on loopback. What it was asked, and what it knows
of us, is read from its side; what our account came to, from the daemon's.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from daemon.cli import main
from daemon.core.units import MONEY_ONE
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.rest import ReadingRest, Rest
from daemon.shell.clock import SystemClock
from daemon.shell.shadow.store import KeptAccount, ShadowStore
from tests.e2e.daemon_process import ROOT, Daemon, write_config
from tests.e2e.test_run import has_filled

TRADES_WITHIN_S = 240.0
PAPER_CASH = 5_000
WRITES = ("POST", "PUT", "DELETE")


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A sandbox that plays the live exchange; its ready line."""
    words = ["--state", str(tmp_path / "venue"), "--idle-exit", "300s", "--no-maintenance"]
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon", "sandbox", *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def shadow_config(folder: Path, ready: dict[str, Any], **changes: str) -> Path:
    """The shipped configuration in mode shadow at the sandbox's addresses."""
    folder.mkdir(exist_ok=True)
    path = write_config(
        folder,
        mode='"shadow"',
        rest_url=f'"{ready["rest_url"]}"',
        ws_url=f'"{ready["ws_url"]}"',
        kraken_ws_url=f'"{ready["reference_ws_url"]}"',
        kraken_rest_url=f'"{ready["reference_rest_url"]}"',
        key_id=f'"{ready["key_id"]}"',
        private_key_file=f'"{ready["private_key_path"]}"',
        latency_ms="40",
        **changes,
    )
    # Both sections have this key; only ours is another.
    head, _, tail = path.read_text().partition("[shadow]")
    path.write_text(
        f"{head}[shadow]{tail.replace('cash_dollars = 10000', f'cash_dollars = {PAPER_CASH}', 1)}"
    )
    return path


async def _watch_writes(ready: dict[str, Any]) -> None:
    """Let the exchange count every request that could change something (each is answered 1 ms late)."""
    async with aiohttp.ClientSession() as admin:
        for method in WRITES:
            rule = {"kind": "slow_reply", "ms": 1, "method": method}
            async with admin.post(ready["admin_url"] + "/faults", json=rule) as reply:
                assert reply.status == 200, await reply.text()


async def _writes_seen(ready: dict[str, Any]) -> int:
    async with aiohttp.ClientSession() as admin, admin.get(ready["admin_url"] + "/faults") as reply:
        return sum(int(rule["hit"]) for rule in (await reply.json())["faults"])


async def _write_once(ready: dict[str, Any]) -> None:
    signer = Signer(ready["key_id"], load_private_key(Path(ready["private_key_path"])))
    async with asyncio.timeout(30), Rest(ready["rest_url"], signer, SystemClock().now) as rest:
        await rest.create_order_group(1_000, exchange_index=0)


async def _account_there(ready: dict[str, Any]) -> tuple[int, int, int, int]:
    signer = Signer(ready["key_id"], load_private_key(Path(ready["private_key_path"])))
    async with asyncio.timeout(30), ReadingRest(ready["rest_url"], signer, SystemClock().now) as rest:
        orders, fills = await rest.order_records(), await rest.fills()
        return await rest.balance(), len(orders), len(fills), len(await rest.positions())


def kept(folder: Path) -> KeptAccount:
    """What the shadow account's file holds; of a copy, for looking ends what rested."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / "var/shadow", copy)
    store = ShadowStore(copy / "account.db")
    try:
        found = store.load(0)
    finally:
        store.close()
    assert found is not None
    return found


def replayed(journal: Path) -> Any:
    """Run `kalshid replay` on a journal."""
    model = ROOT / "strategies/models/btc15m-demo/1"
    return CliRunner().invoke(main, ["replay", str(journal), "--model", str(model)])


def test_it_trades_on_paper_and_the_exchange_never_hears_of_it(tmp_path: Path, venue: dict[str, Any]) -> None:
    """Fills here, nothing there; what is believed is the paper account's, over a restart too."""
    folder = tmp_path / "daemon"
    config = shadow_config(folder, venue)
    before = asyncio.run(_account_there(venue))
    assert (0, 0, 0) == before[1:]
    asyncio.run(_watch_writes(venue))
    daemon = Daemon(config)
    daemon.wait_until(lambda: has_filled(config), TRADES_WITHIN_S)
    daemon.stop(signal.SIGINT)
    assert 0 == daemon.wait(60), daemon.log[-4000:]
    first = daemon.summary
    assert ("shadow", False) == (first["mode"], first["is_live"])
    assert first["fills"] > 0
    assert first["orders_open"] == 0
    assert first["reconciled"]
    assert 0 == first["reconcile_findings"]
    account = kept(folder)
    assert first["cash"] == sum(account.cash.values()) / MONEY_ONE
    assert {x["ticker"]: x["position"] for x in first["markets"] if x["position"]} == {
        told.ticker: told.qty / 100 for told in account.positions if told.qty
    }

    again = Daemon(config, "--for", "10s")
    assert 0 == again.wait(90), again.log[-4000:]
    second = again.summary
    assert second["reconciled"]
    assert 0 == second["reconcile_findings"]
    assert sum(kept(folder).cash.values()) / MONEY_ONE == second["cash"]
    assert len(kept(folder).fills) >= first["fills"]

    assert before == asyncio.run(_account_there(venue)), "not an order, a fill or a cent of ours there"
    assert 0 == asyncio.run(_writes_seen(venue)), "no request that could change anything"
    asyncio.run(_write_once(venue))
    assert 1 == asyncio.run(_writes_seen(venue)), "one that was sent would have been seen"
    for journal in again.journals:
        result = replayed(journal)
        assert 0 == result.exit_code, result.output


def test_a_killed_daemon_finds_its_paper_account(tmp_path: Path, venue: dict[str, Any]) -> None:
    """Kill -9: nobody watched the books meanwhile, so what rested is over; all else is there."""
    folder = tmp_path / "daemon"
    config = shadow_config(folder, venue)
    daemon = Daemon(config)
    daemon.wait_until(lambda: has_filled(config), TRADES_WITHIN_S)
    daemon.kill()
    left = kept(folder)
    again = Daemon(config, "--for", "10s")
    assert 0 == again.wait(90), again.log[-4000:]
    summary = again.summary
    assert summary["reconciled"]
    assert 0 == summary["reconcile_findings"]
    assert 0 == summary["orders_open"]
    found = kept(folder)
    assert summary["cash"] == sum(found.cash.values()) / MONEY_ONE
    assert {fill.trade_id for fill in left.fills} <= {fill.trade_id for fill in found.fills}
    for journal in again.journals:
        result = replayed(journal)
        assert 0 == result.exit_code, result.output
