"""The importer: a folder of recorded parquet files (KXBTC15M, May 2026) becomes a tape.

Every recorded row is kept, in the recorded order of its stream, with both clocks and all sequence gaps.
A (session, conn) stream is never reordered; streams, ticker rows and spot ticks of a session are merged
by the recorder's clock. A snapshot goes before a delta of the same instant: so the sequence reads as
the recorder counted it. Spot ticks go to the sessions whose span they fall into, and to those that
start within the next minute, so that features can warm up.

The recorder wrote null for the side of a book that the venue left out of a snapshot: an empty side.
Streaming: beside the small files, memory holds one batch of deltas. Output is deterministic.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, cast

from daemon.core.events import Level
from daemon.core.markets import Fees, MarketResult
from daemon.core.units import MILLISECOND, MINUTE, PRICE_ONE, Money, Ns, parse_money, parse_price, parse_qty
from daemon.exchange.tape import (
    TapeDelta,
    TapeManifest,
    TapeMarket,
    TapeRecord,
    TapeSnapshot,
    TapeSpot,
    TapeTicker,
)
from daemon.exchange.tick_tables import TAPERED_DECI_CENT
from daemon.lab.parquet_source import Kind, ParquetSource, SourceError, fixed, parse_instant, read_csv
from daemon.lab.tape_writer import SessionWriter, TapeWriter

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (rows done, rows in all) now and then."""

SPOT_LEAD: Final[Ns] = MINUTE
_Value = TypeVar("_Value")
_LIFE: Final[Ns] = 15 * MINUTE


_SNAPSHOT_COLUMNS: Final[dict[str, Kind]] = {
    "recv_ns": "int",
    "ticker": "text",
    "seq": "int",
    "yes": "text",
    "no": "text",
    "conn": "text",
    "session": "text",
}
_DELTA_COLUMNS: Final[dict[str, Kind]] = {
    "recv_ns": "int",
    "exch_ms": "int",
    "ticker": "text",
    "seq": "int",
    "side": "text",
    "price_e4": "int",
    "delta_e2": "int",
    "conn": "text",
    "session": "text",
}
_TICKER_COLUMNS: Final[dict[str, Kind]] = {
    "recv_ns": "int",
    "exch_ms": "int",
    "ticker": "text",
    "yes_bid": "float",
    "yes_ask": "float",
    "yes_bid_size": "float",
    "yes_ask_size": "float",
    "last": "float",
    "last_size": "float",
    "volume": "float",
    "open_interest": "float",
    "conn": "text",
    "session": "text",
}
_SPOT_COLUMNS: Final[dict[str, Kind]] = {
    "source": "text",
    "symbol": "text",
    "trade_id": "text",
    "exch_ts": "instant",
    "recv_ns": "int",
    "price": "float",
}


class _Sources:
    """The four parquet files of the folder, checked when opened."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise SourceError(f"{folder}: no such folder")
        self.folder = folder
        self.snapshots = ParquetSource(folder / "orderbook_snapshots.parquet", _SNAPSHOT_COLUMNS)
        self.deltas = ParquetSource(folder / "orderbook_deltas.parquet", _DELTA_COLUMNS)
        self.tickers = ParquetSource(folder / "ticker.parquet", _TICKER_COLUMNS)
        self.spots = ParquetSource(folder / "spot_ticks.parquet", _SPOT_COLUMNS)


class _Session:
    """What a first reading says of one session: its connections, and its span on the recorder's clock."""

    def __init__(self, session: str, first_at: Ns) -> None:
        self.session = session
        self.conns: dict[str, int] = {}
        self.tickers: dict[str, None] = {}
        self.first_at = first_at
        self.last_at = first_at
        self.waiting: list[tuple[Ns, TapeRecord]] = []
        """Everything but deltas, in the order in which it is to be written; `taken` of it are."""
        self.taken = 0


def _scan(sources: _Sources, wanted: list[str] | None) -> dict[str, _Session]:
    """Return the sessions in the order of their first row."""
    found: dict[str, _Session] = {}
    for source in (sources.snapshots, sources.tickers, sources.deltas):
        for rows in source.batches("session", "conn", "ticker", "recv_ns"):
            for name, conn, ticker, at in zip(
                rows["session"], rows["conn"], rows["ticker"], rows["recv_ns"], strict=True
            ):
                entry = found.get(name)
                if entry is None:
                    entry = found[name] = _Session(name, at)
                entry.conns.setdefault(conn, len(entry.conns))
                entry.tickers[ticker] = None
                entry.first_at = min(entry.first_at, at)
                entry.last_at = max(entry.last_at, at)
    if wanted is not None:
        absent = [name for name in wanted if name not in found]
        if absent:
            raise SourceError(f"{sources.folder}: no such session: {', '.join(absent)}")
        found = {name: found[name] for name in dict.fromkeys(wanted)}
    return dict(sorted(found.items(), key=lambda item: (item[1].first_at, item[0])))


