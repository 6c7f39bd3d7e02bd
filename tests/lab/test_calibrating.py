"""Calibrators: the method by the number of outcomes, each right where it may be used, none ever 0 or 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.lab.calibrating import (
    Calibration,
    calibrate,
    check_slices,
    fit_beta,
    fit_isotonic,
    fit_platt,
    method_for,
)
from daemon.lab.fitting.rows import Floats, NotFitted
from daemon.lab.folds import LeakFound, later_slices
from daemon.scoring.calibrators import Beta, Isotonic, Platt, read_calibrator
from tests.lab.fitting.made_rows import RULE, made_rows


def drawn(seed: int, outcomes: int, wrong: float = 1.0) -> tuple[Floats, Floats, Floats]:
    """What was said with logits `wrong` times the truth's, what happened, and the truth; one row each."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=outcomes)
    truth = 1 / (1 + np.exp(-logits))
    return 1 / (1 + np.exp(-wrong * logits)), (rng.random(outcomes) < truth).astype(float), truth


def excess(said: Floats, truth: Floats) -> float:
    """Log-loss expected above the truth's own."""
    kept = -(truth * np.log(truth) + (1 - truth) * np.log(1 - truth))
    return float(np.mean(-(truth * np.log(said) + (1 - truth) * np.log(1 - said)) - kept))


@pytest.mark.parametrize(
    ("outcomes", "method"),
    [(20, "platt"), (999, "platt"), (1_000, "beta"), (9_999, "beta"), (10_000, "isotonic")],
)
def test_the_method_is_by_independent_outcomes(outcomes: int, method: str) -> None:
    """Platt below a thousand, beta below ten thousand, isotonic from there."""
    assert method == method_for(outcomes)


def test_rows_of_one_event_are_one_outcome() -> None:
    """Three thousand rows of a hundred events are calibrated by Platt; of 19 events by nobody."""
    said, y, _ = drawn(1, 100)
    many_said, many_y = np.repeat(said, 30), np.repeat(y, 30)
    weight, group = np.full(3_000, 1 / 30), np.repeat(np.arange(100), 30)
    found = calibrate(many_said, many_y, weight, group)
    assert ("platt", 100) == (found.method, found.outcomes)
    with pytest.raises(NotFitted, match="19 independent outcomes are too few"):
        calibrate(many_said[:570], many_y[:570], weight[:570], group[:570])


def test_repeated_rows_change_nothing() -> None:
    """Each row five times at a fifth of its weight is the same slice."""
    said, y, _ = drawn(2, 300, wrong=2.0)
    once = fit_platt(said, y, np.ones(300), np.arange(300))
    often = fit_platt(np.repeat(said, 5), np.repeat(y, 5), np.full(1_500, 0.2), np.repeat(np.arange(300), 5))
    assert [once.slope, once.intercept] == pytest.approx([often.slope, often.intercept], abs=1e-5)


@pytest.mark.parametrize("outcomes", [500, 5_000, 20_000])
def test_over_confidence_is_undone(outcomes: int) -> None:
    """Said twice too steep: by each method most of the loss above the truth's own is gone."""
    said, y, truth = drawn(3, outcomes, wrong=2.0)
    found = calibrate(said, y, np.ones(outcomes), np.arange(outcomes))
    assert excess(found.apply(said), truth) < excess(said, truth) / 4


def test_isotonic_would_have_been_worse_with_few() -> None:
    """The rule's reason: at 500 outcomes isotonic loses several times what Platt does."""
    platt: list[float] = []
    isotonic: list[float] = []
    for seed in range(10):
        said, y, truth = drawn(seed, 500)
        every = (np.ones(500), np.arange(500))
        for losses, fitted in ((platt, fit_platt), (isotonic, fit_isotonic)):
            apply = fitted(said, y, *every).apply
            losses.append(excess(np.array([apply(p) for p in said.tolist()]), truth))
    assert np.mean(isotonic) > 3 * np.mean(platt)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), wrong=st.floats(-2, 3), outcomes=st.integers(30, 200))
