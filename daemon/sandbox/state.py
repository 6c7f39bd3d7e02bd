"""What outlives the sandbox's process: the client's account and the markets, in SQLite.

One table of kind, key, msgpack record. A transaction is committed before the reply that tells of it leaves,
so an acknowledged order is never forgotten when the process is killed. (A power cut may cost the last
moments: WAL without a sync per commit. The money is play money.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from daemon.core.units import Money
from daemon.exchange.accounts import Account
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import (
    CloseMoved,
    Determined,
    Filled,
    GridChanged,
    MarketActivated,
    MarketClosed,
    MarketCreated,
    MarketDeactivated,
    MarketOpened,
    OrderChanged,
    OrderState,
    PaidOut,
    PositionChanged,
    Settled,
    StrikeSet,
)
from daemon.exchange.market import MarketRecord
from daemon.sandbox.flow import Telling

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS records "
    "(kind TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
)
_FORMAT = 1

_T = TypeVar("_T")
_encode = msgspec.msgpack.Encoder().encode


class StateRefused(ValueError):
    """The state directory holds something that this version doesn't read. Names the file."""


class Kept(msgspec.Struct, frozen=True):
    """What a state directory gives back."""

    life: int
    """How often it was opened, this time included."""
    user_id: str | None
    cash: dict[int, Money] | None
    """None on a first start."""
    spot: Money | None
    markets: tuple[MarketRecord, ...]
    orders: tuple[OrderState, ...]
    positions: tuple[PositionChanged, ...]
    fills: tuple[Filled, ...]
    settlements: tuple[PaidOut, ...]
    client_order_ids: dict[str, str]


class Store:
    """The state directory's database. One connection, used from one thread."""

    def __init__(self, path: Path) -> None:
        """Open or make it.

        Raises:
            StateRefused: the file is no database of ours, or one of another format.
        """
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(_SCHEMA)
            found = self._get("meta", "format", int)
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as exc:
            self._connection.close()
            raise StateRefused(f"{path}: not a sandbox state: {exc}") from exc
        if found not in {None, _FORMAT}:
            self._connection.close()
            raise StateRefused(f"{path}: format {found}; this reads {_FORMAT}")
        self._put([("meta", "format", _FORMAT)])

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def clear(self) -> None:
        """Forget the account and the markets: a tape begins anew each time."""
        self._connection.execute("DELETE FROM records WHERE kind NOT IN ('meta')")

    def load(self) -> Kept:
        """Return everything kept, and count this life."""
        life = (self._get("meta", "life", int) or 0) + 1
        self._put([("meta", "life", life)])
        fills = self._all("fill", Filled)
        return Kept(
            life,
            self._get("meta", "user_id", str),
            self._get("account", "cash", dict[int, Money]),
            self._get("meta", "spot", int),
            tuple(self._all("market", MarketRecord)),
            tuple(sorted(self._all("order", OrderState), key=lambda order: order.created_at)),
            tuple(self._all("position", PositionChanged)),
            tuple(sorted(fills, key=lambda fill: fill.at)),
            tuple(sorted(self._all("settlement", PaidOut), key=lambda paid: paid.at)),
            dict(self._rows("client_order_id", str)),
        )

    def set_user_id(self, user_id: str) -> None:
        """Keep the account's user id."""
        self._put([("meta", "user_id", user_id)])

    def set_cash(self, account: Account) -> None:
        """Keep the account's cash."""
        self._put([("account", "cash", account.cash)])

    def save(self, tellings: Iterable[Telling], exchange: Exchange, account: Account) -> None:
        """Keep what these facts changed, in one transaction."""
        rows: list[tuple[str, str, object]] = []
        tickers: dict[str, None] = {}
        is_cash_moved = False
        for fact in tellings:
            match fact:
                case OrderChanged(order=order):
                    rows.append(("order", order.order_id, order))
                    if order.client_order_id:
                        rows.append(("client_order_id", order.client_order_id, order.order_id))
                case Filled():
                    rows.append(("fill", f"{fact.order_id} {fact.trade_id}", fact))
                    tickers[fact.ticker] = None
                    is_cash_moved = True
                case PositionChanged():
                    rows.append(("position", fact.ticker, fact))
                case PaidOut():
                    rows.append(("settlement", fact.ticker, fact))
                    is_cash_moved = True
                case MarketCreated(spec=spec):
                    tickers[spec.ticker] = None
                case (
                    MarketOpened()
                    | MarketClosed()
                    | MarketActivated()
                    | MarketDeactivated()
                    | StrikeSet()
                    | CloseMoved()
                    | GridChanged()
                    | Determined()
                    | Settled()
                ):
                    tickers[fact.ticker] = None
                case _:
                    # Books, public trades and spot prices are made anew in the next life.
                    pass
        rows.extend(("market", ticker, exchange.markets[ticker].record()) for ticker in tickers)
        if is_cash_moved:
            rows.append(("account", "cash", account.cash))
        if rows:
            self._put(rows)

    def save_spot(self, price: Money) -> None:
        """Keep the last price of the underlying."""
        self._put([("meta", "spot", price)])

    def forget_markets(self, tickers: Iterable[str]) -> None:
        """Drop markets that are long over."""
        self._connection.executemany(
            "DELETE FROM records WHERE kind = 'market' AND key = ?", [(ticker,) for ticker in tickers]
        )

    def _put(self, rows: list[tuple[str, str, object]]) -> None:
        connection = self._connection
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
            [(kind, key, _encode(body)) for kind, key, body in rows],
        )
        connection.execute("COMMIT")

    def _get(self, kind: str, key: str, type_: type[_T]) -> _T | None:
        row = self._connection.execute(
            "SELECT body FROM records WHERE kind = ? AND key = ?", (kind, key)
        ).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=type_)

    def _rows(self, kind: str, type_: type[_T]) -> list[tuple[str, _T]]:
        decoder = msgspec.msgpack.Decoder(type_)
        rows = self._connection.execute("SELECT key, body FROM records WHERE kind = ? ORDER BY key", (kind,))
        try:
            return [(key, decoder.decode(body)) for key, body in rows]
        except msgspec.MsgspecError as exc:
            raise StateRefused(f"{self._path}: unreadable {kind}: {exc}") from exc

    def _all(self, kind: str, type_: type[_T]) -> list[_T]:
        return [body for _, body in self._rows(kind, type_)]
