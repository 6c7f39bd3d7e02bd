"""`kalshid version`, `completion` and `man`: about the program itself."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon import exits
from daemon.cli import main

ROOT = Path(__file__).parents[1]


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


def test_bash_completes_words_options_and_choices(tmp_path: Path) -> None:
    """A real one, that read what `completion bash` printed."""
    kalshid = tmp_path / "kalshid"
    kalshid.write_text(
        f"#!{sys.executable} -P\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from daemon.cli import main\nmain(prog_name='kalshid')\n"
    )
    kalshid.chmod(0o755)
    typed = ("kalshid lab ing", "kalshid status --js", "kalshid export fi")
    script = 'eval "$(kalshid completion bash)"\n' + "".join(
        f"COMPREPLY=(); COMP_WORDS=({words}); COMP_CWORD={words.count(' ')}; _kalshid_completion kalshid\n"
        'echo "${COMPREPLY[@]}"\n'
        for words in typed
    )
    told = subprocess.run(
        ["bash", "--norc", "-c", script], env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ["ingest", "--json", "fills findings"] == told.stdout.splitlines()[-3:], told.stderr


def test_the_man_page_is_printed() -> None:
    """Roff for `man -l -`."""
    result = CliRunner().invoke(main, ["man"])
    assert exits.OK == result.exit_code
    assert result.stdout.startswith(".TH KALSHID 8")
    assert exits.USAGE == CliRunner().invoke(main, ["man", "more"]).exit_code
