"""Between the shadow account's words and the venue's: nothing is lost on the way."""

from __future__ import annotations

from typing import get_args

import pytest

from daemon.core.units import PRICE_ONE, QTY_ONE, SECOND
from daemon.exchange import requests
from daemon.exchange.facts import OrderState
from daemon.exchange.order_groups import GroupRecord
from daemon.kalshi.encode import encode_place
from daemon.shell.shadow import told
from tests.exchange.venues import TICKER
from tests.shell.shadow.paper import NOW, Paper, amend_command, place_command, probe_command


@pytest.mark.parametrize("code", get_args(requests.RefusalCode))
def test_every_refusal_has_the_venues_code_and_a_status(code: requests.RefusalCode) -> None:
    """A no is a 4xx with the code in lower case, as the client reads it."""
    error = told.refused(requests.Refused(code, "why"))
    assert (code, "why") == (error.code, error.details)
    assert 400 <= error.status < 500


@pytest.mark.parametrize("tif", ["good_till_canceled", "immediate_or_cancel"])
def test_an_order_has_the_terms_that_would_be_sent(tif: str) -> None:
    """Self-trade prevention and cancel on pause are those of the encoded body."""
    command = place_command(tif=tif)  # type: ignore[arg-type]
    order, body = told.new_order(command), encode_place(command)
    assert ("kd-1-1", TICKER, "bid", 4_000, QTY_ONE, tif) == (
        order.client_order_id, order.ticker, order.side, order.price, order.qty, order.time_in_force,
    )  # fmt: skip
    assert order.self_trade_prevention.encode() in body
    assert order.cancel_on_pause == (b'"cancel_order_on_pause":true' in body)


def test_a_probe_rests_nowhere_and_an_amend_keeps_its_expiry() -> None:
    """As `kalshi.encode` has them."""
    assert "immediate_or_cancel" == told.probing(probe_command()).time_in_force
    assert None is told.amendment(amend_command("o1")).expires_at


def test_lists_say_what_the_account_knows() -> None:
    """An order, an answer, a group."""
    paper = Paper()
    order = paper.place("bid", 4_200, 3 * QTY_ONE)
    assert isinstance(order, OrderState)
    snapshot = told.order_snapshot(order)
    assert (order.order_id, TICKER, "bid", 300, 0) == (
        snapshot.order_id, snapshot.ticker, snapshot.side, snapshot.filled, snapshot.remaining,
    )  # fmt: skip
    assert told.accepted("place", "kd", order, NOW).remaining == 0
    group = told.group(GroupRecord("g1", "shadow", 2, 500, True), ("o1",))
    assert ("g1", False, 500, 2, ("o1",)) == (
        group.group_id, group.is_auto_cancel_enabled, group.limit, group.exchange_index, group.order_ids,
    )  # fmt: skip


def test_a_payout_is_in_the_lists_units() -> None:
    """The whole of it, the price that one YES contract paid, and the second in which it was."""
    from daemon.core import events as e

    paper = Paper()
    paper.resting("bid", 4_200, 3 * QTY_ONE)
    at = NOW + 5 * SECOND // 2
    paper.hear(e.MarketDetermined(TICKER, "yes", PRICE_ONE, at), e.MarketSettled(TICKER, at))
    (paid,) = map(told.settlement, paper.shadow.account.settlements)
    assert (TICKER, "yes", 300, 0, 300 * PRICE_ONE, PRICE_ONE) == (
        paid.ticker, paid.result, paid.yes_qty, paid.no_qty, paid.revenue, paid.value,
    )  # fmt: skip
    assert 0 == paid.settled_at % SECOND
