"""The model that the hot path is measured with: 24 features, 200 trees of 31 leaves, trained on the walk.

It says nothing of any market. It is as wide and as deep as the budget counts on, its rows are what the
measured path computes, and it stands in the registry's form, so that it is loaded like any other.
"""

from __future__ import annotations

import random
from functools import cache
from math import nan, tanh
from pathlib import Path

import lightgbm
import msgspec
import numpy as np

from daemon.assembly import ModelRef
from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.features import FeatureSet, definition_of
from daemon.core.features.reference import ReferenceFeatures
from daemon.core.scorer import FeatureSchema
from daemon.core.units import SECOND
from daemon.kalshi.session import Session
from daemon.lab.demo import SCHEMA as DEMO
from daemon.scoring.lightgbm import LightGBMScorer
from daemon.scoring.metadata import (
    FORMAT,
    FROZEN_ROWS,
    METADATA_FILE,
    MODEL_FILE,
    FrozenRow,
    Label,
    ModelMetadata,
    Training,
    feature_entry,
    file_sha256,
)
from tests.bench.walk import OPEN_AT, STRIKE, TICKER, frames_of_a_walk, listing, reference

NAME, VERSION = "bench-wide", "1"
SCHEMA = FeatureSchema((*DEMO.names, "microprice", "message_rate_10s", "trade_flow_10s", "mid_momentum_30s"))
"""What the shipped model reads, and one more of each kind."""
REQUIRED = frozenset({"mid", "strike_distance_sigma"})
TREES = 200
LEAVES = 31
_ROWS = 6_000
_SLOW = 700
_PARAMETERS: dict[str, str | int | float | bool] = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": LEAVES,
    "min_data_in_leaf": 5,
    "seed": 1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def rows_of_the_walk(count: int, seed: int) -> list[list[float | None]]:
    """Return the features after each of `count` deltas of a walk, the first of its windows being full."""
    prices, session, book = ReferenceFeatures(), Session(is_private=False), Book(TICKER)
    features = FeatureSet(SCHEMA, listing(), prices)
    session.watch([TICKER])
    session.connected(OPEN_AT)
    session.receive(b'{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}', OPEN_AT)
    for step in range(600):
        prices.on_price(reference(OPEN_AT + step * SECOND // 2, STRIKE))
    rows = []
    for at, frame, spot in frames_of_a_walk(_SLOW + count, seed, slow=_SLOW):
        prices.on_price(reference(at, spot))
        for event in session.receive(frame, at):
            if isinstance(event, e.BookSnapshotReceived):
                book.apply_snapshot(event)
                features.on_book(book, at)
            elif isinstance(event, e.BookDeltaReceived):
                book.apply_delta(event)
                features.on_book(book, at, event.delta)
        rows.append(features.row(at))
    return rows[-count:]


def _probability(row: list[float | None], chance: random.Random) -> float:
    """What the trees are to learn: something of many features, and noise, so that none stays a stump."""
    known = {name: value or 0.0 for name, value in zip(SCHEMA.names, row, strict=True)}
    pull = tanh(known["strike_distance_sigma"]) + tanh(known["top_imbalance"]) + tanh(known["ofi_10s"] / 1e3)
    return min(0.99, max(0.01, known["mid"] + 0.003 * pull + chance.gauss(0.0, 0.003)))


@cache
def model_text() -> bytes:
    """Train it, once per process; takes about a second."""
    chance = random.Random(7)
    rows = rows_of_the_walk(_ROWS, seed=2)
    wanted = [_probability(row, chance) for row in rows]
    matrix = np.array([[nan if value is None else value for value in row] for row in rows])
    # Each row once as YES and once as NO: the trees learn a chance, not its luck.
    training = lightgbm.Dataset(
        np.concatenate([matrix, matrix]),
        np.repeat([1.0, 0.0], len(rows)),
        weight=np.array(wanted + [1 - chance_of for chance_of in wanted]),
        feature_name=list(SCHEMA.names),
    )
    text: str = lightgbm.train(dict(_PARAMETERS), training, num_boost_round=TREES).model_to_string()
    return text.encode()


def write_wide_model(root: Path) -> Path:
    """Write the model below a registry's root; returns its folder."""
    text = model_text()
    scorer = LightGBMScorer(text, NAME, VERSION, SCHEMA, REQUIRED)
    frozen = rows_of_the_walk(FROZEN_ROWS, seed=3)
    described = ModelMetadata(
        format=FORMAT,
        name=NAME,
        version=VERSION,
        status="demo",
        label=Label(definition="a function of the features and noise", horizon="none"),
        feature_schema=tuple(feature_entry(definition_of(name)) for name in SCHEMA.names),
        feature_schema_sha256=SCHEMA.sha256,
        required=tuple(sorted(REQUIRED)),
        files={MODEL_FILE: file_sha256(text)},
        training=Training(
            source="tests.bench.walk",
            seed=2,
            split="none",
            markets_by_part={"train": 1},
            rows_by_part={"train": _ROWS},
            trees=TREES,
            parameters=_PARAMETERS,
        ),
        metrics={},
        notes="For measuring how long a score takes.",
        libraries={"lightgbm": lightgbm.__version__},
        frozen_rows=tuple(FrozenRow(row=tuple(row), expected=scorer.score(row)) for row in frozen),
    )
    folder = root / NAME / VERSION
    folder.mkdir(parents=True)
    (folder / MODEL_FILE).write_bytes(text)
    (folder / METADATA_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(described)))
    return folder


def model_ref(root: Path) -> ModelRef:
    """Return how a journal names the model, were it below this root."""
    return ModelRef(str(root / NAME / VERSION), NAME, VERSION, file_sha256(model_text()))
