"""The first half of a build: one session's rows and mids, each in a file of its own beside the dataset.

What takes time is here, so an interrupted build goes on with the sessions that are not done. A file has its
name when it is whole; the rows are named last, so that a session with rows has its mids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from daemon.core.scorer import FeatureSchema
from daemon.core.units import Ns
from daemon.lab.labels import Mids
from daemon.lab.sampling import MidSeries, Row

CHUNK_ROWS = 16_384
COMPRESSION = "zstd"
QUOTES = (
    ("quote_bid", pa.int32()),
    ("quote_ask", pa.int32()),
    ("quote_bid_size", pa.int64()),
    ("quote_ask_size", pa.int64()),
)
"""Beside each row: best YES bid and ask (1e-4 $), their sizes (0.01 contract); null where there is none."""
TICKER = pa.dictionary(pa.int32(), pa.string())


class Part(msgspec.Struct, frozen=True):
    """Where one session's rows and mids are."""

    key: str
    """`<number of the tape>-<session>`: what the files are called by."""
    folder: Path

    @property
    def rows_path(self) -> Path:
        """The rows, by their instants."""
        return self.folder / f"{self.key}.rows.parquet"

    @property
    def mids_path(self) -> Path:
        """The mids by market, from each change on."""
        return self.folder / f"{self.key}.mids.parquet"

    @property
    def is_done(self) -> bool:
        """Whether both files are whole."""
        return self.rows_path.is_file() and self.mids_path.is_file()


def part_schema(features: Iterable[str]) -> pa.Schema:
    """Return the columns of a session's rows."""
    return pa.schema(
        [("ticker", TICKER), ("at", pa.int64()), *QUOTES, *((name, pa.float64()) for name in features)]
    )


def write_rows(part: Part, rows: Iterable[Row], schema: FeatureSchema, required: Iterable[str]) -> None:
    """Write a session's rows to a draft, in order; those without a required feature are left out."""
    needed = [schema.names.index(name) for name in required]
    columns = part_schema(schema.names)
    with pq.ParquetWriter(_draft(part.rows_path), columns, compression=COMPRESSION) as writer:
        for chunk in _chunks(rows, needed):
            writer.write_table(_table(chunk, columns))


def name_part(part: Part, mids: dict[str, MidSeries], end_at: Ns) -> None:
    """Write the session's mids, then give both files their names: from here on the session is done."""
    tickers = sorted(mids)
    lengths = [len(mids[ticker].at) for ticker in tickers]
    table = pa.table(
        {
            "ticker": pa.array(np.repeat(np.array(tickers, dtype=object), lengths), pa.string()),
            "at": pa.array([at for ticker in tickers for at in mids[ticker].at], pa.int64()),
            "double_mid": pa.array(
                [mid for ticker in tickers for mid in mids[ticker].double_mid], pa.int64()
            ),
        }
    ).replace_schema_metadata({"end_at": str(end_at)})
    pq.write_table(table, _draft(part.mids_path), compression=COMPRESSION)
    _draft(part.mids_path).replace(part.mids_path)
    _draft(part.rows_path).replace(part.rows_path)


def read_mids(part: Part) -> dict[str, Mids]:
    """Return a session's mids by ticker."""
    table = pq.read_table(part.mids_path)
    end_at = int(table.schema.metadata[b"end_at"])
    tickers = np.array(table.column("ticker").to_pylist(), dtype=object)
    at, double_mid = (table.column(name).to_numpy() for name in ("at", "double_mid"))
    return {
        ticker: Mids(at[tickers == ticker], double_mid[tickers == ticker], end_at)
        for ticker in dict.fromkeys(tickers.tolist())
    }


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.draft")


def _chunks(rows: Iterable[Row], needed: list[int]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    for row in rows:
        if any(row.features[place] is None for place in needed):
            continue
        chunk.append(row)
        if len(chunk) == CHUNK_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _table(rows: list[Row], columns: pa.Schema) -> pa.Table:
    features = np.array([row.features for row in rows], dtype=np.float64).reshape(len(rows), -1)
    arrays = [
        pa.array([row.ticker for row in rows]).dictionary_encode().cast(TICKER),
        pa.array([row.at for row in rows], pa.int64()),
        pa.array([row.bid for row in rows], pa.int32()),
        pa.array([row.ask for row in rows], pa.int32()),
        pa.array([row.bid_size for row in rows], pa.int64()),
        pa.array([row.ask_size for row in rows], pa.int64()),
        # An unknown feature is None in the core, NaN in an array, and null in the file.
        *(pa.array(np.ascontiguousarray(column), from_pandas=True) for column in features.T),
    ]
    return pa.Table.from_arrays(arrays, schema=columns)
