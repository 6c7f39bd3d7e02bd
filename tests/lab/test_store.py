"""The store as it is asked: its views, what was known at an instant, and who may write."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.units import DAY, HOUR
from daemon.lab.store import Store, open_store
from daemon.lab.store_tables import TABLES, StoreError
from daemon.lab.store_writer import Added

INSTANTS = st.integers(0, 12)


def release(event_at: int, known_at: int, value: float, series: str = "cpi") -> dict[str, Any]:
    return {"series": series, "event_at": event_at, "known_at": known_at, "value": value}


def candle(ended_at: int, bid: int | None) -> dict[str, Any]:
    row = {
        "series_ticker": "S",
        "ticker": "S-1",
        "period_min": 60,
        "ended_at": ended_at,
        "known_at": ended_at,
    }
    return {**row, "bid_close": bid, "volume": 0}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store", may_create=True)


def test_a_new_store_is_empty(store: Store) -> None:
    """Each table is a view without rows, with its columns; and stays so when opened again."""
    for name, table in TABLES.items():
        found = store.rows(f"SELECT * FROM {name}")
        assert (table.names, 0) == (tuple(found.column_names), len(found))
    store.close()
    with open_store(store.root) as again:
        assert 0 == len(again.rows("SELECT * FROM candles"))


def test_what_is_added_is_seen_at_once(store: Store) -> None:
    """By the same store, and by one that is opened after it; NULL is what isn't there."""
    assert Added(2, 0) == store.add("candles", [candle(HOUR, 4000), candle(2 * HOUR, None)])
    assert Added(1, 0) == store.add("candles", [candle(40 * DAY, 4100)])
    question = "SELECT bid_close FROM candles WHERE period_min = ? ORDER BY ended_at"
    assert [4000, None, 4100] == store.rows(question, [60]).column(0).to_pylist()
    store.close()
    with open_store(store.root) as again:
        assert [4000, None, 4100] == again.rows(question, [60]).column(0).to_pylist()


@settings(max_examples=5, deadline=None)
@given(
    releases=st.dictionaries(st.tuples(INSTANTS, INSTANTS), st.integers(-5, 5), max_size=8),
    ends=st.sets(st.integers(1, 12), max_size=4),
    at=INSTANTS,
)
def test_nothing_is_known_before_its_time(
    releases: dict[tuple[int, int], int], ends: set[int], at: int
) -> None:
    """As of an instant there is nothing later; and what comes later, however much, changes nothing of it."""
    rows = [release(event_at, known_at, value) for (event_at, known_at), value in releases.items()]
    candles = [candle(end * HOUR, 4000) for end in sorted(ends)]
    questions = ("SELECT * FROM outside ORDER BY ALL", "SELECT * FROM candles ORDER BY ALL")
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder), may_create=True) as store:
        store.add("outside", [row for row in rows if row["known_at"] <= at])
        store.add("candles", [row for row in candles if row["known_at"] <= at * HOUR])
        before = [_as_of(store, at, questions[0]), _as_of(store, at * HOUR, questions[1])]
        values = store.outside_at("cpi", np.arange(at + 1))
        store.add("outside", rows)
        store.add("candles", candles)
        after = [_as_of(store, at, questions[0]), _as_of(store, at * HOUR, questions[1])]
        assert before == after
        assert all(row["known_at"] <= at for row in after[0])
        assert values.tolist() == pytest.approx(store.outside_at("cpi", np.arange(at + 1)), nan_ok=True)
        # The newest event of those known, as last revised: by the rule, one row after the other.
        known = [(row["event_at"], row["known_at"], row["value"]) for row in rows if row["known_at"] <= at]
        newest = max(known, default=(0, 0, np.nan))[2]
        assert [newest] == pytest.approx(store.outside_at("cpi", np.array([at])), nan_ok=True)


def _as_of(store: Store, at: int, question: str) -> list[dict[str, Any]]:
    with store.as_of(at) as past:
        found: list[dict[str, Any]] = past.rows(question).to_pylist()
    return found


def test_a_revision_replaces_a_release_when_it_comes(store: Store) -> None:
    """Of each event the version that was known; an older event's revision is not the newest value."""
    store.add("outside", [release(1, 5, 2.0), release(1, 9, 2.5), release(10, 15, 3.0), release(1, 20, 2.6)])
    assert [[2.0], [2.5], [2.5, 3.0], [2.6, 3.0]] == [
        [row["value"] for row in _as_of(store, at, "SELECT value FROM outside ORDER BY event_at")]
        for at in (8, 9, 15, 20)
    ]
    found = store.outside_at("cpi", np.array([20, 0, 5, 14, 15, 9]))
    assert [3.0, 2.0, 2.5, 3.0, 2.5] == found[[0, 2, 3, 4, 5]].tolist()
    assert np.isnan(found[1])
    assert np.isnan(store.outside_at("unheard-of", np.array([1, 2]))).all()
    with store.as_of(9) as past:
        assert [2.5] == past.outside_at("cpi", np.array([99])).tolist()


def test_one_writes_at_a_time(store: Store) -> None:
    """Another is told who writes, and may read; when the first has closed, it may write."""
    store.add("outside", [release(1, 2, 3.0)])
    with open_store(store.root) as other:
        with pytest.raises(StoreError, match=f"is being written by process {os.getpid()}"):
            other.add("outside", [release(2, 3, 3.0)])
        assert 1 == len(other.rows("SELECT * FROM outside"))
        store.close()
        assert Added(1, 0) == other.add("outside", [release(2, 3, 3.0)])


def test_a_manifest_has_each_files_sha256(store: Store) -> None:
    """Of the tables that are named, by path; another row, another sum."""
    store.add("candles", [candle(HOUR, 4000)])
    store.add("outside", [release(1, 2, 3.0)])
    before = store.sha256s("candles", "trades")
    assert ["candles/S/60m/1970-01.parquet"] == list(before)
    store.add("candles", [candle(2 * HOUR, 4000)])
    assert before != store.sha256s("candles", "trades")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("SELECT nothing FROM nowhere", "nowhere"),
        ("SELEC 1", "syntax"),
        ("", "not a question"),
    ],
)
def test_a_bad_question_is_said(store: Store, question: str, said: str) -> None:
    """As an error of the store's, with what the database says."""
    with pytest.raises(StoreError, match=said):
        store.rows(question)


def test_what_is_no_store_is_said(tmp_path: Path) -> None:
    """A folder with other things, one that is not there, another version, a damaged mark, a pattern."""
    with pytest.raises(StoreError, match=r"is no store: it has no store\.json"):
        open_store(tmp_path / "absent")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="is no store"):
        open_store(tmp_path, may_create=True)
    (tmp_path / "store.json").write_text('{"version": 99}')
    with pytest.raises(StoreError, match="version 99, this program reads 1"):
        open_store(tmp_path)
    (tmp_path / "store.json").write_text("no json")
    with pytest.raises(StoreError, match=r"store\.json: "):
        open_store(tmp_path)
    with pytest.raises(StoreError, match="in its path"):
        open_store(tmp_path / "what?", may_create=True)
