"""Series from files: one schema, taken whole or not at all, every bad row named by its place."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daemon.core.units import parse_instant
from daemon.lab.ingest.outside import SHOWN_MAX, BadFile, ingest_file, read_rows
from daemon.lab.store import Store, open_store
from daemon.lab.store_writer import Added

NOW = parse_instant("2026-11-21T00:00:00Z")
HEAD = "series,at,known_at,value,vintage\n"
CPI = (
    HEAD
    + "cpi_yoy,2026-09-01,2026-10-15T12:30:00Z,3.1,first\n"
    + "cpi_yoy,2026-09-01,2026-11-13T13:30:00.25Z,3.2,second\n"
    + "fedwatch_hold,2026-12-09T19:00:00Z,2026-11-20,0.86,\n"
)


def write(folder: Path, text: str, name: str = "some.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store", may_create=True)


def test_a_file_is_taken_once(tmp_path: Path, store: Store) -> None:
    """Releases, revisions and forecasts, each with its two instants; again, nothing is new."""
    path = write(tmp_path, CPI)
    assert (Added(3, 0), 3) == ingest_file(path, store, None, NOW)
    found = store.rows("SELECT * FROM outside ORDER BY series, known_at").to_pylist()
    assert [
        ("cpi_yoy", "2026-09-01T00:00:00Z", "2026-10-15T12:30:00Z", 3.1, "first"),
        ("cpi_yoy", "2026-09-01T00:00:00Z", "2026-11-13T13:30:00.25Z", 3.2, "second"),
        ("fedwatch_hold", "2026-12-09T19:00:00Z", "2026-11-21T00:00:00Z", 0.86, None),
    ] == [
        (row["series"], _text(row["event_at"]), _text(row["known_at"]), row["value"], row["vintage"])
        for row in found
    ]
    before = store.sha256s("outside")
    assert (Added(0, 0), 3) == ingest_file(path, store, None, NOW)
    assert before == store.sha256s("outside")


def _text(at: int) -> str:
    fraction = f"{at % 10**9 / 1e9:.2f}"[1:] if at % 10**9 else ""
    return datetime.fromtimestamp(at // 10**9, UTC).strftime(f"%Y-%m-%dT%H:%M:%S{fraction}Z")


def test_a_file_may_be_named_as_a_whole(tmp_path: Path, store: Store) -> None:
    """Where it has no such column; where it has, it must agree."""
    text = "at,known_at,value\n2026-09-01,2026-10-15,3.1\n"
    assert (Added(1, 0), 1) == ingest_file(write(tmp_path, text), store, "cpi", NOW)
    with pytest.raises(BadFile, match=r"some\.csv:2: series 'cpi_yoy', and --name says 'cpi'"):
        ingest_file(write(tmp_path, CPI), store, "cpi", NOW)
    with pytest.raises(BadFile, match=r"some\.csv:1: no column series"):
        ingest_file(write(tmp_path, text), store, None, NOW)


def test_parquet_is_the_same(tmp_path: Path) -> None:
    """Instants as timestamps in UTC, as ns, or as text."""
    expected = list(read_rows(write(tmp_path, CPI), None, NOW).values())
    at = [row["event_at"] for row in expected]
    known_at = [row["known_at"] for row in expected]
    series, value = [row["series"] for row in expected], [row["value"] for row in expected]
    vintage = [row["vintage"] for row in expected]
    for column in (
        pa.array(at, pa.timestamp("ns", "UTC")),
        pa.array([one // 1000 for one in at], pa.timestamp("us", "UTC")),
        pa.array(at, pa.int64()),
        pa.array([_text(one) for one in at]),
    ):
        path = tmp_path / "some.parquet"
        pq.write_table(
            pa.table(
                {"series": series, "at": column, "known_at": known_at, "value": value, "vintage": vintage}
            ),
            path,
        )
        assert expected == list(read_rows(path, None, NOW).values())


def test_a_date_alone_was_known_when_it_was_over(tmp_path: Path) -> None:
    """Of `known_at`: a figure of 12:30 must not be known at midnight before; `at` is its midnight."""
    for path in (write(tmp_path, "at,known_at,value\n2026-09-01,2026-10-15,3.1\n"), tmp_path / "x.parquet"):
        if path.suffix == ".parquet":
            days = [pa.array([date(2026, month, day)]) for month, day in ((9, 1), (10, 15))]
            pq.write_table(pa.table({"at": days[0], "known_at": days[1], "value": [3.1]}), path)
        (row,) = read_rows(path, "cpi", NOW).values()
        assert (
            parse_instant("2026-09-01T00:00:00Z"),
            parse_instant("2026-10-16T00:00:00Z"),
        ) == (row["event_at"], row["known_at"])


def test_whole_numbers_of_another_unit_are_refused(tmp_path: Path) -> None:
    """Seconds read as ns would have been known since 1970."""
    columns: dict[str, Any] = {"at": [1], "known_at": [NOW // 10**9], "value": [1.0]}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(BadFile, match=r"row 1: known_at \d+ is before 1973 .* seconds or ms"):
        read_rows(tmp_path / "x.parquet", "x", NOW)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            "cpi,yesterday,2026-10-15,3.1,",
            "at 'yesterday': an instant in UTC such as 2026-11-21T13:30:00Z, or a date",
        ),
        ("cpi,2026-09-01,2026-10-15T12:30:00+02:00,3.1,", "known_at '2026-10-15T12:30:00"),
        ("cpi,2026-09-01,2026-11-22,3.1,", "known_at 2026-11-22 is in the future"),
        ("cpi,2026-09-01,2026-10-15,nan,", "value 'nan': a finite number"),
        ("cpi,2026-09-01,2026-10-15,inf,", "value 'inf': a finite number"),
        ("cpi,2026-09-01,2026-10-15,,", "value '': a finite number"),
        ('cpi,2026-09-01,2026-10-15,"3,1",', "value '3,1': a finite number"),
        ("a/b,2026-09-01,2026-10-15,3.1,", "series 'a/b': letters, digits"),
        ("cpi,2026-09-01,2026-10-15", "fewer or more cells than columns"),
        ("cpi,2026-09-01,2026-10-15,3.1,x,y", "fewer or more cells than columns"),
        ("cpi_yoy,2026-09-01,2026-10-15T12:30:00Z,3.3,first", "the same series, at and known_at as .*:2"),
    ],
)
def test_a_bad_row_is_named_and_refuses_all(tmp_path: Path, store: Store, row: str, said: str) -> None:
    """By file and line, with what is allowed; nothing of the file is taken."""
    with pytest.raises(BadFile, match=rf"some\.csv:5: {said}") as caught:
        ingest_file(write(tmp_path, CPI + row + "\n"), store, None, NOW)
    assert str(caught.value).endswith("nothing was taken")
    assert 0 == len(store.rows("SELECT * FROM outside"))


def test_a_bad_row_of_parquet_is_named_too(tmp_path: Path) -> None:
    """By its number."""
    rows: dict[str, Any] = {"at": [1, 2], "known_at": [1, None], "value": [1.0, 2.0]}
    pq.write_table(pa.table(rows), tmp_path / "x.parquet")
    with pytest.raises(BadFile, match=r"x\.parquet: row 2: .* one without a value"):
        read_rows(tmp_path / "x.parquet", "x", NOW)


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    """The first ones are named."""
    text = HEAD + "cpi,2026-09-01,2026-10-15,much,\n" * (SHOWN_MAX + 7)
    with pytest.raises(BadFile, match="… and 7 more") as caught:
        read_rows(write(tmp_path, text), None, NOW)
    assert SHOWN_MAX + 2 == len(str(caught.value).splitlines())


def test_what_was_said_is_not_unsaid(tmp_path: Path, store: Store) -> None:
    """Another value for the same instants is refused: a revision has an instant of its own."""
    ingest_file(write(tmp_path, CPI), store, None, NOW)
    with pytest.raises(
        BadFile, match=r"some\.csv:3: the store has 3\.2 .*, not 9\.2; a revision has a later known_at"
    ):
        ingest_file(write(tmp_path, CPI.replace("3.2", "9.2")), store, None, NOW)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"some\.csv:1: no column series, at, known_at, value; columns are: series, at"),
        ("series,at,known_at,value,price\n", "unknown columns price"),
        ("series,at,at,known_at,value\n", "a column twice"),
        (HEAD + '"cpi', r"some\.csv: "),
    ],
)
def test_another_shape_is_said(tmp_path: Path, text: str, said: str) -> None:
    """With the columns that are allowed."""
    with pytest.raises(BadFile, match=said):
        read_rows(write(tmp_path, text), None, NOW)


def test_what_cant_be_read_is_said(tmp_path: Path) -> None:
    """Parquet that is none, text that isn't UTF-8."""
    (tmp_path / "x.parquet").write_bytes(b"no")
    (tmp_path / "x.csv").write_bytes(HEAD.encode() + b"\xff\n")
    for name in ("x.parquet", "x.csv"):
        with pytest.raises(BadFile, match=name):
            read_rows(tmp_path / name, None, NOW)
