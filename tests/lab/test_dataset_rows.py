"""Labels, weights and groups beside the rows of several sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs the extra `lab`")

import pyarrow.parquet as pq

from daemon.core.scorer import FeatureSchema
from daemon.core.units import SECOND
from daemon.lab.dataset_parts import Part, name_part, write_rows
from daemon.lab.dataset_rows import Counts, Group, write_dataset
from daemon.lab.labels import parse_label
from daemon.lab.sampling import MidSeries, Row

SCHEMA = FeatureSchema(("mid",))
GROUPS = {
    "A": Group("E", "S@1", 0, 100 * SECOND, "yes"),
    "B": Group("E", "S@1", 0, 100 * SECOND, "no"),
    "C": Group("F", "S@2", 0, 100 * SECOND, None),
}


def row(ticker: str, second: int, bid: int | None = 4_000, ask: int | None = 5_000) -> Row:
    return Row(ticker, second * SECOND, [0.45], bid, ask, 1, 1)


def part(folder: Path, key: str, rows: list[Row], mids: dict[str, MidSeries], end: int) -> Part:
    found = Part(key, folder)
    write_rows(found, rows, SCHEMA, [])
    name_part(found, mids, end * SECOND)
    return found


def test_rows_of_two_sessions_stand_in_one_file(tmp_path: Path) -> None:
    """By session and in their order, with their groups, labels, and what the labels weigh."""
    mids = {"A": MidSeries([0, 2 * SECOND], [9_000, 9_100]), "B": MidSeries([0], [9_000])}
    parts = [
        part(tmp_path, "0-a", [row("B", 0), row("A", 1), row("A", 2, None)], mids, 3),
        part(tmp_path, "0-b", [row("C", 1), row("A", 5)], {"C": MidSeries([0], [8_000])}, 9),
    ]
    labels = [parse_label("settles_yes"), parse_label("change_1s")]
    counts = write_dataset(tmp_path / "rows.parquet", parts, GROUPS, labels, SCHEMA.names)
    table = pq.read_table(tmp_path / "rows.parquet").to_pydict()

    assert ["B", "A", "A", "C", "A"] == table["ticker"]
    assert ["0-a"] * 3 + ["0-b"] * 2 == table["session"]
    assert ["E", "E", "E", "F", "E"] == table["event"]
    assert ["S@1", "S@1", "S@1", "S@2", "S@1"] == table["settlement"]
    assert [0.45, 0.45, None, 0.45, 0.45] == table["quote_mid"]
    assert [0.0, 1.0, 1.0, None, 1.0] == table["label_settles_yes"]
    assert [0.25, 0.25, 0.25, None, 0.25] == table["weight_settles_yes"]
    assert [0.0, 0.005, None, -0.05, None] == table["label_change_1s"]
    assert [1.0, 1.0, None, 1.0, None] == table["weight_change_1s"]
    assert [second * SECOND for second in (1, 2, 3, 2, 6)] == table["until_change_1s"]
    assert Counts({"0-a": 3, "0-b": 2}, {"settles_yes": 4, "change_1s": 3}, ("B", "A", "C"), 2, 2) == counts


def test_a_label_may_lie_in_another_session(tmp_path: Path) -> None:
    """What a later recording of the same market saw is known too."""
    parts = [
        part(tmp_path, "0-a", [row("A", 1)], {"A": MidSeries([0], [9_000])}, 2),
        part(tmp_path, "0-b", [], {"A": MidSeries([5 * SECOND], [9_400])}, 20),
    ]
    write_dataset(tmp_path / "rows.parquet", parts, GROUPS, [parse_label("change_10s")], SCHEMA.names)

    assert [0.02] == pq.read_table(tmp_path / "rows.parquet").column("label_change_10s").to_pylist()


def test_no_rows_are_an_empty_dataset(tmp_path: Path) -> None:
    """A session in which nothing could be sampled is no error."""
    parts = [part(tmp_path, "0-a", [], {}, 2)]
    counts = write_dataset(tmp_path / "rows.parquet", parts, {}, [parse_label("change_1s")], SCHEMA.names)

    assert Counts({"0-a": 0}, {"change_1s": 0}, (), 0, 0) == counts
    assert 0 == pq.read_table(tmp_path / "rows.parquet").num_rows
