"""The template that `kalshid strategy new` copies: it keeps the contract, and its own tests hold here too."""

from __future__ import annotations

from pathlib import Path

import strategies
from daemon.config_tables import StrategyTable
from daemon.strategy_files import build_strategy
from strategies import SHIPPED
from strategies.template_test import (
    test_it_never_crosses_the_book,
    test_it_rests_below_the_models_value,
    test_it_stops_at_its_position,
    test_it_wants_nothing_without_a_score,
)

__all__ = [
    "test_it_never_crosses_the_book",
    "test_it_rests_below_the_models_value",
    "test_it_stops_at_its_position",
    "test_it_wants_nothing_without_a_score",
]
FOLDER = Path(strategies.__file__).parent


def test_it_keeps_the_contract() -> None:
    """It is loaded as an owner's own file is; and it is none that trades."""
    table = StrategyTable("template", True, ["KXTEST"], {"margin": 0.1})
    built = build_strategy("config.toml", table, FOLDER)
    assert ("template", ("spread",)) == (built.name, built.features)
    assert "template" not in SHIPPED
