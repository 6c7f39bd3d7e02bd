"""A dataset read back: the file's columns, unknown as NaN."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs the extra `lab`")

import pyarrow.parquet as pq

from daemon.core.scorer import FeatureSchema
from daemon.core.units import MINUTE
from daemon.lab.dataset import build_dataset
from daemon.lab.dataset_arrays import Words, load_dataset
from daemon.lab.dataset_manifest import DatasetError
from daemon.lab.sampling import Sampling
from tests.lab.tiny_tape import START, TICKERS, stream, write_tape

SCHEMA = FeatureSchema(("mid", "ofi_5s", "strike_distance"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tape(tmp_path / "tape", {"a": stream(1, 10), "b": stream(2, 10, START + MINUTE)})
    build_dataset([tmp_path / "tape"], tmp_path / "out", SCHEMA, Sampling(), ["settles_yes", "change_2s"])
    return tmp_path / "out"


def spelled(column: Words) -> list[str]:
    return [column.words[code] for code in column.code]


def test_arrays_are_the_files_columns(folder: Path) -> None:
    """Features, keys, groups, quotes and labels row by row; null is NaN, and only that."""
    found, table = load_dataset(folder), pq.read_table(folder / "rows.parquet").to_pydict()
    floats = {
        **{name: found.features[:, place] for place, name in enumerate(found.names)},
        **{f"quote_{name}": getattr(found.quotes, name) for name in ("bid", "ask", "bid_size", "mid")},
        **{f"label_{name}": one.value for name, one in found.labels.items()},
        **{f"weight_{name}": one.weight for name, one in found.labels.items()},
    }
    for name, array in floats.items():
        assert table[name] == [None if np.isnan(one) else one for one in array.tolist()], name
    for name in ("at", "open_at", "close_at"):
        assert table[name] == getattr(found, name).tolist()
    for name in ("ticker", "session", "event", "settlement"):
        assert table[name] == spelled(getattr(found, name))
    assert table["until_change_2s"] == found.labels["change_2s"].until.tolist()


def test_words_are_listed_once(folder: Path) -> None:
    """By their first use, whatever the sessions."""
    found = load_dataset(folder)

    assert (TICKERS, ("0-a", "0-b"), 1) == (found.ticker.words, found.session.words, len(found.event.words))


def test_some_features_in_another_order(folder: Path) -> None:
    """Only those asked for, as they were asked for."""
    found, whole = load_dataset(folder, ["ofi_5s", "mid"]), load_dataset(folder)

    assert ("ofi_5s", "mid") == found.names
    assert np.array_equal(whole.features[:, [1, 0]], found.features, equal_nan=True)


def test_a_feature_that_is_not_there_is_refused(folder: Path) -> None:
    """With those that are."""
    with pytest.raises(DatasetError, match="no such features: spread; there are: mid, ofi_5s"):
        load_dataset(folder, ["spread"])


def test_changed_rows_are_refused(folder: Path) -> None:
    """Nothing is fitted on a file that the manifest doesn't name."""
    (folder / "rows.parquet").write_bytes(b"other")
    with pytest.raises(DatasetError, match=r"rows\.parquet: not the file"):
        load_dataset(folder)
