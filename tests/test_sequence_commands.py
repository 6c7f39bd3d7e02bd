"""`kalshid lab train-sequence` from outside: without torch it says how to get it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("pyarrow", reason="needs the extra `lab`")
pytest.importorskip("onnx", reason="needs the extra `lab`")
pytest.importorskip("optuna", reason="needs the extra `lab`")

from daemon import exits
from daemon.cli import main
from daemon.core.features import definition_of
from daemon.lab.dataset_manifest import read_manifest
from tests.lab import market_tape

NEEDED = ("mid", "strike_distance_sigma")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """180 markets by the command, all minutes of one channel beside what every training needs."""
    root = tmp_path_factory.mktemp("sequences")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(market_tape, "SEEN_S", 200)
        market_tape.write_markets(root / "tape", 180)
    words = ["lab", "dataset", "build", str(root / "tape"), "--out", str(root / "dataset"), "--every", "5s"]
    for name in (*NEEDED, "candle_mid_#"):
        words += ["--feature", name]
    ended = CliRunner().invoke(main, words)
    assert exits.OK == ended.exit_code, ended.output
    return root / "dataset"


def train(dataset: Path, root: Path, *words: str) -> tuple[int, str, str]:
    places = ["--out", str(root / "out"), "--registry", str(root / "models")]
    ended = CliRunner().invoke(main, ["lab", "train-sequence", str(dataset), *places, *words])
    return ended.exit_code, ended.stdout, ended.stderr


def test_a_channel_is_built_as_all_its_minutes(dataset: Path) -> None:
    """Sixty features, oldest first, beside those that were named one by one."""
    names = read_manifest(dataset).recipe.features
    assert (*NEEDED, "candle_mid_60") == names[:3]
    assert ("candle_mid_1", 62) == (names[-1], len(names))
    assert definition_of(names[2]).source == "book"


def test_without_torch_it_says_how_to_get_it(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence that names the extra, and the exit code of what is not installed."""
    for name in [
        name for name in sys.modules if name == "daemon.lab.fitting.patchtst" or "_sequence" in name
    ]:
        if name.startswith("daemon.lab"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, said = train(dataset, tmp_path)
    assert exits.CONFIG == code
    assert "needs the extra `torch` (pip install kalshid[torch])" in said


def test_a_family_without_its_number_is_no_feature(dataset: Path, tmp_path: Path) -> None:
    """`mid_#` is none of the daemon's: the refusal names what there is."""
    words = ["lab", "dataset", "build", str(dataset.parent / "tape"), "--out", str(tmp_path / "out")]
    ended = CliRunner().invoke(main, [*words, "--feature", "mid_#"])
    assert exits.BAD_INPUT == ended.exit_code
    assert "no such features: mid_60" in ended.stderr


def test_it_says_the_verdict_first(dataset: Path, tmp_path: Path) -> None:
    """Then where all is, and the command that would promote it."""
    pytest.importorskip("torch", reason="needs the extra `torch`: make torch, or pip install kalshid[torch]")
    code, said, why = train(dataset, tmp_path, "--channel", "candle_mid_#", "--steps", "2")
    assert exits.OK == code, why
    assert "the market's mid" in said.splitlines()[0]
    assert f"kalshid lab promote {tmp_path / 'models/kxbtc15m-sequence/1'} --line kxbtc15m" in said
