"""Housekeeping: unknown orders are asked after in bounded ways, and never when a person has stopped us."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import CancelOrder, Command, PlaceOrder, ProbeOrder, Reconcile
from daemon.core.engine import Engine
from daemon.core.housekeeping import DOUBTFUL_MAX, FILLS_WITHIN, PROBE_AFTER
from daemon.core.orders import Order
from daemon.core.own_orders import ABSENT_AFTER, READ_LAG
from daemon.core.strategy import Target
from daemon.core.units import SECOND, Ns
from tests.core.worlds import NOW, TICKER, Scripted, reconciled, spec, trading

BUY = Target("bid", 4_000, 1_000, "rest", "because")


@pytest.fixture
def subject() -> Engine:
    """An engine with one order whose answer was lost at NOW."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    engine = trading(strategy)
    (placed,) = [command for command in engine.decide(NOW) if isinstance(command, PlaceOrder)]
    engine.handle(e.OrderUnknown("place", placed.client_order_id, "timeout", NOW))
    return engine


def order_of(subject: Engine) -> Order:
    """The one order."""
    (order,) = subject.state.orders.values()
    return order


def probes(commands: list[Command]) -> list[ProbeOrder]:
    """The probes among commands."""
    return [command for command in commands if isinstance(command, ProbeOrder)]


def test_an_unknown_order_is_probed_for_a_bounded_number_of_times(subject: Engine) -> None:
    """With growing pauses, under its own id, and never while one is under way."""
    order = order_of(subject)
    asked: list[Ns] = []
    for step in range(60):
        now = NOW + step * SECOND
        for probe in probes(subject.decide(now)):
            assert order.client_order_id == probe.client_order_id
            assert [] == probes(subject.decide(now + 1))
            asked.append(now)
            subject.handle(
                e.OrderRejected("probe", order.client_order_id, "insufficient_balance", "", now + 2)
            )
    waits = [later - earlier for earlier, later in zip([NOW, *asked], asked, strict=False)]
    assert list(PROBE_AFTER) == waits


@pytest.mark.parametrize(
    "event",
    [
        e.HaltRequested("enough", NOW, "cli"),
        e.FlattenRequested("enough", 500, NOW),
        e.MarketStatusChanged(TICKER, "inactive", NOW),
        e.ExchangeStatusTold(True, False, (), None, NOW),
    ],
    ids=["halted", "flattening", "inactive", "paused"],
)
def test_no_probe_is_sent_where_no_order_would_be(subject: Engine, event: e.Event) -> None:
    """After a person's halt a probe is an order like any other; elsewhere its refusal would teach nothing."""
    subject.handle(event)
    for step in range(1, 6):
        assert [] == probes(subject.decide(NOW + step * SECOND))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (e.HaltRequested("enough", NOW, "cli"), "halted"),
        (e.FlattenRequested("enough", 500, NOW), "halted"),
        (e.MarketStatusChanged(TICKER, "inactive", NOW), "market_not_open"),
        (e.FeedHeard("kalshi", NOW), None),
    ],
    ids=["halted", "flattening", "inactive", "well"],
)
def test_a_probe_that_waits_is_vouched_for_when_it_is_to_leave(
    subject: Engine, event: e.Event, expected: str | None
) -> None:
    """What came between stops it; that it never left lets the order be asked after by other means."""
    later = NOW + PROBE_AFTER[0]
    (probe,) = probes(subject.decide(later))
    subject.handle(event)
    assert expected == subject.vouch(probe, later)
    subject.handle(e.OrderDropped("probe", probe.client_order_id, "halted", later))
    assert not order_of(subject).is_probing


@pytest.mark.parametrize("told", ["arrived", "named", "cancel"])
def test_an_order_that_arrived_is_not_probed_for(subject: Engine, told: str) -> None:
    """The lists tell of it, and its market is read for that."""
    order = order_of(subject)
    if told == "arrived":
        order.has_arrived = True
    else:
        order.order_id = "id-1"
    commands = subject.decide(NOW + 5 * SECOND)
    assert [] == probes(commands)
    assert [(TICKER,)] == [command.doubtful for command in commands if isinstance(command, Reconcile)]


def test_a_reading_asks_for_no_markets_when_nothing_is_unknown() -> None:
    """Ended orders are read where a fate is unknown, and nowhere else."""
    engine = trading(Scripted())
    commands = engine.decide(NOW)
    assert [()] == [command.doubtful for command in commands if isinstance(command, Reconcile)]


