"""Tests of where the live tier ends."""

from __future__ import annotations

from daemon.core.units import DAY, HOUR, SECOND
from daemon.sandbox.cutoff import Cutoff, CutoffRule

NOW = 20_722 * DAY + 5 * HOUR


def test_cutoffs_fall_on_days_and_orders_are_old_sooner() -> None:
    """As recorded: midnights, two months back, and two weeks for orders."""
    found = CutoffRule().at(NOW)
    midnight = 20_722 * DAY
    assert Cutoff(midnight - 60 * DAY, midnight - 60 * DAY, midnight - 14 * DAY, midnight - 60 * DAY) == found


def test_what_lives_on_is_never_archived() -> None:
    """An unsettled market, a resting order, an unsettled position: however old, they stay."""
    cutoff = CutoffRule(0, 0, SECOND).at(NOW)
    old = NOW - DAY
    assert (True, False) == (cutoff.is_archived_market(old), cutoff.is_archived_market(None))
    assert [True, False] == [cutoff.is_archived_order(old, is_resting=rests) for rests in (False, True)]
    assert [True, False] == [cutoff.is_archived_position(old, is_settled=over) for over in (True, False)]
    assert [True, False] == [cutoff.is_archived_trade(at) for at in (old, NOW)]
