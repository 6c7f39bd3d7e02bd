"""An ensemble: calibrated members, combined by logistic stacking. From `ensemble.json`.

    {"intercept": -0.02,
     "members": [{"name": "btc-structural", "version": "3", "metadata_sha256": "...", "weight": 0.6},
                 {"name": "btc-trees", "version": "7", "metadata_sha256": "...", "weight": 0.4}]}

P = sigmoid(intercept + sum of weight logit(p)) over the members, each pinned by the hash of its metadata,
which pins its files. Members lie in the ensemble's own registry, as `<root>/<name>/<version>`.

A member is *absent* where its folder or what it runs on is missing, once it has expired, and for a row that
lacks a feature which it requires. Then the weights of the others are scaled so that they sum to what all of
them sum to, and the intercept is kept: where the members agree, the score is what it was with all of them.
How many were absent is said (`members_absent`). With none left there is no score.

With `"needs_all": true` there is no score without each member: a booster that learned what another model
misses says nothing by itself, and neither does a sum without it.

Source: Wolpert, Stacked generalization, 1992; weights of logits as in Satopää et al., Combining multiple
probability predictions using a simple logit model, 2014.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from daemon.core.scorer import FeatureSchema, Output, Scorer
from daemon.core.units import Ns
from daemon.scoring.calibrators import logit, sigmoid
from daemon.scoring.metadata import ModelRefused, Name, Sha256, Strict

MEMBERS_MAX = 16


class NoMember(Exception):
    """No member can score this row: each is absent, expired, or lacks a feature."""


class MemberEntry(Strict, frozen=True):
    """One member: its folder by name and version, its metadata's hash, its weight."""

    name: Name
    version: Name
    metadata_sha256: Sha256
    weight: Annotated[float, msgspec.Meta(gt=0, le=100)]
    """Above zero: whoever writes the file leaves out what weighs nothing, or against."""


class Stacking(Strict, frozen=True):
    """`ensemble.json`, whole."""

    intercept: Annotated[float, msgspec.Meta(ge=-100, le=100)]
    members: Annotated[tuple[MemberEntry, ...], msgspec.Meta(min_length=2, max_length=MEMBERS_MAX)]
    needs_all: bool = False
    """Whether there is no score where a member is absent, instead of the others' scaled."""


class Member(msgspec.Struct, frozen=True):
    """A member that is here. `expires_at` is by its own metadata, None for never."""

    scorer: Scorer
    weight: float
    expires_at: Ns | None = None


def read_stacking(content: bytes, path: Path) -> Stacking:
    """Return what `ensemble.json` says.

    Raises:
        ModelRefused: it is none, or names a member twice; the message names the file and the place.
    """
    try:
        stacking = msgspec.json.decode(content, type=Stacking)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelRefused(f"{path}: {error}") from error
    names = [(one.name, one.version) for one in stacking.members]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ModelRefused(f"{path}: members[{number}] is {'/'.join(name)}, which is one already")
    return stacking


def union_schema(schemas: Iterable[FeatureSchema]) -> FeatureSchema:
    """Return all features of the members, each once, in the order in which they first come."""
    return FeatureSchema(tuple(dict.fromkeys(name for schema in schemas for name in schema.names)))


class EnsembleScorer:
    """The members that are here, over one row. Not for two threads at once."""

    output: Output = "probability"

    def __init__(
        self,
        stacking: Stacking,
        members: Sequence[Member | None],
        *,
        name: str,
        version: str,
        schema: FeatureSchema,
        required: frozenset[str],
    ) -> None:
        """Join.

        Args:
            stacking: intercept and weights.
            members: in the order of `stacking`; None where one is absent.
            name: the ensemble's name.
            version: the ensemble's version.
            schema: the ensemble's features, among them all of the members'.
            required: features without which nobody shall ask: at most what all members require.

        Raises:
            ValueError: all are absent, or one where all are needed; a member says no probability, or has a
                feature that isn't in the schema; a feature is required that some member can do without.
        """
        here = [member for member in members if member is not None]
        if not here:
            raise ValueError("none of its members is here")
        if stacking.needs_all and len(here) < len(members):
            raise ValueError(f"it needs all of its {len(members)} members, {len(here)} are here")
        for member in here:
            scorer = member.scorer
            if scorer.output != "probability":
                raise ValueError(f"member {scorer.name}/{scorer.version} says no probability")
            if foreign := [one for one in scorer.schema.names if one not in schema.names]:
                raise ValueError(
                    f"member {scorer.name}/{scorer.version} needs {foreign[0]!r}, not in the schema"
                )
            if spare := sorted(required - scorer.required):
                raise ValueError(
                    f"{spare[0]!r} is required, but member {scorer.name}/{scorer.version} needs it not"
                )
        self.name = name
        self.version = version
        self.schema = schema
        self.required = required
        self.members_absent = len(members) - len(here)
        self._count = len(members)
        self._intercept = stacking.intercept
        self._needs_all = stacking.needs_all
        self._weight = sum(one.weight for one in stacking.members)
        self._here = tuple(here)
        self._seats = tuple(_seat(member, schema) for member in here)
        self._expires_at = _first_expiry(here)

    def expire(self, now: Ns) -> None:
        """Do without the members that are expired by now, from here on."""
        if self._expires_at is None or now < self._expires_at:
            return
        left = [one for one in self._here if one.expires_at is None or now < one.expires_at]
        self._here = tuple(left)
        self._seats = tuple(_seat(member, self.schema) for member in left)
        self._expires_at = _first_expiry(left)

    def score(self, row: Sequence[float | None]) -> float:
        """Return P(YES) of one row in schema order, from the members that can score it.

        Raises:
            ValueError: the row has another length.
            NoMember: none can, or one can't where all are needed.
        """
        if len(row) != len(self.schema.names):
            raise ValueError(f"a row of {len(row)} values, expected {len(self.schema.names)}")
        total = weight = 0.0
        taken = 0
        for score, own_weight, columns, needed in self._seats:
            if None in [row[place] for place in needed]:
                continue
            total += own_weight * logit(score([row[place] for place in columns]))
            weight += own_weight
            taken += 1
        self.members_absent = self._count - taken
        if not taken:
            raise NoMember(
                f"none of the {self._count} members of {self.name}/{self.version} can score this row"
            )
        if taken < self._count and self._needs_all:
            raise NoMember(
                f"{self.name}/{self.version} needs all {self._count} members, {taken} can score this row"
            )
        if taken < self._count:
            total *= self._weight / weight
        return sigmoid(self._intercept + total)


_Seat = tuple[Callable[[Sequence[float | None]], float], float, tuple[int, ...], tuple[int, ...]]
"""A member's score, weight, columns in the ensemble's row, and those of the columns that it requires."""


def _seat(member: Member, schema: FeatureSchema) -> _Seat:
    scorer = member.scorer
    places = {name: place for place, name in enumerate(schema.names)}
    columns = tuple(places[name] for name in scorer.schema.names)
    needed = tuple(places[name] for name in scorer.schema.names if name in scorer.required)
    return scorer.score, member.weight, columns, needed


def _first_expiry(members: Sequence[Member]) -> Ns | None:
    return min((one.expires_at for one in members if one.expires_at is not None), default=None)
