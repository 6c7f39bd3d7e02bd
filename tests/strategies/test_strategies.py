"""The shipped strategies: each is found by its name, and built from its own parameters' defaults."""

from __future__ import annotations

import pytest

from strategies import SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_strategy_is_built_under_its_name(name: str) -> None:
    """What `[strategies.<name>]` asks for is what trades."""
    shipped = SHIPPED[name]
    assert shipped.build(shipped.params()).name == name
