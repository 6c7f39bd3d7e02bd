"""`kalshid status`, `positions`, `orders`, `fills`, `pnl`: for people, as JSON, and where nobody tells."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path

import pytest

from daemon import exits
from daemon.shell.latch import Halt, Latch
from daemon.shell.notices import Notices
from daemon.shell.notifications import Notice, Notifications
from tests.commands_rig import asked, kalshid, leave_store, serving
from tests.core.worlds import TICKER
from tests.e2e.daemon_process import write_config

READERS = ["status", "positions", "orders", "fills", "pnl"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a folder of its own, in which nothing ever ran."""
    return write_config(tmp_path)


@pytest.mark.parametrize("command", READERS)
def test_paper_or_live_is_the_first_word(config: Path, tmp_path: Path, command: str) -> None:
    """Whoever tells."""
    leave_store(tmp_path / "var")
    result = kalshid(config, command)
    assert result.stdout.split()[0] == "PAPER"
    assert "store" in result.stdout


@pytest.mark.parametrize("command", READERS)
def test_without_a_daemon_and_a_store_a_command_says_so(config: Path, command: str) -> None:
    """Exit code 69, and the file that isn't there."""
    result = kalshid(config, command)
    assert exits.UNAVAILABLE == result.exit_code
    if command != "status":
        assert "store.sqlite" in result.stderr


@pytest.mark.parametrize("command", READERS)
def test_a_wrong_configuration_is_named(config: Path, command: str) -> None:
    """As for every command: 78."""
    config.write_text("[[[")
    assert exits.CONFIG == kalshid(config, command).exit_code


@pytest.mark.parametrize("command", READERS)
def test_json_says_the_mode_and_whether_the_money_is_real(config: Path, tmp_path: Path, command: str) -> None:
    """The same keys, daemon or store; but that nobody answers is an error beside them."""
    leave_store(tmp_path / "var")
    from_store = json.loads(kalshid(config, command, "--json").stdout)
    from_daemon = json.loads(asked(config, command, "--json").stdout)
    assert from_store.keys() - {"exit_code", "error"} == from_daemon.keys()
    assert ("sandbox", False) == (from_daemon["mode"], from_daemon["is_live"])


def test_the_status_of_a_daemon(config: Path) -> None:
    """Its phase, its process, its money; exit code 0."""
    result = asked(config, "status")
    assert exits.OK == result.exit_code, result.output
    assert "TRADING" in result.stdout or "STARTING" in result.stdout
    assert "1 positions, 0 open orders" in result.stdout


def test_the_status_where_none_runs(config: Path, tmp_path: Path) -> None:
    """How the last one ended, and the halt that is on disk; 69, for scripts."""
    leave_store(tmp_path / "var")
    Latch(tmp_path / "var").write(Halt("the model looks wrong", "cli", "2026-11-21T11:45:22Z"))
    result = kalshid(config, "status")
    assert exits.UNAVAILABLE == result.exit_code
    assert "NOT RUNNING" in result.stdout
    assert "the model looks wrong (on disk)" in result.stdout
    assert "by SIGINT, exit code 0" in result.stdout
    told = json.loads(kalshid(config, "status", "--json").stdout)
    assert (False, True, True) == (told["is_running"], told["is_halted"], told["is_latched"])
    assert (exits.UNAVAILABLE, told["problem"]) == (told["exit_code"], told["error"])


def test_a_notice_that_reached_nobody_is_shown(config: Path) -> None:
    """How many, and what became of the last one; nothing is said where all arrived."""

    class Deaf:
        def notify(self, *, title: str, body: str) -> bool:
            del title, body
            return False

    queue = Notifications({"line 1": Deaf()})
    notices = Notices(["halt"], "sandbox", queue)
    assert "NOTIFICATIONS" not in asked(config, "status", notices=notices).stdout
    queue.put(Notice("halt", "PAPER kalshid: halted", "by cli"))
    deadline = time.monotonic() + 30
    while queue.failure is None:
        assert time.monotonic() < deadline, "nobody tried"
        time.sleep(0.01)
    try:
        (line,) = re.findall("NOTIFICATIONS  .*", asked(config, "status", notices=notices).stdout)
        assert "halt did not reach line 1" in line
        told = json.loads(asked(config, "status", "--json", notices=notices).stdout)["notified"]
        assert (0, queue.failure) == (told["counts"]["delivered"], told["failure"])
    finally:
        queue.close()


