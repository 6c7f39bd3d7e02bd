"""The app's start-up: whatever is not usable is refused by its exit code, before anything is started.

What a whole run does is shown end to end, in tests/e2e.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path

from structlog.testing import capture_logs

from daemon import exits
from daemon.app import App
from daemon.config import Config, load_config
from daemon.shell.lock import FolderLock
from daemon.shell.store import STORE_NAME
from daemon.shell.store.last_known import last_run
from daemon.shell.store.reading import reading
from daemon.venue import RunOptions
from tests.e2e.daemon_process import ROOT, write_config

MODEL = ROOT / "strategies/models/btc15m-demo/1"


def config_in(folder: Path, **changes: str) -> Config:
    """The shipped configuration with a folder of its own."""
    return load_config(write_config(folder, **changes))


async def run(config: Config) -> int:
    """Run the app as the command does."""
    return await App(config, "config.toml", RunOptions(for_s=1.0)).run()


async def test_a_missing_model_refuses_to_start(tmp_path: Path) -> None:
    """Nothing is started; a restart won't help."""
    assert await run(config_in(tmp_path, path='"nowhere/1"')) == exits.CONFIG
    assert not (tmp_path / "var").exists()


async def test_a_changed_model_refuses_to_start(tmp_path: Path) -> None:
    """One byte of the model file is another model."""
    copy = tmp_path / "btc15m-demo/1"
    shutil.copytree(MODEL, copy)
    text = (copy / "model.txt").read_text()
    (copy / "model.txt").write_text(text.replace("leaf_value=", "leaf_value= ", 1))
    assert await run(config_in(tmp_path, path=f'"{copy}"')) == exits.CONFIG


async def test_an_unknown_strategy_refuses_to_start(tmp_path: Path) -> None:
    """The configuration names what doesn't exist."""
    path = write_config(tmp_path)
    path.write_text(path.read_text().replace("[strategies.fair_value]", "[strategies.fair_valeu]"))
    assert await run(load_config(path)) == exits.CONFIG


async def test_real_money_needs_more_than_a_mode(tmp_path: Path) -> None:
    """All reasons are told, and nothing was started or asked."""
    config = config_in(
        tmp_path, mode='"live"', key_id='"some-key"', private_key_file='"absent.pem"',
        rest_url='"http://127.0.0.1:1/v2"', ws_url='"ws://127.0.0.1:1/v2"',
    )  # fmt: skip
    with capture_logs() as lines:
        assert await run(config) == exits.CONFIG
    told = str(lines)
    for reason in (
        "kalshid run --live",
        "live.confirm",
        "no such key file",
        "no passed check",
        "no evidence",
    ):
        assert reason in told, reason
    assert not (tmp_path / "var").exists()


async def test_the_live_switch_trades_nothing_but_live(tmp_path: Path) -> None:
    """`--live` with a paper configuration is a mistake that is said, not paper."""
    options = RunOptions(for_s=1.0, is_live=True)
    assert await App(config_in(tmp_path), "config.toml", options).run() == exits.CONFIG
    assert not (tmp_path / "var").exists()


async def test_a_taken_folder_refuses_to_start(tmp_path: Path) -> None:
    """And the sandbox of the one that holds it is left alone: none is started or joined."""
    config = config_in(tmp_path)
    lock = FolderLock.take(tmp_path / "var/journal")
    try:
        assert await run(config) == exits.TAKEN
    finally:
        lock.release()
    assert not (tmp_path / "var/sandbox").exists()


async def test_a_start_that_fails_writes_its_end(tmp_path: Path) -> None:
    """Here a port is taken: nobody is told then that it was killed, or still runs."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = config_in(tmp_path, listen=f'"127.0.0.1:{taken.getsockname()[1]}"')
        async with asyncio.timeout(60):
            assert exits.TAKEN == await run(config)
    with reading(tmp_path / "var" / STORE_NAME) as store:
        last = last_run(store, "sandbox")
    assert last is not None
    assert exits.TAKEN == last.exit_code
    assert "address already in use" in (last.end_reason or "")
