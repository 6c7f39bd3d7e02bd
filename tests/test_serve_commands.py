"""`kalshid lab serve` from outside: it says where it listens, warns who else could ask, and ends in order."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from daemon import exits
from daemon.cli import main

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "strategies/models"


def test_it_listens_answers_and_stops() -> None:
    """On the shipped registry, from any folder; SIGTERM ends it with 0."""
    pytest.importorskip("scipy", reason="needs the extra `lab`")
    words = [sys.executable, "-m", "daemon", "lab", "serve", "--models", str(DEMO), "--port", "0"]
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        try:
            assert child.stdout is not None
            found = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", child.stdout.readline())
            assert found is not None
            with urllib.request.urlopen(f"{found[1]}/models", timeout=30) as answer:
                assert "btc15m-demo/1" == msgspec.json.decode(answer.read())["default"]
            child.send_signal(signal.SIGTERM)
            assert exits.OK == child.wait(30)
        finally:
            child.kill()


def test_who_lets_others_ask_is_warned() -> None:
    """Before it listens; an address that is not this machine's ends it."""
    pytest.importorskip("scipy", reason="needs the extra `lab`")
    result = CliRunner().invoke(main, ["lab", "serve", "--models", str(DEMO), "--host", "192.0.2.1"])
    assert exits.TAKEN == result.exit_code
    assert "warning: 192.0.2.1 can be reached by others" in result.stderr


def test_a_registry_that_is_not_there_is_said(tmp_path: Path) -> None:
    """By its option."""
    result = CliRunner().invoke(main, ["lab", "serve", "--models", str(tmp_path / "none")])
    assert (exits.USAGE, True) == (result.exit_code, "--models" in result.stderr)
