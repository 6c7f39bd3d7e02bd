"""What outlives a shadow run: the account's cash, orders, fills and positions, in SQLite.

One table of kind, key and msgpack record. A transaction is committed before the answer or event that tells of
it, so a killed process finds its account as it was told. (A power cut may cost the last moments: WAL without
a sync per commit. The money is paper; what was decided on it is in the journal, synced.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from daemon.core.units import Money, Ns
from daemon.exchange.cash_facts import CashChanged
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import (
    CloseMoved,
    Determined,
    Disputed,
    Fact,
    Filled,
    MarketClosed,
    OrderChanged,
    OrderGroupChanged,
    OrderState,
    PaidOut,
    PositionChanged,
    Settled,
)
from daemon.exchange.market import MarketRecord
from daemon.exchange.order_groups import GroupRecord

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS records (kind TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, "
    "body BLOB NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID"
)
_FORMAT = 1
_T = TypeVar("_T")
_encode = msgspec.msgpack.Encoder().encode


class ShadowStateRefused(Exception):
    """The file is no shadow account that this version reads. Names the file."""


class KeptAccount(msgspec.Struct, frozen=True):
    """What the last life left. No order in it rests: what did has been ended."""

    cash: dict[int, Money]
    """By shard."""
    markets: tuple[MarketRecord, ...]
    orders: tuple[OrderState, ...]
    positions: tuple[PositionChanged, ...]
    fills: tuple[Filled, ...]
    settlements: tuple[PaidOut, ...]
    groups: tuple[GroupRecord, ...]


class ShadowStore:
    """The account's file. One connection, used from one thread."""

    def __init__(self, path: Path) -> None:
        """Open or make it, and its folder.

        Raises:
            ShadowStateRefused: the file is no database of ours, or one of another format.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(_SCHEMA)
            found = self._all("meta", int)
            if found not in ([], [_FORMAT]):
                raise ShadowStateRefused(f"{path}: format {found[0]}; this version reads {_FORMAT}")
            self._write([("meta", "format", 0, _FORMAT)])
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as error:
            self._connection.close()
            raise ShadowStateRefused(f"{path}: not a shadow account: {error}") from error
        except ShadowStateRefused:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def load(self, now: Ns) -> KeptAccount | None:
        """Return what the last life left, its resting orders ended; None on a first start.

        Raises:
            ShadowStateRefused: a record can't be read.
        """
        try:
            cash = {int(key): value for key, value in self._items("cash", int)}
            if not cash:
                return None
            orders = [_ended(order, now) for order in self._all("order", OrderState)]
            self._write([("order", one.order_id, now, one) for one in orders if one.updated_at == now])
            return KeptAccount(
                cash=cash,
                markets=tuple(self._all("market", MarketRecord)),
                orders=tuple(orders),
                positions=tuple(self._all("position", PositionChanged)),
                fills=tuple(self._all("fill", Filled)),
                settlements=tuple(self._all("settlement", PaidOut)),
                groups=tuple(self._all("group", GroupRecord)),
            )
        except (sqlite3.DatabaseError, msgspec.MsgspecError, ValueError) as error:
            raise ShadowStateRefused(f"{self._path}: a record can't be read: {error}") from error

    def save_cash(self, cash: dict[int, Money], now: Ns) -> None:
        """Keep a new account's cash, by shard."""
        self._write([("cash", str(shard), now, amount) for shard, amount in cash.items()])

    def save(self, facts: Iterable[Fact], exchange: Exchange) -> None:
        """Keep what facts say of the account, and the markets that it concerns, in one transaction."""
        rows: list[tuple[str, str, Ns, object]] = []
        for fact in facts:
            match fact:
                case OrderChanged():
                    rows.append(("order", fact.order.order_id, fact.at, fact.order))
                    rows += _market_rows(exchange, fact.order.ticker, fact.at)
                case Filled():
                    rows.append(("fill", f"{fact.trade_id} {fact.order_id}", fact.at, fact))
                case PositionChanged():
                    rows.append(("position", fact.ticker, fact.at, fact))
                    rows += _market_rows(exchange, fact.ticker, fact.at)
                case PaidOut():
                    rows.append(("settlement", fact.ticker, fact.at, fact))
                case CashChanged():
                    rows.append(("cash", str(fact.exchange_index), fact.at, fact.cash))
                case OrderGroupChanged():
                    rows.append(
                        (
                            "group",
                            fact.order_group_id,
                            fact.at,
                            exchange.order_groups.record(fact.order_group_id),
                        )
                    )
                case MarketClosed() | CloseMoved() | Determined() | Disputed() | Settled():
                    if _is_engaged(exchange, fact.ticker):
                        rows += _market_rows(exchange, fact.ticker, fact.at)
                case _:
                    pass  # the public's
        if rows:
            self._write(rows)

    def forget(self, orders_before: Ns, fills_before: Ns) -> None:
        """Drop ended orders, fills, and flat positions with their markets, of before these instants."""
        drop = "DELETE FROM records WHERE kind = ? AND at < ?"
        self._connection.execute("BEGIN")
        for order in self._all("order", OrderState):
            if order.status != "resting" and order.updated_at < orders_before:
                self._connection.execute(
                    "DELETE FROM records WHERE kind = 'order' AND key = ?", (order.order_id,)
                )
        self._connection.execute(drop, ("fill", fills_before))
        held = set()
        for position in self._all("position", PositionChanged):
            if position.qty or position.pairs or position.at >= fills_before:
                held.add(position.ticker)
        needed = held | {order.ticker for order in self._all("order", OrderState)}
        for kind in ("position", "market"):
            keys = [
                key for (key,) in self._connection.execute("SELECT key FROM records WHERE kind = ?", (kind,))
            ]
            self._connection.executemany(
                "DELETE FROM records WHERE kind = ? AND key = ?",
                [(kind, key) for key in keys if key not in (held if kind == "position" else needed)],
            )
        self._connection.execute("COMMIT")

    def _write(self, rows: Iterable[tuple[str, str, Ns, object]]) -> None:
        """Put rows, the later of one key in force; one without a body goes."""
        put, drop = (
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)",
            "DELETE FROM records WHERE kind = ? AND key = ?",
        )
        self._connection.execute("BEGIN")
        for kind, key, at, body in rows:
            if body is None:
                self._connection.execute(drop, (kind, key))
            else:
                self._connection.execute(put, (kind, key, at, _encode(body)))
        self._connection.execute("COMMIT")

    def _items(self, kind: str, type_: type[_T]) -> list[tuple[str, _T]]:
        rows = self._connection.execute(
            "SELECT key, body FROM records WHERE kind = ? ORDER BY at, key", (kind,)
        )
        return [(key, msgspec.msgpack.decode(body, type=type_)) for key, body in rows]

    def _all(self, kind: str, type_: type[_T]) -> list[_T]:
        return [body for _, body in self._items(kind, type_)]


def _ended(order: OrderState, now: Ns) -> OrderState:
    """Return an order without what rested of it: nobody watched the books while we were away."""
    if order.status != "resting":
        return order
    return msgspec.structs.replace(
        order,
        status="canceled",
        canceled=order.canceled + order.remaining,
        remaining=0,
        reason="HaltCancel",
        updated_at=now,
    )


def _is_engaged(exchange: Exchange, ticker: str) -> bool:
    return any(
        ticker in account.holdings or ticker in account.resting for account in exchange.accounts.values()
    )


def _market_rows(exchange: Exchange, ticker: str, at: Ns) -> list[tuple[str, str, Ns, object]]:
    market = exchange.markets.get(ticker)
    return [] if market is None else [("market", ticker, at, market.record())]
