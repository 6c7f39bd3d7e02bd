"""Mids as probabilities: empty sides, sums of 1, and which rule is better on recorded events."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.lab.judging.arrays import NotJudged
from daemon.lab.judging.blocks import blocks_of, paired_difference
from daemon.lab.judging.mids import mid_of, normalised
from daemon.lab.judging.scores import brier_losses
from tests.lab.judging.published import HOURLY, needs


def test_an_empty_side_stands_at_its_end() -> None:
    """No bid is 0, no ask is a dollar, neither is unknown."""
    found = mid_of([4000, nan, 9000, nan], [4200, 100, nan, nan])
    assert [0.41, 0.005, 0.95] == found[:3].tolist()
    assert np.isnan(found[3])


def test_a_price_off_the_scale_is_named() -> None:
    """Cents handed in as dollars of 1e-4 are not noticed, but what is above a dollar is."""
    with pytest.raises(NotJudged, match=r"ask\[0\] is 10001"):
        mid_of([1], [10_001])


@given(st.lists(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=8), min_size=1, max_size=5))
def test_normalised_mids_sum_to_one(events: list[list[float]]) -> None:
    """Each moment's shares sum to 1 and keep the order of the mids, by either rule."""
    mids = np.concatenate([np.array(event) for event in events])
    moments = np.repeat(np.arange(len(events)), [len(event) for event in events])
    for found in (normalised(mids, moments), normalised(mids, moments, rule="share")):
        assert np.bincount(moments, weights=found) == pytest.approx(np.ones(len(events)), abs=1e-6)
        for number in range(len(events)):
            mine = moments == number
            order = np.argsort(mids[mine], kind="stable")
            assert (np.diff(found[mine][order]) >= -1e-12).all()


def test_a_sum_of_one_is_left_alone() -> None:
    """Mids that are probabilities already stay what they are; shares are by hand."""
    assert normalised([0.2, 0.8], ["a", "a"]) == pytest.approx([0.2, 0.8], abs=1e-9)
    assert normalised([0.5, 1.0], ["a", "a"], rule="share") == pytest.approx([1 / 3, 2 / 3])


def test_a_moment_with_an_unknown_mid_is_unknown() -> None:
    """The others' shares depend on it; another moment's don't."""
    found = normalised([0.5, nan, 0.4, 0.6], ["a", "a", "b", "b"])
    assert np.isnan(found[:2]).all()
    assert found[2:] == pytest.approx([0.4, 0.6])


def test_a_market_by_itself_keeps_its_mid() -> None:
    """Where an event's markets don't exclude each other nothing is divided."""
    found = normalised([0.5, 0.5, 0.3, 0.9], ["a", "a", "b", "b"], np.array([True, True, False, False]))
    assert found == pytest.approx([0.5, 0.5, 0.3, 0.9])
    with pytest.raises(NotJudged, match="moments: 1 rows"):
        normalised([0.5, 0.5], ["a"])


@needs(HOURLY)
def test_recorded_hourly_events_want_the_power() -> None:
    """Mids sum to 1.90; against the raw mid, shares are worse by Brier and powers better, both surely."""
    pd = pytest.importorskip("pandas", reason="needs the dev lock")
    quotes = pd.read_parquet(HOURLY / "crypto_hourly_quotes.parquet")
    settled = pd.read_parquet(HOURLY / "crypto_hourly_settlements.parquet")[["ticker", "result"]]
    rows = quotes.merge(settled.drop_duplicates("ticker"), on="ticker")
    assert (126_640, 518) == (len(rows), rows.event.nunique())
    bid = np.where(rows.yes_bid == 0, nan, (rows.yes_bid * 10_000).round())
    mid = mid_of(bid, (rows.yes_ask * 10_000).round())
    moments = (rows.event + rows.captured_at.astype(str)).to_numpy(str)
    happened = (rows.result == "yes").to_numpy(float)
    assert round(float(np.median(rows.assign(mid=mid).groupby(moments).mid.sum())), 2) == 1.9
    blocks = blocks_of(rows.event.to_numpy(str))
    raw = brier_losses(mid, happened)
    shares = brier_losses(normalised(mid, moments, rule="share"), happened)
    powers = brier_losses(normalised(mid, moments), happened)
    assert paired_difference(shares, raw, blocks, 1).is_below_zero
    assert paired_difference(powers, raw, blocks, 1).is_above_zero
