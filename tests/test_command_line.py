"""What all commands share: a configuration, or the words and the code to give up with."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon import exits
from daemon.command_line import die, load_or_die, loading


def test_giving_up_says_why_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """And exits by the code."""
    with pytest.raises(SystemExit) as ended:
        die("it is wrong", exits.BAD_INPUT)
    assert exits.BAD_INPUT == ended.value.code
    assert ("", "it is wrong\n") == tuple(capsys.readouterr())


def test_a_configuration_that_cannot_be_read_ends_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that is wrong with it, each with its line."""
    path = tmp_path / "config.toml"
    path.write_text('mode = "paper"\nspeed = 1\n')
    with pytest.raises(SystemExit) as ended:
        load_or_die(path)
    assert exits.CONFIG == ended.value.code
    told = capsys.readouterr().err
    assert "config.toml:1: mode" in told
    assert "config.toml:2: speed" in told


def test_a_configuration_is_returned(tmp_path: Path) -> None:
    """An empty file has all the defaults."""
    path = tmp_path / "config.toml"
    path.touch()
    assert "sandbox" == load_or_die(path).mode


def test_a_missing_extra_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With the words that install it; a part of the daemon itself that is missing is a fault, and raised."""
    with pytest.raises(SystemExit) as ended, loading("tracker"):
        raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")
    assert exits.CONFIG == ended.value.code
    assert "pip install kalshid[tracker]" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError), loading():
        raise ModuleNotFoundError("No module named 'daemon.nowhere'", name="daemon.nowhere")
