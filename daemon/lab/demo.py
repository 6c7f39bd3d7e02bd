"""The demo model: P(a 15-minute bitcoin market settles YES), trained on the sandbox's simulated traders.

It is what a newcomer's first run scores with. It has learned the simulation and nothing else: that it is
nearer to the truth than the simulated mid is by construction (the simulated makers are late, and it is
taught the chance that the simulation knows), and says nothing of a real market. Same seed, same
libraries: same bytes.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version as library_version
from math import nan
from pathlib import Path

import lightgbm
import msgspec
import numpy as np

from daemon.core.events import Event
from daemon.core.features import definition_of
from daemon.core.scorer import FeatureSchema
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.lab.judging.held_out import Judged, figures, normal_cdf
from daemon.lab.samples import Expected, MarketSamples, Parts, Row, collect, split_by_time
from daemon.lab.simulation import Simulation
from daemon.scoring.lightgbm import LightGBMScorer
from daemon.scoring.registry import (
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
    load_model,
)

NAME = "btc15m-demo"
VERSION = "1"
MARKETS = 384
"""Four days of quarter-hours."""
# The time of day is left out: the simulation has none, and with hundreds of markets a tree would
# remember by it which market it was. Nor does the simulated index have candles.
SCHEMA = FeatureSchema(
    (
        "spread", "mid", "weighted_mid", "top_imbalance", "depth_imbalance_5", "ofi_1s", "ofi_10s", "ofi_60s",
        "trade_flow_60s", "mid_momentum_5s", "mid_momentum_60s", "mid_momentum_300s", "realised_vol_300s",
        "reference_return_1s", "reference_return_5s", "reference_return_30s", "reference_vol_300s",
        "strike_distance", "strike_distance_sigma", "seconds_to_close",
    )
)  # fmt: skip
REQUIRED = frozenset({"mid", "strike_distance", "strike_distance_sigma", "seconds_to_close"})
SAMPLE_EVERY: Ns = 7 * SECOND
SHARES = (0.7, 0.15)
TREES_MAX = 200
STOPPING_ROUNDS = 20
# More of these never makes YES less likely: it spares the trees from learning that from noise.
_RISING = frozenset({"mid", "strike_distance", "strike_distance_sigma"})


def _parameters(seed: int) -> dict[str, str | int | float | bool]:
    """Plain `binary`, no re-weighting of classes: the probabilities are meant as they are.

    No bagging: it would tear the two weighted halves of a row apart, and put the luck back in.
    """
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": 0.08,
        "num_leaves": 15,
        "min_data_in_leaf": 100,
        "lambda_l2": 5.0,
        "monotone_constraints": ",".join(str(int(name in _RISING)) for name in SCHEMA.names),
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def _matrix(rows: Iterable[Row]) -> np.ndarray:
    """Rows as floats, shape (rows, features); None becomes NaN."""
    values = [[nan if value is None else value for value in row] for row in rows]
    return np.array(values, dtype=np.float64).reshape(-1, len(SCHEMA.names))


def _dataset(markets: Sequence[MarketSamples], reference: lightgbm.Dataset | None) -> lightgbm.Dataset:
    """Each row once as YES and once as NO, weighted by their probabilities: the log loss expected of it.

    One outcome per market is all that a real tape gives, and some hundred of them can't teach a
    probability to a cent. A simulation knows the chance itself, so the demo need not learn from luck.
    """
    rows, labels, weights = [], [], []
    for market in markets:
        for row, expected in zip(market.rows, market.expected, strict=True):
            for label, weight in ((1.0, expected), (0.0, 1 - expected)):
                if weight > 0:
                    rows.append(row)
                    labels.append(label)
                    weights.append(weight)
    return lightgbm.Dataset(
        _matrix(rows),
        np.array(labels),
        weight=np.array(weights),
        feature_name=list(SCHEMA.names),
        reference=reference,
    )


def _fit(parts: Parts, parameters: dict[str, str | int | float | bool]) -> tuple[bytes, int]:
    """Return the model's text and its number of trees, stopped early on the middle part."""
    train = _dataset(parts.train, None)
    booster = lightgbm.train(
        dict(parameters),
        train,
        num_boost_round=TREES_MAX,
        valid_sets=[_dataset(parts.stop, train)],
        callbacks=[lightgbm.early_stopping(STOPPING_ROUNDS, verbose=False)],
    )
    trees = max(1, booster.best_iteration)
    text: str = booster.model_to_string(num_iteration=trees)
    return text.encode(), trees


def _judged(markets: Sequence[MarketSamples], scorer: LightGBMScorer) -> list[Judged]:
    mid, sigmas = SCHEMA.names.index("mid"), SCHEMA.names.index("strike_distance_sigma")
    return [
        Judged(
            market.is_yes,
            market.expected,
            model=tuple(scorer.score(row) for row in market.rows),
            mid=tuple(_known(row[mid]) for row in market.rows),
            formula=tuple(normal_cdf(_known(row[sigmas])) for row in market.rows),
        )
        for market in markets
    ]


