"""Exits: when a position is given up, by which order, and what follows."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import CancelOrder, PlaceOrder
from daemon.core.engine import Engine
from daemon.core.exits import Exits, Leaving
from daemon.core.ledger import Position
from daemon.core.market import Market
from daemon.core.reference import Spot
from daemon.core.risk import FeedHealth
from daemon.core.strategy import Target
from daemon.core.units import SECOND
from tests.core.test_engine_refusals import BUY, orders
from tests.core.worlds import CONFIG, LIMITS, NOW, SCHEMA, TICKER, Scripted, snapshot, spec, trading

STOPS = msgspec.structs.replace(LIMITS, stop_loss=500, take_profit=700)


def market(
    *, yes: tuple[e.Level, ...] = ((3_900, 500), (4_000, 400)), no: tuple[e.Level, ...] = ((5_800, 300),)
) -> Market:
    """A market with a book: 40.0 bid, 42.0 asked."""
    subject = Market(spec(), SCHEMA, Spot(()), FeedHealth())
    subject.book.apply_snapshot(snapshot(NOW, yes=yes, no=no))
    return subject


def held(qty: int, paid: int) -> Position:
    """A position, bought at a YES price."""
    position = Position()
    position.trade(qty, paid)
    return position


@pytest.mark.parametrize(
    ("qty", "paid", "expected"),
    [
        (100, 4_599, None),  # the mid is 41: 5 cents lost are one too few by a hundredth
        (100, 4_600, "stop-loss: 5.0 of 5 cents lost"),
        (-100, 3_601, None),
        (-100, 3_600, "stop-loss: 5.0 of 5 cents lost"),
        (100, 3_401, None),
        (100, 3_400, "take-profit: 7.0 of 7 cents won"),
        (-100, 4_800, "take-profit: 7.0 of 7 cents won"),
    ],
)
def test_the_limits_are_per_contract_against_the_mid(qty: int, paid: int, expected: str | None) -> None:
    """Exactly at the limit it is reached; NO is held against its own mid."""
    leaving = Exits(STOPS).look(market(), held(qty, paid))
    assert (None if leaving is None else leaving.reason) == expected


def test_without_limits_nothing_is_given_up() -> None:
    """Both are off unless they are set."""
    assert Exits(LIMITS).look(market(), held(100, 9_000)) is None


@pytest.mark.parametrize(
    ("qty", "paid", "expected"),
    [
        (300, 9_000, Target("ask", 4_000, 300, "take", "")),
        (600, 9_000, Target("ask", 3_900, 600, "take", "")),
        (2_000, 9_000, Target("ask", 3_900, 900, "take", "")),
        (-500, 1_000, Target("bid", 4_200, 300, "take", "")),
    ],
)
def test_an_exit_takes_what_the_book_offers(qty: int, paid: int, expected: Target) -> None:
    """No worse a price than it needs, no more than stands there, no more than is held."""
    leaving = Exits(STOPS).look(market(), held(qty, paid))
    assert leaving is not None
    assert leaving.target is not None
    assert msgspec.structs.replace(leaving.target, reason="") == expected


def test_an_exit_goes_no_farther_than_the_collar_and_waits_where_nobody_buys() -> None:
    """A price too far from the best one is refused anyway; an order cap is one too."""
    subject = Exits(msgspec.structs.replace(STOPS, price_away_max=50, order_qty_max=350))
    leaving = subject.look(market(), held(2_000, 9_000))
    assert leaving is not None
    assert leaving.target is not None
    assert (leaving.target.price, leaving.target.qty) == (4_000, 350)
    nobody = subject.look(market(yes=()), held(2_000, 9_000))
    assert nobody == Leaving(leaving.reason, None)


def test_what_has_begun_goes_on_until_the_position_is_flat() -> None:
    """A price that comes back does not change the mind; a market that was stopped out stays left."""
    subject = Exits(STOPS)
    assert subject.look(market(), held(100, 4_600)) is not None
    better = market(yes=((4_600, 100),), no=((5_200, 100),))
    assert subject.look(better, held(50, 4_600)) is not None
    assert subject.look(better, Position()) is None
    assert subject.is_stopped_out(TICKER)
    assert not subject.is_stopped_out("OTHER")
    subject.forget_gone({})
    assert not subject.is_stopped_out(TICKER)


def test_a_profit_taken_leaves_the_market_open() -> None:
    """Only a stop-loss ends it."""
    subject = Exits(STOPS)
    assert subject.look(market(), held(100, 3_400)) is not None
    assert subject.look(market(), Position()) is None
    assert not subject.is_stopped_out(TICKER)
    assert subject.look(market(), held(100, 4_100)) is None


def stopped_out() -> tuple[Engine, Scripted]:
    """An engine with a resting bid and a position that has lost five cents a contract."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy, msgspec.structs.replace(CONFIG, limits=STOPS))
    (placed,) = orders(subject.decide(NOW))
    assert isinstance(placed, PlaceOrder)
    subject.handle(e.OrderAccepted("place", placed.client_order_id, "id-1", 0, placed.qty, NOW, NOW))
    subject.handle(e.OrderFilled("t", "old", None, TICKER, "bid", 4_600, 500, 0, True, NOW, None))
    return subject, strategy


