"""The structural volatility model: a formula of the features, and two parameters that are fitted.

The formula (`scoring.structural`) is the normal distribution with no parameter of its own; slope and
intercept of its logit (Platt's line) are all that is fitted. What it says of a row here is what the daemon's
scorer says.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from daemon.core.scorer import FeatureSchema
from daemon.lab.calibrating import fit_platt
from daemon.lab.fitting.rows import FitRows, Floats, check_outcomes
from daemon.scoring.calibrators import Platt, logit
from daemon.scoring.structural import Form, StructuralScorer


@dataclass(frozen=True)
class FittedStructural:
    """The formula with its line."""

    form: Form
    line: Platt

    @property
    def names(self) -> tuple[str, ...]:
        """The features that it reads, all of them required."""
        return self.form.features

    @property
    def content(self) -> bytes:
        """What `structural.json` holds."""
        return msgspec.json.encode(self.form)

    def predict(self, rows: FitRows) -> Floats:
        """Return P(YES), shape (rows,); NaN where a feature is missing."""
        said = formula_says(self.form, rows)
        return np.array([p if np.isnan(p) else self.line.apply(p) for p in said.tolist()])

    def logits(self, rows: FitRows) -> Floats:
        """Return the logit of `predict`: what a residual starts from."""
        return logits_of(self.predict(rows))


def logits_of(said: Floats) -> Floats:
    """Return the logit of probabilities as the daemon takes it, shape (rows,); NaN stays NaN."""
    return np.array([p if np.isnan(p) else logit(p) for p in said.tolist()])


def formula_says(form: Form, rows: FitRows) -> Floats:
    """Return the formula's own P(YES), shape (rows,); NaN where a feature is missing.

    Raises:
        NotFitted: the rows lack a feature that it reads.
    """
    taken = np.column_stack([rows.column(name) for name in form.features])
    scorer = StructuralScorer(form, "structural", "0", FeatureSchema(form.features))
    # Row by row through the scorer that serves it: there is no second formula to differ.
    return np.array([np.nan if np.isnan(row).any() else scorer.score(row.tolist()) for row in taken])


def fit_structural(form: Form, rows: FitRows) -> FittedStructural:
    """Return the formula with the line of least log-loss over the rows in which all it reads is known.

    Raises:
        NotFitted: the rows lack a feature, or are all YES or all NO.
    """
    said = formula_says(form, rows)
    known = ~np.isnan(said)
    check_outcomes(rows.y[known])
    chosen = rows.only(np.flatnonzero(known))
    return FittedStructural(form, fit_platt(said[known], chosen.y, chosen.weight, chosen.span.group))
