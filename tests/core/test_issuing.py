"""Issuing: what is approved is in flight before its command exists, under an id that never comes twice."""

from __future__ import annotations

from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder
from daemon.core.issuing import VENUE_ROUTES, Issuer, base36
from daemon.core.orders import ProposeAmend, ProposeCancel, ProposePlace
from daemon.core.risk import Risk
from daemon.core.strategy import Target
from daemon.core.units import SECOND
from tests.core.risk.test_gate import account, market
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
        assert not isinstance(verdict, str)
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


def test_placed_since_forgets_what_is_older() -> None:
    """The order rate looks back a minute."""
    issuer = Issuer(trading(Scripted()).state, "kd-x-", SECOND)
    for step in range(3):
        verdict = Risk(LIMITS).approve(ProposePlace(TICKER, "s", BUY), market(), account(), NOW)
        assert not isinstance(verdict, str)
        issuer.issue(verdict, None, NOW + step)
    assert issuer.placed_since(NOW - 1) == 3
    assert issuer.placed_since(NOW + 1) == 1
    assert issuer.placed_since(NOW - 1) == 1
