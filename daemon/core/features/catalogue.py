"""All features: a group per module, the families in it, and how a name finds its definition.

A new group is a module with `Feature` classes and a line in `GROUPS`; nothing else needs to know it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import ModuleType

from daemon.core.features import (
    book_flow,
    book_shape,
    calendar_statistics,
    candle_history,
    candle_statistics,
    daily_statistics,
    event_statistics,
    price_statistics,
    reference_statistics,
    structural_statistics,
    trade_statistics,
)
from daemon.core.features.definition import Family, FeatureDefinition
from daemon.core.features.statistic import Feature

GROUPS: tuple[tuple[str, ModuleType], ...] = (
    ("Book: its shape", book_shape),
    ("Book: its flow", book_flow),
    ("Trades", trade_statistics),
    ("Price", price_statistics),
    ("Reference", reference_statistics),
    ("Reference candles", candle_statistics),
    ("Past minutes one by one", candle_history),
    ("Structural", structural_statistics),
    ("Event", event_statistics),
    ("Clock and calendar", calendar_statistics),
    ("Daily", daily_statistics),
)
"""The groups by title, in the order of the catalogue."""


def statistics_of(module: ModuleType) -> Iterator[type[Feature]]:
    """Yield the statistics that a module defines, in the order in which they are written."""
    for found in vars(module).values():
        is_statistic = isinstance(found, type) and issubclass(found, Feature)
        if is_statistic and found.__module__ == module.__name__ and found.families:
            yield found


_FAMILIES: dict[str, tuple[Family, type[Feature]]] = {
    family.name: (family, statistic)
    for _, module in GROUPS
    for statistic in statistics_of(module)
    for family in statistic.families
}
CATALOGUE: dict[str, FeatureDefinition] = {
    definition.name: definition
    for family, _ in _FAMILIES.values()
    for numbers in family.documented
    for definition in (family.define(*numbers),)
}
"""The documented instances of every family, by name, in a stable order. Others are allowed too."""


def definition_of(name: str) -> FeatureDefinition:
    """Return a feature's definition, documented or not.

    Raises:
        ValueError: there is no such feature, or a number in its name is out of bounds; says what there is.
    """
    return _found(name)[0]


def feature_of(name: str) -> tuple[FeatureDefinition, type[Feature]]:
    """Return a feature's definition and the class that computes it. Raises as `definition_of` does."""
    return _found(name)


def is_exact(name: str) -> bool:
    """Whether a feature equals its batch twin bit for bit. Raises as `definition_of` does."""
    return definition_of(name).is_exact


def families() -> tuple[Family, ...]:
    """Return all families in the order of the catalogue."""
    return tuple(family for family, _ in _FAMILIES.values())


@cache
def _found(name: str) -> tuple[FeatureDefinition, type[Feature]]:
    for family, statistic in _FAMILIES.values():
        numbers = family.numbers_in(name)
        if numbers is not None:
            return family.define(*numbers), statistic
    raise ValueError(f"no such features: {name}; there are: {', '.join(_FAMILIES)}")