def test_every_calibrator_rises_and_is_never_sure(seed: int, wrong: float, outcomes: int) -> None:
    """Whatever it was fitted on: what is said higher is not taken lower, and 0 and 1 are never said."""
    said, y, _ = drawn(seed, outcomes, wrong)
    y[:2] = [0, 1]
    for fitted in (fit_platt, fit_beta, fit_isotonic):
        calibrator = fitted(said, y, np.ones(outcomes), np.arange(outcomes))
        line = [calibrator.apply(p) for p in np.linspace(0, 1, 101).tolist()]
        assert sorted(line) == pytest.approx(line, abs=1e-12)
        assert 0 < line[0]
        assert line[-1] < 1


def test_isotonic_says_no_more_than_its_outcomes_know() -> None:
    """A run of a thousand YES is not certain: the rule of succession bounds it."""
    said = np.linspace(0.01, 0.99, 1_000)
    found = fit_isotonic(said, (said > 0.5).astype(float), np.ones(1_000), np.arange(1_000))
    assert [1 / 1_002, 1 - 1 / 1_002] == [found.apply(0.0), found.apply(1.0)]


def test_a_model_turned_around_is_not_turned_back() -> None:
    """Where high means NO the slope is 0, and the base rate is all that is said."""
    said, y, _ = drawn(4, 600, wrong=-2.0)
    line = fit_platt(said, y, np.ones(600), np.arange(600))
    assert 0.0 == line.slope
    assert y.mean() == pytest.approx(line.apply(0.9), abs=0.01)


def test_separated_outcomes_have_a_line() -> None:
    """Platt's targets keep it from being endlessly steep."""
    said = np.linspace(0.1, 0.9, 40)
    line = fit_platt(said, (said > 0.5).astype(float), np.ones(40), np.arange(40))
    assert 1 < line.slope < 10


@pytest.mark.parametrize(("fitted", "kind"), [(fit_platt, Platt), (fit_beta, Beta), (fit_isotonic, Isotonic)])
def test_the_daemon_reads_what_is_written(fitted: object, kind: type) -> None:
    """calibrator.json is the daemon's own format, and says the same."""
    said, y, _ = drawn(5, 400)
    calibrator = fitted(said, y, np.ones(400), np.arange(400))  # type: ignore[operator]
    written = Calibration(calibrator, "platt", 400)
    read = read_calibrator(written.content, Path("calibrator.json"))
    assert isinstance(read, kind)
    assert written.apply(said).tolist() == [read.apply(p) for p in said.tolist()]


def test_what_is_no_probability_is_refused() -> None:
    """With its row; and slices without both outcomes."""
    said, y, _ = drawn(6, 50)
    ones, group = np.ones(50), np.arange(50)
    with pytest.raises(NotFitted, match=r"said\[3\] is nan"):
        calibrate(np.where(np.arange(50) == 3, np.nan, said), y, ones, group)
    with pytest.raises(NotFitted, match="none of them YES"):
        calibrate(said, np.zeros(50), ones, group)
    with pytest.raises(NotFitted, match="one length"):
        calibrate(said[:-1], y, ones, group)


def test_a_later_slice_passes() -> None:
    """What the folds cut is later, and shares nothing."""
    span = made_rows().rows.span
    check_slices(span, later_slices(span, np.arange(1_200), (0.6, 0.2, 0.2), RULE), RULE)


def test_calibrating_on_what_was_fitted_is_caught() -> None:
    """A shared outcome, an earlier slice, or one that begins before the labels were known is a leak."""
    span = made_rows().rows.span
    fit, later = np.arange(600), np.arange(600, 1_200)
    with pytest.raises(LeakFound, match="1 outcomes are in the slice before it too"):
        check_slices(span, [np.arange(601), np.arange(601, 1_200)], RULE)
    with pytest.raises(LeakFound, match="slice 1: begins at"):
        check_slices(span, [later, fit], RULE)
    wide = type(RULE)(purge=10**15, embargo=0)
    with pytest.raises(LeakFound, match="before"):
        check_slices(span, [fit, later], wide)
    far = type(RULE)(purge=0, embargo=10**15)
    with pytest.raises(LeakFound, match="feature window"):
        check_slices(span, [fit, later], far)
