"""What the core asks of a model: an ordered feature schema, and one probability per row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Protocol

import msgspec


class FeatureSchema(msgspec.Struct, frozen=True):
    """An ordered list of feature names. Its hash is what a model names and the daemon compares."""

    names: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Hex digest of the ordered names."""
        return hashlib.sha256(json.dumps(self.names, separators=(",", ":")).encode()).hexdigest()


class Scorer(Protocol):
    """A preloaded model. Implementations live in `daemon/scoring` and are injected by `app`."""

    name: str
    version: str
    schema: FeatureSchema
    required: frozenset[str]
    """Features without which there is no score; the others may be missing."""

    def score(self, row: Sequence[float | None]) -> float:
        """Return P(the market settles YES), 0 .. 1, from one row in schema order; None is missing."""
        ...
