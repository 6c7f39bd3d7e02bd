"""Two ways to have an intent on disk before it is sent: our journal, and SQLite (decision record 0007).

Both from the event loop's side: from the decision to the wake-up that says "durable", one thread syncing.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TypeAlias

import msgspec

from daemon.core.commands import Decided, PlaceOrder
from daemon.shell.journal import Journal, JournalHeader

Row: TypeAlias = tuple[str, str, str, int, int, str, str, int]
Ask: TypeAlias = tuple[asyncio.AbstractEventLoop, asyncio.Future[None], list[Row]]
_TABLE = (
    "CREATE TABLE intents (client_order_id TEXT PRIMARY KEY, ticker TEXT NOT NULL, side TEXT NOT NULL,"
    " price INTEGER NOT NULL, qty INTEGER NOT NULL, strategy TEXT NOT NULL, reason TEXT NOT NULL,"
    " decided_at INTEGER NOT NULL) STRICT"
)


def _intents(number: int, size: int) -> list[PlaceOrder]:
    return [
        PlaceOrder(
            f"kd-bench-{number}-{place}", "KXBTC15M-26SEP251530-30", "bid", 5_200, 100,
            "good_till_canceled", True, 2, "fair_value", "edge 2.1c", number, number, None,
        )
        for place in range(size)
    ]  # fmt: skip


async def _journal(count: int, size: int, folder: Path) -> list[int]:
    header = JournalHeader(
        kalshid_version="bench", instance="bench", epoch=1, engine=msgspec.Raw(msgspec.msgpack.encode(None))
    )
    journal = Journal.create(folder, header)
    took = []
    for number in range(count):
        intents = _intents(number, size)
        started = time.perf_counter_ns()
        await journal.synced(journal.append([Decided(number), *intents]))
        took.append(time.perf_counter_ns() - started)
    journal.close()
    return took


class _Sqlite:
    """A thread with the one connection that writes, WAL, synchronous=FULL, a commit per decision."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._asks: queue.SimpleQueue[Ask | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(_TABLE)
        while (ask := self._asks.get()) is not None:
            loop, done, rows = ask
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            database.execute("COMMIT")
            loop.call_soon_threadsafe(done.set_result, None)
        database.close()

    async def write(self, rows: list[Row]) -> None:
        """Return once the rows are durable."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._asks.put((loop, done, rows))
        await done

    def close(self) -> None:
        """End the thread."""
        self._asks.put(None)
        self._thread.join()


def _row(one: PlaceOrder) -> Row:
    return (
        one.client_order_id, one.ticker, one.side, one.price, one.qty, one.strategy, one.reason,
        one.decided_at,
    )  # fmt: skip


async def _sqlite(count: int, size: int, folder: Path) -> list[int]:
    store = _Sqlite(folder / "intents.sqlite")
    took = []
    for number in range(count):
        intents = _intents(number, size)
        started = time.perf_counter_ns()
        await store.write([_row(one) for one in intents])
        took.append(time.perf_counter_ns() - started)
    store.close()
    return took


def write_ahead_rates(count: int = 1_000) -> dict[str, dict[str, float]]:
    """Return, for 1 and 20 intents a decision, microseconds until durable both ways, and their ratio."""
    rates = {}
    for size in (1, 20):
        with tempfile.TemporaryDirectory() as folder:
            ours = asyncio.run(_journal(count, size, Path(folder)))
            theirs = asyncio.run(_sqlite(count, size, Path(folder)))
        rates[f"{size}"] = {
            "journal_p50_us": statistics.median(ours) / 1e3,
            "journal_p99_us": statistics.quantiles(ours, n=100)[98] / 1e3,
            "sqlite_p50_us": statistics.median(theirs) / 1e3,
            "sqlite_p99_us": statistics.quantiles(theirs, n=100)[98] / 1e3,
            "ratio": statistics.median(theirs) / statistics.median(ours),
        }
    return rates


def test_both_ways_are_measured() -> None:
    """The comparison that the decision rests on can be repeated."""
    rates = write_ahead_rates(count=30)
    assert {"1", "20"} == set(rates)
    assert all(figure > 0 for figures in rates.values() for figure in figures.values())
