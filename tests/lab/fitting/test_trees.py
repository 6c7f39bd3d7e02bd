"""LightGBM fitted: what may be asked of it, the same bytes twice, and what a residual is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.scorer import FeatureSchema
from daemon.lab.fitting.rows import NotFitted
from daemon.lab.fitting.trees import OUTPUT_OF, Task, fit_trees, stop_early
from daemon.scoring.lightgbm import LightGBMScorer
from daemon.scoring.lightgbm_text import check_model_text
from tests.lab.fitting.made_rows import NAMES, log_loss, made_rows

SMALL = {"num_leaves": 7, "learning_rate": 0.1, "min_data_in_leaf": 30}
TASKS: tuple[Task, ...] = ("classifier", "regressor", "residual")


def offset_of(task: Task, rows: np.ndarray) -> np.ndarray | None:
    return 1.7 * rows[:, 0] if task == "residual" else None


@pytest.mark.parametrize("name", ["is_unbalance", "unbalance", "unbalanced_sets", "scale_pos_weight"])
@pytest.mark.parametrize("task", ["classifier", "residual"])
def test_reweighting_of_classes_is_refused(task: Task, name: str) -> None:
    """With the reason: probabilities would not be what happens, and Kelly would stake on them."""
    rows = made_rows(events=50).rows
    with pytest.raises(NotFitted, match=rf"{name}: refused .*moves every probability.*Kelly"):
        fit_trees(task, rows, {name: True}, 5, 1, offset_of(task, rows.x))


def test_reweighting_would_have_moved_the_mean() -> None:
    """What is refused is wrong: the mean probability leaves the base rate, plain training keeps it."""
    import lightgbm

    made = made_rows(events=1_500, strength=0.5)
    y = (made.rows.y * (made.rows.x[:, 0] > 0.7)).astype(float)
    rows = made.rows.__class__(made.rows.names, made.rows.x, y, made.rows.weight, made.rows.span)
    plain = fit_trees("classifier", rows, SMALL, 30, 1).predict(rows.x).mean()
    settings_ = {**SMALL, "objective": "binary", "is_unbalance": True, "verbosity": -1, "num_threads": 1}
    wrong = float(np.mean(lightgbm.train(settings_, lightgbm.Dataset(rows.x, y), 30).predict(rows.x)))
    assert y.mean() == pytest.approx(plain, abs=0.02)
    assert wrong > y.mean() + 0.03


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_gives_the_same_bytes(task: Task) -> None:
    """And another seed gives others, for columns and rows are drawn."""
    rows = made_rows().rows
    parameters = {**SMALL, "bagging_fraction": 0.7, "bagging_freq": 1, "feature_fraction": 0.7}
    first, again, other = (
        fit_trees(task, rows, parameters, 20, seed, offset_of(task, rows.x)).text for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("task", TASKS)
def test_the_daemon_scores_what_was_fitted(task: Task) -> None:
    """Its text passes the daemon's check, and its scorer says the same (a residual's difference)."""
    rows = made_rows().rows
    fitted = fit_trees(task, rows, SMALL, 20, 7, offset_of(task, rows.x))
    schema = FeatureSchema(NAMES)
    check_model_text(fitted.text, schema, OUTPUT_OF[task])
    scorer = LightGBMScorer(fitted.text, "m", "1", schema, frozenset(), OUTPUT_OF[task])
    said = [scorer.score(row) for row in rows.x[:50].tolist()]
    nothing = np.zeros(50) if task == "residual" else None
    assert said == pytest.approx(fitted.predict(rows.x[:50], nothing).tolist(), rel=1e-12)


def test_a_residual_learns_what_the_other_missed() -> None:
    """On the formula's logit it is better than the formula; and with nothing missed it says little."""
    made, new = made_rows(events=1_500), made_rows(seed=2)
    fitted = fit_trees("residual", made.rows, SMALL, 40, 1, 1.7 * made.rows.x[:, 0])
    offset = 1.7 * new.rows.x[:, 0]
    assert log_loss(fitted.predict(new.rows.x, offset), new.rows) < log_loss(
        1 / (1 + np.exp(-offset)), new.rows
    )
    known = np.log(made.chance / (1 - made.chance))
    nothing = fit_trees("residual", made.rows, {**SMALL, "lambda_l2": 50.0}, 40, 1, known)
    zero = np.zeros(new.rows.count)
    assert nothing.raw(new.rows.x, zero).std() < fitted.raw(new.rows.x, zero).std() / 2