def test_a_stop_takes_out_what_rests_then_sells_then_leaves_the_market() -> None:
    """One exit at a time, and it only reduces; nothing is entered there again."""
    subject, _ = stopped_out()
    (cancel,) = orders(subject.decide(NOW + 1))
    assert isinstance(cancel, CancelOrder)
    assert cancel.reason.startswith("stop-loss")
    gone = e.OrderAccepted("cancel", cancel.client_order_id, "id-1", None, 0, NOW, NOW, reduced_by=1_000)
    subject.handle(gone)
    (sold,) = orders(subject.decide(NOW + 2))
    assert isinstance(sold, PlaceOrder)
    assert (sold.side, sold.price, sold.qty, sold.strategy) == ("ask", 4_000, 500, "exit")
    assert (sold.time_in_force, sold.purpose) == ("immediate_or_cancel", "reduce")
    assert subject.vouch(sold, NOW + 2) is None
    subject.handle(snapshot(NOW + 3))
    assert orders(subject.decide(NOW + 3)) == []
    subject.handle(e.OrderAccepted("place", sold.client_order_id, "id-2", 500, 0, NOW, NOW))
    subject.handle(
        e.OrderFilled("u", "id-2", sold.client_order_id, TICKER, "ask", 4_000, 500, 0, True, NOW, None)
    )
    assert orders(subject.decide(NOW + 4)) == []
    assert subject.refusals["stopped_out"] == 1
    assert subject.decisions.last[-1].reason == "stopped_out"


def test_an_exit_waits_for_a_book() -> None:
    """On a book that is lost nothing is sold: nobody knows at what."""
    subject, _ = stopped_out()
    (cancel,) = orders(subject.decide(NOW + 1))
    assert isinstance(cancel, CancelOrder)
    subject.handle(
        e.OrderAccepted("cancel", cancel.client_order_id, "id-1", None, 0, NOW, NOW, reduced_by=1_000)
    )
    subject.handle(e.BookLost(TICKER, "gap", NOW + 2))
    assert orders(subject.decide(NOW + 2)) == []
    subject.handle(snapshot(NOW + SECOND))
    assert [type(c) for c in orders(subject.decide(NOW + SECOND))] == [PlaceOrder]


def profitable() -> Engine:
    """An engine without orders, whose five contracts have won seven cents each."""
    subject = trading(Scripted(), msgspec.structs.replace(CONFIG, limits=STOPS))
    subject.handle(e.OrderFilled("t", "old", None, TICKER, "bid", 3_300, 500, 0, True, NOW, None))
    return subject


def test_an_exit_that_has_traded_is_not_sent_again_before_its_fills_are_booked() -> None:
    """The answer is often faster than the fill: what is believed held is not to be sold twice."""
    subject = profitable()
    (sold,) = orders(subject.decide(NOW))
    assert isinstance(sold, PlaceOrder)
    subject.handle(e.OrderAccepted("place", sold.client_order_id, "id-2", 500, 0, NOW, NOW))
    subject.handle(snapshot(NOW + 2 * SECOND))
    assert orders(subject.decide(NOW + 2 * SECOND)) == []


def test_exits_that_nobody_takes_are_a_second_apart() -> None:
    """A book that does not do what it shows is not hammered, whatever its prices."""
    subject = profitable()
    sent = []
    for step in range(40):
        at = NOW + step * SECOND // 10
        subject.handle(snapshot(at, yes=((3_900, 50_000), (4_000 + step % 2 * 100, 40_000))))
        for command in orders(subject.decide(at)):
            assert isinstance(command, PlaceOrder)
            sent.append(at)
            subject.handle(e.OrderAccepted("place", command.client_order_id, f"id-{step}", 0, 0, at, at))
            subject.handle(
                e.OrderUpdated(
                    f"id-{step}", command.client_order_id, TICKER, "ask", command.price, "canceled", 0, 0,
                    None, at, None,
                )
            )  # fmt: skip
    assert sent == [NOW, NOW + SECOND, NOW + 2 * SECOND, NOW + 3 * SECOND]


THIN = msgspec.structs.replace(STOPS, spread_max=2_000)


def test_a_quote_that_is_gone_is_no_loss() -> None:
    """Bought at 46; the bid of 40 is cancelled, one cent is left, and the offer at 60 says nothing yet."""
    assert Exits(THIN).look(market(yes=((100, 10_000),), no=((4_000, 300),)), held(100, 4_600)) is None


def test_a_lonely_bid_far_below_is_no_way_out() -> None:
    """Nobody gives more than 42: a loss; but one cent is a price at which nobody would have entered."""
    subject = Exits(THIN)
    leaving = subject.look(market(yes=((100, 10_000),)), held(100, 9_000))
    assert leaving is not None
    assert leaving.reason.startswith("stop-loss")
    assert leaving.target is None
    leaving = subject.look(market(yes=((100, 10_000), (3_000, 50))), held(100, 9_000))
    assert leaving is not None
    assert leaving.target is not None
    assert (leaving.target.price, leaving.target.qty) == (3_000, 50)


def test_a_book_that_collapsed_is_sold_into() -> None:
    """One cent bid, three asked: that is what it is worth."""
    leaving = Exits(THIN).look(market(yes=((100, 10_000),), no=((9_700, 300),)), held(100, 9_000))
    assert leaving is not None
    assert leaving.target is not None
    assert (leaving.target.price, leaving.target.qty) == (100, 100)
