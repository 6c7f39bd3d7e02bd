"""The table of families: names by the conventions, labels that can't grow without bound."""

from __future__ import annotations

import pytest

from daemon.shell.families import FAMILIES

UNBOUNDED = {"order", "client_order_id", "order_id", "text", "error", "url", "path"}


@pytest.mark.parametrize(("name", "family"), FAMILIES.items())
def test_names_follow_the_conventions(name: str, family: object) -> None:
    """Our prefix, a base unit or a plain count, `_total` on counters and on nothing else."""
    kind = FAMILIES[name].kind
    assert name.startswith("kalshid_")
    assert name.endswith("_total") == (kind == "counter")
    if kind == "histogram":
        assert name.endswith("_seconds")
    assert not any(unit in name for unit in ("_ms", "_us", "_ns", "_cents", "milli", "micro"))


def test_no_family_has_a_label_without_bounds() -> None:
    """No order, no text; a ticker only in the families of the chosen markets, which have a bound."""
    for name, family in FAMILIES.items():
        assert not UNBOUNDED & set(family.labels), name
        assert ("ticker" in family.labels) == name.startswith("kalshid_market_"), name
