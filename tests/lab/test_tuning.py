"""Tuning sees inner folds only, is the same for the same seed, and goes on where it was killed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optuna", reason="needs the extra `lab`")
pytest.importorskip("scipy", reason="needs the extra `lab`")

import optuna

from daemon.lab.fitting.rows import FitRows, NotFitted
from daemon.lab.folds import Fold, LeakFound, even_boundaries, inner_folds, walk_forward
from daemon.lab.tuning import POSTGRES, SPACE, Plan, Tuned, check_inner, open_storage, tune
from tests.lab.fitting.made_rows import RULE, made_rows

PLAN = Plan(name="toy", trials=6, seed=5, folds=2, rounds=5, trees_max=30)


def outer(rows: FitRows) -> Fold:
    return walk_forward(rows.span, even_boundaries(rows.span, 2), RULE)[0]


def tuned(rows: FitRows, place: Path, plan: Plan = PLAN) -> Tuned:
    return tune("classifier", rows, outer(rows), RULE, plan, place)


def test_the_test_fold_is_never_looked_at(tmp_path: Path) -> None:
    """Other labels and features in the fold's test and after it: the same trials, to the last digit."""
    rows = made_rows(events=200).rows
    fold = outer(rows)
    others = np.setdiff1d(np.arange(rows.count), fold.train)
    x, y = rows.x.copy(), rows.y.copy()
    x[others], y[others] = 5.0, 1 - y[others]
    changed = replace(rows, x=x, y=y)
    assert tuned(rows, tmp_path / "a") == tuned(changed, tmp_path / "b")


def test_tuning_on_the_test_fold_is_caught() -> None:
    """A planted leak: inner folds cut from all rows, not from the training rows."""
    rows = made_rows(events=200).rows
    fold = outer(rows)
    check_inner(fold, inner_folds(rows.span, fold, 3, RULE))
    leaking = walk_forward(rows.span, even_boundaries(rows.span, 3), RULE)
    with pytest.raises(LeakFound, match=r"inner fold 0: tunes on \d+ rows of the test"):
        check_inner(fold, leaking)
    strange = Fold(0, None, fold.train[:10], np.array([rows.count - 1]))
    with pytest.raises(LeakFound, match="none of the training"):
        check_inner(fold, [strange])


def test_a_fold_that_trains_on_its_test_tunes_nothing(tmp_path: Path) -> None:
    """The same leak planted one level higher: tuning itself looks, and no trial is begun."""
    rows = made_rows(events=120).rows
    fold = outer(rows)
    everything = np.sort(np.concatenate((fold.train, fold.test)))
    with pytest.raises(LeakFound, match="tunes on"):
        tune("classifier", rows, replace(fold, train=everything), RULE, PLAN, tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_the_same_seed_gives_the_same_trials(tmp_path: Path) -> None:
    """In two studies; another seed gives others."""
    rows = made_rows(events=120).rows
    first, again = tuned(rows, tmp_path / "a"), tuned(rows, tmp_path / "b")
    assert first == again
    assert first.parameters != tuned(rows, tmp_path / "c", replace(PLAN, seed=6)).parameters
    assert 6 == first.trials
    assert {*SPACE, "bagging_freq"} == set(first.parameters)


@pytest.mark.parametrize("done", [1, 4])
def test_a_killed_study_goes_on_as_if_nothing_happened(tmp_path: Path, done: int) -> None:
    """Killed in the middle of a trial and started again: the trials of one that was not killed."""
    rows = made_rows(events=120).rows
    whole = tuned(rows, tmp_path / "whole")
    begun = tuned(rows, tmp_path / "parts", replace(PLAN, trials=done))
    # What a killed worker leaves behind: a trial that runs for ever.
    study = optuna.load_study(study_name=begun.study, storage=open_storage(tmp_path / "parts"))
    study.ask()
    assert whole == tuned(rows, tmp_path / "parts")
    study = optuna.load_study(study_name=begun.study, storage=open_storage(tmp_path / "parts"))
    left = [trial.number for trial in study.get_trials() if trial.state == optuna.trial.TrialState.RUNNING]
    assert [] == left
    asked = [0]
    tune(
        "classifier", rows, outer(rows), RULE, PLAN, tmp_path / "parts", progress=lambda n, _: asked.append(n)
    )
    assert [0, 6] == asked


def test_other_rows_are_another_study(tmp_path: Path) -> None:
    """The trials of other rows are never gone on with."""
    first = tuned(made_rows(events=120).rows, tmp_path / "s", replace(PLAN, trials=1))
    other = tuned(made_rows(seed=2, events=120).rows, tmp_path / "s", replace(PLAN, trials=1))
    assert first.study != other.study


def test_bad_trials_are_given_up(tmp_path: Path) -> None:
    """After some trials, one that is worse than the median on the first inner fold is pruned."""
    found = tuned(made_rows(events=120).rows, tmp_path / "s", replace(PLAN, trials=20))
    assert 0 < found.pruned < 15
    assert 20 == found.trials


def test_a_residual_is_tuned_on_its_offset(tmp_path: Path) -> None:
    """The loss is that of offset and leaves together, below the offset's own error."""
    rows = made_rows(events=300).rows
    found = tune(
        "residual",
        rows,
        outer(rows),
        RULE,
        replace(PLAN, trials=2),
        tmp_path / "s",
        offset=1.7 * rows.x[:, 0],
    )
    assert found.loss < -np.log(0.5)
    assert 1 <= found.trees <= 30


def test_what_must_not_be_chosen_is_refused(tmp_path: Path) -> None:
    """Re-weighting of classes is not tuned either; and no trials choose nothing."""
    rows = made_rows(events=60).rows
    with pytest.raises(NotFitted, match="is_unbalance: refused"):
        tuned(rows, tmp_path / "s", replace(PLAN, fixed={"is_unbalance": True}))
    with pytest.raises(NotFitted, match="trials is 0"):
        tuned(rows, tmp_path / "s", replace(PLAN, trials=0))


def test_where_studies_may_be() -> None:
    """A file for one worker, PostgreSQL for several; a refused address is not repeated: it has a password."""
    with pytest.raises(NotFitted, match="2 workers need postgresql"):
        open_storage(Path("journal.log"), workers=2)
    with pytest.raises(NotFitted, match="not 'mysql'") as caught:
        open_storage("mysql://me:secret@there/db")
    with pytest.raises(NotFitted, match=r"the PostgreSQL can't be used: .*127\.0\.0\.1") as caught:
        open_storage(f"{POSTGRES}me:secret@127.0.0.1:1/none", workers=2)
    assert "secret" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert POSTGRES.startswith("postgresql+psycopg")
