"""The structural model is its formula: checked against the standard library's normal distribution."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.scorer import FeatureSchema
from daemon.scoring.metadata import ModelRefused
from daemon.scoring.structural import Above, Move, StructuralScorer, normal_cdf, read_form

NORMAL = NormalDist()
PATH = Path("m/1/structural.json")
DISTANCE = FeatureSchema(("strike_distance_sigma",))
# One per square root of a minute, one per square root of a second.
VOLATILITIES = ("reference_volatility_15m", "reference_vol_300s")
VOLATILITY = st.floats(1e-6, 0.1)


def above() -> StructuralScorer:
    return StructuralScorer(Above(distance="strike_distance_sigma"), "s", "1", DISTANCE)


def move(x: float, horizon_s: int) -> StructuralScorer:
    form = Move(volatilities=VOLATILITIES, move=x, horizon_s=horizon_s)
    return StructuralScorer(form, "s", "1", FeatureSchema(VOLATILITIES))


@given(st.floats(-8, 8))
def test_above_is_the_normal_distribution_of_the_distance(d: float) -> None:
    """P(the price ends above the strike) is Phi of the distance in standard deviations."""
    assert NORMAL.cdf(d) == pytest.approx(above().score([d]), abs=1e-15)


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_a_price_further_above_is_never_less_likely(d: float, e: float) -> None:
    """Above is monotone in the distance, and a probability."""
    low, high = above().score([min(d, e)]), above().score([max(d, e)])
    assert 0 <= low <= high <= 1


@given(VOLATILITY, VOLATILITY, st.floats(1e-4, 0.2), st.integers(1, 86_400))
def test_move_is_both_tails_of_the_mean_variance(
    per_minute: float, per_second: float, x: float, horizon_s: int
) -> None:
    """P(|r| > x) is 2 (1 - Phi(x / (sigma sqrt h))), sigma^2 the mean of the variances."""
    sigma = sqrt((per_minute**2 / 60 + per_second**2) / 2)
    expected = 2 * NORMAL.cdf(-x / (sigma * sqrt(horizon_s)))
    actual = move(x, horizon_s).score([per_minute, per_second])
    assert expected == pytest.approx(actual, rel=1e-9, abs=1e-15)


def test_an_example_by_hand() -> None:
    """With 1 % an hour by both volatilities, a move of more than 1 % in an hour is one standard deviation."""
    per_minute, per_second = 0.01 / sqrt(60), 0.01 / sqrt(3600)
    assert pytest.approx(0.3173105, abs=1e-7) == move(0.01, 3600).score([per_minute, per_second])


def test_what_does_not_move_does_not_move_far() -> None:
    """Without volatility the probability of any move is zero, not an error."""
    assert move(0.01, 60).score([0.0, 0.0]) == 0.0


def test_the_tails_keep_their_digits() -> None:
    """Ten standard deviations below is 7.6e-24, not zero."""
    assert pytest.approx(7.61985e-24, rel=1e-5) == normal_cdf(-10)


def test_all_that_it_reads_is_required() -> None:
    """The formula has no way to do without an input."""
    assert (frozenset(VOLATILITIES), "probability") == (move(0.01, 60).required, move(0.01, 60).output)


@pytest.mark.parametrize("row", [[None], [], [1.0, 2.0]])
def test_a_row_that_lacks_something_has_no_score(row: list[float | None]) -> None:
    """A missing value or another length is an error, never a guess."""
    with pytest.raises(ValueError, match=r"missing|expected 1"):
        above().score(row)


def test_the_schema_must_be_what_the_form_reads() -> None:
    """A feature too many would never be looked at."""
    with pytest.raises(ValueError, match="the form reads strike_distance_sigma; the schema: mid"):
        StructuralScorer(Above(distance="strike_distance_sigma"), "s", "1", FeatureSchema(("mid",)))


def test_a_form_is_read_from_its_file() -> None:
    """Both forms, by their tag."""
    assert Above(distance="strike_distance_sigma") == read_form(
        b'{"form": "above", "distance": "strike_distance_sigma"}', PATH
    )
    assert Move(volatilities=VOLATILITIES, move=0.01, horizon_s=3600) == read_form(
        b'{"form": "move", "volatilities": ["reference_volatility_15m", "reference_vol_300s"],'
        b' "move": 0.01, "horizon_s": 3600}',
        PATH,
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"form": "sideways"}', r"Invalid value 'sideways' - at `\$\.form`"),
        (b'{"form": "above", "distance": "vega"}', r"vega"),
        (b'{"form": "above", "distance": "spread"}', r"spread is in '\$', expected '1'"),
        (
            b'{"form": "move", "volatilities": ["mid"], "move": 0.1, "horizon_s": 60}',
            r"mid is in '\$', expected 'per sqrt\(second\)' or 'per sqrt\(minute\)'",
        ),
        (b'{"form": "move", "volatilities": [], "move": 0.1, "horizon_s": 60}', r"length >= 1"),
        (b'{"form": "move", "volatilities": ["mid"], "move": 0, "horizon_s": 60}', r"> 0.*\$\.move"),
        (b'{"form": "move", "volatilities": ["mid"], "move": 0.1, "horizon_s": 0}', r">= 1.*\$\.horizon_s"),
        (b'{"form": "above", "distance": "mid", "colour": 1}', r"unknown field `colour`"),
        (b"[" * 100_000, "structural"),
    ],
)
def test_a_wrong_file_is_refused_by_place(content: bytes, message: str) -> None:
    """The error names the file, the place in it and what is allowed."""
    with pytest.raises(ModelRefused, match=r"m/1/structural\.json: ") as refused:
        read_form(content, PATH)
    assert refused.match(message)
