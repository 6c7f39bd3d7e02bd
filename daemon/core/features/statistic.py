"""What a statistic is: one feature, which reads what a market's features share.

One that keeps nothing of its own is a `Reading`: one object serves all markets, for with thousands of them
each object more is a wait for the memory. A `Statistic` is one market's. A module per group holds them;
`catalogue` finds them. Sums are integers; the one conversion to a float is in `get`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, TypeAlias

from daemon.core.features.definition import Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.totals import SumWindow
from daemon.core.features.windows import NEVER
from daemon.core.units import Ns

Changes: TypeAlias = Literal["quote", "top", "book", "mid", "spot", "past", "trades", "always"]

AT_ONCE = "none: known with the first synced book"
WHOLE_WINDOW = "the book has been synced for the whole window"


class Feature:
    """What computes one feature, of one market or of any.

    `changes` says when `get` may answer anew: "quote" when a best price changed, "top" when the size there
    did, too, "book" with every change of the book; "mid" when the mid changed or more of its past is told,
    "trades" when anything is told of the trades, and these two at `due_at`; "spot" when the reference price
    or the listing changed, "past" when what `ReferenceFeatures.past` says did; "always" with time alone.
    Between that, the last answer is used again. Only a statistic is "mid" or "trades", only a reading
    "quote", "top", "book", "spot" or "past".
    """

    __slots__ = ()
    families: ClassVar[tuple[Family, ...]] = ()
    """The families whose instances this class can be."""
    changes: ClassVar[Changes] = "always"


class Reading(Feature, ABC):
    """One feature of any market, read off what that market's features share."""

    __slots__ = ()

    def __init__(self, definition: FeatureDefinition) -> None:
        """Build for all markets."""

    @abstractmethod
    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        """Return the feature's value at `now`; None when unknown."""


class Statistic(Feature, ABC):
    """One feature of one market. It keeps no stream: it asks `MarketInputs` for the windows that it reads."""

    __slots__ = ("_inputs",)

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:  # noqa: ARG002
        self._inputs = inputs

    @abstractmethod
    def get(self, now: Ns) -> float | None:
        """Return the feature's value at `now`; None when unknown."""

    def due_at(self, now: Ns) -> Ns:  # noqa: ARG002
        """Return when the time alone may end what `get(now)` has just said; asked of "mid" and "trades"."""
        return NEVER


class WindowSum(Statistic):
    """The sum of a window, in units of a number; None while the window isn't whole."""

    __slots__ = ("unit", "window")

    def __init__(
        self, inputs: MarketInputs, definition: FeatureDefinition, window: SumWindow, unit: int
    ) -> None:
        super().__init__(inputs, definition)
        self.window = window
        self.unit = unit

    def get(self, now: Ns) -> float | None:
        """Return the feature's value at `now`; None when unknown."""
        total = self.window.get(now)
        return None if total is None else total / self.unit

    def due_at(self, now: Ns) -> Ns:  # noqa: ARG002
        """Return when the time alone may end what `get(now)` has just said."""
        return self.window.due_at


def window_of(definition: FeatureDefinition) -> Ns:
    """Return the window of a feature that has one."""
    assert definition.window is not None, definition.name
    return definition.window
