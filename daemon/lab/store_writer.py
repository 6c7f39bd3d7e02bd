"""How rows get into the store's files: by key, whole or not at all, same bytes for same rows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from daemon.lab.store_tables import Row, StoreError, Table

COMPRESSION = "zstd"


class Added(msgspec.Struct, frozen=True):
    """What came of it: rows that were new, and rows that said otherwise than what was stored, which stays."""

    new: int = 0
    contradicted: int = 0

    def __add__(self, other: Added) -> Added:
        """Both together."""
        return Added(self.new + other.new, self.contradicted + other.contradicted)


def write_rows(root: Path, table: Table, rows: Iterable[Row]) -> Added:
    """Merge rows into the files in which they stand. See `Store.add`."""
    by_file: dict[str, list[Row]] = {}
    for row in rows:
        _check(table, row)
        by_file.setdefault(table.file_of(row), []).append(row)
    # All are read before the first is written: a value of another type refuses all.
    incoming = {file: _table_of(table, some) for file, some in by_file.items()}
    added = Added()
    with duckdb.connect() as merging:
        for file, some in incoming.items():
            added += _merge(merging, root / f"{file}.parquet", table, some)
    return added


def _check(table: Table, row: Row) -> None:
    if strange := row.keys() - set(table.names):
        raise StoreError(f"{table.name}: no column {', '.join(sorted(strange))}")
    for name in (*table.key, *table.folder, table.at_column, "known_at"):
        if row.get(name) is None:
            raise StoreError(f"{table.name}: a row without {name}: {dict(row)}")


def _table_of(table: Table, rows: list[Row]) -> pa.Table:
    columns = []
    for name, kind in table.columns:
        try:
            found = pa.array([row.get(name) for row in rows])
            if not _is_fit(found.type, kind):
                raise StoreError(f"{table.name}: a value of another type: {name} is {kind}, not {found.type}")
            columns.append(found.cast(kind))
        except (pa.ArrowException, OverflowError) as error:
            raise StoreError(f"{table.name}: a value of another type: {name}: {error}") from error
    return pa.Table.from_arrays(columns, schema=table.schema)


def _is_fit(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values are of a column's kind: a float is no count, though it may look like one."""
    if pa.types.is_null(found):
        return True
    if pa.types.is_integer(found):
        return bool(pa.types.is_integer(wanted) or pa.types.is_floating(wanted))
    return bool(found == wanted)


def _merge(merging: duckdb.DuckDBPyConnection, path: Path, table: Table, incoming: pa.Table) -> Added:
    stored = read_file(path, table) if path.exists() else table.schema.empty_table()
    turn = pa.array(range(len(stored) + len(incoming)))
    merging.register("both_tables", pa.concat_tables([stored, incoming]).append_column("turn", turn))
    key = ", ".join(f'"{name}"' for name in table.key)
    others = [name for name in table.names if name not in table.key]
    # Of each column the first value that there is: what is stored comes before what comes.
    firsts = {name: f'arg_min("{name}", turn) AS "{name}"' for name in others}
    columns = ", ".join(firsts.get(name, f'"{name}"') for name in table.names)
    # When a thing could first be known is a reading of ours too, and may come out earlier the next time.
    checked = [name for name in others if name not in (*table.readings, "known_at")]
    compared = [f'min("{name}") <> max("{name}")' for name in checked]
    contradicted = " OR ".join(f"coalesce({one}, false)" for one in compared) or "false"
    found = merging.sql(
        f"SELECT {columns}, {contradicted} AS contradicted FROM both_tables"  # noqa: S608 - our own names
        f" GROUP BY {key} ORDER BY {key}"
    ).to_arrow_table()
    count = sum(found.column("contradicted").to_pylist())
    merged = found.select(table.names).cast(table.schema).combine_chunks()
    if not merged.equals(stored.combine_chunks()):
        _write(path, merged)
    return Added(len(merged) - len(stored), count)


def read_file(path: Path, table: Table) -> pa.Table:
    """Return a file of the store.

    Raises:
        StoreError: it can't be read, or has other columns.
    """
    try:
        found = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{path}: {error}") from error
    if not found.schema.equals(table.schema):
        raise StoreError(f"{path}: its columns are not those of {table.name}: ingest into a new folder")
    return found


def _write(path: Path, merged: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        pq.write_table(merged, file, compression=COMPRESSION)
        # What is noted as read afterwards must not be gone after a power cut.
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
