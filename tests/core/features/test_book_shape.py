"""The book's shape by hand; against its twins in test_catalogue and test_parity."""

from __future__ import annotations

from math import atan, pi

import pytest

from tests.core.features.told import Told, two_sided


def test_sizes_of_an_empty_side_are_known_and_prices_are_not() -> None:
    """Nobody asks: the size is 0, and there is no mid, no spread, no slope."""
    told = Told()
    told.snapshot(((4_000, 1_000),), ())
    row = told.row()
    assert (row["bid_size"], row["ask_size"]) == (10.0, 0.0)
    assert [row[name] for name in ("spread", "mid", "microprice", "bid_slope_5", "ask_gap")] == [None] * 5


def test_the_microprice_leans_to_the_thinner_side_less_than_linearly() -> None:
    """Three times as much is asked: the ask goes first with probability 2/pi arctan(1/3), not 1/4."""
    told = Told()
    two_sided(told)
    row = told.row()
    assert row["microprice"] == pytest.approx(0.40 + 0.02 * 2 / pi * atan(1 / 3), rel=1e-12)
    assert row["weighted_mid"] == 0.405


def test_slopes_and_gaps_by_hand() -> None:
    """Bids 10 at 40c and 20 at 37c, the mid at 41c: 30 contracts over 4c; the next bid is 3c away."""
    told = Told()
    told.snapshot(((4_000, 1_000), (3_700, 2_000)), ((5_800, 3_000),))
    row = told.row()
    assert row["bid_slope_5"] == 750.0
    assert row["ask_slope_5"] == 3_000.0
    assert (row["bid_gap"], row["ask_gap"]) == (0.03, None)


def test_a_crossed_book_has_no_slope() -> None:
    """A level on the wrong side of the mid has no distance from it."""
    told = Told()
    told.snapshot(((4_500, 1_000),), ((5_800, 3_000),))
    row = told.row()
    assert row["spread"] == -0.03
    assert (row["bid_slope_5"], row["ask_slope_5"]) == (None, None)
