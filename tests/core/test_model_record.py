"""The record of scores: Brier scores from running sums are those of the definition."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.model_record import KEPT, Judged, ModelRecord
from daemon.core.units import PRICE_ONE

chances = st.floats(0, 1)
instants = st.lists(st.tuples(chances, chances, chances), min_size=1, max_size=30)


def brier(chances: list[float], outcome: float) -> float:
    """The definition."""
    return sum((chance - outcome) ** 2 for chance in chances) / len(chances)


@given(instants, st.sampled_from([0, PRICE_ONE, 3_000]))
def test_sums_give_what_the_definition_says(rows: list[tuple[float, float, float]], paid: int) -> None:
    """For any outcome, a fraction too, of model, challenger and mid alike."""
    record = ModelRecord(has_challenger=True)
    for model, challenger, mid in rows:
        record.add("A", model, challenger, mid)
    record.judge("A", paid, 7)
    (judged,) = record.last
    outcome = paid / PRICE_ONE
    models, challengers, mids = (list(column) for column in zip(*rows, strict=True))
    assert (7, "A", len(rows), outcome) == (judged.at, judged.ticker, judged.instants, judged.outcome)
    for found, column in (
        (judged.model, models),
        (judged.mid, mids),
        (judged.challenger, challengers),
    ):
        assert found is not None
        assert math.isclose(found, brier(column, outcome), abs_tol=1e-9)


def test_a_market_counts_once_however_often_it_ticked() -> None:
    """The mean over markets is of their means."""
    record = ModelRecord()
    record.add("A", 0.5, None, 0.0)
    for _ in range(9):
        record.add("B", 1.0, None, 1.0)
    record.judge("A", PRICE_ONE, 1)
    record.judge("B", PRICE_ONE, 2)
    assert {"model": 0.125, "mid": 0.5} == record.brier()
    assert 2 == record.judged_total


def test_nothing_is_said_before_a_market_has_ended() -> None:
    """No zero stands for what is not known."""
    record = ModelRecord(has_challenger=True)
    record.add("A", 0.5, 0.5, 0.5)
    assert ({}, None) == (record.brier(), record.difference_mean)


def test_with_a_challenger_only_instants_with_both_scores_count() -> None:
    """Else the two would be judged on different rows."""
    record = ModelRecord(has_challenger=True)
    record.add("A", 0.5, None, 0.5)
    record.judge("A", PRICE_ONE, 1)
    assert 0 == record.judged_total
    record.add("A", 0.0, 1.0, 0.5)
    record.judge("A", PRICE_ONE, 2)
    assert [Judged(2, "A", 1, 1.0, 1.0, 0.25, 0.0)] == list(record.last)


def test_a_market_is_judged_once() -> None:
    """A result that is told again, or one of a market that nobody scored, changes nothing."""
    record = ModelRecord()
    record.add("A", 0.5, None, 0.5)
    for _ in range(2):
        record.judge("A", PRICE_ONE, 1)
        record.judge("B", 0, 1)
    assert 1 == record.judged_total


@given(st.lists(st.tuples(chances, chances), min_size=1))
def test_the_difference_is_the_mean_of_the_absolute_ones(pairs: list[tuple[float, float]]) -> None:
    """Whoever is above."""
    record = ModelRecord(has_challenger=True)
    for model, challenger in pairs:
        record.compare(model, challenger)
    expected = sum(abs(model - challenger) for model, challenger in pairs) / len(pairs)
    assert record.difference_mean == pytest.approx(expected)
    assert len(pairs) == record.comparisons


def test_what_is_kept_has_a_bound() -> None:
    """Markets that are gone are forgotten, and of judged ones the last are kept."""
    record = ModelRecord()
    record.add("gone", 0.5, None, 0.5)
    record.forget_gone(())
    record.judge("gone", 0, 1)
    assert 0 == record.judged_total
    for number in range(KEPT + 5):
        record.add(str(number), 0.5, None, 0.5)
        record.judge(str(number), 0, number)
    assert (KEPT, KEPT + 5) == (len(record.last), record.judged_total)
