"""Hyper-parameters by Optuna, chosen on folds inside the training rows: what judges the model is never seen.

The rows of an outer fold's test are cut away before anything else is looked at, and `check_inner` looks at
the inner folds again. A trial's loss is the mean over inner folds of the loss on their later part, where
early stopping ended; its number of trees the mean of theirs.

*Seeded and resumable.* The proposal for a trial is drawn from the seed and from how many trials are finished,
so that a study that was killed goes on as if nothing had happened. A study's name holds a digest of the rows,
the folds and the plan: another study never goes on with its trials.

*Where.* A journal file for one worker, `postgresql+psycopg://…` for many: there a worker that died is noticed
by its heartbeat, and its trial is tried again. With many the proposals depend on who was first: only one
worker's study is the same every time.

Sources: Akiba et al., Optuna, 2019; Bergstra et al., Algorithms for hyper-parameter optimization, 2011 (TPE).
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version as library_version
from pathlib import Path

import msgspec
import numpy as np
import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

from daemon.lab.fitting.rows import FitRows, Floats, NotFitted
from daemon.lab.fitting.trees import Task, checked_parameters, stop_early
from daemon.lab.folds import Fold, LeakFound, Rule, check_folds, inner_folds

POSTGRES = "postgresql+psycopg://"
HEARTBEAT_S, GRACE_S, RETRIES = 60, 180, 2
TRIES_MAX, TRY_AGAIN_S = 5, 0.5
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class Range(msgspec.Struct, frozen=True):
    """Between which values a parameter is looked for; by its logarithm, as a whole number."""

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False


SPACE: dict[str, Range] = {
    "learning_rate": Range(0.01, 0.2, is_log=True),
    "num_leaves": Range(3, 63, is_log=True, is_whole=True),
    "min_data_in_leaf": Range(20, 2_000, is_log=True, is_whole=True),
    "lambda_l1": Range(1e-6, 10, is_log=True),
    "lambda_l2": Range(1e-3, 100, is_log=True),
    "feature_fraction": Range(0.4, 1.0),
    "bagging_fraction": Range(0.5, 1.0),
}
"""Small trees and strong penalties: months of minutes are some hundred independent outcomes."""


@dataclass(frozen=True)
class Plan:
    """What is looked for, and how long. `fixed` are parameters of every trial."""

    name: str
    trials: int
    seed: int
    folds: int = 3
    rounds: int = 30
    trees_max: int = 500
    workers: int = 1
    space: Mapping[str, Range] = field(default_factory=lambda: SPACE)
    fixed: Mapping[str, float | int | str | bool] = field(default_factory=lambda: {"bagging_freq": 1})


class Tuned(msgspec.Struct, frozen=True):
    """The best trial: its parameters, trees and loss, and how many were tried (the count that DSR needs)."""

    study: str
    parameters: dict[str, float | int | str | bool]
    trees: int
    loss: float
    trials: int
    pruned: int


def check_inner(fold: Fold, inner: Sequence[Fold]) -> None:
    """Pass inner folds that see nothing but a fold's training rows.

    Raises:
        LeakFound: one trains or stops on a row of the fold's test, or on a row that is none of its training.
    """
    for number, one in enumerate(inner):
        used = np.concatenate((one.train, one.test))
        if (tested := np.intersect1d(used, fold.test)).size:
            raise LeakFound(
                f"inner fold {number}: tunes on {tested.size} rows of the test: {tested[:3].tolist()}"
            )
        if (strange := np.setdiff1d(used, fold.train)).size:
            raise LeakFound(
                f"inner fold {number}: {strange.size} rows are none of the training: {strange[:3].tolist()}"
            )


def open_storage(place: Path | str, workers: int = 1) -> BaseStorage:
    """Return the storage of studies: a journal file by its path, or a PostgreSQL by its URL.

    Raises:
        NotFitted: a URL of another kind, several workers on a file, the driver is missing, or nobody answers.
    """
    if isinstance(place, Path):
        if workers > 1:
            raise NotFitted(f"{place}: {workers} workers need {POSTGRES}…, a journal file is for one")
        place.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(place)))
    if not place.startswith(POSTGRES):
        # Not the address itself: it may hold a password.
        raise NotFitted(
            f"storage: a path of a file or {POSTGRES}… are allowed, not {place.partition(':')[0]!r}"
        )
    tries = 0
    while True:
        tries += 1
        try:
            return _database(place)
        except ImportError as error:
            raise NotFitted(
                f"storage: PostgreSQL needs psycopg: pip install 'psycopg[binary]' ({error})"
            ) from error
        except SQLAlchemyError as error:
            # Of workers that begin together in an empty database one makes the tables.
            if not isinstance(error, IntegrityError | ProgrammingError) or tries >= TRIES_MAX:
                raise NotFitted(f"storage: the PostgreSQL can't be used: {error}") from error
        time.sleep(TRY_AGAIN_S)


def _database(url: str) -> RDBStorage:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # the heartbeat, since 2.9
        return RDBStorage(
            url,
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=RETRIES),
        )


@contextmanager
def opened(place: Path | str, workers: int = 1) -> Iterator[BaseStorage]:
    """Give the storage of studies, and end its connections. Raises as `open_storage`."""
    storage = open_storage(place, workers)
    try:
        yield storage
    finally:
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()


def tune(
    task: Task,
    rows: FitRows,
    fold: Fold,
    rule: Rule,
    plan: Plan,
    place: Path | str,
    offset: Floats | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Tuned:
    """Return the best of so many trials on folds inside an outer fold's training rows.

    Args:
        task: what the booster shall say.
        rows: all rows; those of the fold's test are never read.
        fold: the outer fold.
        rule: purge and embargo of the inner folds.
        plan: what is looked for; a study that has trials already does only what is missing.
        place: a journal file, or the URL of a PostgreSQL.
        offset: a residual's, for all rows.
        progress: called with (trials finished, trials in all) after each.

    Raises:
        NotFitted: no trials, or a parameter that must not be chosen.
        NotFolded: too few groups for so many inner folds.
        LeakFound: the inner folds are not inside the training rows.
    """
    if plan.trials < 1:
        raise NotFitted(f"trials is {plan.trials}, where 1 or more are allowed")
    checked_parameters(task, {**dict.fromkeys(plan.space, 0), **plan.fixed})
    inner = inner_folds(rows.span, fold, plan.folds, rule)
    check_inner(fold, inner)
    check_folds(rows.span.at, rows.span.label_at, [rows.span.group], inner, rule)
    trial_of = _Objective(task, rows, inner, plan, offset)
    name = f"{plan.name}-{_digest(task, rows.only(fold.train), inner, rule, plan, offset, fold)[:16]}"
    # Two workers that see as many finished trials must not draw the same one.
    worker = 0 if plan.workers == 1 else secrets.randbits(32)
    with _quiet(), opened(place, plan.workers) as storage:
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
            load_if_exists=True,
        )
        if plan.workers == 1:
            _give_up_running(study)
        while (done := len(study.get_trials(deepcopy=False, states=_FINISHED))) < plan.trials:
            progress(done, plan.trials)
            study.sampler = optuna.samplers.TPESampler(
                seed=_seed(plan.seed, done, worker), constant_liar=plan.workers > 1
            )
            study.optimize(trial_of, n_trials=1)
        progress(done, plan.trials)
        best = study.best_trial
        pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    return Tuned(
        study=name,
        parameters={**plan.fixed, **best.params},
        trees=int(best.user_attrs["trees"]),
        loss=float(best.values[0]),
        trials=done,
        pruned=pruned,
    )


class _Objective:
    """One trial: every inner fold fitted and stopped, given up where earlier trials were better."""

    def __init__(
        self, task: Task, rows: FitRows, inner: Sequence[Fold], plan: Plan, offset: Floats | None
    ) -> None:
        self._task, self._plan = task, plan
        self._parts = [
            (
                rows.only(one.train),
                rows.only(one.test),
                None if offset is None else (offset[one.train], offset[one.test]),
            )
            for one in inner
        ]

    def __call__(self, trial: optuna.Trial) -> float:
        plan = self._plan
        parameters = {**plan.fixed, **{name: _suggest(trial, name, one) for name, one in plan.space.items()}}
        losses, trees = [], []
        for number, (fit, later, offsets) in enumerate(self._parts):
            stopped = stop_early(
                self._task, fit, later, parameters, plan.seed,
                rounds=plan.rounds, trees_max=plan.trees_max, offsets=offsets,
            )  # fmt: skip
            losses.append(stopped.loss)
            trees.append(stopped.trees)
            trial.report(float(np.mean(losses)), number)
            if trial.should_prune():
                raise optuna.TrialPruned
        trial.set_user_attr("trees", max(1, round(float(np.mean(trees)))))
        return float(np.mean(losses))


def _suggest(trial: optuna.Trial, name: str, one: Range) -> float | int:
    if one.is_whole:
        return int(trial.suggest_int(name, int(one.low), int(one.high), log=one.is_log))
    return float(trial.suggest_float(name, one.low, one.high, log=one.is_log))


def _give_up_running(study: optuna.Study) -> None:
    """The trials of a worker that was killed: they will be drawn again, and be the same."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _seed(seed: int, finished: int, worker: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{finished}:{worker}".encode()).digest()[:4], "big")


def _digest(
    task: Task,
    rows: FitRows,
    inner: Sequence[Fold],
    rule: Rule,
    plan: Plan,
    offset: Floats | None,
    fold: Fold,
) -> str:
    """Name all that a trial's loss depends on; how many trials there shall be is not among it."""
    terms = (
        task, rows.names, rule.purge, rule.embargo, rule.window, plan.seed, plan.folds, plan.rounds,
        plan.trees_max, dict(plan.space), dict(plan.fixed), library_version("lightgbm"),
    )  # fmt: skip
    digest = hashlib.sha256(msgspec.json.encode(terms, order="sorted"))
    arrays = [rows.x, rows.y, rows.weight, rows.span.at, rows.span.label_at, rows.span.group]
    arrays += [part for one in inner for part in (one.train, one.test)]
    if offset is not None:
        arrays.append(offset[fold.train])
    for one in arrays:
        digest.update(np.ascontiguousarray(one).tobytes())
    return digest.hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without a line on the error stream for every trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
