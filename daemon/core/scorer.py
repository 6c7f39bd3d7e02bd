"""What the core asks of a model: an ordered feature schema, and one probability per row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from daemon.core.units import Ns

Output: TypeAlias = Literal["probability", "change"]
"""What a score means: P(the market settles YES), or the expected change of its price in dollars."""


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
    output: Output

    def score(self, row: Sequence[float | None]) -> float:
        """Return what `output` says of one row in schema order; None is missing. A probability is 0 .. 1.

        What it raises means that there is no score of this row.
        """
        ...


@runtime_checkable
class ArrayScorer(Scorer, Protocol):
    """A scorer that may take NaN for a missing value as well as None: a row needs no copy for it."""

    reads_nan: bool
    """Whether it does."""


@runtime_checkable
class MemberScorer(Scorer, Protocol):
    """A scorer of several members, which does without those that it has not got."""

    members_absent: int
    """How many took no part in the last score."""

    def expire(self, now: Ns) -> None:
        """Do without the members that are expired by now. To be called before a score."""
        ...
