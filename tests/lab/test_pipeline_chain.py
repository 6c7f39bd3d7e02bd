"""A fold's chain: what the outcomes can carry, and that no test row reaches it; planted leaks are caught."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("optuna", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")
pytest.importorskip("onnx", reason="needs the extra `lab`")

from daemon.lab.fitting.rows import FitRows
from daemon.lab.folds import Fold, LeakFound, even_boundaries, walk_forward
from daemon.lab.pipeline_chain import FORECASTERS, Chain, Slices, cut_slices, run_chain, without_pair
from daemon.lab.stacking import Stack
from daemon.lab.tuning import Plan
from tests.lab.fitting.made_rows import RULE, log_loss, made_rows

PLAN = Plan("chain", 1, 3, folds=1, rounds=5, trees_max=20)


def rows_with_mid(events: int, own: float = 0.8) -> FitRows:
    """Made-up events, and a market that knows the formula's part of them, told in noise."""
    made = made_rows(events=events, own=own)
    logit = made.rows.column("strike_distance_sigma") * 1.6
    mid = 1 / (1 + np.exp(-logit - np.random.default_rng(5).normal(size=made.rows.count)))
    rows = made.rows
    return FitRows((*rows.names, "mid"), np.column_stack((rows.x, mid)), rows.y, rows.weight, rows.span)


def last_fold(rows: FitRows, share: float = 0.7) -> Fold:
    return walk_forward(rows.span, even_boundaries(rows.span, 1, share), RULE)[0]


def chained(rows: FitRows, fold: Fold, place: Path) -> Chain:
    return run_chain(rows, fold, RULE, PLAN, place / "studies.log", lambda _what: None)


def outcomes_of(rows: FitRows, slices: Slices) -> dict[str, int]:
    return {use: len(np.unique(rows.span.group[some])) for use, some in slices.by_use.items()}


@cache
def many(own: float = 0.6) -> FitRows:
    return rows_with_mid(450, own)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The chain of `many`."""
    return chained(many(), last_fold(many()), tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(
    ("events", "expected"),
    [(30, ["fit"]), (100, ["fit", "calibrate"]), (300, ["fit", "calibrate", "stack"])],
)
def test_slices_are_what_the_outcomes_can_carry(events: int, expected: list[str]) -> None:
    """Never a slice that is too small for what it is for, and each later than the one before."""
    rows = rows_with_mid(events)
    found = cut_slices(rows.span, np.arange(rows.count), RULE)
    assert expected == list(found.by_use)
    least = {"fit": 1, "calibrate": 20, "stack": 40}
    assert all(count >= least[use] for use, count in outcomes_of(rows, found).items())
    ends = [(rows.span.at[some].min(), rows.span.label_at[some].max()) for some in found.by_use.values()]
    assert all(one[1] <= other[0] for one, other in pairwise(ends))


def test_a_chain_with_enough_outcomes_is_whole(whole: Chain) -> None:
    """Calibrated, stacked, and better than a formula that misses what the trees see."""
    assert (True, ()) == (whole.line is not None, whole.notes)
    assert ["structural", "trees"] == sorted(whole.stacked.weights)
    test = many().only(last_fold(many()).test)
    said = whole.said(test)
    assert list(FORECASTERS) == list(said)
    assert all(((one > 0) & (one < 1)).all() for one in said.values())
    assert log_loss(said["challenger"], test) < log_loss(said["structural"], test)


def test_one_that_outweighs_all_others_is_taken_alone(tmp_path: Path) -> None:
    """Where the market's formula says little, the trees are the challenger; a sentence says so."""
    rows = many(0.8)
    made = chained(rows, last_fold(rows), tmp_path)
    assert {"trees": 1.0} == made.stacked.weights
    assert made.notes[-1].endswith("The best of them on the last slice is taken alone: trees.")


@given(
    st.floats(-2, 2), st.floats(0, 3), st.floats(0, 3), st.floats(0.1, 3), st.floats(-2, 2), st.floats(0.1, 3)
)
def test_the_pair_is_dissolved_into_its_members(
    intercept: float, formula: float, trees: float, share: float, line: float, slope: float
) -> None:
    """An ensemble has no ensembles in it: the same sum over the members themselves."""
    pair = Stack(line, {"structural": slope, "residual": slope}, needs_all=True)
    found = without_pair(Stack(intercept, {"structural": formula, "trees": trees, "pair": share}), pair)
    said = {"structural": 0.5, "trees": -1.0, "residual": 0.25}
    together = line + slope * (said["structural"] + said["residual"])
    expected = intercept + formula * said["structural"] + trees * said["trees"] + share * together
    total = found.intercept + sum(weight * said[name] for name, weight in found.weights.items())
    assert expected == pytest.approx(total, abs=1e-9)
    assert found.needs_all


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    """With thirty outcomes nothing is calibrated, all weighs the same, and two sentences say so."""
    rows = rows_with_mid(events=43)
    made = chained(rows, last_fold(rows), tmp_path)
    assert made.line is None
    assert {"structural": 2 / 3, "trees": 1 / 3, "residual": 1 / 3} == pytest.approx(made.stacked.weights)
    assert made.stacked.needs_all
    assert [True, True] == [one.startswith("Too few outcomes for a later slice of") for one in made.notes[:2]]


def test_the_test_is_never_looked_at(whole: Chain, tmp_path: Path) -> None:
    """Other features and outcomes there: the same boosters, lines and weights, to the byte."""
    rows, fold = many(), last_fold(many())
    x, y = rows.x.copy(), rows.y.copy()
    x[fold.test], y[fold.test] = 0.25, 1 - y[fold.test]
    other = chained(replace(rows, x=x, y=y), fold, tmp_path)
    assert whole.boosters == other.boosters
    assert (whole.formula, whole.line, whole.stacked) == (other.formula, other.line, other.stacked)


@pytest.mark.parametrize("leak", ["trains on its test", "trains on outcomes of its test", "is not purged"])
def test_planted_leaks_are_caught(leak: str, tmp_path: Path) -> None:
    """Before anything is fitted: test rows in training, half an event, a label that is known too late."""
    rows, fold = many(), last_fold(many())
    if leak == "trains on its test":
        fold = replace(fold, train=np.sort(np.concatenate((fold.train, fold.test))))
    elif leak == "trains on outcomes of its test":
        fold = replace(fold, train=np.append(fold.train, fold.test[0]), test=fold.test[1:])
    else:
        late = rows.span.label_at.copy()
        late[fold.train[-3:]] = rows.span.label_at[fold.test[-1]]
        rows = replace(rows, span=replace(rows.span, label_at=late))
    with pytest.raises(LeakFound):
        chained(rows, fold, tmp_path)
    assert not (tmp_path / "studies.log").exists()
