"""All checks of an order with their figures: what they say is what the gate does, refusal by refusal."""

from __future__ import annotations

import typing
from typing import Any

import pytest

from daemon.core.ledger import Position
from daemon.core.orders import ProposePlace
from daemon.core.risk import Approved, Refusal
from daemon.core.strategy import Target
from daemon.core.units import MONEY_ONE
from daemon.shell.order_checks import Check, checks_of
from tests.core.risk.cases import CASES, account, judge, market, place, with_limits
from tests.core.worlds import LIMITS, NOW


def checks(proposal: Any = None, m: Any = None, a: Any = None, limits: Any = LIMITS) -> dict[Refusal, Check]:
    """All checks of what the gate is asked, by name."""
    found = checks_of(proposal or place(), m or market(), a or account(), limits, NOW)
    return {one.name: one for one in found}


def is_kept(check: Check) -> bool:
    """Whether a figure stands to its limit as it should."""
    assert check.value is not None
    assert check.limit is not None
    if check.bound == "at least":
        return check.value >= check.limit
    return check.value < check.limit if check.bound == "below" else check.value <= check.limit


def test_every_refusal_is_a_check() -> None:
    """In the table's order, each once."""
    assert list(typing.get_args(Refusal)) == list(checks())


@pytest.mark.parametrize(("refusal", "bad", "good"), CASES)
def test_a_check_says_what_the_gate_says(refusal: Refusal, bad: dict[str, Any], good: dict[str, Any]) -> None:
    """On either side of each border: broken where it refuses by that name, and none where it passes."""
    assert checks(**bad)[refusal].is_broken
    assert isinstance(judge(**good), Approved)
    assert [] == [name for name, one in checks(**good).items() if one.is_broken]


@pytest.mark.parametrize("asked", [case for _, bad, good in CASES for case in (bad, good)])
def test_a_figure_stands_to_its_limit_as_the_gate_finds(asked: dict[str, Any]) -> None:
    """Where there is a figure and a limit, the one breaks the other exactly if the gate speaks against it."""
    # Of connections, book and market the gate says the first thing only: the later ones are not asked.
    found = checks(**asked).values()
    vouched = [one for one in found if one.is_broken and one.unit in ("words", "seconds")]
    for one in found:
        if one.value is None or one.limit is None or (one.unit == "seconds" and vouched):
            continue
        if one.name == "qty_out_of_range" and one.value < 1:
            continue  # nothing is out of range too
        if one.name == "cash_reserve" and not is_kept(checks(**asked)["cash_short"]):
            continue  # what there is not can't be kept
        assert one.is_broken != is_kept(one), one


def test_figures_are_the_gates_own() -> None:
    """10 contracts at 41 cents on top of 100: position, cost, distance, cash."""
    limits = with_limits(order_notional_max=500 * MONEY_ONE, requests_per_minute_max=100)
    found = checks(
        m=market(position=Position(10_000, 40 * MONEY_ONE)), a=account(pnl_today=-3), limits=limits
    )
    for name, value, limit, unit in (
        ("position_limit", 11_000, LIMITS.position_qty_max, "contracts"),
        ("order_notional_limit", 4_100_000, 500 * MONEY_ONE, "dollars"),
        ("price_too_far", 100, LIMITS.price_away_max, "cents"),
        ("daily_loss_limit", 3, LIMITS.daily_loss_max, "dollars"),
        ("message_budget", 0, 80, "count"),
    ):
        one = found[typing.cast("Refusal", name)]
        assert (value, limit, unit) == (one.value, one.limit, one.unit), name
    assert found["exposure_limit"].limit is None
    assert Check("halted") == found["halted"]


def test_what_only_reduces_passes_a_broken_check() -> None:
    """It is told as broken, and passed."""
    wish = ProposePlace(place().ticker, "s", Target("ask", 4_100, 1_000, "rest", "out"))
    asked: dict[str, Any] = {
        "proposal": wish,
        "m": market(position=Position(2_000, 8 * MONEY_ONE)),
        "a": account(pnl_today=-(1 << 40)),
    }
    assert isinstance(judge(**asked), Approved)
    assert checks(**asked)["daily_loss_limit"].is_broken
