"""Issuing: what is approved is in flight before its command exists, under an id that never comes twice."""

from __future__ import annotations

import pytest

from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder, ProbeOrder, WithdrawOrder
from daemon.core.issuing import VENUE_ROUTES, Issuer, base36
from daemon.core.orders import Order, ProposeAmend, ProposeCancel, ProposePlace, ProposeWithdraw
from daemon.core.risk import Approved, Risk
from daemon.core.strategy import Target
from daemon.core.units import SECOND, BookSide
from tests.core.risk.cases import account, market
from tests.core.worlds import LIMITS, NOW, TICKER, Scripted, trading

BUY = Target("bid", 4_000, 1_000, "rest", "because")


def test_base36() -> None:
    """Digits, then letters."""
    assert [base36(number) for number in (0, 9, 10, 35, 36, 1_296)] == ["0", "9", "a", "z", "10", "100"]


def test_place_amend_and_cancel_are_in_flight_when_their_commands_exist() -> None:
    """The next check already counts them; ids count up; unwatched markets are routed by the venue."""
    state = trading(Scripted()).state
    issuer, risk = Issuer(state, "kd-x-", SECOND), Risk(LIMITS)

    def issue(proposal: ProposePlace | ProposeAmend | ProposeCancel) -> PlaceOrder | AmendOrder | CancelOrder:
        verdict = risk.approve(proposal, market(), account(), NOW)
        assert isinstance(verdict, Approved)
        return issuer.issue(verdict, None, NOW)

    placed = issue(ProposePlace(TICKER, "s", BUY))
    second = issue(ProposePlace("UNWATCHED", "s", BUY))
    assert [placed.client_order_id, second.client_order_id] == ["kd-x-1", "kd-x-2"]
    assert (placed.exchange_index, second.exchange_index) == (2, VENUE_ROUTES)
    order = state.orders["kd-x-1"]
    assert order.state == "placing"
    order.order_id = "id-1"
    order.apply("place_accepted", NOW)
    order.tell_filled(200)
    amended = issue(ProposeAmend(TICKER, "s", "kd-x-1", BUY))
    assert isinstance(amended, AmendOrder)
    assert amended.qty == 1_200
    assert order.state == "amending"
    order.apply("amend_settled", NOW)
    assert isinstance(issue(ProposeCancel(TICKER, "s", "kd-x-1", "why")), CancelOrder)
    assert order.state == "canceling"


def test_a_withdrawal_is_asked_for_once_and_leaves_the_order_as_it_is() -> None:
    """What waits may have left meanwhile: only its answer says what became of it."""
    subject = trading(Scripted())
    issuer = Issuer(subject.state, "kd-x-", SECOND)
    verdict = Approved(ProposePlace(TICKER, "s", BUY))
    name = issuer.issue(verdict, None, NOW).client_order_id
    assert WithdrawOrder(name, "why", NOW) == issuer.withdraw(ProposeWithdraw(TICKER, "s", name, "why"), NOW)
    order = subject.state.orders[name]
    assert ("placing", True) == (order.state, order.is_withdrawn)


@pytest.mark.parametrize(("side", "price"), [("bid", 10), ("ask", 9_990)])
def test_a_probe_is_the_least_order_at_the_far_end_of_the_grid(side: BookSide, price: int) -> None:
    """Its id is the order's own; the order stays unknown, and is being asked after."""
    state = trading(Scripted()).state
    order = Order(
        client_order_id="kd-1", ticker=TICKER, side=side, price=5_000, qty=1_000, style="rest", strategy="s",
        at=NOW, state="unknown",
    )  # fmt: skip
    issuer = Issuer(state, "kd-x-", SECOND)
    assert ProbeOrder("kd-1", TICKER, side, price, 1, 2, NOW) == issuer.probe(order, NOW)
    assert ("unknown", True, 1, NOW) == (order.state, order.is_probing, order.probes, order.sent_at_latest)
    order.ticker = "UNWATCHED"
    assert None is issuer.probe(order, NOW)