def _levels(text: str, path: Path, column: str) -> tuple[Level, ...]:
    try:
        rows = json.loads(text) or []
        return tuple((parse_price(price), parse_qty(size)) for price, size in rows)
    except (ValueError, TypeError) as exc:
        raise SourceError(f"{path}: column {column!r}: not a ladder: {exc}") from exc


def _snapshots(source: ParquetSource, sessions: dict[str, _Session]) -> Iterator[tuple[_Session, TapeRecord]]:
    for rows in source.batches():
        columns = (rows[name] for name in ("session", "conn", "ticker", "yes", "no", "seq", "recv_ns"))
        for name, conn, ticker, yes, no, seq, at in zip(*columns, strict=True):
            if (entry := sessions.get(name)) is not None:
                ladders = _levels(yes, source.path, "yes"), _levels(no, source.path, "no")
                yield entry, TapeSnapshot(ticker, *ladders, seq, entry.conns[conn], at, None)


def _tickers(source: ParquetSource, sessions: dict[str, _Session]) -> Iterator[tuple[_Session, TapeRecord]]:
    def exact(rows: dict[str, list[float]], column: str, at: int, places: int) -> int:
        return fixed(rows[column][at], places, source.path, column)

    for rows in source.batches():
        for at, name in enumerate(rows["session"]):
            if (entry := sessions.get(name)) is None:
                continue
            bid, ask = exact(rows, "yes_bid", at, 4), exact(rows, "yes_ask", at, 4)
            yield (
                entry,
                TapeTicker(
                    ticker=rows["ticker"][at],
                    bid=bid if bid > 0 else None,
                    ask=ask if ask < PRICE_ONE else None,
                    bid_size=exact(rows, "yes_bid_size", at, 2),
                    ask_size=exact(rows, "yes_ask_size", at, 2),
                    last=exact(rows, "last", at, 4),
                    last_qty=exact(rows, "last_size", at, 2),
                    volume=exact(rows, "volume", at, 2),
                    open_interest=exact(rows, "open_interest", at, 2),
                    conn=entry.conns[rows["conn"][at]],
                    received_at=rows["recv_ns"][at],
                    sent_at=rows["exch_ms"][at] * MILLISECOND,
                ),
            )


def _spots(source: ParquetSource, sessions: dict[str, _Session]) -> Iterator[tuple[_Session, TapeRecord]]:
    for rows in source.batches():
        columns = (rows[name] for name in ("source", "symbol", "price", "trade_id", "recv_ns", "exch_ts"))
        for origin, symbol, price, trade_id, at, sent_at in zip(*columns, strict=True):
            record: TapeSpot | None = None
            for entry in sessions.values():
                if entry.first_at - SPOT_LEAD <= at <= entry.last_at:
                    if record is None:
                        money = fixed(price, 6, source.path, "price")
                        record = TapeSpot(origin, symbol, money, trade_id, at, sent_at)
                    yield entry, record


def _queue_others(sources: _Sources, sessions: dict[str, _Session]) -> None:
    """Put everything but deltas into the sessions' waiting lists, merged by the recorder's clock."""
    for source in (
        _snapshots(sources.snapshots, sessions),
        _tickers(sources.tickers, sessions),
        _spots(sources.spots, sessions),
    ):
        # A row that the recorder wrote late keeps its place behind its predecessor.
        latest: dict[str, Ns] = {}
        for entry, record in source:
            at = max(record.received_at, latest.get(entry.session, record.received_at))
            latest[entry.session] = at
            entry.waiting.append((at, record))
    for entry in sessions.values():
        entry.waiting.sort(key=itemgetter(0))  # stable: snapshots, then tickers, then spot


def _copy_deltas(
    source: ParquetSource,
    sessions: dict[str, _Session],
    writers: dict[str, SessionWriter],
    progress: Progress | None,
) -> None:
    """Write the deltas in the file's order, each behind what was received by then."""
    total, rows_done = source.rows, 0
    names = ("session", "conn", "ticker", "side", "price_e4", "delta_e2", "seq", "recv_ns", "exch_ms")
    for rows in source.batches():
        sides = set(rows["side"]) - {"yes", "no"}
        if sides:
            raise SourceError(f"{source.path}: column 'side' holds {sorted(sides)}, not yes or no")
        for name, conn, ticker, side, price, delta, seq, at, sent_ms in zip(
            *(rows[column] for column in names), strict=True
        ):
            entry = sessions.get(name)
            if entry is None:
                continue
            writer = writers[name]
            waiting = entry.waiting
            while entry.taken < len(waiting) and waiting[entry.taken][0] <= at:
                writer.add(waiting[entry.taken][1])
                entry.taken += 1
            sent_at = sent_ms * MILLISECOND
            writer.add(TapeDelta(ticker, side, price, delta, seq, entry.conns[conn], at, sent_at))
        rows_done += len(rows["session"])
        if progress is not None:
            progress(rows_done, total)