def _known(value: float | None) -> float:
    assert value is not None, "a row without a required feature was sampled"
    return value


def _frozen_rows(markets: Sequence[MarketSamples], scorer: LightGBMScorer) -> tuple[FrozenRow, ...]:
    """Rows spread over the held-out markets, the first (cold, with missing values) among them."""
    rows = [row for market in markets for row in market.rows]
    chosen = [rows[number * (len(rows) - 1) // (FROZEN_ROWS - 1)] for number in range(FROZEN_ROWS)]
    return tuple(FrozenRow(row=tuple(row), expected=scorer.score(row)) for row in chosen)


def _counts(parts: Parts, count: Callable[[Sequence[MarketSamples]], int]) -> dict[str, int]:
    return {"train": count(parts.train), "stop": count(parts.stop), "test": count(parts.test)}


def train_on(
    events: Iterable[Event], source: str, target: Path, seed: int, expected: Expected | None = None
) -> Path:
    """Train on a stream of events; returns the model's folder below `target`, loaded once as a check.

    Args:
        events: markets from listing to result, with the reference price, in the order of receipt.
        source: what the events are, in words, for the metadata.
        target: the registry's root: the model is written to `<target>/btc15m-demo/1/`.
        seed: of the training; the events have their own.
        expected: a simulation's probability of YES, which then is the label; else the outcome is.

    Raises:
        FileExistsError: there is such a model already.
        ValueError: too few markets for three parts.
    """
    folder = target / NAME / VERSION
    if folder.exists():
        raise FileExistsError(f"{folder}: is there already; a model's version is never written over")
    markets = list(collect(events, SCHEMA, REQUIRED, SAMPLE_EVERY, expected))
    parts = split_by_time(markets, SHARES, embargo=5 * MINUTE)
    if not (parts.train and parts.stop and parts.test):
        raise ValueError(f"{len(markets)} markets are too few to train, stop and judge by")
    parameters = _parameters(seed)
    text, trees = _fit(parts, parameters)
    scorer = LightGBMScorer(text, NAME, VERSION, SCHEMA, REQUIRED)
    metadata = ModelMetadata(
        format=FORMAT,
        name=NAME,
        version=VERSION,
        status="demo",
        label=Label(
            definition=(
                "1 if the market settles YES, else 0"
                if expected is None
                else "P(the market settles YES) as the simulation knows it at the row's instant"
            ),
            horizon="from the row's instant to the close",
        ),
        feature_schema=tuple(feature_entry(definition_of(name)) for name in SCHEMA.names),
        feature_schema_sha256=SCHEMA.sha256,
        required=tuple(sorted(REQUIRED)),
        files={MODEL_FILE: file_sha256(text)},
        training=Training(
            source=source,
            seed=seed,
            split=(
                "whole markets by time: train 70 %, early stopping 15 %, test 15 % of the time;"
                " markets across a boundary are left out, and those within 5 minutes after it"
            ),
            markets_by_part=_counts(parts, len),
            rows_by_part=_counts(parts, lambda some: sum(len(market.rows) for market in some)),
            trees=trees,
            parameters=parameters,
        ),
        metrics=figures(_judged(parts.test, scorer), seed),
        notes=(
            "Trained and judged on simulated traders only; what it does there says nothing of a real market."
            " metrics are of the test part, means over rows: Brier and log loss against drawn outcomes,"
            " skill_over_mid = 1 - brier_model / brier_mid with a 95 % bootstrap interval over markets,"
            " rmse to the label. formula is the normal distribution of strike_distance_sigma."
        ),
        libraries={
            "python": platform.python_version(),
            "lightgbm": library_version("lightgbm"),
            "numpy": library_version("numpy"),
        },
        frozen_rows=_frozen_rows(parts.test, scorer),
    )
    _write(folder, text, metadata)
    load_model(folder)
    return folder


def _write(folder: Path, text: bytes, metadata: ModelMetadata) -> None:
    """Write beside and rename: a half-written model never stands under a model's name."""
    partial = folder.with_name(f".{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    (partial / MODEL_FILE).write_bytes(text)
    content = msgspec.json.format(msgspec.json.encode(metadata), indent=1)
    (partial / METADATA_FILE).write_bytes(content + b"\n")
    partial.rename(folder)


def train_demo(target: Path, seed: int, markets: int = MARKETS) -> Path:
    """Train the demo model on simulated markets; returns its folder `<target>/btc15m-demo/1`.

    The same seed, number of markets and library versions give the same bytes. Takes about a second of
    one core per market.

    Raises:
        FileExistsError: there is such a model already.
        ValueError: too few markets for three parts.
    """
    source = (
        f"daemon.lab.simulation.Simulation(seed={seed}, markets={markets}):"
        " the sandbox's spot price, makers and takers in virtual time"
    )
    simulation = Simulation(seed, markets)
    return train_on(simulation.events(), source, target, seed, simulation.fair_value)
