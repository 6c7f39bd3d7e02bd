"""A shadow account on one open market, for tests: events in, orders in, what came of them out."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder, ProbeOrder, TimeInForce
from daemon.core.markets import MarketSpec
from daemon.core.units import MONEY_ONE, QTY_ONE, SECOND, BookSide, Money, Ns, Price, Qty
from daemon.exchange.facts import Filled, OrderState
from daemon.exchange.requests import NewOrder, Refused
from daemon.shell.shadow.exchange import ACCOUNT, ShadowExchange
from daemon.shell.shadow.store import KeptAccount
from tests.exchange.venues import T0, TICKER, spec_of

CASH: Money = 1_000 * MONEY_ONE
NOW: Ns = T0 + SECOND
YES = ((4_000, 300), (3_900, 500))
NO = ((5_800, 300), (5_700, 500))
"""YES asks at 42 and 43 cents."""


def spec(ticker: str = TICKER, **changes: object) -> MarketSpec:
    """The listing of a market that is open."""
    return msgspec.structs.replace(spec_of(ticker), status="active", **changes)


def snapshot(ticker: str = TICKER, at: Ns = NOW) -> e.BookSnapshotReceived:
    """Its book: 40 at 42 cents."""
    return e.BookSnapshotReceived(ticker, YES, NO, at, at)


def delta(side: str, price: Price, by: Qty, at: Ns = NOW) -> e.BookDeltaReceived:
    """A level's change."""
    return e.BookDeltaReceived(TICKER, side, price, by, at, at)  # type: ignore[arg-type]


class Paper:
    """The account, and all fills that were told."""

    def __init__(self, kept: KeptAccount | None = None, *, is_listed: bool = True) -> None:
        count = itertools.count(1)
        self.shadow = ShadowExchange(lambda: f"id-{next(count)}", kept, CASH, T0)
        self.fills: list[Filled] = []
        if is_listed:
            self.hear(e.MarketListed(spec(), NOW), snapshot())

    def hear(self, *events: e.Event) -> None:
        """Take events in, as the pump hands them on."""
        for event in events:
            self.fills += [fact for fact in self.shadow.apply(event) if isinstance(fact, Filled)]

    def place(
        self,
        side: BookSide,
        price: Price,
        qty: Qty = QTY_ONE,
        *,
        name: str = "",
        tif: TimeInForce = "good_till_canceled",
        ticker: str = TICKER,
        at: Ns = NOW,
    ) -> OrderState | Refused:
        """Place an order."""
        order = NewOrder(ACCOUNT, ticker, side, price, qty, tif, client_order_id=name)
        found, facts = self.shadow.place(order, at)
        self.fills += [fact for fact in facts if isinstance(fact, Filled)]
        return found

    def resting(self, side: BookSide, price: Price, qty: Qty = QTY_ONE) -> OrderState:
        """Place an order that must be taken."""
        found = self.place(side, price, qty)
        assert isinstance(found, OrderState), found
        return found

    @property
    def cash(self) -> Money:
        """Cash of all shards."""
        return sum(self.shadow.account.cash.values())


def place_command(
    name: str = "kd-1-1", side: BookSide = "bid", price: Price = 4_000, qty: Qty = QTY_ONE,
    tif: TimeInForce = "good_till_canceled",
) -> PlaceOrder:  # fmt: skip
    """The command for a new order."""
    return PlaceOrder(name, TICKER, side, price, qty, tif, False, 2, "s", "r", NOW, NOW + SECOND, None)


def amend_command(
    order_id: str, name: str = "kd-1-1", price: Price = 4_000, qty: Qty = QTY_ONE
) -> AmendOrder:
    """The command for new terms of a bid."""
    return AmendOrder(name, order_id, TICKER, "bid", price, qty, 2, "s", "r", NOW, NOW + SECOND, None)


def cancel_command(order_id: str, name: str = "kd-1-1") -> CancelOrder:
    """The command that takes an order out."""
    return CancelOrder(name, order_id, TICKER, 2, "r", NOW)


def probe_command(name: str = "kd-1-1") -> ProbeOrder:
    """The command that sends an order's id again."""
    return ProbeOrder(name, TICKER, "bid", 100, QTY_ONE, 2, NOW)


def database(folder: Path) -> Path:
    """Where a shadow account of this folder is kept."""
    return folder / "shadow" / "account.db"
