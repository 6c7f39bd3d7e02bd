"""From a real dataset of a tape to rows that can be fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs the extra `lab`")

from daemon.core.scorer import FeatureSchema
from daemon.lab.dataset import build_dataset
from daemon.lab.dataset_arrays import load_dataset
from daemon.lab.fitting.labelled import labelled_rows
from daemon.lab.fitting.rows import NotFitted
from daemon.lab.sampling import Sampling
from tests.lab.tiny_tape import stream, write_tape

SCHEMA = FeatureSchema(("mid", "ofi_5s"))


def test_rows_are_those_with_a_label(tmp_path: Path) -> None:
    """Their numbers lead back into the dataset, whose other columns are not inputs."""
    write_tape(tmp_path / "tape", {"a": stream(1, 10)})
    labels = ["settles_yes", "change_2s"]
    build_dataset([tmp_path / "tape"], tmp_path / "out", SCHEMA, Sampling(), labels)
    dataset = load_dataset(tmp_path / "out")
    rows, numbers = labelled_rows(dataset, "change_2s")
    known = ~np.isnan(dataset.labels["change_2s"].value)
    assert np.flatnonzero(known).tolist() == numbers.tolist()
    assert 0 < rows.count < len(known)
    assert SCHEMA.names == rows.names
    np.testing.assert_array_equal(dataset.features[numbers], rows.x)
    assert dataset.labels["change_2s"].until[numbers].tolist() == rows.span.label_at.tolist()
    with pytest.raises(NotFitted, match=r"no label 'moves_1m'.*settles_yes, change_2s"):
        labelled_rows(dataset, "moves_1m")
