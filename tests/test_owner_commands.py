"""The owner's commands where no daemon runs. With one, and with one that hangs: e2e/test_kill_switch.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon import exits
from daemon.cli import main
from daemon.shell.latch import Halt, Latch
from daemon.shell.lock import FolderLock
from tests.e2e.daemon_process import write_config

HALT = Halt("the model looks wrong", "cli", "2026-11-21T11:45:22Z")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a folder of its own, in which nothing ever ran."""
    return write_config(tmp_path)


def kalshid(config: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [words[0], "--config", str(config), *words[1:]])


def test_a_halt_without_a_daemon_is_on_disk(config: Path, tmp_path: Path) -> None:
    """No exchange of ours runs: there is nothing to cancel, and that is said."""
    result = kalshid(config, "halt", "the model  looks wrong")
    assert exits.OK == result.exit_code, result.output
    halt = Latch(tmp_path / "var").read()
    assert halt is not None
    assert ("the model looks wrong", "cli") == (halt.reason, halt.by)
    assert "nothing trades" in result.output


def test_a_halt_that_the_disk_refuses_has_its_own_code(config: Path, tmp_path: Path) -> None:
    """The state folder is a file."""
    (tmp_path / "var").touch()
    result = kalshid(config, "halt")
    assert exits.UNRECORDED == result.exit_code
    assert "NOT on disk" in result.output


def test_a_resume_without_a_daemon_lifts_the_latch(config: Path, tmp_path: Path) -> None:
    """And says what it lifted; again, there is nothing to lift."""
    Latch(tmp_path / "var").write(HALT)
    result = kalshid(config, "resume", "--reason", "it is mended")
    assert exits.OK == result.exit_code, result.output
    assert HALT.reason in result.output
    assert not Latch(tmp_path / "var").is_set
    assert exits.OK == kalshid(config, "resume", "--reason", "it is mended").exit_code


@pytest.mark.parametrize("words", [(), ("--reason", ""), ("--reason", " \n"), ("--reason", "x" * 501)])
def test_a_resume_needs_a_reason(config: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    """One that is not empty, and can be kept whole."""
    Latch(tmp_path / "var").write(HALT)
    assert exits.USAGE == kalshid(config, "resume", *words).exit_code
    assert HALT == Latch(tmp_path / "var").read()


def test_a_latch_is_not_lifted_under_a_daemon_that_does_not_answer(config: Path, tmp_path: Path) -> None:
    """One that starts or hangs still has the halt in memory."""
    Latch(tmp_path / "var").write(HALT)
    lock = FolderLock.take(tmp_path / "var/journal")
    try:
        result = kalshid(config, "resume", "--reason", "it is mended")
    finally:
        lock.release()
    assert exits.UNAVAILABLE == result.exit_code
    assert HALT == Latch(tmp_path / "var").read()


def test_nothing_is_flattened_without_a_daemon(config: Path) -> None:
    """It says what can be done instead."""
    result = kalshid(config, "flatten")
    assert exits.UNAVAILABLE == result.exit_code
    assert "kalshid halt" in result.output


@pytest.mark.parametrize("cents", ["-1", "100", "x"])
def test_a_slippage_that_cannot_be_is_refused(config: Path, cents: str) -> None:
    """Prices end at 99 cents."""
    assert exits.USAGE == kalshid(config, "flatten", "--slippage-cents", cents).exit_code


def test_a_broken_configuration_is_said(tmp_path: Path) -> None:
    """Nobody knows then where the daemon is; but a strategy's table, which halts nothing, may be wrong."""
    config = write_config(tmp_path, failures_max="0")
    assert exits.CONFIG == kalshid(config, "halt").exit_code
    config = write_config(tmp_path, edge_min="-9.0")
    assert exits.OK == kalshid(config, "halt").exit_code
