"""Several models as one: weights of their logits, fitted on a slice later than all of their calibrators.

A weight below 0 is not allowed, and a member that weighs nothing is left out.

Sources: Wolpert, Stacked generalization, 1992; Satopää et al., Combining multiple probability predictions
using a simple logit model, 2014.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from daemon.lab.calibrating import OUTCOMES_MIN, fit_platt
from daemon.lab.fitting.bounded import fit_bounded
from daemon.lab.fitting.rows import Floats, NotFitted, check_outcomes
from daemon.lab.folds import Rows
from daemon.scoring.ensemble import MEMBERS_MAX, MemberEntry, Stacking
from daemon.scoring.metadata import METADATA_FILE, file_sha256, read_file

WEIGHT_MAX = 100.0
WEIGHT_MIN = 1e-6
"""Below, a member changes no price: it is left out."""


@dataclass(frozen=True)
class Stack:
    """P = sigmoid(intercept + sum of weight x logit) over the members that weigh something, by name."""

    intercept: float
    weights: dict[str, float]
    needs_all: bool = False

    def predict(self, logits: Mapping[str, Floats]) -> Floats:
        """Return P(YES), shape (rows,), from the members' logits; others in the mapping are not read."""
        total = self.intercept + sum(weight * logits[name] for name, weight in self.weights.items())
        return np.asarray(1 / (1 + np.exp(-total)), dtype=np.float64)


def stack(logits: Mapping[str, Floats], y: Floats, weight: Floats, group: Rows) -> Stack:
    """Return the weights of least log-loss on a later slice.

    Args:
        logits: of each member's calibrated P(YES), shape (rows,), by name.
        y: 1 for YES, 0 for NO.
        weight: what each row counts, above 0.
        group: number of the row's independent outcome.

    Raises:
        NotFitted: other than 2 to 16 members, fewer independent outcomes than the weights need, or only one
            member weighs anything: then it is better alone, with its calibrator.
    """
    if not 2 <= len(logits) <= MEMBERS_MAX:
        raise NotFitted(f"{len(logits)} members, where 2 to {MEMBERS_MAX} are allowed")
    check_outcomes(y)
    outcomes, needed = len(np.unique(group)), max(OUTCOMES_MIN, 10 * (len(logits) + 1))
    if outcomes < needed:
        raise NotFitted(
            f"{outcomes} independent outcomes are too few for {len(logits)} weights: {needed} needed"
        )
    intercept, slopes = fit_bounded(np.column_stack(list(logits.values())), y, weight, WEIGHT_MAX)
    weights = {name: float(one) for name, one in zip(logits, slopes, strict=True) if one >= WEIGHT_MIN}
    if len(weights) < 2:
        raise NotFitted(
            f"only {', '.join(weights) or 'none'} of {', '.join(logits)} weighs anything: take it alone"
        )
    return Stack(intercept, weights)


def residual_stack(
    base: str, residual: str, offset: Floats, raw: Floats, y: Floats, weight: Floats, group: Rows
) -> Stack:
    """Return a model and its residual as one, with Platt's line of the two on a later slice.

    Both weigh the line's slope, so that the sum is calibrated and nothing else is changed.

    Args:
        base: name of the model whose logit the residual started from.
        residual: name of the booster; its raw score is its logit.
        offset: logits of the base, shape (rows,).
        raw: the booster's own raw scores.
        y: 1 for YES, 0 for NO.
        weight: what each row counts, above 0.
        group: number of the row's independent outcome.

    Raises:
        NotFitted: too few outcomes, or together they say nothing (a slope of 0).
    """
    if (outcomes := len(np.unique(group))) < OUTCOMES_MIN:
        raise NotFitted(f"{outcomes} independent outcomes are too few to calibrate by: {OUTCOMES_MIN} needed")
    line = fit_platt(1 / (1 + np.exp(-(offset + raw))), y, weight, group)
    if line.slope < WEIGHT_MIN:
        raise NotFitted(f"{base} and {residual} together say nothing of the later slice")
    slope = min(line.slope, WEIGHT_MAX)
    return Stack(line.intercept, {base: slope, residual: slope}, needs_all=True)


def stacking_file(stacked: Stack, members: Mapping[str, Path]) -> bytes:
    """Return what `ensemble.json` holds, each member pinned by the hash of its metadata.

    Args:
        stacked: the weights.
        members: the folders `<root>/<name>/<version>` by the members' names in `stacked`.

    Raises:
        NotFitted: a member has no folder here.
        ModelRefused: a folder has no metadata that can be read.
    """
    entries = []
    for name, weight in stacked.weights.items():
        if name not in members:
            raise NotFitted(f"members: no folder for {name!r}; there are: {', '.join(members)}")
        folder = members[name]
        entries.append(
            MemberEntry(
                name=folder.parent.name,
                version=folder.name,
                metadata_sha256=file_sha256(read_file(folder / METADATA_FILE)),
                weight=weight,
            )
        )
    return msgspec.json.encode(
        Stacking(intercept=stacked.intercept, members=tuple(entries), needs_all=stacked.needs_all)
    )
