"""Real models that say about nine in ten of everything, in registry folders: they are easily wrong."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

import lightgbm
import msgspec
import numpy as np

from daemon.scoring.lightgbm import LightGBMScorer
from daemon.scoring.metadata import METADATA_FILE, MODEL_FILE, FrozenRow, TrainingQuantiles, file_sha256
from tests.scoring.kinds import Row, stacked
from tests.scoring.model_folder import REQUIRED, SCHEMA, metadata, random_rows, without_nan

WEIGHTS = (0.6, 0.4)
INTERCEPT = -0.1
"""What `stacked` writes."""


def scorer_of(text: bytes, version: int) -> LightGBMScorer:
    """Return the scorer of a version's text."""
    return LightGBMScorer(text, "confident", str(version), SCHEMA, REQUIRED)


def write_stacked(root: Path, first: Path, second: Path) -> Path:
    """Write an ensemble of two of these; returns its folder."""
    members = [scorer_of((one / MODEL_FILE).read_bytes(), int(one.name)) for one in (first, second)]

    def says(row: Row) -> float:
        logits = [math.log(p / (1 - p)) for p in (member.score(row) for member in members)]
        return 1 / (1 + math.exp(-INTERCEPT - sum(map(math.prod, zip(WEIGHTS, logits, strict=True)))))

    return stacked(root, (first, second), WEIGHTS, says, names=SCHEMA.names, required=("mid",))


def write_confident(root: Path, version: int, expires_at: datetime | None = None) -> Path:
    """Write confident/<version> below a root, another model for every version; returns its folder."""
    rows = random_rows(400, version)
    labels = (np.arange(400) % 10 != version % 10).astype(float)
    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 1}
    training = lightgbm.Dataset(rows, labels, feature_name=list(SCHEMA.names))
    text = lightgbm.train(parameters, training, num_boost_round=2).model_to_string().encode()
    scorer = scorer_of(text, version)
    known = [without_nan(row) for row in random_rows(16, 3)]
    plain = metadata()
    described = msgspec.structs.replace(
        plain,
        name="confident",
        version=str(version),
        files={MODEL_FILE: file_sha256(text)},
        frozen_rows=tuple(FrozenRow(row=row, expected=scorer.score(row)) for row in known),
        quantiles={"mid": TrainingQuantiles((0.4, 0.6), (0.3, 0.4, 0.3))},
        training=msgspec.structs.replace(plain.training, ends_at="2026-09-01T00:00:00Z"),
        expires_at=None if expires_at is None else f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
    )
    folder = root / "confident" / str(version)
    folder.mkdir(parents=True)
    (folder / MODEL_FILE).write_bytes(text)
    (folder / METADATA_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(described)))
    return folder
