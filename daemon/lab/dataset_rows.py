"""The second half of a build: labels, weights and groups beside the rows of all sessions, in one file.

Labels look across sessions and weights across all rows, so they are made when all sessions are there. Only
the keys and quotes of the rows are held at once; the features go through one session at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from daemon.core.markets import MarketResult
from daemon.core.units import PRICE_ONE, Ns
from daemon.lab.dataset_parts import COMPRESSION, QUOTES, TICKER, Part, read_mids
from daemon.lab.labels import Floats, Ints, Label, Labelled, Mids, label_rows
from daemon.lab.sampling import UNKNOWN_MID
from daemon.lab.weights import overlap_weights, shared_weights


class Group(msgspec.Struct, frozen=True):
    """What the rows of one market belong to, and how the market ended; `outcome` None is unknown."""

    event: str
    settlement: str
    open_at: Ns
    close_at: Ns
    outcome: MarketResult | None


class Counts(msgspec.Struct, frozen=True):
    """What is in a dataset. `tickers` are those that have rows, in the order of their first."""

    by_session: dict[str, int]
    labelled: dict[str, int]
    tickers: tuple[str, ...]
    events: int
    settlements: int


class _Keys(msgspec.Struct):
    """All rows' keys, by session: shape (rows,) each."""

    part: Ints
    ticker: Ints
    at: Ints
    double_mid: Ints


def write_dataset(
    path: Path,
    parts: Sequence[Part],
    groups: Mapping[str, Group],
    labels: Sequence[Label],
    features: Sequence[str],
) -> Counts:
    """Write the rows of all parts with what belongs beside them; return what was written.

    Args:
        path: the file; written over.
        parts: the sessions, done, in the order of the rows.
        groups: by ticker, of every market that has rows.
        labels: the labels.
        features: the features' names, in order.
    """
    tickers: dict[str, int] = {}
    keys = _read_keys(parts, tickers)
    of_ticker = [groups[ticker] for ticker in tickers]
    settlements = {one: number for number, one in enumerate(dict.fromkeys(g.settlement for g in of_ticker))}
    settlement_of = np.array([settlements[group.settlement] for group in of_ticker], dtype=np.int64)
    settlement = settlement_of[keys.ticker]
    labelled = _label(keys, parts, list(tickers), of_ticker, labels)
    beside: dict[str, Floats | Ints] = {}
    counts: dict[str, int] = {}
    for label, found in zip(labels, labelled, strict=True):
        is_known = ~np.isnan(found.value)
        counts[label.name] = int(is_known.sum())
        beside[f"label_{label.name}"] = found.value
        beside[f"until_{label.name}"] = found.until
        beside[f"weight_{label.name}"] = (
            shared_weights(settlement, is_known)
            if label.kind == "settles_yes"
            else overlap_weights(settlement, keys.at, found.until, is_known)
        )
    by_session = _write(path, parts, keys, list(tickers), of_ticker, beside, features)
    events = len({group.event for group in of_ticker})
    return Counts(by_session, counts, tuple(tickers), events, len(settlements))


def _read_keys(parts: Sequence[Part], tickers: dict[str, int]) -> _Keys:
    """Return the keys of all rows; `tickers` is filled with their numbers."""
    columns: dict[str, list[Ints]] = {"part": [], "ticker": [], "at": [], "double_mid": []}
    for number, part in enumerate(parts):
        table = pq.read_table(part.rows_path, columns=["ticker", "at", "quote_bid", "quote_ask"])
        names = table.column("ticker").to_pylist()
        columns["part"].append(np.full(len(names), number, dtype=np.int64))
        places = [tickers.setdefault(name, len(tickers)) for name in names]
        columns["ticker"].append(np.array(places, dtype=np.int64))
        columns["at"].append(table.column("at").to_numpy())
        columns["double_mid"].append(_double_mid(table))
    joined = {name: np.concatenate(arrays).astype(np.int64) for name, arrays in columns.items()}
    return _Keys(**joined)


def _double_mid(table: pa.Table) -> Ints:
    """Return bid plus ask of rows, UNKNOWN_MID where one is missing."""
    bid, ask = (
        table.column(name).fill_null(UNKNOWN_MID).to_numpy().astype(np.int64)
        for name in ("quote_bid", "quote_ask")
    )
    double_mid: Ints = np.where((bid == UNKNOWN_MID) | (ask == UNKNOWN_MID), UNKNOWN_MID, bid + ask)
    return double_mid