def test_many_doubtful_markets_take_turns(subject: Engine) -> None:
    """Each is a request: a reading asks for some, the next for others, until all had theirs."""
    for number in range(3 * DOUBTFUL_MAX // 2):
        recovered = e.OrderRecovered(f"kd-0-{number}", f"M-{number}", "bid", 1, 1, "rest", None, NOW, NOW)
        subject.handle(recovered)
    seen: set[str] = set()
    for step in range(1, 3):
        for command in subject.decide(NOW + step * SECOND):
            if isinstance(command, Reconcile):
                assert DOUBTFUL_MAX == len(set(command.doubtful))
                seen |= set(command.doubtful)
    assert {order.ticker for order in subject.state.orders.values()} == seen


def test_nothing_new_is_sent_on_its_market_until_it_is_resolved(subject: Engine) -> None:
    """And then at once: by the lists when nobody else tells, within a bounded time."""
    for step in range(1, 34):
        now = NOW + step * SECOND
        assert [] == [command for command in subject.decide(now) if isinstance(command, PlaceOrder)]
        for order in subject.state.orders.values():
            if order.is_probing:
                subject.handle(e.OrderDropped("probe", order.client_order_id, "HTTP 429", now))
    end = NOW + 2 * ABSENT_AFTER
    subject.handle(reconciled(end, doubtful=(TICKER,)))
    assert {} == subject.state.orders


def test_an_order_of_a_previous_life_is_cancelled_once_it_is_known_to_rest() -> None:
    """Recovered, then listed: nobody owns it."""
    engine = trading(Scripted())
    engine.handle(e.OrderRecovered("kd-0-1", TICKER, "bid", 4_000, 500, "rest", None, NOW, NOW))
    assert [] == [command for command in engine.decide(NOW) if isinstance(command, CancelOrder)]
    listed = e.OrderSnapshot("id-1", "kd-0-1", TICKER, "bid", 4_000, 0, 500)
    engine.handle(reconciled(NOW + 3 * SECOND, orders=(listed,)))
    commands = engine.decide(NOW + 3 * SECOND)
    cancel = CancelOrder("kd-0-1", "id-1", TICKER, spec().exchange_index, "adopted", NOW + 3 * SECOND)
    assert [cancel] == [command for command in commands if isinstance(command, CancelOrder)]


def test_an_order_that_waits_for_fills_has_its_end_read_again(subject: Engine) -> None:
    """What it is said to have traded may be wrong, and it would wait for ever."""
    order = order_of(subject)
    subject.handle(
        e.OrderUpdated(
            "id-1", order.client_order_id, TICKER, "bid", 4_000, "canceled", 500, 0, None, NOW, NOW
        )
    )
    asked = []
    for at in (NOW + SECOND, NOW + FILLS_WITHIN):
        asked += [command.doubtful for command in subject.decide(at) if isinstance(command, Reconcile)]
    assert [(), (TICKER,)] == asked


@pytest.mark.parametrize(
    "answer",
    [
        e.OrderRejected("cancel", "kd-0-1", "market_inactive", "", NOW),
        e.OrderDropped("cancel", "kd-0-1", "connection refused", NOW),
    ],
    ids=["refused", "not sent"],
)
def test_a_cancel_that_failed_is_asked_for_again_after_a_moment(answer: e.Event) -> None:
    """After a close every cancel is refused: asked at once again and again, they would eat all tokens."""
    engine = trading(Scripted())
    listed = e.OrderSnapshot("id-1", "kd-0-1", TICKER, "bid", 4_000, 0, 500)
    engine.handle(reconciled(NOW, orders=(listed,)))
    sent = 0
    for step in range(100):
        now = NOW + step * SECOND // 100
        for command in engine.decide(now):
            if isinstance(command, CancelOrder):
                sent += 1
                engine.handle(msgspec.structs.replace(answer, received_at=now))
    assert 4 == sent


def test_the_first_reading_that_can_count_is_asked_for_at_once() -> None:
    """A break of the private stream costs what the lists may lag, and not a second more for asking late."""
    subject = trading(Scripted())
    subject.decide(NOW)
    subject.handle(e.FeedDropped("kalshi", "test", NOW + 1))
    subject.handle(e.FeedConnected("kalshi", NOW + 1))
    asked = [
        now
        for now in (NOW + step * SECOND // 10 + 1 for step in range(21))
        if any(isinstance(command, Reconcile) for command in subject.decide(now))
    ]
    assert NOW + READ_LAG + 1 == asked[-1]
    assert asked[-1] - asked[-2] < SECOND, "the clock alone would have asked later"
    assert [] == [one for one in subject.decide(asked[-1] + 1) if isinstance(one, Reconcile)]