class _MarketFacts:
    """What the folder's CSV files say of the markets; two files that disagree are an error."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._close_at: dict[str, Ns] = {}
        self._strike: dict[str, Money] = {}
        self._outcome: dict[str, MarketResult] = {}
        self._strike_known_at = _strikes_seen(folder / "markets.csv")
        for name, ticker, result, strike in (
            ("markets.csv", "ticker", None, "strike"),
            ("outcomes.csv", "ticker", "result", "strike"),
            ("kxbtc15m_results.csv", "market", "result", None),
        ):
            path = folder / name
            columns = tuple(column for column in (ticker, "close_time", result, strike) if column is not None)
            for row in read_csv(path, columns):
                close_at = parse_instant(row["close_time"], path, "close_time")
                self._learn(self._close_at, row[ticker], close_at, path)
                if strike is not None and row[strike]:
                    self._learn(self._strike, row[ticker], parse_money(row[strike]), path)
                if result is not None:
                    if row[result] not in ("yes", "no"):
                        raise SourceError(f"{path}: column 'result' of {row[ticker]} holds {row[result]!r}")
                    self._learn(self._outcome, row[ticker], cast("MarketResult", row[result]), path)

    @staticmethod
    def _learn(known: dict[str, _Value], ticker: str, value: _Value, path: Path) -> None:
        if known.setdefault(ticker, value) != value:
            raise SourceError(f"{path}: {ticker}: {value!r}, but another file says {known[ticker]!r}")

    def market(self, ticker: str) -> TapeMarket:
        """Return one market as the tape lists it. Raises SourceError when its close is in no file."""
        close_at = self._close_at.get(ticker)
        if close_at is None:
            raise SourceError(f"{self._folder}: no file tells when {ticker} closes")
        event_ticker = ticker.rpartition("-")[0]
        return TapeMarket(
            ticker=ticker,
            event_ticker=event_ticker,
            series_ticker=event_ticker.partition("-")[0],
            title="Bitcoin price up in next 15 mins?",
            open_at=close_at - _LIFE,
            close_at=close_at,
            strike=self._strike.get(ticker),
            strike_type="greater_or_equal",
            bands=TAPERED_DECI_CENT,
            fees=Fees("quadratic", 1_000_000),
            exchange_index=2,
            outcome=self._outcome.get(ticker),
            strike_known_at=self._strike_known_at.get(ticker),
        )


def _strikes_seen(path: Path) -> dict[str, Ns]:
    """Return when the recorder first saw each market with its strike, by its own clock."""
    seen: dict[str, Ns] = {}
    for row in read_csv(path, ("recv_ns", "ticker", "strike")):
        if not row["recv_ns"].isascii() or not row["recv_ns"].isdigit():
            raise SourceError(f"{path}: column 'recv_ns' of {row['ticker']} holds {row['recv_ns']!r}, no Ns")
        if row["strike"]:
            at = int(row["recv_ns"])
            seen[row["ticker"]] = min(at, seen.get(row["ticker"], at))
    return seen


def import_tape(
    source: Path, target: Path, sessions: list[str] | None = None, progress: Progress | None = None
) -> TapeManifest:
    """Turn the recorded folder into a tape folder and return its manifest.

    Args:
        source: the folder with the parquet and CSV files.
        target: the tape folder; made when absent.
        sessions: only these recorded sessions; None for all.
        progress: told (rows done, rows in all) after each batch of deltas.

    Raises:
        SourceError: a file, a column or a value isn't what we know; names file and column.
        FileExistsError: `target` holds a tape already.
    """
    sources = _Sources(source)
    facts = _MarketFacts(source)
    found = _scan(sources, sessions)
    _queue_others(sources, found)
    tickers = dict.fromkeys(ticker for entry in found.values() for ticker in entry.tickers)
    markets = tuple(facts.market(ticker) for ticker in tickers)
    with TapeWriter(target, origin=f"imported from {source.name}") as tape:
        writers = {
            name: tape.session(name, tuple(entry.conns), min(entry.first_at, _first(entry)))
            for name, entry in found.items()
        }
        _copy_deltas(sources.deltas, found, writers, progress)
        for name, entry in found.items():
            for _, record in entry.waiting[entry.taken :]:
                writers[name].add(record)
        return tape.finish(markets)


def _first(entry: _Session) -> Ns:
    return entry.waiting[0][0] if entry.waiting else entry.first_at
