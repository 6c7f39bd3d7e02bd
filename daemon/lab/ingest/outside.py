"""Series from elsewhere into the store: economic releases, forecasts, whatever has a date and a number.

One schema, as CSV with a header line or as Parquet:

| column | what |
|---|---|
| series | the series' name; may be missing where a name is given for the whole file |
| at | event time: the month that a figure is of, the meeting that a forecast is for |
| known_at | as-of time: when the row was published, and could be known |
| value | the number |
| vintage | optional: what the source calls this version, such as "advance" or "second" |

Instants are RFC 3339 in UTC (2026-11-21T13:30:00Z), in Parquet also timestamps in UTC or ns since 1970. A
bare date is its midnight as `at`, and as `known_at` the end of that day: a figure that came out at 13:30 was
not known in the morning. A revision is a row of its own with the same `at` and a later `known_at`.

A file is taken whole or not at all: every row that is bad is named, and what the store has already may
come again but not otherwise.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from daemon.core.units import DAY, Ns, parse_instant
from daemon.lab.store import Store
from daemon.lab.store_tables import Row
from daemon.lab.store_writer import Added

NEEDED = ("at", "known_at", "value")
COLUMNS = ("series", *NEEDED, "vintage")
SHOWN_MAX = 20
"""Bad rows that are named one by one."""
Cells: TypeAlias = Mapping[str, Any]
_LEAST_NS: Ns = 10**17
"""Below, a whole number of `known_at` is of another unit: as ns it would be known since 1970."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


class BadFile(ValueError):
    """A file that isn't such a series; the message names its rows, and what is allowed."""


def ingest_file(path: Path, store: Store, name: str | None, now: Ns) -> tuple[Added, int]:
    """Take a file's rows into the store; return what came of them, and how many they are.

    Args:
        path: CSV, or Parquet by its ending `.parquet`.
        store: takes them.
        name: the series' name, for a file that has no such column; of one that has, all rows must bear it.
        now: what is said to be known later than this is bad.

    Raises:
        BadFile: it can't be read, or has bad rows; nothing was taken.
        StoreError: the store can't be written.
    """
    rows = read_rows(path, name, now)
    store.lock()
    _refuse_contradictions(store, rows)
    return store.add("outside", rows.values()), len(rows)


def read_rows(path: Path, name: str | None, now: Ns) -> dict[str, Row]:
    """Return a file's rows by the place where they stand, such as `cpi.csv:2`. Raises BadFile."""
    found: dict[str, Row] = {}
    places: dict[tuple[Any, ...], str] = {}
    problems: list[str] = []
    for place, cells in _cells(path, name):
        try:
            row = _row(cells, name, now)
            key = (row["series"], row["event_at"], row["known_at"])
            if key in places:
                raise ValueError(f"the same series, at and known_at as {places[key]}")
        except ValueError as error:
            problems.append(f"{place}: {error}")
            continue
        places[key] = place
        found[place] = row
    if problems:
        _refuse(problems)
    return found


def _refuse(problems: list[str]) -> None:
    more = f"\n… and {len(problems) - SHOWN_MAX} more" if len(problems) > SHOWN_MAX else ""
    raise BadFile("\n".join(problems[:SHOWN_MAX]) + more + "\nnothing was taken")


def _refuse_contradictions(store: Store, rows: Mapping[str, Row]) -> None:
    """Compare with what is stored. Raises BadFile."""
    names = list({row["series"]: None for row in rows.values()})
    question = "SELECT * FROM outside WHERE list_contains(?, series)"
    stored = {
        (one["series"], one["event_at"], one["known_at"]): one["value"]
        for one in store.rows(question, [names]).to_pylist()
    }
    problems = []
    for place, row in rows.items():
        known = stored.get((row["series"], row["event_at"], row["known_at"]))
        if known is not None and known != row["value"]:
            said = f"the store has {known} for the same series, at and known_at, not {row['value']}"
            problems.append(f"{place}: {said}; a revision has a later known_at")
    if problems:
        _refuse(problems)


# --- reading ----------------------------------------------------------------------------------------


def _cells(path: Path, name: str | None) -> Iterator[tuple[str, Cells]]:
    """Yield each row's place and its cells. Raises BadFile."""
    try:
        yield from _parquet_cells(path, name) if path.suffix == ".parquet" else _csv_cells(path, name)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise BadFile(f"{path}: {error}") from error


def _csv_cells(path: Path, name: str | None) -> Iterator[tuple[str, Cells]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        _check_columns(path, reader.fieldnames or (), name)
        for cells in reader:
            yield f"{path}:{reader.line_num}", cells


def _parquet_cells(path: Path, name: str | None) -> Iterator[tuple[str, Cells]]:
    with pq.ParquetFile(path) as file:
        _check_columns(path, file.schema_arrow.names, name)
        number = 0
        for batch in file.iter_batches():
            for cells in _as_ns(batch).to_pylist():
                number += 1
                yield f"{path}: row {number}", cells


def _as_ns(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose timestamps are numbers of ns: Python's own datetimes end at microseconds."""
    columns = [
        column.cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
        if pa.types.is_timestamp(column.type) and column.type.tz is not None
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _check_columns(path: Path, names: Any, name: str | None) -> None:
    needed = NEEDED if name is not None else ("series", *NEEDED)
    absent = [one for one in needed if one not in names]
    strange = [str(one) for one in names if one not in COLUMNS]
    if absent or strange or len(set(names)) != len(names):
        told = [f"no column {', '.join(absent)}"] if absent else []
        told += [f"unknown columns {', '.join(strange)}"] if strange else []
        raise BadFile(
            f"{path}:1: {' and '.join(told) or 'a column twice'}; columns are: {', '.join(COLUMNS)}"
            " (vintage may be missing, and series where --name is given)"
        )


def _row(cells: Cells, name: str | None, now: Ns) -> Row:
    """Return a row of the store. Raises ValueError."""
    if None in cells or any(cells[one] is None for one in cells if one in NEEDED):
        raise ValueError("fewer or more cells than columns, or one without a value")
    series = cells.get("series") or name or ""
    if not _NAME.fullmatch(str(series)):
        raise ValueError(f"series {series!r}: letters, digits, . - _ and at most 100 of them")
    if name is not None and series != name:
        raise ValueError(f"series {series!r}, and --name says {name!r}")
    known_at = _instant("known_at", cells["known_at"])
    if isinstance(cells["known_at"], int) and known_at < _LEAST_NS:
        raise ValueError(f"known_at {known_at} is before 1973 in ns since 1970: are these seconds or ms?")
    if _DATE.fullmatch(str(cells["known_at"]).strip()):
        known_at += DAY
    if known_at > now:
        raise ValueError(
            f"known_at {cells['known_at']} is in the future: nobody knows it yet (a date is its end)"
        )
    return {
        "series": series,
        "event_at": _instant("at", cells["at"]),
        "known_at": known_at,
        "value": _value(cells["value"]),
        "vintage": str(cells["vintage"]) if cells.get("vintage") not in (None, "") else None,
    }


def _instant(column: str, cell: object) -> Ns:
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    text = str(cell).strip()
    try:
        if _DATE.fullmatch(text):
            return parse_instant(f"{text}T00:00:00Z")
        return parse_instant(text)
    except ValueError:
        raise ValueError(
            f"{column} {text!r}: an instant in UTC such as 2026-11-21T13:30:00Z, or a date"
        ) from None


def _value(cell: object) -> float:
    try:
        value = float(str(cell))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"value {cell!r}: a finite number")
    return value
