"""What outlives the sandbox's process: the client's account and the markets, in SQLite.

One table of kind, key, msgpack record, and a count that keeps the order in which rows were first made:
what happened in one instant (a clock that is moved by hand stands still) comes back as it came.

A transaction is committed before the reply that tells of it leaves, so an acknowledged order is never
forgotten when the process is killed. (A power cut may cost the last moments: WAL without a sync per commit.
The money is play money.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from daemon.core.units import Money
from daemon.exchange.accounts import Account
from daemon.exchange.cash_facts import (
    AllocationSet,
    CashChanged,
    CashDeposited,
    CashTransferred,
    NettingChanged,
    SubaccountOpened,
)
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import (
    CloseMoved,
    Determined,
    Disputed,
    EventFeesChanged,
    Filled,
    GridChanged,
    MaintenanceScheduled,
    MarketActivated,
    MarketClosed,
    MarketCreated,
    MarketDeactivated,
    MarketOpened,
    OrderChanged,
    OrderGroupChanged,
    OrderState,
    PaidOut,
    PauseChanged,
    PositionChanged,
    Settled,
    StrikeSet,
)
from daemon.exchange.market import MarketRecord
from daemon.exchange.order_groups import GroupRecord
from daemon.sandbox.flow import Telling

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS records "
    "(kind TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, made INTEGER NOT NULL DEFAULT 0, "
    "PRIMARY KEY (kind, key)) WITHOUT ROWID"
)
_FORMAT = 2
"""1 knew one account only: see `_migrate`."""

_T = TypeVar("_T")
_Row: TypeAlias = tuple[str, str, object]
"""Kind, key and body; without a body (None) the row goes."""
_encode = msgspec.msgpack.Encoder().encode


class StateRefused(ValueError):
    """The state directory holds something that this version doesn't read. Names the file."""


