"""What a feature is, in words and units: the part of a feature that a model's metadata repeats.

Features come in *families*: `ofi_#s` is one, and `ofi_5s` an instance of it, for any whole number within
the family's bounds. A family without a "#" has one instance, whose name is the family's.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import msgspec

from daemon.core.units import Ns

FeatureSource: TypeAlias = Literal["book", "trades", "reference", "clock", "event", "calendar", "daily"]
"""Where a feature's input comes from. A feature of several sources names the one that can fail most."""

FillRule: TypeAlias = Literal["missing"]
"""What stands in for an unknown value. There is one rule: it stays missing (NaN at the model's door)."""

_NUMBER = re.compile("#")


class FeatureDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's meaning. `window` is None where the feature is of one instant."""

    name: str
    unit: str
    window: Ns | None
    source: FeatureSource
    warm_up: str
    fill: FillRule = "missing"
    citation: str | None = None
    is_exact: bool = True
    """Whether it equals its batch twin bit for bit; what has logarithms, arcs or decay does to 1e-9."""
    numbers: tuple[int, ...] = ()
    """The whole numbers in the name, in order."""


class Bounds(msgspec.Struct, frozen=True):
    """What a number in a family's name counts, and its least and greatest value; a multiple of `step`."""

    counts: str
    least: int
    most: int
    step: int = 1

    def refusal(self, number: int) -> str | None:
        """Return what is allowed instead of a number; None if it is allowed."""
        if self.least <= number <= self.most and number % self.step == 0:
            return None
        steps = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.counts} from {self.least} to {self.most}{steps}, not {number}"


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Features that differ by the numbers in their names.

    `window_unit`: the greatest number times this is the window; None where there is no window, or where
    `window` says a fixed one. `documented`: the numbers of the instances that the catalogue lists.
    """

    name: str
    unit: str
    source: FeatureSource
    warm_up: str
    numbers: tuple[Bounds, ...] = ()
    documented: tuple[tuple[int, ...], ...] = ((),)
    window_unit: Ns | None = None
    window: Ns | None = None
    citation: str | None = None
    is_exact: bool = True

    def define(self, *numbers: int) -> FeatureDefinition:
        """Return an instance's definition.

        Raises:
            ValueError: a number is out of its bounds; says what is allowed.
        """
        assert len(numbers) == len(self.numbers) == self.name.count("#"), self.name
        given = iter(numbers)
        name = _NUMBER.sub(lambda _: str(next(given)), self.name)
        for bounds, number in zip(self.numbers, numbers, strict=True):
            if (allowed := bounds.refusal(number)) is not None:
                raise ValueError(f"no such feature: {name}: {self.name} takes {allowed}")
        window = self.window if self.window_unit is None else max(numbers) * self.window_unit
        return FeatureDefinition(
            name=name,
            unit=self.unit,
            window=window,
            source=self.source,
            warm_up=self.warm_up,
            citation=self.citation,
            is_exact=self.is_exact,
            numbers=numbers,
        )

    def numbers_in(self, name: str) -> tuple[int, ...] | None:
        """Return the numbers of an instance's name; None if the name isn't of this family."""
        match = re.fullmatch(re.escape(self.name).replace(r"\#", "(0|[1-9][0-9]{0,8})"), name)
        return None if match is None else tuple(int(number) for number in match.groups())
