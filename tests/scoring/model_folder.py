"""A small real model in a registry folder, trained once per test session. Shared by the scoring tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import lightgbm
import msgspec
import numpy as np

from daemon.core.features import CATALOGUE
from daemon.core.scorer import FeatureSchema
from daemon.scoring.lightgbm import LightGBMScorer
from daemon.scoring.registry import (
    METADATA_FILE,
    MODEL_FILE,
    FrozenRow,
    Label,
    ModelMetadata,
    Training,
    feature_entry,
    file_sha256,
)

SCHEMA = FeatureSchema(("mid", "spread", "ofi_1s", "strike_distance_sigma", "seconds_to_close"))
REQUIRED = frozenset({"mid"})


def random_rows(count: int, seed: int) -> np.ndarray:
    """Rows of SCHEMA's width, a tenth of the values missing."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, len(SCHEMA.names))) * [0.3, 0.01, 100, 1, 500]
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


@cache
def model_text() -> bytes:
    """A model of 50 trees on noise with some signal in it."""
    rows = random_rows(3_000, 1)
    rng = np.random.default_rng(2)
    labels = (np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, 3]) + rng.normal(size=3_000) > 0).astype(
        float
    )
    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True}
    training = lightgbm.Dataset(rows, labels, feature_name=list(SCHEMA.names))
    text: str = lightgbm.train(parameters, training, num_boost_round=50).model_to_string()
    return text.encode()


def scorer() -> LightGBMScorer:
    return LightGBMScorer(model_text(), "toy", "1", SCHEMA, REQUIRED)


def without_nan(row: np.ndarray) -> tuple[float | None, ...]:
    """The row as the core has it: missing is None."""
    return tuple(None if np.isnan(value) else float(value) for value in row)


def metadata() -> ModelMetadata:
    """True metadata of the model."""
    rows = [without_nan(row) for row in random_rows(16, 3)]
    model = scorer()
    return ModelMetadata(
        format=1,
        name="toy",
        version="1",
        status="challenger",
        label=Label(definition="settles YES", horizon="to the close"),
        feature_schema=tuple(feature_entry(CATALOGUE[name]) for name in SCHEMA.names),
        feature_schema_sha256=SCHEMA.sha256,
        required=("mid",),
        files={MODEL_FILE: file_sha256(model_text())},
        training=Training(
            source="noise", seed=1, split="none", markets_by_part={}, rows_by_part={}, trees=50, parameters={}
        ),
        metrics={},
        notes="a test's",
        libraries={"lightgbm": lightgbm.__version__},
        frozen_rows=tuple(FrozenRow(row=row, expected=model.score(row)) for row in rows),
    )


def write_model(root: Path, described: ModelMetadata) -> Path:
    """Write the model with this metadata; returns its folder."""
    folder = root / "toy" / "1"
    folder.mkdir(parents=True)
    (folder / MODEL_FILE).write_bytes(model_text())
    (folder / METADATA_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(described)))
    return folder
