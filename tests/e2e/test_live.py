"""Mode live on an exchange of ours: demo's code with guards, and every word of it says that it is meant.

The hosts are this machine's, which only a test can allow.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from daemon import exits
from daemon.app import App
from daemon.config import load_config
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.rest import ReadingRest
from daemon.live_guard import confirmation
from daemon.preflight import check
from daemon.shell.clock import SystemClock
from daemon.shell.golive import CheckPassed, config_sha256, write_check
from daemon.shell.journal import read_journal
from daemon.venue import RunOptions
from tests.e2e.daemon_process import ROOT, write_config
from tests.test_live_guard import MODEL

REASON = "a test on an exchange of our own"


def live_config(folder: Path, ready: dict[str, Any]) -> Path:
    """The shipped configuration in mode live at the sandbox's addresses; its limits stand in the file."""
    return write_config(
        folder,
        mode='"live"',
        rest_url=f'"{ready["rest_url"]}"',
        ws_url=f'"{ready["ws_url"]}"',
        kraken_ws_url=f'"{ready["reference_ws_url"]}"',
        kraken_rest_url=f'"{ready["reference_rest_url"]}"',
        key_id=f'"{ready["key_id"]}"',
        private_key_file=f'"{ready["private_key_path"]}"',
        confirm=f'"{confirmation(ready["key_id"])}"',
        override_reason=f'"{REASON}"',
    )


async def _orders(ready: dict[str, Any]) -> int:
    signer = Signer(ready["key_id"], load_private_key(Path(ready["private_key_path"])))
    async with ReadingRest(ready["rest_url"], signer, SystemClock().now) as rest:
        return len(await rest.order_records())


async def _run_live(folder: Path, ready: dict[str, Any]) -> None:
    path = live_config(folder, ready)
    config, summary = load_config(path), folder / "summary.json"
    findings = await check(config, path, time.time_ns)
    # On this machine a check can't pass, and that is right; everything but the hosts has to.
    assert ["venue.rest_url", "venue.ws_url"] == [
        one.text.partition(":")[0] for one in findings if one.outcome == "FAIL"
    ]
    options = RunOptions(for_s=6.0, summary_path=summary, is_live=True)
    assert exits.CONFIG == await App(config, str(path), options).run()
    assert exits.CONFIG == await App(config, str(path), options, ("127.0.0.1",)).run(), "no passed check"
    passed = CheckPassed(
        checked_at=time.time_ns(), kalshid_version=version("kalshid"), mode="live",
        config_sha256=config_sha256(config), model_sha256=MODEL,
    )  # fmt: skip
    write_check(folder / "var", passed)
    assert exits.CONFIG == await App(config, str(path), options, ("127.0.0.1",)).run(), "of another model"
    model = json.loads((ROOT / "strategies/models/btc15m-demo/1/metadata.json").read_text())
    passed = CheckPassed(
        checked_at=time.time_ns(), kalshid_version=version("kalshid"), mode="live",
        config_sha256=config_sha256(config), model_sha256=model["files"]["model.txt"],
    )  # fmt: skip
    write_check(folder / "var", passed)
    assert exits.OK == await App(config, str(path), options, ("127.0.0.1",)).run()


def test_live_runs_when_it_is_meant_and_says_so(tmp_path: Path) -> None:
    """Refused without a check of this very run; then it trades as demo does, and all of it is on record."""
    words = ["--state", str(tmp_path / "venue"), "--idle-exit", "120s", "--no-maintenance"]
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon", "sandbox", *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        folder = tmp_path / "daemon"
        folder.mkdir()

        async def bounded() -> None:
            async with asyncio.timeout(120):
                await _run_live(folder, ready)

        asyncio.run(bounded())
        summary = json.loads((folder / "summary.json").read_text())
        assert ("live", True, True) == (summary["mode"], summary["is_live"], summary["reconciled"])
        (journal,) = (folder / "var/journal").glob("*.journal")
        header = read_journal(journal).header
        assert ("live", REASON) == (header.instance, header.override_reason)
        # Near a quarter's end there may be nothing to trade on; what the venue refused is not in its list.
        there = asyncio.run(_orders(ready))
        assert there <= summary["orders"]
        assert not summary["fills"] or there > 0, "its orders are the exchange's own"
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
