"""From a dataset to rows that can be fitted: those whose label is known, with their groups and weights."""

from __future__ import annotations

import numpy as np

from daemon.lab.dataset_arrays import Dataset
from daemon.lab.fitting.rows import FitRows, NotFitted, fit_rows
from daemon.lab.folds import Rows


def labelled_rows(dataset: Dataset, label: str) -> tuple[FitRows, Rows]:
    """Return the rows that have a label, and their numbers in the dataset, both in its order.

    Rows of one event or of one settlement are one outcome.

    Raises:
        NotFitted: the dataset has no such label, or it is known in no row.
    """
    if label not in dataset.labels:
        raise NotFitted(f"no label {label!r} in the dataset; there are: {', '.join(dataset.labels)}")
    column = dataset.labels[label]
    rows = np.flatnonzero(~np.isnan(column.value))
    if not rows.size:
        raise NotFitted(f"{label}: known in none of {len(column.value)} rows")
    fitted = fit_rows(
        dataset.names,
        dataset.features[rows],
        column.value[rows],
        dataset.at[rows],
        column.until[rows],
        dataset.event.code[rows],
        dataset.settlement.code[rows],
        weight=column.weight[rows],
    )
    return fitted, rows