class Kept(msgspec.Struct, frozen=True):
    """What a state directory gives back."""

    life: int
    """How often it was opened, this time included."""
    user_id: str | None
    cash: dict[str, dict[int, Money]] | None
    """By account and shard; None on a first start."""
    spot: Money | None
    markets: tuple[MarketRecord, ...]
    orders: tuple[OrderState, ...]
    positions: tuple[PositionChanged, ...]
    fills: tuple[Filled, ...]
    settlements: tuple[PaidOut, ...]
    client_order_ids: dict[str, str]
    subaccounts: tuple[SubaccountOpened, ...]
    netting: dict[str, bool]
    """By account, where it was ever changed."""
    groups: tuple[GroupRecord, ...]
    transfers: tuple[CashTransferred, ...]
    deposits: tuple[CashDeposited, ...]
    allocations: tuple[AllocationSet, ...]
    pauses: tuple[PauseChanged, ...]
    windows: tuple[MaintenanceScheduled, ...]


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
            # Whole or not at all: a process that is killed in between finds what was there before.
            with self._transaction():
                self._connection.execute(_SCHEMA)
                found = self._get("meta", "format", int)
                if found not in {None, 1, _FORMAT}:
                    raise StateRefused(f"{path}: format {found}; this reads {_FORMAT}")
                if found == 1:
                    self._connection.execute("ALTER TABLE records ADD COLUMN made INTEGER NOT NULL DEFAULT 0")
                last = self._connection.execute("SELECT COALESCE(MAX(made), 0) FROM records").fetchone()
                self._made: int = last[0]
                if found == 1:
                    self._migrate()
                self._write([("meta", "format", _FORMAT)])
        except StateRefused:
            self._connection.close()
            raise
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as exc:
            self._connection.close()
            raise StateRefused(f"{path}: not a sandbox state: {exc}") from exc

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _migrate(self) -> None:
        """Give the one account's rows of format 1 the keys that rows of several have."""
        positions, settlements = self._all("position", PositionChanged), self._all("settlement", PaidOut)
        cash = self._get("account", "cash", dict[int, Money])
        self._connection.execute("DELETE FROM records WHERE kind IN ('position', 'settlement', 'account')")
        rows: list[_Row] = [("position", f"{told.account} {told.ticker}", told) for told in positions]
        rows += [("settlement", f"{paid.account} {paid.ticker}", paid) for paid in settlements]
        rows += [
            ("cash", f"client {shard}", CashChanged("client", shard, held, 0))
            for shard, held in (cash or {}).items()
        ]
        self._write(rows)

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
        cash: dict[str, dict[int, Money]] = {}
        for held in self._all("cash", CashChanged):
            cash.setdefault(held.account, {})[held.exchange_index] = held.cash
        return Kept(
            life=life,
            user_id=self._get("meta", "user_id", str),
            cash=cash or None,
            spot=self._get("meta", "spot", int),
            markets=tuple(self._all("market", MarketRecord)),
            orders=tuple(sorted(self._all("order", OrderState), key=lambda order: order.created_at)),
            positions=tuple(self._all("position", PositionChanged)),
            fills=tuple(sorted(self._all("fill", Filled), key=lambda fill: fill.at)),
            settlements=tuple(sorted(self._all("settlement", PaidOut), key=lambda paid: paid.at)),
            client_order_ids=dict(self._rows("client_order_id", str)),
            subaccounts=tuple(self._all("subaccount", SubaccountOpened)),
            netting=dict(self._rows("netting", bool)),
            groups=tuple(self._all("group", GroupRecord)),
            transfers=tuple(sorted(self._all("transfer", CashTransferred), key=lambda moved: moved.at)),
            deposits=tuple(sorted(self._all("deposit", CashDeposited), key=lambda deposit: deposit.at)),
            allocations=tuple(self._all("allocation", AllocationSet)),
            pauses=tuple(self._all("pause", PauseChanged)),
            windows=tuple(self._all("window", MaintenanceScheduled)),
        )

    def set_user_id(self, user_id: str) -> None:
        """Keep the account's user id."""
        self._put([("meta", "user_id", user_id)])

    def set_cash(self, account: Account) -> None:
        """Keep an account's cash: on a first start, before anything has changed it."""
        self._put(
            [
                ("cash", f"{account.name} {shard}", CashChanged(account.name, shard, held, 0))
                for shard, held in account.cash.items()
            ]
        )

    def save(self, tellings: Iterable[Telling], exchange: Exchange) -> None:
        """Keep what these facts changed, in one transaction."""
        rows: list[_Row] = []
        tickers: dict[str, None] = {}
        for fact in tellings:
            match fact:
                case OrderChanged(order=order):
                    rows.append(("order", order.order_id, order))
                    if order.client_order_id:
                        rows.append(("client_order_id", order.client_order_id, order.order_id))
                case Filled():
                    rows.append(("fill", f"{fact.order_id} {fact.trade_id}", fact))
                    tickers[fact.ticker] = None
                case PositionChanged():
                    rows.append(("position", f"{fact.account} {fact.ticker}", fact))
                    tickers[fact.ticker] = None
                case PaidOut():
                    rows.append(("settlement", f"{fact.account} {fact.ticker}", fact))
                case CashChanged():
                    rows.append(("cash", f"{fact.account} {fact.exchange_index}", fact))
                case MarketCreated(spec=spec):
                    tickers[spec.ticker] = None
                case EventFeesChanged():
                    tickers.update(
                        (market.ticker, None)
                        for market in exchange.markets.values()
                        if market.spec.event_ticker == fact.event_ticker
                    )
                case (
                    MarketOpened()
                    | MarketClosed()
                    | MarketActivated()
                    | MarketDeactivated()
                    | StrikeSet()
                    | CloseMoved()
                    | GridChanged()
                    | Determined()
                    | Disputed()
                    | Settled()
                ):
                    tickers[fact.ticker] = None
                case _:
                    rows += _rare_rows(fact, exchange)
        rows.extend(("market", ticker, exchange.markets[ticker].record()) for ticker in tickers)
        if rows:
            self._put(rows)

    def save_spot(self, price: Money) -> None:
        """Keep the last price of the underlying."""
        self._put([("meta", "spot", price)])

    def forget_markets(self, tickers: Iterable[str]) -> None:
        """Drop markets that are long over."""
        self._put([("market", ticker, None) for ticker in tickers])

    def _put(self, rows: list[_Row]) -> None:
        with self._transaction():
            self._write(rows)

    def _write(self, rows: list[_Row]) -> None:
        connection = self._connection
        made = enumerate((row for row in rows if row[2] is not None), self._made + 1)
        connection.executemany(
            "INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            [(kind, key, _encode(body), number) for number, (kind, key, body) in made],
        )
        self._made += len(rows)
        gone = [(kind, key) for kind, key, body in rows if body is None]
        if gone:
            connection.executemany("DELETE FROM records WHERE kind = ? AND key = ?", gone)

    def _get(self, kind: str, key: str, type_: type[_T]) -> _T | None:
        row = self._connection.execute(
            "SELECT body FROM records WHERE kind = ? AND key = ?", (kind, key)
        ).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=type_)

    def _rows(self, kind: str, type_: type[_T]) -> list[tuple[str, _T]]:
        decoder = msgspec.msgpack.Decoder(type_)
        rows = self._connection.execute(
            "SELECT key, body FROM records WHERE kind = ? ORDER BY made, key", (kind,)
        )
        try:
            return [(key, decoder.decode(body)) for key, body in rows]
        except msgspec.MsgspecError as exc:
            raise StateRefused(f"{self._path}: unreadable {kind}: {exc}") from exc

    def _all(self, kind: str, type_: type[_T]) -> list[_T]:
        return [body for _, body in self._rows(kind, type_)]


def _rare_rows(fact: Telling, exchange: Exchange) -> list[_Row]:
    """Return what is to be kept of a fact that is no order's, no trade's and no market's."""
    match fact:
        case SubaccountOpened():
            return [("subaccount", fact.account, fact)]
        case NettingChanged():
            return [("netting", fact.account, fact.is_netting)]
        case OrderGroupChanged():
            return [("group", fact.order_group_id, exchange.order_groups.record(fact.order_group_id))]
        case CashTransferred():
            return [("transfer", fact.transfer_id, fact)]
        case CashDeposited():
            return [("deposit", fact.deposit_id, fact)]
        case AllocationSet():
            return [("allocation", fact.account, fact)]
        case PauseChanged():
            return [("pause", str(fact.exchange_index), fact)]
        case MaintenanceScheduled():
            return [("window", f"{fact.start_at} {fact.end_at}", fact)]
        case _:
            # Books, public trades and spot prices are made anew in the next life.
            return []
