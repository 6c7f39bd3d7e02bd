"""From a dataset to a weighed challenger: the verdict first, the same bytes again, other datasets refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("optuna", reason="needs the extra `lab`")
pytest.importorskip("pyarrow", reason="needs the extra `lab`")
pytest.importorskip("onnx", reason="needs the extra `lab`")

import pyarrow.parquet as pq

from daemon.core.units import MINUTE
from daemon.lab.dataset_arrays import load_dataset
from daemon.lab.dataset_manifest import DatasetError
from daemon.lab.judging.report import read_report
from daemon.lab.pipeline import build
from daemon.lab.pipeline_training import (
    EVIDENCE_NAME,
    NotTrained,
    Terms,
    Trained,
    folds_of,
    notes_of,
    rows_of,
    rule_of,
    series_of,
    train,
)
from daemon.lab.promotion import read_evidence
from daemon.lab.registry import report_folder
from tests.lab.market_tape import SERIES, write_markets

TERMS = Terms(SERIES, "quarters", seed=7, trials=1, folds=2)


def say(_stage: str, _what: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty markets of a made-up tape."""
    root = tmp_path_factory.mktemp("markets")
    write_markets(root / "tape", 40)
    build([root / "tape"], root / "dataset", (), say)
    return root / "dataset"


@pytest.fixture(scope="module")
def place(dataset: Path) -> Path:
    """A training of it, in `training` beside `models`."""
    train(dataset, dataset.parent / "training", dataset.parent / "models", TERMS, "abc", say)
    return dataset.parent


def trained(dataset: Path, root: Path, terms: Terms = TERMS) -> Trained:
    return train(dataset, root / "training", root / "models", terms, "abc", say)


def files_of(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "studies.log"
    }


def test_the_first_line_is_the_verdict(dataset: Path, place: Path) -> None:
    """On all forecasters, in the challenger's report and in every other."""
    found = trained(dataset, place)
    report = read_report(place / "training")
    assert found.verdict == report.headline
    assert found.verdict.startswith(("Nothing here beats the market's mid", "Beats the market's mid"))
    others = [
        read_report(place / "training" / "reports" / name) for name in ("structural", "trees", "logistic")
    ]
    assert [found.verdict] * 3 == [one.headline for one in others]
    assert (2, 30) == (len(report.folds), report.independent)
    assert "spread" in {one.feature for one in others[1].importance}
    assert report.net_values


def test_a_models_report_stands_beside_it(dataset: Path, place: Path) -> None:
    """Where whoever serves the model looks for it."""
    found = trained(dataset, place)
    assert read_report(place / "training") == read_report(report_folder(place / "models" / found.challenger))


def test_the_same_dataset_and_seed_make_the_same_bytes(dataset: Path, place: Path, tmp_path: Path) -> None:
    """Every file of the registry and every report, in another folder."""
    trained(dataset, tmp_path)
    assert files_of(place / "models") == files_of(tmp_path / "models")
    assert files_of(place / "training") == files_of(tmp_path / "training")


def test_what_is_done_is_not_made_twice(dataset: Path, place: Path) -> None:
    """The same words read the same result, and the registry has no second version."""
    before = files_of(place / "models")
    first = msgspec.json.decode((place / "training/training.json").read_bytes(), type=Trained)
    assert first == trained(dataset, place)
    assert before == files_of(place / "models")


def test_a_folder_of_other_terms_is_refused(dataset: Path, place: Path) -> None:
    """Another seed belongs into another folder."""
    with pytest.raises(NotTrained, match="holds another training"):
        trained(dataset, place, msgspec.structs.replace(TERMS, seed=8))


def test_the_evidence_is_of_the_challenger_on_the_last_test(dataset: Path, place: Path) -> None:
    """Too few outcomes there to be promoted by: named among the shortcomings."""
    found = trained(dataset, place)
    evidence = read_evidence(place / "training" / EVIDENCE_NAME)
    assert (15, False, found.shortcomings) == (evidence.outcomes, found.is_better, evidence.shortcomings)
    assert ("quarters/1", None) == (found.challenger, found.champion)
    value = evidence.over_market.brier.value
    assert value is not None
    assert [True] == [one.startswith(f"{value:+.5f} [") for one in found.weighed]
    assert found.weighed[0].endswith("over the market's mid, 15 independent outcomes")
    assert (place / "models" / found.challenger).is_dir()


def test_a_market_is_tested_when_it_begins_late_enough(dataset: Path) -> None:
    """Boundaries stand where the last label before was known, so that a gap is not counted twice."""
    rowset = rows_of(load_dataset(dataset), SERIES)
    rule = rule_of(rowset.rows.names)
    folds = folds_of(rowset.rows.span, 2, rule)
    assert 5 * MINUTE == rule.embargo
    assert [15, 15] == [len(np.unique(rowset.rows.span.group[fold.test])) for fold in folds]
    assert all(int(rowset.rows.span.label_at[fold.train].max()) <= fold.boundary for fold in folds)


def test_rows_are_of_the_series_that_is_meant(dataset: Path) -> None:
    """Known in all that is required; another series has none, and several must be told apart."""
    loaded = load_dataset(dataset)
    rowset = rows_of(loaded, SERIES)
    assert 40 == len(set(rowset.settlement))
    assert not np.isnan(rowset.mid).any()
    with pytest.raises(NotTrained, match="no row of KXETH15M in the dataset"):
        rows_of(loaded, "KXETH15M")
    assert SERIES == series_of(loaded.manifest)
    first = msgspec.structs.replace(loaded.manifest.markets[0], series_ticker="KXETH15M")
    both = msgspec.structs.replace(loaded.manifest, markets=(first, *loaded.manifest.markets[1:]))
    with pytest.raises(NotTrained, match="markets of KXBTC15M, KXETH15M: say which one is meant"):
        series_of(both)


def test_what_is_left_out_of_a_report_is_said_in_it(dataset: Path) -> None:
    """Markets of different fees have no net value per contract, and a reader learns why."""
    rowset = rows_of(load_dataset(dataset), SERIES)
    missing = "No net value per contract: the markets' fees differ."
    assert missing not in notes_of(rowset, [], [])
    assert missing in notes_of(replace(rowset, fees=None), [], [])


def test_a_dataset_without_what_is_required_is_refused(dataset: Path) -> None:
    """Says how to build one."""
    with pytest.raises(NotTrained, match="lacks strike_distance_sigma: build it with --feature"):
        rows_of(load_dataset(dataset, ["mid", "spread"]), SERIES)


def test_a_planted_column_is_caught(dataset: Path, tmp_path: Path) -> None:
    """What became of a market is no feature by name, and a file that it was written into is refused."""
    with pytest.raises(ValueError, match="no such features: label_settles_yes"):
        build([dataset.parent / "tape"], tmp_path / "other", ("label_settles_yes",), say)
    shutil.copytree(dataset, tmp_path / "dataset")
    rows = pq.read_table(dataset / "rows.parquet")
    place, settled = rows.column_names.index("spread"), rows.column("label_settles_yes")
    pq.write_table(rows.set_column(place, "spread", settled), tmp_path / "dataset/rows.parquet")
    with pytest.raises(DatasetError, match=r"not the file that manifest\.json names"):
        trained(tmp_path / "dataset", tmp_path)
    assert not (tmp_path / "models").exists()
