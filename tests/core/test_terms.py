"""The terms that change in a running engine: each acts from the next decision, and old journals have none."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, Command, PlaceOrder, ProbeVenue, Reconcile
from daemon.core.engine import Engine
from daemon.core.engine_config import EngineConfig
from daemon.core.terms import Terms
from daemon.core.units import MILLISECOND, MONEY_ONE, SECOND, Ns
from tests.core.test_config_change import changed, engine
from tests.core.worlds import LIMITS, NOW, TICKER

TERMS = Terms(
    order_ttl=SECOND, order_expiry=60 * SECOND, reconcile_every=30 * SECOND, failures_max=3,
    probe_every=2 * SECOND, rejects_max=5, ack_max=2 * SECOND, cool_down=30 * SECOND, audit_differences_max=2,
    reference_stale_max=15 * SECOND, cancels_on_exit=True,
)  # fmt: skip


def change(subject: Engine, **terms: object) -> None:
    """Change these terms, and no other thing."""
    event = changed()
    subject.handle(msgspec.structs.replace(event, terms=msgspec.structs.replace(TERMS, **terms)))


def the(kind: type[Command], commands: Sequence[Command]) -> list[Command]:
    return [one for one in commands if isinstance(one, kind)]


def place(subject: Engine, at: Ns) -> PlaceOrder:
    """Decide, and let the one order rest."""
    (order,) = (one for one in subject.decide(at) if isinstance(one, PlaceOrder))
    subject.handle(e.OrderAccepted("place", order.client_order_id, "o1", 0, order.qty, at, at))
    return order


def test_they_are_the_engines_own() -> None:
    """What is called otherwise than in the engine's configuration would change nothing there."""
    own = {*Terms.__struct_fields__} - {"reference_stale_max"}
    assert own == own & {*EngineConfig.__struct_fields__}


def test_an_old_journals_change_leaves_them_as_they_are() -> None:
    """It has no such field: then nothing of them changes."""
    event = msgspec.to_builtins(changed())
    assert None is event.pop(), "the last field"
    read = msgspec.convert(event, e.ConfigChanged)
    subject = engine("alpha")
    before = subject.config
    subject.handle(read)
    assert msgspec.structs.replace(before, limits=LIMITS) == subject.config


def test_an_order_waits_and_rests_as_long_as_they_say() -> None:
    """Both its deadline in the queue and its expiry at the venue."""
    subject = engine("alpha")
    change(subject, order_ttl=300 * MILLISECOND, order_expiry=20 * SECOND)
    order = place(subject, NOW)
    assert (NOW + 300 * MILLISECOND) == order.deadline
    assert order.expires_at is not None
    assert NOW + 20 * SECOND <= order.expires_at <= NOW + 21 * SECOND


def test_what_rests_is_kept_alive_by_the_new_expiry() -> None:
    """A longer one is asked for at once where less than half of it is left."""
    subject = engine("alpha")
    change(subject, order_expiry=20 * SECOND)
    order = place(subject, NOW)
    change(subject, order_expiry=600 * SECOND)
    commands = subject.decide(NOW + SECOND)
    (amend,) = (one for one in commands if getattr(one, "client_order_id", "") == order.client_order_id)
    assert isinstance(amend, AmendOrder)
    assert amend.expires_at is not None
    assert amend.expires_at >= NOW + 600 * SECOND


@pytest.mark.parametrize(("every", "expected"), [(30 * SECOND, 0), (5 * SECOND, 1)])
def test_the_account_is_read_as_often_as_they_say(every: Ns, expected: int) -> None:
    """Counted from the last reading, whenever the change came."""
    subject = engine("alpha")
    place(subject, NOW)
    subject.decide(NOW + SECOND)
    change(subject, reconcile_every=every)
    assert expected == len(the(Reconcile, subject.decide(NOW + 6 * SECOND)))


def fail(subject: Engine, at: Ns) -> None:
    subject.handle(e.VenueFailed("place", "TimeoutError", at))


def test_failures_that_were_counted_count_on() -> None:
    """One more opens the breaker that now opens at two."""
    subject = engine("alpha")
    fail(subject, NOW)
    change(subject, failures_max=2)
    assert "closed" == subject.breakers.worst
    fail(subject, NOW + 1)
    assert "open" == subject.breakers.worst


def test_an_open_breaker_stays_open_and_is_probed_by_the_new_interval() -> None:
    """A higher threshold proves nothing of the venue."""
    subject = engine("alpha")
    for at in range(3):
        fail(subject, NOW + at)
    subject.decide(NOW + 3)
    change(subject, failures_max=100, probe_every=20 * SECOND)
    assert "open" == subject.breakers.worst
    asked = [len(the(ProbeVenue, subject.decide(NOW + at * SECOND))) for at in range(1, 25)]
    assert 1 == sum(asked)


def test_rejections_and_answers_are_judged_by_the_new_thresholds() -> None:
    """A market stops at its first rejection; two slow answers of twenty are enough, by the new slowness."""
    subject = engine("alpha")
    change(subject, rejects_max=1, ack_max=MILLISECOND)
    (order,) = (one for one in subject.decide(NOW) if isinstance(one, PlaceOrder))
    at = NOW + 2 * MILLISECOND
    subject.handle(e.OrderRejected("place", order.client_order_id, "insufficient_balance", "", at))
    assert ["rejects_market"] == [one.rule.name for one in subject.breakers.not_closed()]
    breaker = subject.breakers.of("ack_latency")
    assert (False, 30 * SECOND) == (breaker.is_idle, breaker.rule.cool_down)


def test_a_cool_down_that_runs_is_the_new_one() -> None:
    """An open breaker asks a trial when the time that is in force now is over."""
    subject = engine("alpha")
    subject.breakers.fail("rate_limited", "", NOW, "why")
    for _ in range(4):
        subject.breakers.fail("rate_limited", "", NOW, "why")
    assert "open" == subject.breakers.worst
    change(subject, cool_down=3 * SECOND)
    subject.decide(NOW + 4 * SECOND)
    assert "half_open" == subject.breakers.worst


def test_a_book_is_lost_after_as_many_unequal_audits_as_they_say() -> None:
    """One that was unequal counts."""
    subject = engine("alpha")
    change(subject, audit_differences_max=1)
    subject.handle(e.BookAudited(TICKER, False, NOW))
    assert not subject.state.markets[TICKER].book.is_synced


def test_a_source_is_well_for_as_long_as_they_say() -> None:
    """A choice that was made by the old time is made anew."""
    subject = engine("alpha")
    subject.handle(e.ReferencePriceReceived("kraken", "BTC/USD", 70_000 * MONEY_ONE, NOW, NOW))
    at = NOW + 10 * SECOND
    assert "kraken" == subject.state.reference_source("BTC/USD", at)
    spot = subject.state.markets[TICKER].spot
    assert spot.in_force(at).price is not None
    change(subject, reference_stale_max=5 * SECOND)
    assert None is subject.state.reference_source("BTC/USD", at)
    assert None is spot.in_force(at).price
    assert 5 * SECOND == subject.config.reference.stale_max


@pytest.mark.parametrize(("cancels", "expected"), [(True, 1), (False, 0)])
def test_a_stop_leaves_what_they_let_rest(cancels: bool, expected: int) -> None:
    """Decided when it stops, by what is in force then."""
    subject = engine("alpha")
    place(subject, NOW)
    change(subject, cancels_on_exit=cancels)
    subject.handle(e.StopRequested("why", NOW + 1))
    assert expected == len(the(CancelOrder, subject.decide(NOW + 2)))
