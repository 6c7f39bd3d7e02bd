"""The demo model: reproducible to the byte, loadable, honest; and the shipped one is in order."""

from __future__ import annotations

from pathlib import Path

import pytest

import strategies
from daemon.lab.demo import NAME, REQUIRED, SCHEMA, VERSION, train_demo, train_on
from daemon.scoring.registry import METADATA_FILE, MODEL_FILE, load_model
from tests.lab.tiny_stream import tiny_stream

SHIPPED = Path(strategies.__file__).parent / "models" / NAME / VERSION
BYTES_MAX = 400_000


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two trainings of one seed write identical files; another seed gives another model."""
    first, again, other = (
        train_on(tiny_stream(seed, 30), "tiny", tmp_path / name, seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for name in (MODEL_FILE, METADATA_FILE):
        assert (first / name).read_bytes() == (again / name).read_bytes()
    assert (first / MODEL_FILE).read_bytes() != (other / MODEL_FILE).read_bytes()


def test_a_trained_folder_loads_and_knows_its_origin(tmp_path: Path) -> None:
    """The folder is a registry folder; its metadata says from what, with which split and how well."""
    model = load_model(train_on(tiny_stream(3, 30), "tiny", tmp_path, 7))
    assert (model.scorer.schema, model.scorer.required) == (SCHEMA, REQUIRED)
    training = model.metadata.training
    assert (training.source, training.seed) == ("tiny", 7)
    assert training.markets_by_part == {"train": 21, "stop": 3, "test": 4}
    assert model.metadata.metrics["brier_model"] < model.metadata.metrics["brier_base_rate"]


def test_a_model_is_never_written_over(tmp_path: Path) -> None:
    """Training into a folder that holds this version already is refused before any work."""
    (tmp_path / NAME / VERSION).mkdir(parents=True)
    with pytest.raises(FileExistsError, match="never written over"):
        train_on(iter(()), "tiny", tmp_path, 1)


def test_too_few_markets_are_an_error(tmp_path: Path) -> None:
    """Without markets to stop and judge by there is no model, and nothing is written."""
    with pytest.raises(ValueError, match="2 markets are too few"):
        train_on(tiny_stream(1, 2), "tiny", tmp_path, 1)
    assert not (tmp_path / NAME).exists()


def test_the_shipped_model_loads() -> None:
    """What the package ships passes every check of the registry on this machine's libraries."""
    model = load_model(SHIPPED)
    assert (model.scorer.name, model.scorer.version, model.scorer.required) == (NAME, VERSION, REQUIRED)


def test_the_shipped_model_is_small_and_calibrated_on_its_own_world() -> None:
    """Its file stays small, and its mean probability is near the base rate of its held-out markets."""
    model = load_model(SHIPPED)
    assert (SHIPPED / MODEL_FILE).stat().st_size < BYTES_MAX
    metrics = model.metadata.metrics
    assert abs(metrics["mean_probability"] - metrics["base_rate"]) < 0.1
    assert metrics["brier_model"] < metrics["brier_base_rate"]
    assert metrics["rmse_model"] < min(metrics["rmse_mid"], metrics["rmse_formula"])


def test_the_demo_is_trained_on_the_simulation_it_names(tmp_path: Path) -> None:
    """A small run of the real thing: simulated markets, its chances as labels, a folder that loads."""
    model = load_model(train_demo(tmp_path, seed=3, markets=12))
    assert "Simulation(seed=3, markets=12)" in model.metadata.training.source
    assert "as the simulation knows it" in model.metadata.label.definition
    # A market's first seconds and its last ones: a probability there too.
    assert all(0 < frozen.expected < 1 for frozen in model.metadata.frozen_rows)
