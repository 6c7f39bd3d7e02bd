"""The names of our refusals: each has its rule, and the page for people is made from it."""

from __future__ import annotations

import os
import typing
from pathlib import Path

import pytest

from daemon.config import Config
from daemon.core.risk.refusals import RULES, Refusal, Refused, refusals_page

PAGE = Path(__file__).parents[3] / "daemon" / "REFUSALS.md"


def test_every_name_has_a_rule_in_the_same_order() -> None:
    """No refusal without its meaning, and no rule for none."""
    assert list(typing.get_args(Refusal)) == list(RULES)


def test_the_page_is_made_from_the_table() -> None:
    """daemon/REFUSALS.md can't rot; UPDATE_GOLDEN=1 writes it."""
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(refusals_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == refusals_page()


def test_every_limit_is_a_key_of_the_configuration() -> None:
    """What the page names can be set; a strategy's own keys are its own."""
    config = Config(root=Path())
    missing = []
    for rule in RULES.values():
        table, _, key = rule.key.partition(".")
        if rule.key and table != "strategies" and not hasattr(getattr(config, table), key):
            missing.append(rule.key)
    assert missing == []


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (Refused("halted"), "halted"),
        (Refused("position_limit", 30_000, 32_000), "position_limit: 320 of 300 contracts"),
        (Refused("position_limit", 30_000, 32_001), "position_limit: 320.01 of 300 contracts"),
        (Refused("cash_short", 100_000, 1_234_567), "cash_short: 1.234567 of 0.1 dollars"),
        (Refused("price_too_far", 1_000, None), "price_too_far: unknown of 10 cents"),
        (Refused("price_too_far", 1_000, 1_050), "price_too_far: 10.5 of 10 cents"),
        (Refused("losing_streak", 10, 10), "losing_streak: 10 of 10"),
        (Refused("daily_loss_limit", 300_000_000, -5), "daily_loss_limit: -0.000005 of 300 dollars"),
        (Refused("self_cross", None, "kd-1 at 41 cents"), "self_cross: kd-1 at 41 cents"),
    ],
)
def test_a_refusal_in_words(refused: Refused, expected: str) -> None:
    """Value of limit, in units for people; what is not known says so."""
    assert refused.text == expected
