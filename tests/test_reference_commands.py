"""`kalshid version`, `completion` and `man`: about the program itself."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version as installed_version

import pytest
from click.testing import CliRunner

from daemon import exits
from daemon.cli import main


def test_the_version_and_what_it_is_made_of() -> None:
    """For people and as JSON the same."""
    told = json.loads(CliRunner().invoke(main, ["version", "--json"]).stdout)
    assert (installed_version("kalshid"), platform.python_version()) == (told["kalshid"], told["python"])
    text = CliRunner().invoke(main, ["version"]).stdout
    assert all(str(told[name]) in text for name in ("kalshid", "python", "sqlite", "platform"))
    assert exits.USAGE == CliRunner().invoke(main, ["version", "--yaml"]).exit_code


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_is_for_the_shell_that_asks(shell: str) -> None:
    """It calls kalshid with the variable that click answers to."""
    result = CliRunner().invoke(main, ["completion", shell])
    assert exits.OK == result.exit_code, result.output
    assert f"_KALSHID_COMPLETE={shell}_complete" in result.stdout
    assert exits.USAGE == CliRunner().invoke(main, ["completion", "csh"]).exit_code


def test_a_shell_is_told_what_may_follow() -> None:
    """As bash asks: words so far, and the one that is being typed."""
    asked = {
        **os.environ,
        "_KALSHID_COMPLETE": "bash_complete",
        "COMP_WORDS": "kalshid can",
        "COMP_CWORD": "1",
    }
    program = "import sys; from daemon.cli import main; main(prog_name='kalshid')"
    told = subprocess.run(
        [sys.executable, "-c", program], env=asked, capture_output=True, text=True, timeout=60, check=False
    ).stdout
    assert "plain,cancel-all" in told


def test_the_man_page_is_printed() -> None:
    """Roff for `man -l -`."""
    result = CliRunner().invoke(main, ["man"])
    assert exits.OK == result.exit_code
    assert result.stdout.startswith(".TH KALSHID 8")
    assert exits.USAGE == CliRunner().invoke(main, ["man", "more"]).exit_code
