"""What a statistic is: how its window is found, and how often it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.core.features import FeatureSet, definition_of
from daemon.core.features.catalogue import GROUPS, statistics_of
from daemon.core.features.statistic import Reading, Statistic, window_of
from daemon.core.scorer import FeatureSchema
from daemon.core.units import SECOND
from tests.core.features.told import Told, market, two_sided


def test_a_window_is_that_of_the_definition() -> None:
    """A feature of one instant has none, and asking for it is a mistake of ours."""
    assert window_of(definition_of("ofi_7s")) == 7 * SECOND
    with pytest.raises(AssertionError, match="spread"):
        window_of(definition_of("spread"))


def test_every_statistic_says_when_it_may_change() -> None:
    """One of the eight words, or its last answer would be used for ever."""
    words = {one.changes for _, module in GROUPS for one in statistics_of(module)}
    assert words == {"quote", "top", "book", "mid", "spot", "past", "trades", "always"}


def test_who_keeps_something_and_who_reads_is_told_by_when_it_changes() -> None:
    """The set asks each kind's words alone: another one would be asked once, and never again."""
    for one in (one for _, module in GROUPS for one in statistics_of(module)):
        kind = Statistic if one.changes in ("mid", "trades") else Reading
        assert issubclass(one, (Reading, Statistic) if one.changes == "always" else kind), one


def test_what_is_made_of_the_best_levels_is_computed_when_they_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A better price asks all; a size there not what is of prices; one behind only what is of the book."""
    asked: list[str] = []
    for name in ("mid", "bid_size", "depth_imbalance_5", "book_age"):
        found: type[Any] = next(
            one for _, module in GROUPS for one in statistics_of(module)
            if any(family.numbers_in(name) is not None for family in one.families)
        )  # fmt: skip
        get = found.get

        def counted(*args: object, name: str = name, get=get) -> float | None:  # type: ignore[no-untyped-def]
            asked.append(name)
            return get(*args)  # type: ignore[no-any-return]

        monkeypatch.setattr(found, "get", counted)
    told = Told()
    told.features = FeatureSet(
        FeatureSchema(("mid", "bid_size", "depth_imbalance_5", "book_age")), market(), told.reference
    )
    two_sided(told)
    expected = {
        "price": ["depth_imbalance_5", "bid_size", "mid", "book_age"],
        "size": ["depth_imbalance_5", "bid_size", "book_age"],
        "behind": ["depth_imbalance_5", "book_age"],
        "nothing": ["book_age"],
    }
    found_asked = {}
    for what in expected:
        asked.clear()
        if what in ("price", "size"):
            told.delta("yes", 4_100, 500)
        elif what == "behind":
            told.delta("yes", 3_000, 500)
        told.features.row(told.now)
        found_asked[what] = list(asked)
    assert expected == found_asked
