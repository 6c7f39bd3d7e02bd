"""What a statistic is: one feature of one market, which reads what the market's features share.

A module per group holds the statistics; `catalogue` finds them. Sums are integers; the one conversion to
a float is in `get`.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from daemon.core.features.definition import Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.totals import SumWindow
from daemon.core.features.windows import NEVER
from daemon.core.units import Ns

Changes: TypeAlias = Literal["top", "book", "mid", "spot", "past", "trades", "always"]

AT_ONCE = "none: known with the first synced book"
WHOLE_WINDOW = "the book has been synced for the whole window"


class Statistic:
    """One feature of one market. It keeps no stream: it asks `MarketInputs` for the windows that it reads.

    `changes` says when `get` may answer anew: "top" when the best levels changed, "book" with every change
    of the book; "mid" when the mid changed or more of its past is told, "trades" when anything is told of the
    trades, and these two at `due_at`; "spot" when the reference price or the listing changed, "past" when
    what `ReferenceFeatures.past` says did; "always" with time alone. Between that, the last answer is used
    again.
    """

    __slots__ = ("_inputs",)
    families: ClassVar[tuple[Family, ...]] = ()
    """The families whose instances this class can be."""
    changes: ClassVar[Changes] = "always"

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:  # noqa: ARG002
        self._inputs = inputs

    def get(self, now: Ns) -> float | None:
        """Return the feature's value at `now`; None when unknown."""
        raise NotImplementedError  # every statistic defines it

    def due_at(self, now: Ns) -> Ns:  # noqa: ARG002
        """Return when the time alone may end what `get(now)` has just said; asked of "mid" and "trades"."""
        return NEVER


class WindowSum(Statistic):
    """The sum of a window, in units of a number; None while the window isn't whole."""

    __slots__ = ("_unit", "_window")

    def __init__(
        self, inputs: MarketInputs, definition: FeatureDefinition, window: SumWindow, unit: int
    ) -> None:
        super().__init__(inputs, definition)
        self._window = window
        self._unit = unit

    def get(self, now: Ns) -> float | None:
        """Return the feature's value at `now`; None when unknown."""
        total = self._window.get(now)
        return None if total is None else total / self._unit

    def due_at(self, now: Ns) -> Ns:  # noqa: ARG002
        """Return when the time alone may end what `get(now)` has just said."""
        return self._window.due_at


def window_of(definition: FeatureDefinition) -> Ns:
    """Return the window of a feature that has one."""
    assert definition.window is not None, definition.name
    return definition.window
