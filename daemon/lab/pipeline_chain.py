"""One fold's chain: fit, calibrate on a later slice, stack on a later one still; nothing sees the test.

The members are the structural model, trees, and a residual on the structural model's logit; the logistic
baseline is fitted beside them as a yardstick, and is no member.

How much of the training rows calibrating and stacking may take goes by the independent outcomes:

| later slices can have | what is done |
|---|---|
| 20 outcomes to calibrate and 40 to stack | fit on .6 of the groups, calibrate on .2, stack on .2 |
| 20 to calibrate | fit on .7, calibrate on .3; what is left weighs the same |
| fewer | fit on all of them, nothing is calibrated, all weighs the same |

A weight that was fitted to some ten coin tosses is worse than none: equal weights are what is left when
nothing can be known of them. What was left out, and why, is in `notes`.

Source: Timmermann, Forecast combinations, 2006 (equal weights); `calibrating`, `stacking` for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.lab.calibrating import OUTCOMES_MIN, Calibration, calibrate, check_slices
from daemon.lab.fitting.logistic import FittedLogistic, fit_logistic
from daemon.lab.fitting.rows import FitRows, Floats, NotFitted
from daemon.lab.fitting.structural import FittedStructural, fit_structural, logits_of
from daemon.lab.fitting.trees import FittedTrees, Task, fit_trees
from daemon.lab.folds import Fold, NotFolded, Rows, Rule, Span, check_folds, later_slices
from daemon.lab.stacking import Stack, residual_stack, stack
from daemon.lab.tuning import Plan, Tuned, tune
from daemon.scoring.structural import Above

STRIKE, MID = "strike_distance_sigma", "mid"
REQUIRED = (MID, STRIKE)
"""Known in every row of a chain: what the formula reads, and what the market says."""
MEMBERS = ("structural", "trees", "residual")
FORECASTERS = ("challenger", *MEMBERS, "logistic")
"""Whom a chain makes; the challenger is the members' stack, said to be it before anything is judged."""
STACK_OUTCOMES_MIN = 10 * (len(MEMBERS) + 1)
SHARES = ((0.6, 0.2, 0.2), (0.7, 0.3))
UNTUNED: dict[str, float | int | str | bool] = {
    "learning_rate": 0.05, "num_leaves": 4, "min_data_in_leaf": 50, "lambda_l2": 10.0,
}  # fmt: skip
"""Where there are too few outcomes to tune by."""
UNTUNED_TREES = 50

Say = Callable[[str], None]


@dataclass(frozen=True)
class Slices:
    """Row numbers, each slice later than the one before it; None where the outcomes can't carry it."""

    fit: Rows
    calibrate: Rows | None
    stack: Rows | None

    @property
    def by_use(self) -> dict[str, Rows]:
        """Those that there are, in order."""
        slices = {"fit": self.fit, "calibrate": self.calibrate, "stack": self.stack}
        return {use: rows for use, rows in slices.items() if rows is not None}

    @property
    def last(self) -> Rows:
        """The latest that there is."""
        return list(self.by_use.values())[-1]


@dataclass(frozen=True)
class Boosters:
    """The two boosters of a chain and how each was tuned; None where there was too little to tune by."""

    trees: FittedTrees
    residual: FittedTrees
    tuned: dict[Task, Tuned | None]


@dataclass(frozen=True)
class Chain:
    """All that one fold's training made. `stacked` is over the members' logits; it may be of one alone."""

    slices: Slices
    formula: FittedStructural
    logistic: FittedLogistic
    boosters: Boosters
    line: Calibration | None
    """Of the trees."""
    pair: Stack
    """The structural model and its residual as one."""
    stacked: Stack
    notes: tuple[str, ...]

    def logits(self, rows: FitRows) -> dict[str, Floats]:
        """Return each member's logit as it is served, shape (rows,), the residual's without its base."""
        said = self.boosters.trees.predict(rows.x)
        zero = np.zeros(rows.count)
        return {
            "structural": self.formula.logits(rows),
            "trees": logits_of(said if self.line is None else self.line.apply(said)),
            "residual": self.boosters.residual.raw(rows.x, zero),
        }

    def said(self, rows: FitRows) -> dict[str, Floats]:
        """Return P(YES) of each of `FORECASTERS`, shape (rows,)."""
        logits = self.logits(rows)
        return {
            "challenger": self.stacked.predict(logits),
            "structural": self.formula.predict(rows),
            "trees": _sigmoid(logits["trees"]),
            "residual": self.pair.predict(logits),
            "logistic": self.logistic.predict(rows),
        }


def cut_slices(span: Span, train: Rows, rule: Rule) -> Slices:
    """Return the slices of a fold's training rows that its independent outcomes can carry."""
    for shares in SHARES:
        try:
            found = later_slices(span, train, shares, rule)
        except NotFolded:
            continue
        outcomes = [len(np.unique(span.group[one])) for one in found[1:]]
        needed = (OUTCOMES_MIN, STACK_OUTCOMES_MIN)[: len(outcomes)]
        if all(one >= least for one, least in zip(outcomes, needed, strict=True)):
            check_slices(span, found, rule)
            return Slices(found[0], found[1], found[2] if len(found) == 3 else None)
    return Slices(train, None, None)


