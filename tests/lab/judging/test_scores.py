"""Scores by hand, by identity, and by published tables."""

from __future__ import annotations

import csv
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.lab.judging.reliability import ece
from daemon.lab.judging.scores import auc, brier, brier_parts, excess_win_rate, log_loss
from tests.lab.judging.published import BECKER, needs

Rows = list[tuple[float, bool]]
ROWS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def test_scores_by_hand() -> None:
    """Two rows on paper; what was impossible and happened costs ln of one price unit."""
    assert brier([0.8, 0.4], [1, 0]) == pytest.approx((0.04 + 0.16) / 2)
    assert log_loss([0.8, 0.4], [1, 0]) == pytest.approx(-(log(0.8) + log(0.6)) / 2)
    assert log_loss([0.0], [1]) == pytest.approx(-log(1e-4))
    assert brier([0.8, 0.4], [1, 0], weights=[3, 1]) == pytest.approx((3 * 0.04 + 0.16) / 4)


@given(ROWS, st.integers(1, 20))
def test_brier_is_the_sum_of_its_parts(rows: Rows, bins: int) -> None:
    """Reliability - resolution + uncertainty + within is the score, whatever the bins."""
    said, happened = np.array([p for p, _ in rows]), np.array([float(y) for _, y in rows])
    parts = brier_parts(said, happened, bins)
    whole = parts.reliability - parts.resolution + parts.uncertainty + parts.within
    assert parts.brier == pytest.approx(brier(said, happened), abs=1e-12)
    assert whole == pytest.approx(parts.brier, abs=1e-12)
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= 0


@given(ROWS)
def test_auc_counts_pairs(rows: Rows) -> None:
    """It is the share of (YES, NO) pairs in the right order, ties half; None without a pair."""
    yes, no = [p for p, y in rows if y], [p for p, y in rows if not y]
    found = auc([p for p, _ in rows], [float(y) for _, y in rows])
    if not yes or not no:
        assert found is None
    else:
        pairs = [(a > b) + 0.5 * (a == b) for a in yes for b in no]
        assert found == pytest.approx(sum(pairs) / len(pairs))


def becker(side: str) -> tuple[list[float], list[float], list[float]]:
    """One row per price and result: the price as a probability, the result, and how many trades had it."""
    said, happened, counts = [], [], []
    with BECKER.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            wins = float(row[f"{side}_wins"])
            said += [int(row["price"]) / 100] * 2
            happened += [1.0, 0.0]
            counts += [wins, float(row[f"{side}_trades"]) - wins]
    return said, happened, counts


@needs(BECKER)
def test_becker_takers_lose_what_makers_gain() -> None:
    """72 million trades: takers -1.12 points, makers +1.12, pooled Brier .16731, ECE over 1-c bins .0098."""
    assert round(100 * excess_win_rate(*becker("taker")), 2) == -1.12
    assert round(100 * excess_win_rate(*becker("maker")), 2) == 1.12
    said, happened, counts = becker("combined")
    assert round(brier(said, happened, counts), 5) == 0.16731
    # A bin holds its lower edge, and the prices are whole cents: the edges stand half a cent below them.
    edges = np.concatenate(([0.0], np.arange(1, 100) / 100 - 0.005, [1.0]))
    assert ece(said, happened, edges, counts) == pytest.approx(0.0098, abs=1e-4)


@needs(BECKER)
def test_becker_cheap_contracts_win_less_than_they_cost() -> None:
    """5c wins 4.18 %, and a taker's 1c wins 0.43 %."""
    said, happened, counts = (np.array(column) for column in becker("combined"))
    five = said == 0.05
    assert round(100 * float(np.average(happened[five], weights=counts[five])), 2) == 4.18
    said, happened, counts = (np.array(column) for column in becker("taker"))
    one = said == 0.01
    assert round(100 * float(np.average(happened[one], weights=counts[one])), 3) == 0.425