@settings(max_examples=10)
@given(shift=st.floats(-3, 3))
def test_a_residual_is_its_offset_and_its_leaves(shift: float) -> None:
    """The raw score moves by exactly as much as the offset does."""
    rows = made_rows(events=100).rows
    fitted = fit_trees("residual", rows, SMALL, 5, 1, rows.x[:, 0])
    offset = rows.x[:, 0]
    assert (fitted.raw(rows.x, offset) + shift) == pytest.approx(fitted.raw(rows.x, offset + shift))


def test_an_offset_belongs_to_residuals() -> None:
    """Without one there is no residual, and no other model takes one."""
    rows = made_rows(events=50).rows
    with pytest.raises(NotFitted, match="a residual needs"):
        fit_trees("residual", rows, SMALL, 5, 1)
    with pytest.raises(NotFitted, match="no other takes one"):
        fit_trees("classifier", rows, SMALL, 5, 1, rows.x[:, 0])
    with pytest.raises(NotFitted, match="a known logit"):
        fit_trees("residual", rows, SMALL, 5, 1, np.full(rows.count, np.nan))


@pytest.mark.parametrize(
    ("task", "parameters", "trees", "said"),
    [
        ("classifier", {"linear_tree": True}, 5, "linear_tree: no parameter"),
        ("classifier", {"objective": "cross_entropy"}, 5, "objective: no parameter"),
        ("regressor", {"objective": "poisson"}, 5, "objective is 'poisson'"),
        ("classifier", {}, 0, "trees is 0"),
    ],
)
def test_what_could_not_be_served_is_refused(
    task: Task, parameters: dict[str, float | int | str | bool], trees: int, said: str
) -> None:
    """Only what the daemon reads is fitted."""
    with pytest.raises(NotFitted, match=said):
        fit_trees(task, made_rows(events=50).rows, parameters, trees, 1)


def test_a_regressor_says_a_change() -> None:
    """Its labels may be any number, and so is what it says."""
    made = made_rows(events=1_000)
    rows = made.rows.__class__(
        made.rows.names, made.rows.x, 0.05 * made.rows.x[:, 1], made.rows.weight, made.rows.span
    )
    fitted = fit_trees("regressor", rows, {**SMALL, "objective": "huber"}, 60, 1)
    assert np.corrcoef(fitted.predict(rows.x), rows.y)[0, 1] > 0.9


def test_stopping_ends_where_the_later_part_gets_no_better() -> None:
    """Noise stops at once, a signal does not; the loss is that of the trees that are kept."""
    rows = made_rows(events=800).rows
    fit, later = rows.only(np.arange(1_500)), rows.only(np.arange(1_500, 2_400))
    stopped = stop_early("classifier", fit, later, SMALL, 1, rounds=20, trees_max=300)
    noise = np.random.default_rng(1).normal(size=rows.x.shape)
    noisy = rows.__class__(rows.names, noise, rows.y, rows.weight, rows.span)
    at_once = stop_early(
        "classifier", noisy.only(np.arange(1_500)), noisy.only(np.arange(1_500, 2_400)), SMALL, 1,
        rounds=20, trees_max=300,
    )  # fmt: skip
    assert 15 < stopped.trees < 300
    assert at_once.trees < stopped.trees
    kept = fit_trees("classifier", fit, SMALL, stopped.trees, 1)
    assert stopped.loss == pytest.approx(log_loss(kept.predict(later.x), later))
