"""Reading the recorded files strictly: every column must be there, of its type, and without holes.

A file that isn't what we think is refused with the file's and the column's name. Needs pyarrow (the
extra `lab`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from daemon.core.units import MICROSECOND, Ns, parse_decimal

Kind: TypeAlias = Literal["int", "text", "float", "instant"]
BATCH_ROWS = 65_536


class SourceError(ValueError):
    """A recorded file is missing, or not of the shape that the importer knows. Names file and column."""


def _is_kind(found: pa.DataType, kind: Kind) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    match kind:
        case "int":
            return bool(pa.types.is_integer(found))
        case "text":
            return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
        case "float":
            return bool(pa.types.is_floating(found))
        case "instant":
            return bool(pa.types.is_timestamp(found) and found.unit == "us" and found.tz == "UTC")


class ParquetSource:
    """One parquet file with the columns that we expect of it."""

    def __init__(self, path: Path, columns: dict[str, Kind]) -> None:
        self.path = path
        self._columns = columns
        if not path.is_file():
            raise SourceError(f"{path}: no such file")
        try:
            self._file = pq.ParquetFile(path)
        except pa.ArrowException as exc:
            raise SourceError(f"{path}: not a parquet file: {exc}") from exc
        schema = self._file.schema_arrow
        for column, kind in columns.items():
            place = schema.get_field_index(column)
            if place < 0:
                raise SourceError(f"{path}: column {column!r} is missing")
            if not _is_kind(schema.field(place).type, kind):
                raise SourceError(
                    f"{path}: column {column!r} is {schema.field(place).type}, not {kind} as expected"
                )

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return int(self._file.metadata.num_rows)

    def batches(self, *columns: str) -> Iterator[dict[str, list[Any]]]:
        """Yield the rows in the file's order, some 65,000 at a time, as lists by column name.

        An instant becomes its Ns. Raises SourceError at a missing value.
        """
        names = list(columns) or list(self._columns)
        for batch in self._file.iter_batches(BATCH_ROWS, columns=names):
            yield {name: self._values(batch.column(name), name) for name in names}

    def _values(self, values: Any, column: str) -> list[Any]:
        if values.null_count:
            raise SourceError(f"{self.path}: column {column!r} has {values.null_count} missing values")
        match self._columns[column]:
            case "text":
                if not pa.types.is_dictionary(values.type):
                    values = values.dictionary_encode()
                texts = values.dictionary.to_pylist()
                if None in texts:
                    raise SourceError(f"{self.path}: column {column!r} has missing values")
                return [texts[place] for place in values.indices.to_numpy().tolist()]
            case "instant":
                instants = values.cast(pa.int64()).to_numpy().tolist()
                return [instant * MICROSECOND for instant in instants]
            case "int" | "float":
                return list(values.to_numpy().tolist())


def fixed(value: float, places: int, path: Path, column: str) -> int:
    """Return a recorded float as the decimal that it was written from, in 10**-places units.

    The shortest decimal that reads back as the float is what the recorder saw; multiplying would round.

    Raises:
        SourceError: it isn't a decimal of at most `places` digits.
    """
    try:
        return parse_decimal(repr(value), places)
    except ValueError as exc:
        raise SourceError(f"{path}: column {column!r}: {exc}") from exc


def read_csv(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Yield a CSV file's rows by column name. Raises SourceError where the file or a column is missing."""
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    with path.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        for column in columns:
            if column not in (reader.fieldnames or ()):
                raise SourceError(f"{path}: column {column!r} is missing")
        yield from reader


def parse_instant(text: str, path: Path, column: str) -> Ns:
    """Return an ISO instant with a zone as Ns. Raises SourceError where it is none."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as exc:
        raise SourceError(f"{path}: column {column!r}: {exc}") from exc
    if instant.tzinfo is None:
        raise SourceError(f"{path}: column {column!r}: {text!r} names no time zone")
    # Whole seconds and microseconds apart: a float of seconds would lose the last digits.
    return int(instant.replace(microsecond=0).timestamp()) * 1_000_000_000 + instant.microsecond * MICROSECOND
