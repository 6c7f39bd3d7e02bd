"""A dataset read back: its columns as arrays, for whoever fits or judges.

All arrays have one element per row. Unknown is NaN; a price or a size that is known is a whole number, exact
as a float. Nothing here is an input of a model but `features`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq

from daemon.lab.dataset_manifest import ROWS_NAME, DatasetError, Manifest, check_rows, read_manifest
from daemon.lab.labels import Floats, Ints


class Words(msgspec.Struct, frozen=True):
    """A column of words: `code[i]` is the place of row i's word in `words`."""

    code: Ints
    words: tuple[str, ...]


class LabelColumn(msgspec.Struct, frozen=True):
    """One label of all rows: value and weight are NaN where unknown; `until` (Ns) is when it was known."""

    value: Floats
    until: Ints
    weight: Floats


class Quotes(msgspec.Struct, frozen=True):
    """What could be traded against: prices in 1e-4 $, sizes in 0.01 contract, the mid in dollars."""

    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    mid: Floats


class Dataset(msgspec.Struct, frozen=True):
    """A dataset in memory. `features` has the shape (rows, features), in the order of `names`."""

    manifest: Manifest
    names: tuple[str, ...]
    features: Floats
    at: Ints
    open_at: Ints
    close_at: Ints
    ticker: Words
    session: Words
    event: Words
    settlement: Words
    quotes: Quotes
    labels: dict[str, LabelColumn]


def load_dataset(folder: Path, names: Iterable[str] | None = None) -> Dataset:
    """Read a dataset, its bytes checked against its manifest.

    Args:
        folder: where it is.
        names: the features to read, in the order wanted; None for all of them.

    Raises:
        DatasetError: it is none, its rows are not its manifest's, or it lacks a feature.
    """
    manifest = read_manifest(folder)
    check_rows(folder, manifest)
    known = manifest.recipe.features
    wanted = known if names is None else tuple(names)
    if absent := [name for name in wanted if name not in known]:
        raise DatasetError(
            f"{folder / ROWS_NAME}: no such features: {', '.join(absent)}; there are: {', '.join(known)}"
        )
    columns = _Columns(folder / ROWS_NAME)
    # By column, as models are fitted.
    features = np.empty((manifest.rows, len(wanted)), dtype=np.float64, order="F")
    for place, name in enumerate(wanted):
        features[:, place] = columns.floats(name)
    return Dataset(
        manifest=manifest,
        names=wanted,
        features=features,
        at=columns.ints("at"),
        open_at=columns.ints("open_at"),
        close_at=columns.ints("close_at"),
        ticker=columns.words("ticker"),
        session=columns.words("session"),
        event=columns.words("event"),
        settlement=columns.words("settlement"),
        quotes=Quotes(
            *(columns.floats(f"quote_{name}") for name in ("bid", "ask", "bid_size", "ask_size", "mid"))
        ),
        labels={
            name: LabelColumn(
                columns.floats(f"label_{name}"),
                columns.ints(f"until_{name}"),
                columns.floats(f"weight_{name}"),
            )
            for name in manifest.recipe.labels
        },
    )


class _Columns:
    """The file's columns, read one by one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def floats(self, name: str) -> Floats:
        """Return numbers, NaN where there is none."""
        column = pq.read_table(self._path, columns=[name]).column(0).cast("float64")
        found: Floats = column.to_numpy()
        return found

    def ints(self, name: str) -> Ints:
        """Return whole numbers; none is missing."""
        found: Ints = pq.read_table(self._path, columns=[name]).column(0).to_numpy()
        return found

    def words(self, name: str) -> Words:
        """Return a column of words, each word once, in the order of first use."""
        column = pq.read_table(self._path, columns=[name]).column(0).unify_dictionaries().combine_chunks()
        code = column.indices.to_numpy().astype(np.int64)
        return Words(code, tuple(column.dictionary.to_pylist()))
