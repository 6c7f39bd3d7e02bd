"""Tests of what outlives the process."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from daemon.exchange.requests import NewOrder
from daemon.sandbox.state import StateRefused, Store
from tests.exchange.venues import T0, TICKER, exchange_of


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    """Orders, fills, positions, cash, markets and every client order id ever used."""
    exchange = exchange_of()
    account = exchange.accounts["a"]
    exchange.place(NewOrder("sim:x", TICKER, "ask", 5000, 50), T0)
    _, facts = exchange.place(NewOrder("a", TICKER, "bid", 5000, 100, client_order_id="mine"), T0)
    store = Store(tmp_path / "state")
    store.set_user_id("user")
    store.set_cash(account)
    store.save([*facts], exchange)
    store.save_spot(85_000)
    store.close()
    again = Store(tmp_path / "state")
    kept = again.load()
    again.close()
    assert ({"a": account.cash}, "user", 85_000) == (kept.cash, kept.user_id, kept.spot)
    assert [order.state() for order in account.orders.values()] == list(kept.orders)
    assert (tuple(account.fills), {"mine": kept.orders[0].order_id}) == (kept.fills, kept.client_order_ids)
    assert [50] == [position.qty for position in kept.positions]
    assert [exchange.markets[TICKER].record()] == list(kept.markets)


def test_what_happened_in_one_instant_comes_back_in_its_order(tmp_path: Path) -> None:
    """Ids don't sort as they came: the store keeps the order itself, through later changes of a row."""
    ids = iter(("z", "m", "a"))
    exchange = exchange_of()
    exchange._execution._new_id = lambda: "trade"  # the order's ids are what is looked at
    exchange._new_id = lambda: next(ids)
    store = Store(tmp_path / "state")
    for _ in range(3):
        store.save([*exchange.place(NewOrder("a", TICKER, "bid", 4000, 100), T0)[1]], exchange)
    store.save([*exchange.decrease("a", "z", 50, T0, is_target=True)[1]], exchange)
    store.close()
    again = Store(tmp_path / "state")
    assert [("z", 50), ("m", 100), ("a", 100)] == [
        (order.order_id, order.remaining) for order in again.load().orders
    ]
    again.close()


def test_a_state_of_format_1_is_taken_over(tmp_path: Path) -> None:
    """Its one account's cash, positions and settlements are the primary account's."""
    path = tmp_path / "state"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(
        "CREATE TABLE records (kind TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, "
        "PRIMARY KEY (kind, key)) WITHOUT ROWID"
    )
    position = ["PositionChanged", "client", TICKER, 2, 100, 500_000, 0, 17_500, 100, 500_000, T0]
    for kind, key, body in (
        ("meta", "format", 1),
        ("account", "cash", {2: 77, 0: 5}),
        ("position", TICKER, position),
    ):
        row = (kind, key, msgspec.msgpack.encode(body))
        connection.execute("INSERT INTO records VALUES (?, ?, ?)", row)
    connection.close()
    for _ in range(2):
        store = Store(path)
        kept = store.load()
        store.close()
        assert {"client": {2: 77, 0: 5}} == kept.cash
        assert [("client", TICKER, 100, 0)] == [
            (told.account, told.ticker, told.qty, told.pairs) for told in kept.positions
        ]


def test_lives_are_counted(tmp_path: Path) -> None:
    """Ids of two lives differ because the life's number is in them."""
    for life in (1, 2, 3):
        store = Store(tmp_path / "state")
        assert life == store.load().life
        store.close()


def test_a_tape_begins_anew(tmp_path: Path) -> None:
    """Clearing forgets account and markets, and neither the user nor the count of lives."""
    store = Store(tmp_path / "state")
    store.set_user_id("user")
    exchange = exchange_of()
    store.set_cash(exchange.accounts["a"])
    store.clear()
    kept = store.load()
    store.close()
    assert (None, "user") == (kept.cash, kept.user_id)


def test_a_foreign_file_is_refused_by_name(tmp_path: Path) -> None:
    """What is no database of ours is not written to."""
    path = tmp_path / "state"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(StateRefused, match=f"{path}: not a sandbox state"):
        Store(path)
