"""Several real models in one registry: versions of the toy model that differ in what they say."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import lightgbm
import msgspec
import numpy as np

from daemon.scoring.lightgbm import LightGBMScorer
from daemon.scoring.metadata import METADATA_FILE, MODEL_FILE, FrozenRow, file_sha256
from tests.scoring.model_folder import REQUIRED, SCHEMA, metadata, random_rows, without_nan


@cache
def version_text(version: int) -> bytes:
    """A small model that is another one for every version."""
    rows = random_rows(400, version)
    labels = (np.nan_to_num(rows[:, 0]) > version / 20).astype(float)
    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 1}
    training = lightgbm.Dataset(rows, labels, feature_name=list(SCHEMA.names))
    text: str = lightgbm.train(parameters, training, num_boost_round=5).model_to_string()
    return text.encode()


def write_version(root: Path, version: int, **changes: object) -> Path:
    """Write toy/<version> below a registry's root; returns its folder."""
    text = version_text(version)
    scorer = LightGBMScorer(text, "toy", str(version), SCHEMA, REQUIRED)
    rows = [without_nan(row) for row in random_rows(16, 3)]
    described = msgspec.structs.replace(
        metadata(),
        version=str(version),
        files={MODEL_FILE: file_sha256(text)},
        frozen_rows=tuple(FrozenRow(row=row, expected=scorer.score(row)) for row in rows),
        **changes,
    )
    folder = root / "toy" / str(version)
    folder.mkdir(parents=True)
    (folder / MODEL_FILE).write_bytes(text)
    (folder / METADATA_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(described)))
    return folder
