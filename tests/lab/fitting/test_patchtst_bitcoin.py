"""January 2022 of bitcoin for PatchTST: sixty real candles, as `quant.md` 3.5 measured it; it adds nothing.

The label and the formula are those of `test_structural_bitcoin`: moves of more than the training rows' 85th
percentile within the hour. One fold: the first 60 % of the month to fit, the rest to judge by.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `torch`: make torch, or pip install kalshid[torch]")
pytest.importorskip("pyarrow", reason="needs the extra `lab`")
pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")

import pyarrow.parquet as pq

from daemon.core.units import DAY, MINUTE
from daemon.lab.fitting.patchtst import fit_patchtst, stop_patchtst
from daemon.lab.fitting.rows import FitRows, Floats
from daemon.lab.fitting.sequences import sequence_names
from daemon.lab.fitting.structural import fit_structural
from daemon.lab.folds import Fold, even_boundaries, inner_folds, walk_forward
from daemon.lab.judging.blocks import blocks_of, paired_difference
from daemon.lab.judging.scores import auc
from daemon.scoring.structural import Move
from tests.lab.fitting.test_structural_bitcoin import HOUR, MINUTES, RULE, VOLATILITIES, month
from tests.lab.judging.published import needs

STEPS = 60
EVERY = 3
"""A row each three minutes: labels of an hour overlap, and more rows are not more outcomes."""


def sequences(rows: FitRows) -> FitRows:
    """The same rows with sixty returns and ranges each, by name and oldest first."""
    table = pq.read_table(MINUTES).to_pydict()
    high, low, close = (np.array(table[name]) for name in ("high", "low", "close"))
    began = np.array([int(one.timestamp()) for one in table["ts"]]) // 60
    moved = np.concatenate(([np.nan], np.diff(np.log(close))))
    each = np.stack((moved, np.log(high / low)), axis=1)
    # A row's instant is the end of the last candle that it knows.
    last = np.searchsorted(began, rows.span.at // MINUTE - 1)
    x = each[last[:, None] - np.arange(STEPS - 1, -1, -1)].reshape(rows.count, -1)
    names = sequence_names(("reference_candle_return_#", "reference_candle_range_#"), STEPS)
    return replace(rows, names=names, x=x)


def labelled() -> tuple[FitRows, Floats, Fold]:
    """The month's rows with their label, how far each moved, and the one fold."""
    rows, moved = month()
    fold = walk_forward(rows.span, even_boundaries(rows.span, 1, 0.6), RULE)[0]
    threshold = float(np.quantile(moved[fold.train], 0.85))
    return replace(rows, y=(moved > threshold).astype(float)), moved, fold


@pytest.mark.full
@needs(MINUTES)
def test_sixty_candles_add_nothing_to_two_parameters() -> None:
    """It learns to tell wild hours from quiet ones, and is no better than the formula, by blocks of a day."""
    rows, moved, fold = labelled()
    threshold = float(np.quantile(moved[fold.train], 0.85))
    formula = fit_structural(Move(VOLATILITIES, move=threshold, horizon_s=HOUR * 60), rows.only(fold.train))
    (inner,) = inner_folds(rows.span, fold, 1, RULE, 0.75)
    train, test, fit, later = (
        rows.only(some[::EVERY]) for some in (fold.train, fold.test, inner.train, inner.test)
    )
    stopped = stop_patchtst(sequences(fit), sequences(later), {}, 1, rounds=3, epochs_max=15)
    said = fit_patchtst(sequences(train), {}, stopped.epochs, 1).predict(sequences(test))
    ranked = auc(said, test.y)
    assert ranked is not None
    assert ranked > 0.58
    days = blocks_of((test.span.at // DAY).tolist())
    gain = paired_difference(np.square(said - test.y), np.square(formula.predict(test) - test.y), days, 1)
    assert gain.low is not None
    assert gain.low < 0
