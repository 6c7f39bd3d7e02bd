"""The rows of a judgement: what the model said beside what all others could have said, and what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from daemon.core.markets import Fees
from daemon.lab.judging.arrays import Floats, Integers, NotJudged, matched, outcomes_of, probabilities
from daemon.lab.judging.blocks import Blocks, blocks_of

Labels = Sequence[object] | NDArray[np.generic]
RIVALS = ("mid", "mid normalised", "structural", "base rate")


@dataclass(frozen=True)
class JudgedRows:
    """Held-out rows, all arrays of shape (rows,). Made by `judged_rows`.

    `forecasts` is by name: "model" first, then those of `RIVALS` that are known, "mid" always.
    """

    outcomes: Floats
    forecasts: dict[str, Floats]
    blocks: Blocks
    """Independent outcomes: events, or settlements where several events share one."""
    folds: Integers
    left_out: int
    """Rows without a mid or another forecast: nobody can be compared on them."""
    bid: Floats | None
    ask: Floats | None
    """YES best prices in Price units, NaN for an empty side; None where the rows have no books."""
    fees: Fees | None

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.outcomes)


def judged_rows(
    *,
    outcomes: ArrayLike,
    model: ArrayLike,
    mid: ArrayLike,
    base_rate: ArrayLike,
    independent: Labels,
    folds: ArrayLike,
    structural: ArrayLike | None = None,
    mid_normalised: ArrayLike | None = None,
    bid: ArrayLike | None = None,
    ask: ArrayLike | None = None,
    fees: Fees | None = None,
) -> JudgedRows:
    """Return the rows on which all forecasts are known.

    Args:
        outcomes: 1 for YES, 0 for NO.
        model: the model's P(YES), which must be known in every row.
        mid: the market's mid as a probability, NaN where unknown.
        base_rate: of the rows that the fold's model was trained on, never of these.
        independent: label of the row's independent outcome: the settlement if several events share one, else
            the event.
        folds: number of the row's fold.
        structural: the structural model's P(YES), NaN where unknown.
        mid_normalised: over the event's markets, NaN where unknown (`mids.normalised`).
        bid: best YES bid in Price units, NaN where nobody bids; with `ask` and `fees` or not at all.
        ask: best YES ask, likewise.
        fees: in force for the markets.

    Raises:
        NotJudged: arrays of different lengths, values that are no probabilities or outcomes, books without
            fees or with one side only, or no row on which all is known.
    """
    said = probabilities(model, "model")
    rows = len(said)
    if len(independent) != rows:
        raise NotJudged(f"independent: {len(independent)} rows, where the others have {rows}")
    if len({bid is None, ask is None, fees is None}) > 1:
        raise NotJudged("bid, ask and fees: some are missing, where all three or none are allowed")
    given = {"mid": mid, "mid normalised": mid_normalised, "structural": structural, "base rate": base_rate}
    forecasts = {"model": said} | {
        name: matched(values, name, rows) for name, values in given.items() if values is not None
    }
    known = np.logical_and.reduce([~np.isnan(values) for values in forecasts.values()])
    if not known.any():
        raise NotJudged("no row has a model, a mid and the other forecasts at once")
    kept = {name: probabilities(values[known], name) for name, values in forecasts.items()}
    return JudgedRows(
        outcomes=outcomes_of(outcomes, rows)[known],
        forecasts=kept,
        blocks=blocks_of(np.asarray(independent)[known]),
        folds=matched(folds, "folds", rows)[known].astype(np.int64),
        left_out=rows - int(known.sum()),
        bid=None if bid is None else matched(bid, "bid", rows)[known],
        ask=None if ask is None else matched(ask, "ask", rows)[known],
        fees=fees,
    )
