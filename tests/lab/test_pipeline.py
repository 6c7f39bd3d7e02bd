"""The stages of the pipeline that are its own: what it is made of, and that it is one recording."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="needs the extra `lab`")
pytest.importorskip("pyarrow", reason="needs the extra `lab`")
pytest.importorskip("onnx", reason="needs the extra `lab`")

from daemon.lab.demo import SCHEMA
from daemon.lab.pipeline import build, read_tape, run_pipeline, tape_of
from daemon.lab.pipeline_chain import REQUIRED
from daemon.lab.pipeline_training import LABEL, NotTrained
from daemon.shell.journal import JournalUnreadable
from tests.lab.market_tape import write_markets

GOLDEN = min((Path(__file__).parents[1] / "golden").glob("*.journal"))
RECORDED = Path(__file__).parents[2] / "../shared/data/kalshi_btc15m_2026-05"


def say(_stage: str, _what: str) -> None:
    """Nobody listens."""


def test_a_tape_is_taken_as_it_is_and_a_journal_imported_once(tmp_path: Path) -> None:
    """What is there already is not made again; a folder of neither is refused."""
    write_markets(tmp_path / "tape", 2)
    assert tmp_path / "tape" == tape_of(tmp_path / "tape", tmp_path / "never")
    assert not (tmp_path / "never").exists()
    made = tape_of(GOLDEN, tmp_path / "made")
    assert 1 == len(read_tape(made).sessions)
    assert made == tape_of(GOLDEN, tmp_path / "made")
    (tmp_path / "empty").mkdir()
    with pytest.raises(JournalUnreadable):
        tape_of(tmp_path / "empty", tmp_path / "other")


def test_the_dataset_has_the_shipped_features_and_more_on_demand(tmp_path: Path) -> None:
    """Each once; what the chain requires is known in every row."""
    write_markets(tmp_path / "tape", 3)
    made = build([tmp_path / "tape"], tmp_path / "dataset", ("mid", "bid_gap"), say)
    assert (*SCHEMA.names, "bid_gap") == made.recipe.features
    assert (REQUIRED, (LABEL,)) == (made.recipe.required, made.recipe.labels)


def test_a_folder_of_another_recording_is_refused(tmp_path: Path) -> None:
    """Its stages would not be of one piece."""
    for seed in (1, 2):
        write_markets(tmp_path / str(seed), 2, seed)
    with pytest.raises(ValueError, match="groups are too few for 3 folds"):
        run_pipeline(tmp_path / "1", tmp_path / "out", 1, 1, None, say)
    with pytest.raises(NotTrained, match="is of another source"):
        run_pipeline(tmp_path / "2", tmp_path / "out", 1, 1, None, say)


@pytest.mark.full
def test_the_recorded_markets_give_the_same_models_twice(tmp_path: Path) -> None:
    """The whole chain on the shared recording: same seed, same bytes, and a daemon that scores them."""
    if not RECORDED.is_dir():
        pytest.skip(f"the recorded books are not here: {RECORDED}")
    made = [run_pipeline(RECORDED, tmp_path / name, 1, 8, None, say) for name in ("a", "b")]
    assert made[0].trained == made[1].trained
    files = [
        {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
        for root in (tmp_path / "a/models", tmp_path / "b/models")
    ]
    assert files[0] == files[1]
    assert made[0].shadowed.scores.compared > 100
    assert made[0].shadowed.orders == 0
    assert not made[0].trained.is_better
