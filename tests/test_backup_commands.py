"""`kalshid backup` says where the copy is, or why there is none."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from daemon import exits
from daemon.cli import main
from daemon.shell.journal import Journal
from tests.e2e.daemon_process import write_config
from tests.shell.test_journal import HEADER


def test_it_says_where_the_copy_is(tmp_path: Path) -> None:
    """The mode, and one line with the path and its size."""
    config = write_config(tmp_path)
    Journal.create(tmp_path / "var" / "journal", HEADER).close()
    result = CliRunner().invoke(main, ["backup", "--config", str(config), str(tmp_path / "away")])
    assert exits.OK == result.exit_code, result.output
    (copy,) = (tmp_path / "away").iterdir()
    assert result.output.startswith(f" PAPER · sandbox \n{copy}: ")


def test_it_says_what_is_not_there(tmp_path: Path) -> None:
    """65, and the folder in which nothing was found."""
    result = CliRunner().invoke(
        main, ["backup", "--config", str(write_config(tmp_path)), str(tmp_path / "away")]
    )
    assert exits.BAD_INPUT == result.exit_code
    assert f"{tmp_path / 'var'}: neither a journal nor a store" in result.output


def test_it_says_what_cannot_be_written(tmp_path: Path) -> None:
    """74: the target is below a file."""
    config = write_config(tmp_path)
    Journal.create(tmp_path / "var" / "journal", HEADER).close()
    result = CliRunner().invoke(main, ["backup", "--config", str(config), str(config / "away")])
    assert exits.UNRECORDED == result.exit_code
    assert "no backup: " in result.output
