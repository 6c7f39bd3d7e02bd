"""What a statistic is: one feature of one market, told what happens and asked for its value.

A module per group holds the statistics; `catalogue` finds them. Sums are integers; the one conversion to
a float is in `get`.
"""

from __future__ import annotations

from typing import ClassVar

from daemon.core.features.definition import Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.units import Ns

AT_ONCE = "none: known with the first synced book"
WHOLE_WINDOW = "the book has been synced for the whole window"


class Statistic:
    """One feature of one market. Hooks that a statistic doesn't define are never called.

    What several statistics share belongs into `MarketInputs`, which is built before them: a statistic
    asks there, when it is built, for the windows that it is going to read.
    """

    __slots__ = ("_inputs",)
    families: ClassVar[tuple[Family, ...]] = ()
    """The families whose instances this class can be."""

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:  # noqa: ARG002
        self._inputs = inputs

    def on_begin(self, at: Ns) -> None:
        """The book became synced at this instant."""

    def on_end(self) -> None:
        """The book is lost: all windows end."""

    def on_top(self, at: Ns) -> None:
        """The top of the book changed."""

    def on_mid(self, at: Ns) -> None:
        """The mid changed, or became known or unknown."""

    def get(self, now: Ns) -> float | None:
        """Return the feature's value at `now`; None when unknown."""
        raise NotImplementedError  # every statistic defines it; the hooks above may stay empty