def _label(
    keys: _Keys, parts: Sequence[Part], tickers: list[str], groups: list[Group], labels: Sequence[Label]
) -> list[Labelled]:
    """Label all rows, market by market and session by session."""
    mids = [read_mids(part) for part in parts]
    found = [Labelled(np.full(len(keys.at), np.nan), np.zeros(len(keys.at), dtype=np.int64)) for _ in labels]
    order = np.lexsort((np.arange(len(keys.at)), keys.part, keys.ticker))
    changes = (np.diff(keys.ticker[order]) != 0) | (np.diff(keys.part[order]) != 0)
    for rows in np.split(order, np.flatnonzero(changes) + 1):
        if not len(rows):
            continue
        part, number = int(keys.part[rows[0]]), int(keys.ticker[rows[0]])
        group = groups[number]
        known = _sessions_of(tickers[number], mids, part)
        for label, one in zip(labels, found, strict=True):
            its = label_rows(
                label, keys.at[rows], keys.double_mid[rows], known, group.close_at, group.outcome
            )
            one.value[rows], one.until[rows] = its.value, its.until
    return found


def _sessions_of(ticker: str, mids: Sequence[Mapping[str, Mids]], own: int) -> list[Mids]:
    """Return a market's mids by session, its rows' own first."""
    order = [own, *(number for number in range(len(mids)) if number != own)]
    return [mids[number][ticker] for number in order if ticker in mids[number]]


def _write(
    path: Path,
    parts: Sequence[Part],
    keys: _Keys,
    tickers: list[str],
    groups: list[Group],
    beside: Mapping[str, Floats | Ints],
    features: Sequence[str],
) -> dict[str, int]:
    schema = _schema(features, beside)
    by_session = {}
    begin = 0
    with pq.ParquetWriter(path, schema, compression=COMPRESSION) as writer:
        for part in parts:
            table = pq.read_table(part.rows_path)
            rows = slice(begin, begin + table.num_rows)
            begin += table.num_rows
            by_session[part.key] = table.num_rows
            if not table.num_rows:
                continue
            number, double_mid = keys.ticker[rows], keys.double_mid[rows]
            mid = np.where(double_mid == UNKNOWN_MID, np.nan, double_mid / (2 * PRICE_ONE))
            arrays = {name: table.column(name) for name in table.column_names} | {
                "session": _words(np.zeros(table.num_rows, dtype=np.int64), [part.key]),
                "event": _words(number, [group.event for group in groups]),
                "settlement": _words(number, [group.settlement for group in groups]),
                "open_at": pa.array(np.array([group.open_at for group in groups])[number]),
                "close_at": pa.array(np.array([group.close_at for group in groups])[number]),
                "quote_mid": pa.array(mid, from_pandas=True),
                **{name: pa.array(array[rows], from_pandas=True) for name, array in beside.items()},
            }
            arrays["ticker"] = _words(number, tickers)
            writer.write_table(pa.table([arrays[name] for name in schema.names], schema=schema))
    return by_session


def _words(numbers: Ints, words: list[str]) -> pa.Array:
    """Return words by number as a column that holds each of them once, in the order of their first use."""
    used, first, places = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    # Two numbers may have one word (an event's markets): encoding anew leaves each word once.
    chosen = [words[number] for number in used[order]]
    column = pa.DictionaryArray.from_arrays(pa.array(rank[places]), pa.array(chosen, pa.string()))
    return column.cast(pa.string()).dictionary_encode().cast(TICKER)


def _schema(features: Sequence[str], beside: Mapping[str, Floats | Ints]) -> pa.Schema:
    types = [
        (name, pa.int64() if array.dtype == np.int64 else pa.float64()) for name, array in beside.items()
    ]
    return pa.schema(
        [
            ("ticker", TICKER),
            ("session", TICKER),
            ("at", pa.int64()),
            ("open_at", pa.int64()),
            ("close_at", pa.int64()),
            ("event", TICKER),
            ("settlement", TICKER),
            *QUOTES,
            ("quote_mid", pa.float64()),
            *((name, pa.float64()) for name in features),
            *types,
        ]
    )
