"""The shadow account's file: a life ends, the next one finds all of it but what rested."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daemon.core import events as e
from daemon.core.units import DAY, HOUR, PRICE_ONE, QTY_ONE
from daemon.exchange.facts import Fact
from daemon.exchange.requests import NewOrder
from daemon.shell.shadow.exchange import ACCOUNT
from daemon.shell.shadow.store import ShadowStateRefused, ShadowStore
from tests.exchange.venues import TICKER
from tests.shell.shadow.paper import CASH, NOW, Paper, database


def lived(folder: Path) -> Paper:
    """A life that bought three contracts and left an order resting."""
    paper = Paper()
    store = ShadowStore(database(folder))
    assert store.load(NOW) is None
    store.save_cash(paper.shadow.account.cash, NOW)
    facts: list[Fact] = []
    for price, qty in ((4_200, 3 * QTY_ONE), (3_900, QTY_ONE)):
        order = NewOrder(ACCOUNT, TICKER, "bid", price, qty, client_order_id=f"kd-{price}")
        facts += paper.shadow.place(order, NOW)[1]
    facts += paper.shadow.exchange.order_groups.create(ACCOUNT, 2, 100 * QTY_ONE, NOW)[1]
    store.save(facts, paper.shadow.exchange)
    store.close()
    return paper


def test_the_next_life_finds_the_account(tmp_path: Path) -> None:
    """Cash to the last unit, position, fills, group; what rested is ended, and stays so."""
    paper = lived(tmp_path)
    for later in (NOW + 1, NOW + 2):
        store = ShadowStore(database(tmp_path))
        kept = store.load(later)
        store.close()
        assert kept is not None
        assert paper.cash == sum(kept.cash.values())
        assert [(TICKER, 300)] == [(told.ticker, told.qty) for told in kept.positions]
        assert [300] == [fill.qty for fill in kept.fills]
        assert 1 == len(kept.groups)
        assert {("kd-4200", "executed", 0), ("kd-3900", "canceled", 0)} == {
            (order.client_order_id, order.status, order.remaining) for order in kept.orders
        }
        again = Paper(kept, is_listed=False)
        assert (paper.cash, 300) == (again.cash, again.shadow.account.qty(TICKER))
        used = again.place("bid", 4_000, name="kd-3900")
        assert "market_inactive" == getattr(used, "code", None), "its book is not known yet"


def test_a_market_that_ended_while_we_were_away_still_pays(tmp_path: Path) -> None:
    """It is kept with the position; its result is told when it is asked for."""
    lived(tmp_path)
    store = ShadowStore(database(tmp_path))
    again = Paper(store.load(NOW + DAY), is_listed=False)
    before = again.cash
    again.hear(e.MarketDetermined(TICKER, "yes", PRICE_ONE, NOW + DAY), e.MarketSettled(TICKER, NOW + DAY))
    store.close()
    assert before + 300 * PRICE_ONE == again.cash


def test_what_is_old_is_dropped_and_what_is_held_is_not(tmp_path: Path) -> None:
    """Ended orders and fills go with time; the position and its market stay."""
    lived(tmp_path)
    store = ShadowStore(database(tmp_path))
    store.load(NOW)
    store.forget(NOW + HOUR, NOW + HOUR)
    kept = store.load(NOW + HOUR)
    store.close()
    assert kept is not None
    assert ((), ()) == (kept.orders, kept.fills)
    assert ([TICKER], [TICKER]) == (
        [told.ticker for told in kept.positions],
        [record.spec.ticker for record in kept.markets],
    )


def test_what_is_no_shadow_account_is_refused_by_name(tmp_path: Path) -> None:
    """Garbage, another format, a record of another shape: never taken for an empty account."""
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database, but long enough to be looked at as one" * 100)
    with pytest.raises(ShadowStateRefused, match=r"garbage\.db: not a shadow account"):
        ShadowStore(garbage)
    lived(tmp_path)
    path = database(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE records SET body = x'93' WHERE kind = 'fill'")
    connection.close()
    store = ShadowStore(path)
    with pytest.raises(ShadowStateRefused, match="a record can't be read"):
        store.load(NOW)
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE records SET body = x'07' WHERE kind = 'meta'")
    connection.close()
    with pytest.raises(ShadowStateRefused, match="format 7; this version reads 1"):
        ShadowStore(path)
    assert CASH > 0
