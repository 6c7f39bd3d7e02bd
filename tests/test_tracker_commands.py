"""`kalshid lab export-mlflow` from outside: what it says and how it exits."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("scipy", reason="needs the extra `lab`")

from daemon import exits
from daemon.cli import main
from tests.lab.serve.made_registry import normal
from tests.scoring.kinds import structural


def invoke(folder: Path, uri: str) -> Result:
    return CliRunner().invoke(main, ["lab", "export-mlflow", str(folder), "--uri", uri])


def test_a_model_is_exported(tmp_path: Path) -> None:
    """The run is named; and that it was there, the second time."""
    pytest.importorskip("mlflow", reason="needs the extra `tracker`")
    folder = structural(tmp_path, normal, name="hourly")
    first, again = (invoke(folder, f"file://{tmp_path / 'runs'}") for _ in range(2))
    assert (exits.OK, exits.OK) == (first.exit_code, again.exit_code), first.output
    assert "hourly/1: exported: experiment 'kalshid hourly', run " in first.stdout
    assert "hourly/1: was exported before: " in again.stdout


def test_what_is_wrong_has_its_own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address, the model, the tracker, the extra."""
    folder = structural(tmp_path, normal, name="hourly")
    assert (exits.USAGE, True) == ((found := invoke(folder, "runs")).exit_code, "file:" in found.stderr)
    (tmp_path / "file").write_text("")
    if pytest.importorskip("mlflow", reason="needs the extra `tracker`"):
        found = invoke(folder, f"file://{tmp_path / 'file'}")
        assert (exits.UNAVAILABLE, True) == (found.exit_code, "not exported" in found.stderr)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    found = invoke(folder, f"file://{tmp_path / 'runs'}")
    assert (exits.CONFIG, True) == (found.exit_code, "kalshid[tracker]" in found.stderr)
    (folder / "structural.json").write_text("{}")
    assert exits.BAD_INPUT == invoke(folder, f"file://{tmp_path / 'runs'}").exit_code
