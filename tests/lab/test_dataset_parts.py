"""One session's files: whole or not there, and exact to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs the extra `lab`")

import pyarrow.parquet as pq

from daemon.core.scorer import FeatureSchema
from daemon.lab.dataset_parts import CHUNK_ROWS, Part, name_part, read_mids, write_rows
from daemon.lab.sampling import UNKNOWN_MID, MidSeries, Row

SCHEMA = FeatureSchema(("mid", "spread"))


def test_values_come_back_to_the_bit(tmp_path: Path) -> None:
    """Floats as they were, None as null, more rows than a chunk holds in their order."""
    rows = [Row("A", at, [0.1 + 0.2, None], 1, None, 2, None) for at in range(CHUNK_ROWS + 3)]
    part = Part("0-s", tmp_path)
    write_rows(part, rows, SCHEMA, [])
    name_part(part, {}, 9)
    table = pq.read_table(part.rows_path)

    assert list(range(CHUNK_ROWS + 3)) == table.column("at").to_pylist()
    assert {
        "ticker": "A", "at": 1, "quote_bid": 1, "quote_ask": None, "quote_bid_size": 2,
        "quote_ask_size": None, "mid": 0.1 + 0.2, "spread": None,
    } == table.slice(1, 1).to_pylist()[0]  # fmt: skip


def test_rows_without_a_required_feature_are_left_out(tmp_path: Path) -> None:
    """As the daemon would not score them."""
    rows = [Row("A", at, [None if at == 1 else 0.5, 0.1], 1, 2, 3, 4) for at in range(3)]
    part = Part("0-s", tmp_path)
    write_rows(part, rows, SCHEMA, ["mid"])
    name_part(part, {}, 9)

    assert [0, 2] == pq.read_table(part.rows_path).column("at").to_pylist()


def test_mids_come_back_by_market(tmp_path: Path) -> None:
    """With the instant at which the recording ended."""
    part = Part("0-s", tmp_path)
    write_rows(part, [], SCHEMA, [])
    name_part(part, {"B": MidSeries([1, 2], [10, UNKNOWN_MID]), "A": MidSeries([5], [11])}, 7)

    assert {"A": ([5], [11], 7), "B": ([1, 2], [10, UNKNOWN_MID], 7)} == {
        ticker: (mids.at.tolist(), mids.double_mid.tolist(), mids.end_at)
        for ticker, mids in read_mids(part).items()
    }


def test_a_session_is_done_when_both_files_are_named(tmp_path: Path) -> None:
    """An interruption before that leaves drafts, which count as nothing."""
    part = Part("0-s", tmp_path)
    assert not part.is_done
    write_rows(part, [Row("A", 1, [0.5, 0.1], 1, 2, 3, 4)], SCHEMA, [])
    assert not part.is_done
    name_part(part, {}, 1)
    assert part.is_done
    assert ["0-s.mids.parquet", "0-s.rows.parquet"] == sorted(path.name for path in tmp_path.iterdir())
