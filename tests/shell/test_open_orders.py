"""Our open orders, a line each, for people."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.strategy import Target
from daemon.shell.open_orders import open_orders
from tests.core.worlds import NOW, TICKER, Scripted, trading


def test_an_order_is_named_with_all_that_is_needed_to_find_it() -> None:
    """Before the venue has told its id, and after; and no more when it is gone."""
    strategy = Scripted()
    subject = trading(strategy)
    strategy.targets = (Target("bid", 4_000, 1_000, "rest", "quote"),)
    subject.decide(NOW)
    (line,) = open_orders(subject.state)
    assert f"{line.client_order_id} (id unknown): bid 10.00 {TICKER} at 0.4000, placing" == str(line)
    subject.handle(e.OrderAccepted("place", line.client_order_id, "o1", 0, 1_000, NOW, NOW))
    (line,) = open_orders(subject.state)
    assert ("o1", "resting") == (line.order_id, line.state)
    subject.handle(
        e.OrderUpdated("o1", line.client_order_id, TICKER, "bid", 4_000, "canceled", 0, 0, None, NOW, NOW)
    )
    assert [] == open_orders(subject.state)
