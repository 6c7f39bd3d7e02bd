"""`kalshid lab daily` from outside: what it says, what it writes, and how it exits."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from daemon import exits
from daemon.cli import main
from daemon.lab.daily_table import read_daily_table
from tests.lab.daily_store import SERIES, made_store, trembling


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["lab", "daily", *(str(word) for word in words)])


def test_a_model_is_made_and_told_of(tmp_path: Path) -> None:
    """The verdict first; then where the model, its report and its table are, and how to ask it."""
    made_store(tmp_path / "store", trembling, events=50, markets=1, life_days=4).close()
    registry = tmp_path / "models"
    said = invoke(
        "--store", tmp_path / "store", "--series", SERIES, "--registry", registry, "--folds", "2",
        "--trials", "1", "--features", "older",
    )  # fmt: skip
    assert exits.OK == said.exit_code, said.output
    lines = said.stdout.splitlines()
    assert '"no change"' in lines[0]
    assert f"model: {registry / 'daily' / '1'}" in lines
    assert (registry / "daily/1.report/daily_report.html").is_file()
    assert lines[0] == read_daily_table(registry / "daily/1").headline
    assert f"kalshid lab serve --models {registry}" in lines[-1]


def test_what_it_cannot_do_is_said(tmp_path: Path) -> None:
    """No store, no such series, too few events: 65 and a sentence."""
    missing = invoke("--store", tmp_path / "none", "--series", SERIES)
    assert (exits.BAD_INPUT, True) == (missing.exit_code, "kalshid lab ingest" in missing.stderr)
    made_store(tmp_path / "store", trembling, events=2).close()
    strange = invoke("--store", tmp_path / "store", "--series", "KXOTHER", "--registry", tmp_path / "models")
    assert (exits.BAD_INPUT, True) == (strange.exit_code, "no market of KXOTHER" in strange.stderr)
    few = invoke("--store", tmp_path / "store", "--series", SERIES, "--registry", tmp_path / "models")
    assert (exits.BAD_INPUT, True) == (few.exit_code, "too few" in few.stderr)
