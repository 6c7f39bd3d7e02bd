"""A chain in the registry is the chain that was fitted, and is weighed against who reigns there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optuna", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")
pytest.importorskip("onnx", reason="needs the extra `lab`")

import msgspec

from daemon.lab.fitting.rows import FitRows, NotFitted
from daemon.lab.pipeline_chain import Chain
from daemon.lab.pipeline_registering import (
    Origin,
    Registered,
    register_chain,
    scores_of,
    trials_on,
    weigh_challenger,
)
from daemon.lab.promotion import metadata_sha256, promote
from daemon.scoring.metadata import METADATA_FILE, ModelMetadata
from tests.lab.fitting.made_rows import RULE
from tests.lab.test_pipeline_chain import chained, last_fold, many, rows_with_mid

ORIGIN = Origin("quarters", 3, RULE, "tapes made-up", "a" * 64, None)


def registered(root: Path, rows: FitRows, origin: Origin = ORIGIN) -> tuple[Registered, Chain]:
    fold = last_fold(rows)
    chain = chained(rows, fold, root / "studies")
    return register_chain(root / "models", origin, rows, rows.column("mid"), fold, chain), chain


def metadata_of(folder: Path) -> ModelMetadata:
    return msgspec.json.decode((folder / METADATA_FILE).read_bytes(), type=ModelMetadata)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `many` is registered once."""
    return tmp_path_factory.mktemp("many")


@pytest.fixture(scope="module")
def made(root: Path) -> Registered:
    return registered(root, many())[0]


def test_what_is_registered_says_what_was_fitted(tmp_path: Path) -> None:
    """Row by row: the members, and all three of them in the challenger."""
    rows = rows_with_mid(43)
    made, chain = registered(tmp_path, rows)
    test = rows.only(last_fold(rows).test)
    said = chain.said(test)
    assert "quarters" == made.challenger.parent.name
    assert 3 == len(chain.stacked.weights)
    for name, folder in (("challenger", made.challenger), ("trees", made.members["trees"])):
        np.testing.assert_allclose(scores_of(folder, test), said[name], rtol=1e-9)
    np.testing.assert_array_equal(scores_of(made.members["structural"], test), said["structural"])


def test_where_it_comes_from_stands_in_its_metadata(made: Registered) -> None:
    """The dataset's manifest, gaps, slices; and what the last test said of it, with intervals."""
    metadata = metadata_of(made.challenger)
    assert ({"dataset": "a" * 64}, 5.0) == (metadata.training.manifests, metadata.training.embargo_s)
    assert {"fit", "calibrate", "stack", "test"} == set(metadata.training.rows_by_part)
    assert {"brier", "brier_low", "brier_market", "gain_over_market_high"} <= set(metadata.metrics)


def test_one_alone_is_its_own_challenger(tmp_path: Path) -> None:
    """No ensemble of one is written."""
    alone, _ = registered(tmp_path, many(0.8))
    assert alone.members["trees"] == alone.challenger
    assert not (tmp_path / "models" / "quarters").exists()


def test_the_first_is_weighed_against_the_market_alone(made: Registered, root: Path) -> None:
    """Who comes after against the champion too, on the same rows; each try on a dataset is counted."""
    rows, registry = many(), root / "models"
    fold, mid = last_fold(rows), rows.column("mid")
    first, champion = weigh_challenger(registry, ORIGIN, made, rows, mid, fold)
    assert (None, None, 1) == (champion, first.over_champion, first.trials)
    assert metadata_sha256(made.challenger) == first.challenger_sha256
    promote(registry, "quarters", made.members["structural"], 1, reason="the formula is the first one")
    again, _ = registered(root, rows)
    second, champion = weigh_challenger(registry, ORIGIN, again, rows, mid, fold)
    assert "quarters-structural/1" == champion
    assert second.over_champion is not None
    assert metadata_sha256(made.members["structural"]) == second.champion_sha256
    assert 2 == second.trials


def test_every_training_is_a_try_on_the_hours_of_its_test(tmp_path: Path) -> None:
    """Also one whose challenger is a member alone, and one of another dataset; not one of other hours."""
    rows = many(0.8)
    first, _ = registered(tmp_path, rows)
    again, _ = registered(tmp_path, rows, replace(ORIGIN, seed=4, manifest_sha256="b" * 64))
    assert "quarters-trees" == first.challenger.parent.name
    mid, fold = rows.column("mid"), last_fold(rows)
    evidence, _ = weigh_challenger(tmp_path / "models", ORIGIN, again, rows, mid, fold)
    assert 2 == evidence.trials
    ours = metadata_of(again.challenger).training
    assert ours.ends_at is not None
    assert ours.tested_to is not None
    later = msgspec.structs.replace(ours, ends_at=ours.tested_to, tested_to="2100-01-01T00:00:00Z")
    assert 1 == trials_on(tmp_path / "models", "quarters", later)
    assert 2 == trials_on(tmp_path / "models", "quarters", msgspec.structs.replace(later, ends_at=None))


def test_a_champion_that_reads_more_is_said(made: Registered) -> None:
    """Rows without its features can't be weighed: which one is missing is named."""
    rows = many()
    fewer = FitRows(rows.names[:1], rows.x[:, :1], rows.y, rows.weight, rows.span)
    with pytest.raises(NotFitted, match="no feature 'top_imbalance' in the rows"):
        scores_of(made.members["trees"], fewer)
