"""Tests of what outlives the process."""

from __future__ import annotations

from pathlib import Path

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
    store.save([*facts], exchange, account)
    store.save_spot(85_000)
    store.close()
    again = Store(tmp_path / "state")
    kept = again.load()
    again.close()
    assert (account.cash, "user", 85_000) == (kept.cash, kept.user_id, kept.spot)
    assert [order.state() for order in account.orders.values()] == list(kept.orders)
    assert (tuple(account.fills), {"mine": kept.orders[0].order_id}) == (kept.fills, kept.client_order_ids)
    assert [50] == [position.qty for position in kept.positions]
    assert [exchange.markets[TICKER].record()] == list(kept.markets)


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
