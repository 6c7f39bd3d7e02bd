"""The child process: one line with a verdict on its output, whatever the libraries print, and code 0."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from daemon.scoring.check_model import Refused, Verdict, Vetted, look
from daemon.scoring.registry import MODEL_FILE, load_model
from tests.scoring.model_folder import metadata, write_model

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "daemon.scoring.check_model", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is what it says."""
    return write_model(tmp_path, metadata())


def test_it_says_one_line_of_a_true_folder(folder: Path) -> None:
    """Name, version, kind and the hash that pins what was looked at."""
    ended = run(str(folder))
    expected = Vetted("toy", "1", "lightgbm", load_model(folder).metadata_sha256)
    assert (0, 1) == (ended.returncode, ended.stdout.count(b"\n"))
    assert expected == msgspec.json.decode(ended.stdout, type=Verdict)


def test_a_refusal_is_a_verdict_too(folder: Path) -> None:
    """It exits 0 with the reason: any other end means that it came to none."""
    (folder / MODEL_FILE).write_bytes(b"changed")
    ended = run(str(folder))
    verdict = msgspec.json.decode(ended.stdout, type=Verdict)
    assert (0, True) == (ended.returncode, isinstance(verdict, Refused))
    assert "model.txt: sha256 is" in verdict.reason


@pytest.mark.parametrize("arguments", [(), ("a", "b")])
def test_it_wants_one_folder(arguments: tuple[str, ...]) -> None:
    """Anything else is a usage error, not a verdict."""
    ended = run(*arguments)
    assert (1, b"") == (ended.returncode, ended.stdout)
    assert b"usage:" in ended.stderr


def test_looking_never_raises_for_a_folder(tmp_path: Path, folder: Path) -> None:
    """What is missing, or is no folder, is refused like all else."""
    for path in (tmp_path / "nowhere" / "1", folder / MODEL_FILE):
        assert isinstance(look(path), Refused)


def test_what_was_not_foreseen_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody thought of says nothing of the model being sound."""

    def fail(_: Path) -> None:
        raise ArithmeticError("strange")

    monkeypatch.setattr("daemon.scoring.registry.load_model", fail)
    assert Refused(f"{folder}: ArithmeticError('strange')") == look(folder)
