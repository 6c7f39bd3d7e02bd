"""LightGBM: a classifier, a regressor of the price's change, and a residual on another model's logit.

Same rows, parameters and seed: the same bytes, for it runs on one thread and in a fixed order.

*Residual.* The booster starts from the other model's logit (`offset`, LightGBM's init_score) and learns what
that one misses. Its text keeps the difference only: P = sigmoid(offset + raw). It is served as an ensemble of
the two with equal weights that needs both (`stacking.residual_stack`), which says exactly this.

*Re-weighting of classes* (is_unbalance, scale_pos_weight) is refused: it moves every probability. Measured on
three months of bitcoin it took the mean probability from .19 to .43 at a base rate of .22 and the Brier score
from .165 to .227, and made no AUC better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import lightgbm
import numpy as np

from daemon.core.scorer import Output
from daemon.lab.fitting.rows import FitRows, Floats, NotFitted, check_outcomes

Parameters: TypeAlias = Mapping[str, float | int | str | bool]
Task: TypeAlias = Literal["classifier", "regressor", "residual"]

OUTPUT_OF: dict[Task, Output] = {
    "classifier": "probability",
    "regressor": "change",
    "residual": "probability",
}
ALLOWED = (
    "learning_rate", "num_leaves", "max_depth", "min_data_in_leaf", "min_sum_hessian_in_leaf", "lambda_l1",
    "lambda_l2", "feature_fraction", "bagging_fraction", "bagging_freq", "max_bin", "min_gain_to_split",
    "path_smooth", "extra_trees", "monotone_constraints",
)  # fmt: skip
"""Parameters that may be chosen; all else is set here, so that what is written can be served."""
_UNBALANCED = {"is_unbalance", "unbalance", "unbalanced_sets", "scale_pos_weight"}
_OBJECTIVES = ("regression", "regression_l1", "huber")
TREES_MAX = 5_000


@dataclass(frozen=True)
class FittedTrees:
    """A booster as its text. For a residual the text says the difference to the offset only."""

    task: Task
    text: bytes
    trees: int
    parameters: dict[str, float | int | str | bool]

    def raw(self, x: Floats, offset: Floats | None = None) -> Floats:
        """Return the sum of leaves, a logit or a change, shape (rows,), with the offset if it is a residual.

        Raises:
            NotFitted: a residual without its offset, or another model with one.
        """
        _check_offset(self.task, offset)
        booster = lightgbm.Booster(model_str=self.text.decode())
        said: Floats = np.asarray(booster.predict(x, raw_score=True, num_threads=1), dtype=np.float64)
        return said if offset is None else said + offset

    def predict(self, x: Floats, offset: Floats | None = None) -> Floats:
        """Return P(YES), or the change in dollars, shape (rows,). Raises NotFitted as `raw`."""
        raw = self.raw(x, offset)
        return raw if self.task == "regressor" else np.asarray(1 / (1 + np.exp(-raw)), dtype=np.float64)


@dataclass(frozen=True)
class Stopped:
    """Where early stopping ended on an inner fold: how many trees, and the loss there on its later part.

    The loss is the weighted log-loss in nats, or the mean square error of a regressor.
    """

    trees: int
    loss: float


def checked_parameters(task: Task, parameters: Parameters) -> dict[str, float | int | str | bool]:
    """Return the parameters if all are allowed.

    Raises:
        NotFitted: one re-weights classes, or is none that may be chosen; says why.
    """
    for name in parameters:
        if name in _UNBALANCED:
            raise NotFitted(
                f"{name}: refused for a {task}: re-weighting classes moves every probability away from what"
                " happens (mean .43 at a base rate of .22), and a stake by Kelly with it; train plainly and"
                " calibrate on a later slice"
            )
        if name not in ALLOWED and not (name == "objective" and task == "regressor"):
            raise NotFitted(f"{name}: no parameter of a {task} that may be chosen: {', '.join(ALLOWED)}")
    objective = parameters.get("objective")
    if objective is not None and objective not in _OBJECTIVES:
        raise NotFitted(f"objective is {objective!r}, where {', '.join(_OBJECTIVES)} are allowed")
    return dict(parameters)


def fit_trees(
    task: Task, rows: FitRows, parameters: Parameters, trees: int, seed: int, offset: Floats | None = None
) -> FittedTrees:
    """Return a booster of so many trees, fitted to all of the rows.

    Args:
        task: what it shall say.
        rows: to fit; labels 0 and 1, but for a regressor.
        parameters: of `ALLOWED`, and for a regressor `objective`.
        trees: how many; found on inner folds, never on what it is judged by.
        seed: of bagging and columns.
        offset: a residual's: the other model's logit per row, known in every row.

    Raises:
        NotFitted: what must not be fitted; says what is allowed.
    """
    if not 1 <= trees <= TREES_MAX:
        raise NotFitted(f"trees is {trees}, where 1 to {TREES_MAX} are allowed")
    settings = _settings(task, parameters, seed)
    booster = lightgbm.train(settings, _dataset(task, rows, offset), num_boost_round=trees)
    text: str = booster.model_to_string(num_iteration=-1)
    return FittedTrees(task, text.encode(), int(booster.current_iteration()), dict(parameters))


def stop_early(
    task: Task,
    fit: FitRows,
    later: FitRows,
    parameters: Parameters,
    seed: int,
    *,
    rounds: int,
    trees_max: int,
    offsets: tuple[Floats, Floats] | None = None,
) -> Stopped:
    """Return where more trees stopped to make an inner fold's later part better.

    Args:
        task: what it shall say.
        fit: the inner fold's earlier part, to fit.
        later: its later part, to stop by: inside the training rows of the outer fold.
        parameters: as in `fit_trees`.
        seed: likewise.
        rounds: so many trees without a better loss end it.
        trees_max: at most so many trees.
        offsets: a residual's, of both parts.

    Raises:
        NotFitted: as `fit_trees`.
    """
    ours, theirs = (None, None) if offsets is None else offsets
    train = _dataset(task, fit, ours)
    metric = "l2" if task == "regressor" else "binary_logloss"
    booster = lightgbm.train(
        _settings(task, parameters, seed) | {"metric": metric},
        train,
        num_boost_round=trees_max,
        valid_sets=[_dataset(task, later, theirs, train)],
        valid_names=["later"],
        callbacks=[lightgbm.early_stopping(rounds, verbose=False)],
    )
    return Stopped(max(1, booster.best_iteration), float(booster.best_score["later"][metric]))


def _settings(task: Task, parameters: Parameters, seed: int) -> dict[str, float | int | str | bool]:
    return {
        "objective": "regression" if task == "regressor" else "binary",
        **checked_parameters(task, parameters),
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def _dataset(
    task: Task, rows: FitRows, offset: Floats | None, reference: lightgbm.Dataset | None = None
) -> lightgbm.Dataset:
    _check_offset(task, offset)
    if task != "regressor" and reference is None:
        check_outcomes(rows.y)
    if offset is not None and (offset.shape != rows.y.shape or not np.isfinite(offset).all()):
        raise NotFitted(f"offset: a known logit for each of {rows.count} rows is allowed")
    return lightgbm.Dataset(
        np.ascontiguousarray(rows.x),
        np.ascontiguousarray(rows.y),
        weight=np.ascontiguousarray(rows.weight),
        init_score=None if offset is None else np.ascontiguousarray(offset),
        feature_name=list(rows.names),
        reference=reference,
    )


def _check_offset(task: Task, offset: Floats | None) -> None:
    if (task == "residual") != (offset is not None):
        raise NotFitted(f"offset: a residual needs the other model's logit, no other takes one ({task})")
