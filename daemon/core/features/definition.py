"""What a feature is, in words and units: the part of a feature that a model's metadata repeats."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemon.core.units import Ns

FeatureSource: TypeAlias = Literal["book", "trades", "reference", "clock"]
"""Where a feature's input comes from. A feature of several sources names the one that can fail most."""

FillRule: TypeAlias = Literal["missing"]
"""What stands in for an unknown value. There is one rule: it stays missing (NaN at the model's door)."""


class FeatureDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's meaning. `window` is None where the feature is of one instant."""

    name: str
    unit: str
    window: Ns | None
    source: FeatureSource
    warm_up: str
    fill: FillRule = "missing"
    citation: str | None = None
