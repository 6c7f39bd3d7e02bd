"""Who tells how the account stands: the daemon while it answers, else the store, else nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.account_sources import Seen, mode_of, see, standing_of
from daemon.config import Config, load_config
from daemon.shell.control_socket import SOCKET_FILE
from tests.commands_rig import leave_journal, leave_store, serving
from tests.e2e.daemon_process import write_config
from tests.locked_out import locked_out


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A configuration with a folder of its own."""
    return load_config(write_config(tmp_path))


async def test_the_daemon_is_asked_first(config: Config, tmp_path: Path) -> None:
    """Also where a store is there."""
    leave_store(tmp_path / "var")
    async with serving(tmp_path / "var"):
        seen, standing = await see(config), await standing_of(config)
    assert isinstance(seen, Seen)
    assert ("daemon", None) == (seen.source, seen.why_not)
    assert (True, "daemon", 1) == (standing.is_running, standing.source, standing.positions)
    assert standing.last_run is not None


async def test_where_nobody_answers_the_store_tells(config: Config, tmp_path: Path) -> None:
    """And says why the daemon didn't."""
    leave_store(tmp_path / "var")
    seen, standing = await see(config), await standing_of(config)
    assert isinstance(seen, Seen)
    assert "store" == seen.source
    assert (seen.why_not or "").startswith("no daemon listens on ")
    assert (seen.why_not or "").endswith("control.sock: No such file or directory")
    assert (False, "not running", 1) == (standing.is_running, standing.phase, standing.orders)


async def test_where_nothing_is_known_that_is_said(config: Config) -> None:
    """Counts are unknown then, not zero."""
    seen, standing = await see(config), await standing_of(config)
    assert isinstance(seen, str)
    assert ("nobody", None, None, None) == (
        standing.source,
        standing.positions,
        standing.orders,
        standing.as_of,
    )


async def test_a_stranger_is_told_that_nothing_is_known(config: Config, tmp_path: Path) -> None:
    """Not that it is halted because he can't see whether it is; and why."""
    leave_store(tmp_path / "var")
    await standing_of(config)
    with locked_out(tmp_path / "var"):
        standing = await standing_of(config)
    assert ("nobody", None, None) == (standing.source, standing.is_halted, standing.is_latched)
    assert "you may not connect to" in (standing.problem or "")


async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await asyncio.sleep(20)
    finally:
        writer.close()


async def test_a_daemon_that_hangs_is_not_waited_for(config: Config, tmp_path: Path) -> None:
    """The store tells within seconds; and nobody says that it doesn't run."""
    leave_store(tmp_path / "var")
    server = await asyncio.start_unix_server(hang, tmp_path / "var" / SOCKET_FILE)
    async with asyncio.timeout(15):
        seen, standing = await see(config), await standing_of(config)
    server.close()
    assert isinstance(seen, Seen)
    assert "store" == seen.source
    assert "does not answer" in (seen.why_not or "")
    told = (standing.is_running, standing.phase, standing.source)
    assert (False, "not answering", "store") == told


async def test_of_a_daemon_that_hangs_what_it_left_tells_the_mode(config: Config, tmp_path: Path) -> None:
    """It trades real money still; the file says sandbox by now."""
    leave_store(tmp_path / "var", mode="live", is_ended=False)
    leave_journal(tmp_path / "var", "live")
    server = await asyncio.start_unix_server(hang, tmp_path / "var" / SOCKET_FILE)
    async with asyncio.timeout(30):
        seen, standing, mode = await see(config), await standing_of(config), await mode_of(config)
    server.close()
    assert isinstance(seen, Seen)
    assert (True, "live", "live", True) == (seen.is_live, mode, standing.mode, standing.is_live)
    assert standing.last_run is not None
