"""Tests of what outlives the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.exchange.requests import NewOrder
from daemon.sandbox.state import StateRefused, Store
from tests.exchange.venues import CLOSED, T0, TICKER, exchange_of


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


def format_1(path: Path) -> None:
    """Write a state as the first version left it."""
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


def test_a_state_of_format_1_is_taken_over(tmp_path: Path) -> None:
    """Its one account's cash, positions and settlements are the primary account's."""
    path = tmp_path / "state"
    format_1(path)
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


class Killed(BaseException):
    """The process is dead: no handler of errors may live on."""


class DyingConnection:
    """A connection whose process is killed at its n-th statement: before it, or in the middle of many."""

    def __init__(self, path: Path, dies_at: int, *, in_the_middle: bool = False) -> None:
        self._inner = sqlite3.connect(path, isolation_level=None)
        self._left = dies_at
        self._in_the_middle = in_the_middle

    def _live(self) -> None:
        self._left -= 1
        if self._left < 0:
            self.close()
            raise Killed

    @property
    def in_transaction(self) -> bool:
        return False  # what is dead can't roll back: the next life finds it so

    def execute(self, *asked: Any) -> sqlite3.Cursor:
        self._live()
        return self._inner.execute(*asked)

    def executemany(self, text: str, rows: list[Any]) -> None:
        if self._left == 0 and self._in_the_middle:
            self._inner.executemany(text, rows[: len(rows) // 2])
        self._live()
        self._inner.executemany(text, rows)

    def close(self) -> None:
        self._inner.close()


def rows_of(path: Path) -> dict[tuple[str, str], bytes]:
    """Return all that is on disk, but for the count of lives."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT kind, key, body FROM records WHERE key != 'life'").fetchall()
    connection.close()
    return {(kind, key): body for kind, key, body in found}


def live(path: Path, watch: Callable[[int], None]) -> None:
    """Let an account do a bit of everything; `watch` is told after each call that it is acknowledged."""
    exchange, store = exchange_of(), Store(path)
    store.load()
    store.set_cash(exchange.accounts["a"])
    groups = exchange.order_groups
    group = "id-1"
    acts: list[Callable[[], list[Any]]] = [
        lambda: groups.create("a", 2, 100, T0)[1],
        lambda: exchange.place(NewOrder("sim:x", TICKER, "ask", 5000, 500), T0)[1],
        lambda: exchange.place(NewOrder("a", TICKER, "bid", 4000, 70, client_order_id="one"), T0)[1],
        lambda: exchange.place(NewOrder("a", TICKER, "bid", 5000, 200, order_group_id=group), T0)[1],
        lambda: exchange.treasury.deposit("a", 0, 700, T0),
        lambda: exchange.place(NewOrder("sim:x", TICKER, "ask", 4000, 30), T0)[1],
        lambda: groups.delete("a", group, T0)[1],
        lambda: exchange.cancel_all("a", T0)[1],
        lambda: exchange.advance(CLOSED),
        lambda: exchange.determine(TICKER, "yes", 10_000, CLOSED),
        lambda: exchange.settle(TICKER, CLOSED),
    ]
    for number, act in enumerate(acts):
        store.save([*act()], exchange)
        watch(number)
    store.forget_markets([TICKER])
    store.close()


@pytest.mark.parametrize("in_the_middle", [False, True])
def test_a_kill_at_any_statement_leaves_a_whole_number_of_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_the_middle: bool
) -> None:
    """What was acknowledged is there, and what wasn't is there whole or not at all."""
    after: list[dict[tuple[str, str], bytes]] = []
    live(tmp_path / "whole", lambda _: after.append(rows_of(tmp_path / "whole")))
    dies_at, is_dead = 0, True
    while is_dead:
        path = tmp_path / f"state-{dies_at}"
        dying = DyingConnection(path, dies_at, in_the_middle=in_the_middle)
        acknowledged = -1

        def watch(number: int) -> None:
            nonlocal acknowledged
            acknowledged = number

        with monkeypatch.context() as patched:
            patched.setattr("daemon.sandbox.state.sqlite3.connect", lambda *_, **__: dying)  # noqa: B023
            try:
                live(path, watch)
            except Killed:
                pass
            else:
                is_dead = False
        Store(path).close()
        if acknowledged >= 0 and is_dead:
            gone = [("market", TICKER)] if acknowledged == len(after) - 1 else []
            known = [after[acknowledged], *after[acknowledged + 1 : acknowledged + 2]]
            known += [{key: body for key, body in known[0].items() if key not in gone}]
            assert rows_of(path) in known
        dies_at += 1
    assert dies_at > 3 * len(after)


def test_a_kill_while_a_state_of_format_1_is_taken_over_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any statement: the next start takes it over."""
    dies_at, is_dead = 0, True
    while is_dead:
        path = tmp_path / f"state-{dies_at}"
        format_1(path)
        dying = DyingConnection(path, dies_at)
        with monkeypatch.context() as patched:
            patched.setattr("daemon.sandbox.state.sqlite3.connect", lambda *_, **__: dying)  # noqa: B023
            try:
                Store(path).close()
            except Killed:
                pass
            else:
                is_dead = False
        store = Store(path)
        kept = store.load()
        store.close()
        assert {"client": {2: 77, 0: 5}} == kept.cash
        assert [100] == [told.qty for told in kept.positions]
        dies_at += 1
    assert dies_at > 6
