"""Rows into files: by key, completed and never changed, the same bytes in whatever order they come."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.units import DAY
from daemon.lab.store_tables import StoreError, table_named
from daemon.lab.store_writer import Added, read_file, write_rows

TRADES = table_named("trades")
MARKETS = table_named("markets")


def trade(number: int, **changes: Any) -> dict[str, Any]:
    at = number * DAY // 4
    row = {"series_ticker": "S", "ticker": "S-1", "trade_id": f"t{number}", "traded_at": at, "price": 4000}
    return {**row, "qty": 100 * number, "taker_side": "yes", "known_at": at, **changes}


def market(**changes: Any) -> dict[str, Any]:
    return {"series_ticker": "S", "ticker": "S-1", "known_at": 5, **changes}


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(max_examples=6, deadline=None)
@given(order=st.permutations(range(10)), cuts=st.lists(st.integers(0, 10), max_size=3))
def test_the_same_rows_are_the_same_bytes(order: list[int], cuts: list[int]) -> None:
    """In any order, in any number of pieces, some of them twice."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        expected = write_rows(Path(one), TRADES, [trade(number) for number in range(10)])
        places = [0, *sorted(cuts), 10]
        added = Added()
        for start, end in zip(places, [*places[1:], 10], strict=True):
            added += write_rows(Path(other), TRADES, [trade(order[place]) for place in range(start, end)])
            write_rows(Path(other), TRADES, [trade(order[0])] if end else [])
        assert files_in(Path(one)) == files_in(Path(other))
        # The first one came beside its piece, so it may have been new there.
        assert (10, 0) == (expected.new, added.contradicted)


def test_a_row_is_completed_and_never_changed(tmp_path: Path) -> None:
    """A NULL is filled in; a value stays, and what says otherwise is counted."""
    path = tmp_path / f"{MARKETS.file_of(market())}.parquet"
    assert Added(1, 0) == write_rows(tmp_path, MARKETS, [market(title="t")])
    assert Added(0, 0) == write_rows(tmp_path, MARKETS, [market(strike=7)])
    assert Added(0, 1) == write_rows(tmp_path, MARKETS, [market(strike=8, title="t")])
    (row,) = read_file(path, MARKETS).to_pylist()
    assert ("t", 7) == (row["title"], row["strike"])


def test_how_it_was_first_read_contradicts_nothing(tmp_path: Path) -> None:
    """A later reading finds a market over, and closed early: the first one stays."""
    write_rows(tmp_path, MARKETS, [market(close_at=50, was_over=False)])
    assert Added() == write_rows(tmp_path, MARKETS, [market(close_at=40, was_over=True, known_at=4)])
    (row,) = read_file(tmp_path / "markets/S/all.parquet", MARKETS).to_pylist()
    assert (50, False, 5) == (row["close_at"], row["was_over"], row["known_at"])


def test_what_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    """The file is the same file."""
    write_rows(tmp_path, TRADES, [trade(1)])
    (path,) = tmp_path.rglob("*.parquet")
    before = path.stat().st_ino
    write_rows(tmp_path, TRADES, [trade(1)])
    assert before == path.stat().st_ino


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (trade(9, prize=1), "no column prize"),
        (trade(9, trade_id=None), "a row without trade_id"),
        (trade(9, known_at=None), "a row without known_at"),
        (trade(9, series_ticker=None), "a row without series_ticker"),
        (trade(9, price="dear"), "a value of another type"),
        (trade(9, price=0.5), "a value of another type"),
        (trade(9, price=True), "a value of another type"),
        (trade(9, taker_side=1), "a value of another type"),
        (trade(9, price=2**40), "a value of another type"),
    ],
)
def test_a_bad_row_refuses_all(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    """The message names the table and what is wrong; no file is made."""
    with pytest.raises(StoreError, match=f"trades: {said}"):
        write_rows(tmp_path, TRADES, [trade(1), row])
    assert {} == files_in(tmp_path)


def test_a_draft_of_a_crash_is_nothing(tmp_path: Path) -> None:
    """What a killed process left is overwritten, and never read."""
    (tmp_path / "trades/S").mkdir(parents=True)
    (tmp_path / "trades/S/.1970-01-01.parquet.draft").write_bytes(b"half")
    write_rows(tmp_path, TRADES, [trade(1)])
    assert ["1970-01-01.parquet"] == list(files_in(tmp_path))


def test_a_file_that_is_none_of_ours_is_said(tmp_path: Path) -> None:
    """With its path: garbage, or another table's columns."""
    write_rows(tmp_path, TRADES, [trade(1)])
    (path,) = tmp_path.rglob("*.parquet")
    with pytest.raises(StoreError, match="its columns are not those of markets"):
        read_file(path, MARKETS)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(StoreError, match=r"1970-01-01\.parquet"):
        write_rows(tmp_path, TRADES, [trade(1)])