def run_chain(rows: FitRows, fold: Fold, rule: Rule, plan: Plan, place: Path | str, say: Say) -> Chain:
    """Return what a fold's training rows make; its test rows are never read.

    Args:
        rows: all rows; `REQUIRED` is known in each.
        fold: which of them are for training.
        rule: the gaps.
        plan: of the tuning: how many trials, by which seed.
        place: the studies' journal file or PostgreSQL: what was interrupted goes on there.
        say: told what is being done.

    Raises:
        LeakFound: the fold's training reaches into its test.
        NotFitted: outcomes that are all the same, or a feature that is missing.
    """
    check_folds(rows.span.at, rows.span.label_at, [rows.span.group], [fold], rule)
    slices = cut_slices(rows.span, fold.train, rule)
    notes = [] if slices.calibrate is not None else [_too_few("calibrated", rows, slices.fit)]
    notes += [] if slices.stack is not None else [_too_few("weighed", rows, slices.last)]
    fit = rows.only(slices.fit)
    say("structural and logistic")
    formula = fit_structural(Above(distance=STRIKE), fit)
    logistic = fit_logistic(fit, REQUIRED)
    inner = Fold(fold.boundary, fold.end, slices.fit, fold.test)
    boosters = _boosters(rows, inner, rule, plan, place, formula, say, notes)
    say("calibrating")
    line, pair = _calibrated(rows, slices, formula, boosters, notes)
    made = Chain(slices, formula, logistic, boosters, line, pair, pair, ())
    say("stacking")
    stacked = _stacked(made, rows, notes)
    return Chain(slices, formula, logistic, boosters, line, pair, stacked, tuple(notes))


def _boosters(
    rows: FitRows, fold: Fold, rule: Rule, plan: Plan, place: Path | str, formula: FittedStructural, say: Say,
    notes: list[str],
) -> Boosters:  # fmt: skip
    # Two parameters, fitted to all of the slice: inner folds see them, no row of the fold's test does.
    offset = formula.logits(rows)
    offsets: dict[Task, Floats | None] = {"classifier": None, "residual": offset}
    fit, made, tuned = rows.only(fold.train), {}, {}
    for task, of_all in offsets.items():
        say(f"tuning the {task}")
        found = _tuned(task, rows, fold, rule, plan, place, of_all, notes)
        parameters, trees = (UNTUNED, UNTUNED_TREES) if found is None else (found.parameters, found.trees)
        of_fit = None if of_all is None else of_all[fold.train]
        made[task] = fit_trees(task, fit, parameters, trees, plan.seed, of_fit)
        tuned[task] = found
    return Boosters(made["classifier"], made["residual"], tuned)


def _tuned(
    task: Task, rows: FitRows, fold: Fold, rule: Rule, plan: Plan, place: Path | str, offset: Floats | None,
    notes: list[str],
) -> Tuned | None:  # fmt: skip
    try:
        return tune(task, rows, fold, rule, plan, place, offset)
    except (NotFolded, NotFitted) as error:  # too few groups, or an inner fold of one outcome only
        notes.append(f"The {task} is not tuned: {error}.")
        return None


def _calibrated(
    rows: FitRows, slices: Slices, formula: FittedStructural, boosters: Boosters, notes: list[str]
) -> tuple[Calibration | None, Stack]:
    """Return the trees' calibrator, and the structural model and its residual as one."""
    both = Stack(0.0, {"structural": 1.0, "residual": 1.0}, needs_all=True)
    if slices.calibrate is None:
        return None, both
    later = rows.only(slices.calibrate)
    y, weight, group = later.y, later.weight, later.span.group
    try:
        line = calibrate(boosters.trees.predict(later.x), y, weight, group)
        raw = boosters.residual.raw(later.x, np.zeros(later.count))
        return line, residual_stack("structural", "residual", formula.logits(later), raw, y, weight, group)
    except NotFitted as error:
        notes.append(f"Nothing is calibrated: {error}.")
        return None, both


def _stacked(made: Chain, rows: FitRows, notes: list[str]) -> Stack:
    """Return the members' weights: fitted on the last slice, or the same for all three forecasts."""
    pair = made.pair
    alike = Stack(0.0, dict.fromkeys(("structural", "trees", "pair"), 1 / 3))
    if made.slices.stack is None:
        return without_pair(alike, pair)
    last = rows.only(made.slices.stack)
    logits = made.logits(last)
    forecasts = {
        "structural": logits["structural"],
        "trees": logits["trees"],
        "pair": logits_of(pair.predict(logits)),
    }
    try:
        return without_pair(stack(forecasts, last.y, last.weight, last.span.group), pair)
    except NotFitted as error:
        best = _best_alone(forecasts, last)
        notes.append(f"No stack: {error}. The best of them on the last slice is taken alone: {best}.")
        return pair if best == "pair" else Stack(0.0, {best: 1.0})


def _best_alone(forecasts: dict[str, Floats], rows: FitRows) -> str:
    """Return the forecast of least log-loss."""
    losses = {
        name: float(np.average(np.logaddexp(0.0, logit) - rows.y * logit, weights=rows.weight))
        for name, logit in forecasts.items()
    }
    return min(losses, key=lambda name: losses[name])


def without_pair(found: Stack, pair: Stack) -> Stack:
    """Return the same forecast over the members alone: an ensemble is no member of an ensemble.

    Args:
        found: weights of "structural", "trees" and "pair", any of which may be missing.
        pair: the line of the structural model and its residual together.
    """
    share = found.weights.get("pair", 0.0)
    weights = {name: weight for name, weight in found.weights.items() if name != "pair"}
    for name, weight in pair.weights.items() if share else ():
        weights[name] = weights.get(name, 0.0) + share * weight
    return Stack(found.intercept + share * pair.intercept, weights, needs_all=share > 0)


def _too_few(what: str, rows: FitRows, slice_: Rows) -> str:
    outcomes = len(np.unique(rows.span.group[slice_]))
    needed = OUTCOMES_MIN if what == "calibrated" else STACK_OUTCOMES_MIN
    instead = "nothing is calibrated" if what == "calibrated" else "all members weigh the same"
    return f"Too few outcomes for a later slice of {needed} ({outcomes} here): {instead}."


def _sigmoid(logit: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float64)
