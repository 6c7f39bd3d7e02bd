"""`kalshid lab pipeline`, `train` and `retrain` from outside: what they say first, and how they exit."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("optuna", reason="needs the extra `lab`")
pytest.importorskip("pyarrow", reason="needs the extra `lab`")
pytest.importorskip("onnx", reason="needs the extra `lab`")

from daemon import exits
from daemon.cli import main
from daemon.lab.promotion import read_evidence
from daemon.pipeline_commands import commit_of_code
from tests.lab.market_tape import write_markets

VERDICT = re.compile(r"(Nothing here beats|Beats) the market's mid")


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["lab", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of forty markets, and the pipeline's run of it in `out`."""
    root = tmp_path_factory.mktemp("pipeline")
    write_markets(root / "tape", 40)
    return root


@pytest.fixture(scope="module")
def piped(place: Path) -> Result:
    return invoke("pipeline", place / "tape", "--out", place / "out", "--trials", "1")


def test_one_command_goes_from_a_recording_to_a_shadow(place: Path, piped: Result) -> None:
    """The verdict is the first line; a daemon played the tape with the challenger, and counted its scores."""
    assert exits.OK == piped.exit_code, piped.output
    first, *lines = piped.stdout.splitlines()
    assert VERDICT.match(first)
    assert (place / "out/training/report.html").is_file()
    assert f"challenger: {place / 'out/models/kxbtc15m/1'} (champion: none yet)" in lines
    assert any(line.startswith("its Brier gain on the last test, by itself: ") for line in lines)
    scored = re.search(r"kxbtc15m/1 was scored at ([0-9,]+) instants .* with 0 orders sent", lines[-1])
    assert scored is not None, lines[-1]
    assert int(scored[1].replace(",", "")) > 10
    assert ["import", "dataset", "fold 1/3"] == [line[:10].strip() for line in piped.stderr.splitlines()[:3]]


def test_a_second_run_finds_all_done(place: Path, piped: Result) -> None:
    """The same words, and no stage that takes time; the registry has one version."""
    again = invoke("pipeline", place / "tape", "--out", place / "out", "--trials", "1")
    assert piped.stdout == again.stdout
    assert ["1", "1.report"] == sorted(path.name for path in (place / "out/models/kxbtc15m").iterdir())


def test_training_by_itself_says_the_same(place: Path, piped: Result, tmp_path: Path) -> None:
    """From the pipeline's dataset, into a registry of its own."""
    words: list[str | Path] = ["train", place / "out/dataset", "--out", tmp_path / "t", "--trials", "1"]
    result = invoke(*words, "--registry", tmp_path / "models")
    assert exits.OK == result.exit_code, result.output
    assert piped.stdout.splitlines()[0] == result.stdout.splitlines()[0]
    assert "to promote it all the same: kalshid lab promote" in result.stdout


def test_what_can_not_be_trained_is_bad_input(place: Path, piped: Result, tmp_path: Path) -> None:
    """65 with one sentence: no dataset, no series, nothing in the days; a line of a strange name is 2."""
    dataset = place / "out/dataset"
    assert exits.OK == piped.exit_code
    none = invoke("train", tmp_path, "--out", tmp_path / "t")
    assert (exits.BAD_INPUT, True) == (none.exit_code, "not a dataset's manifest" in none.stderr)
    other = invoke("train", dataset, "--out", tmp_path / "t", "--series", "KXCPI")
    assert (exits.BAD_INPUT, True) == (other.exit_code, "no row of KXCPI" in other.stderr)
    words: list[str | Path] = ["retrain", tmp_path, "--registry", tmp_path / "m", "--out", tmp_path / "r"]
    empty = invoke(*words, "--series", "KXBTC15M")
    assert (exits.BAD_INPUT, True) == (empty.exit_code, "no journal here" in empty.stderr)
    nowhere = "postgresql+psycopg://me@127.0.0.1:1/none"
    unshared = invoke(
        "train", dataset, "--out", tmp_path / "u", "--registry", tmp_path / "m", "--storage", nowhere
    )
    assert (exits.BAD_INPUT, True) == (unshared.exit_code, "PostgreSQL can't be used" in unshared.stderr)
    assert not (tmp_path / "m").exists()
    strange = invoke("train", dataset, "--out", tmp_path / "t", "--line", "../up")
    assert (exits.USAGE, True) == (strange.exit_code, "--line '../up'" in strange.stderr)


def test_retraining_promotes_nobody(place: Path, piped: Result, tmp_path: Path) -> None:
    """It exits 0 with a challenger weighed against the champion, and says what is missing; he stays."""
    assert exits.OK == piped.exit_code
    registry = tmp_path / "models"
    shutil.copytree(place / "out/models", registry)
    invoke("promote", registry / "kxbtc15m-structural/1", "--line", "kxbtc15m", "--reason", "the formula")
    before = (registry / "champions.jsonl").read_bytes()
    words: list[str | Path] = ["retrain", place / "tape", "--registry", registry, "--out", tmp_path / "r"]
    result = invoke(*words, "--series", "KXBTC15M", "--days", "3650", "--trials", "1")
    assert exits.OK == result.exit_code, result.output
    assert VERDICT.match(result.stdout)
    challenger = registry / "kxbtc15m/2"
    assert f"challenger: {challenger} (champion: kxbtc15m-structural/1)" in result.stdout
    assert "not to be promoted: over the champion" in result.stdout
    assert f"kalshid lab promote {challenger} --line kxbtc15m --evidence" in result.stdout
    assert before == (registry / "champions.jsonl").read_bytes()
    (evidence,) = (tmp_path / "r").glob("*/training/evidence.json")
    assert read_evidence(evidence).over_champion is not None


def test_the_commit_is_that_of_the_checkout() -> None:
    """Marked where files differ from it; None where this is no checkout."""
    root = Path(__file__).parents[1]
    asked = subprocess.run(
        ["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=10
    )
    expected = None if asked.returncode else asked.stdout.strip()
    found = commit_of_code()
    assert expected == (None if found is None else found.removesuffix("-changed"))