def test_a_watch_ends_with_its_daemon(config: Path, tmp_path: Path) -> None:
    """One JSON object a line, the last one without a daemon, and 69."""

    async def watch() -> list[str]:
        async with serving(tmp_path / "var"):
            work = asyncio.create_task(asyncio.to_thread(kalshid, config, "status", "--watch", "--json"))
            await asyncio.sleep(1.5)
        result = await work
        assert exits.UNAVAILABLE == result.exit_code
        return result.stdout.splitlines()

    async def bounded() -> list[str]:
        async with asyncio.timeout(30):
            return await watch()

    lines = [json.loads(line)["is_running"] for line in asyncio.run(bounded())]
    assert [*[True] * (len(lines) - 1), False] == lines
    assert len(lines) > 1


def test_positions_at_their_marks(config: Path) -> None:
    """As the daemon marks them; the store doesn't."""
    result = asked(config, "positions")
    assert exits.OK == result.exit_code, result.output
    (line,) = [line for line in result.stdout.splitlines() if line.startswith(TICKER)]
    assert ["2.00", "0.800000"] == line.split()[1:3]
    (told,) = json.loads(asked(config, "positions", "--json").stdout)["positions"]
    assert ("2.00", "0.007000") == (told["qty"], told["fees"])


def test_orders_of_the_last_life(config: Path, tmp_path: Path) -> None:
    """At most these still rest."""
    leave_store(tmp_path / "var", is_ended=False)
    result = kalshid(config, "orders")
    assert exits.OK == result.exit_code, result.output
    assert "kd-1-1" in result.stdout
    assert "1 orders" in result.stdout
    (told,) = json.loads(kalshid(config, "orders", "--json").stdout)["orders"]
    assert ("kd-1-1", "1.00", "resting") == (told["client_order_id"], told["remaining"], told["state"])


def test_fills_are_told_by_the_store(config: Path, tmp_path: Path) -> None:
    """Bounded in number, time and market."""
    leave_store(tmp_path / "var")
    assert "1 fills, from the store" in kalshid(config, "fills").stdout
    assert [] == json.loads(kalshid(config, "fills", "--market", "M-2", "--json").stdout)["fills"]
    (told,) = json.loads(kalshid(config, "fills", "--last", "1", "--json").stdout)["fills"]
    assert ("2.00", "0.4000", True, "fair") == (
        told["qty"], told["price"], told["is_taker"], told["strategy"],
    )  # fmt: skip
    assert exits.USAGE == kalshid(config, "fills", "--last", "0").exit_code


def test_profit_by_market_adds_up(config: Path) -> None:
    """Realized and unrealized, less the fees."""
    told = json.loads(asked(config, "pnl", "--json").stdout)
    (market,) = told["markets"]
    parts = [round(float(market[name]) * 1e6) for name in ("realized", "unrealized", "fees", "total")]
    assert parts[3] == parts[0] + parts[1] - parts[2]
    assert "P&L of the run" in asked(config, "pnl").stdout


def test_profit_without_a_daemon_is_what_was_realized(config: Path, tmp_path: Path) -> None:
    """Nothing is marked by nobody: unknown, not zero."""
    leave_store(tmp_path / "var")
    told = json.loads(kalshid(config, "pnl", "--json").stdout)
    assert (None, None, "0.007000") == (told["pnl"], told["markets"][0]["total"], told["fees"])
    assert "only a running daemon marks" in kalshid(config, "pnl").stdout
