"""Mark-outs, slippage and calibration: counted by hand."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core.units import SECOND
from daemon.report.facts import NOBODY, Decision, Fill
from daemon.report.mids import Mids
from daemon.report.quality import (
    HORIZONS,
    Mean,
    ScoreBin,
    asked_by,
    calibration,
    fill_lines,
    mark_outs,
    slippages,
)
from tests.report.days import NOON, M
from tests.report.test_results import NO_FACTS

BUY = Fill(NOON, "1", "o1", M, 1, 4_000, 100, 0, 0, True, Decision(NOON - SECOND, 4_100, "s"))
SALE = Fill(NOON, "2", "o2", M, -1, 4_600, 300, 0, 0, False, Decision(NOON - SECOND, 4_500, "s"))
STRANGE = Fill(NOON, "3", "o3", M, 1, 4_000, 100, 0, 0, True, None)


def mids(**told: int | None) -> Mids:
    """Mids of M at NOON and so many seconds; `before` is at the decision."""
    found = Mids([])
    found.then = {
        (NOON - SECOND if name == "before" else NOON + int(name[1:]) * SECOND, M): mid
        for name, mid in told.items()
    }
    return found


def test_every_instant_that_is_needed_is_asked_for() -> None:
    """Four horizons after a fill, and the decision, where there was one."""
    assert [(NOON + after, M) for after in HORIZONS] == asked_by([STRANGE])
    assert 5 == len(asked_by([BUY]))
    assert (NOON - SECOND, M) in asked_by([BUY])


def test_mark_outs_are_means_by_contract() -> None:
    """A contract bought at 40c and three sold at 46c, at a mid of 44c: 4c and 2c, so 2.5c; takers apart."""
    first, second, *_ = mark_outs([BUY, SALE], mids(_1=4_400, _5=None))
    assert SECOND == first.after
    assert (pytest.approx(0.025), 2) == (first.all.value, first.all.fills)
    assert (Mean(0.04, 1), Mean(0.02, 1)) == (first.takers, first.makers)
    assert Mean(None, 0) == second.all


def test_each_fill_is_told_with_what_became_of_it() -> None:
    """Bought at 40c, decided at a mid of 43c: 3c better, 4c gained after a second; then nobody knew."""
    buy, sale, strange = fill_lines([BUY, SALE, STRANGE], mids(before=4_300, _1=4_400, _5=None))
    assert (-300, (400, None, None, None)) == (buy.against_mid, buy.gained)
    assert ("ask", -300, 200) == (sale.side, sale.against_mid, sale.gained[0])
    assert (NOBODY, None) == (strange.strategy, strange.against_mid)


def test_slippage_is_what_a_fill_cost_more_than_the_decision() -> None:
    """The buy a cent below its limit, the sale one above; against a mid of 43c both were better by 3c."""
    (found,) = slippages([BUY, SALE], mids(before=4_300))
    assert ("s", Mean(-0.03, 2), Mean(-0.01, 2)) == (found.strategy, found.against_mid, found.against_limit)


def test_a_fill_that_nobody_decided_has_no_slippage() -> None:
    """It is counted for no strategy, and its cost is unknown, not 0."""
    (found,) = slippages([STRANGE], mids(before=4_300))
    assert (NOBODY, Mean(None, 0), Mean(None, 0)) == (found.strategy, found.against_mid, found.against_limit)


def test_scores_are_binned_by_tenths() -> None:
    """A score of 1 is in the last bin, and an empty bin is none."""
    scored = (("a", 0.2, 0.0), ("b", 0.28, 1.0), ("c", 1.0, 1.0))
    found = calibration(msgspec.structs.replace(NO_FACTS, scored=scored))
    assert [ScoreBin(0.2, 0.3, 2, (0.2 + 0.28) / 2, 0.5), ScoreBin(0.9, 1.0, 1, 1.0, 1.0)] == list(found)
    assert () == calibration(NO_FACTS)


def test_without_fills_nothing_is_known() -> None:
    """Neither mark-outs nor slippage are 0."""
    assert {Mean(None, 0)} == {one.all for one in mark_outs([], Mids([]))}
    assert () == slippages([], Mids([]))
