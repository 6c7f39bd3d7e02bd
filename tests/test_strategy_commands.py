"""`kalshid strategy`: a new one that runs green at once, what there is, and the switch of one that runs."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon import exits
from daemon.cli import main
from daemon.config import load_config
from daemon.shell.control import NoDaemon, Status, SwitchOrder
from daemon.strategy_files import build_strategy
from tests.e2e.daemon_process import write_config

WITHIN_S = 60


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a folder of its own, in which nothing ever ran."""
    return write_config(tmp_path)


def strategy(config: Path, command: str, *words: str) -> Result:
    return CliRunner().invoke(main, ["strategy", command, "--config", str(config), *words])


def ran(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=WITHIN_S,
    )  # fmt: skip


def test_a_new_strategy_runs_green_at_once(config: Path, tmp_path: Path) -> None:
    """Its test, from anywhere; and linters have nothing to say."""
    result = strategy(config, "new", "my_edge")
    assert exits.OK == result.exit_code, result.output
    folder = config.parent / "my_strategies"
    assert ["my_edge.py", "test_my_edge.py"] == sorted(path.name for path in folder.iterdir())
    tested = ran("pytest", "-q", "-p", "no:cacheprovider", folder, cwd=tmp_path)
    assert 0 == tested.returncode, tested.stdout + tested.stderr
    assert "4 passed" in tested.stdout
    root = Path(__file__).parents[1]
    for words in (("check",), ("format", "--check")):
        linted = ran("ruff", *words, "--no-cache", "--config", root / "pyproject.toml", folder, cwd=root)
        assert 0 == linted.returncode, linted.stdout
    text = (folder / "my_edge.py").read_text(encoding="utf-8")
    assert "class MyEdge:" in text
    assert "template" not in text.lower()


def test_the_lines_that_it_prints_make_it_trade(config: Path) -> None:
    """Put into the configuration as they are, it is loaded, built, and listed as on."""
    lines = strategy(config, "new", "my_edge").output.split("\n\n")
    head, table = lines[1], lines[2]
    assert 'strategy_path = "my_strategies"' in head
    text = config.read_text(encoding="utf-8")
    text = re.sub(r"(?m)^strategy_path = .*$", head, text)
    config.write_text(f"{text}\n{table}\n", encoding="utf-8")
    loaded = load_config(config)
    (own,) = [one for one in loaded.strategies if one.name == "my_edge"]
    assert "my_edge" == build_strategy(str(config), own, loaded.strategy_folder).name
    listed = strategy(config, "list")
    assert exits.OK == listed.exit_code, listed.output
    rows = [line.split() for line in listed.output.splitlines()]
    assert ["my_edge", "own", "on", "KXBTC15M"] in rows
    assert "shipped" in [row[1] for row in rows if row[0] == "fair_value"]


def test_nothing_is_written_over(config: Path, tmp_path: Path) -> None:
    """Neither the strategy nor its test."""
    into = tmp_path / "elsewhere"
    assert exits.OK == strategy(config, "new", "mine", "--into", str(into)).exit_code
    (into / "mine.py").unlink()
    (into / "test_mine.py").write_text("# mine\n", encoding="utf-8")
    result = strategy(config, "new", "mine", "--into", str(into))
    assert (exits.USAGE, "# mine\n") == (
        result.exit_code,
        (into / "test_mine.py").read_text(encoding="utf-8"),
    )
    assert not (into / "mine.py").exists()


@pytest.mark.parametrize(
    "name",
    ["fair_value", "template", "flatten", "My-Edge", "1st", "test_it", "conftest", "random", "daemon",
     "msgspec", "none", "target", "wanted", "params", "market_view"],
)  # fmt: skip
def test_a_name_that_cannot_be_is_refused(config: Path, name: str) -> None:
    """Taken by kalshid, none that a table and a module can have, or one that hides what a file needs."""
    result = strategy(config, "new", name)
    assert exits.USAGE == result.exit_code
    assert not (config.parent / "my_strategies").exists()


def test_the_list_says_what_is_wrong(config: Path, tmp_path: Path) -> None:
    """With the file and the line; and exits like a start that is refused."""
    strategy(config, "new", "mine")
    (config.parent / "my_strategies" / "mine.py").write_text("def (\n", encoding="utf-8")
    write_config(tmp_path, strategy_path='"my_strategies"')
    result = strategy(config, "list")
    assert exits.CONFIG == result.exit_code
    assert "mine.py:1: invalid syntax" in result.output


@pytest.mark.parametrize("command", ["on", "off"])
def test_without_a_daemon_nothing_is_switched(config: Path, command: str) -> None:
    """And that is said."""
    result = strategy(config, command, "fair_value")
    assert exits.UNAVAILABLE == result.exit_code
    assert "not switched" in result.output


def status(**off: str) -> Status:
    """How a daemon stands, with these strategies off."""
    return Status(1, "sandbox", "trading", False, None, False, True, [], {}, off)


def test_a_switch_is_told_and_confirmed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the status after it; a switch that did not happen is no success."""
    asked: list[tuple[str, SwitchOrder]] = []
    answers = [status(fair_value="person (cli)"), status(), status()]

    async def answer(_folder: Path, call: str, order: SwitchOrder, _within_s: float) -> Status:
        await asyncio.sleep(0)
        asked.append((call, order))
        return answers.pop(0)

    monkeypatch.setattr("daemon.strategy_commands.ask", answer)
    off = strategy(config, "off", "fair_value", "--reason", "losing")
    assert exits.OK == off.exit_code, off.output
    assert "enabled = false" in off.output
    on = strategy(config, "on", "fair_value")
    assert (exits.OK, " PAPER · sandbox \nfair_value is on\n") == (on.exit_code, on.output)
    assert exits.UNAVAILABLE == strategy(config, "off", "fair_value").exit_code
    assert ("/strategy", SwitchOrder("fair_value", False, "losing")) == asked[0]


def test_a_switch_tells_the_daemons_own_mode(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file says sandbox by now; the daemon that was asked trades real money all the same."""

    async def answer(*_: object) -> Status:
        return Status(1, "live", "trading", False, None, False, True, [], {})

    for module in ("account_sources", "strategy_commands"):
        monkeypatch.setattr(f"daemon.{module}.ask", answer)
    assert "LIVE" == strategy(config, "on", "fair_value").stdout.split()[0]


def test_a_reason_can_be_kept_whole(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is too long is refused before anybody is asked."""

    async def answer(*_: object) -> Status:
        await asyncio.sleep(0)
        raise NoDaemon("never")

    monkeypatch.setattr("daemon.strategy_commands.ask", answer)
    assert exits.USAGE == strategy(config, "off", "fair_value", "--reason", "x" * 501).exit_code
