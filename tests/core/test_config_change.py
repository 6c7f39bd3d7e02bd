"""Another configuration between two decisions: whole, and nothing that is believed is lost by it."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.asking import Slot
from daemon.core.commands import CancelOrder, Command, PlaceOrder
from daemon.core.engine import Engine
from daemon.core.limits import Limits
from daemon.core.models import DEFAULT
from daemon.core.strategy import Target
from daemon.core.units import MONEY_ONE, SECOND, Ns
from tests.core.worlds import CONFIG, LIMITS, NOW, SCHEMA, T0, TICKER, Scripted, reconciled, snapshot, spec

BUY = Target("bid", 4_000, 1_000, "rest", "because")


class Buyer(Scripted):
    """A strategy that wants one order of so many contracts."""

    def __init__(self, name: str, qty: int = 1_000) -> None:
        super().__init__()
        self.name = name
        self.targets = (msgspec.structs.replace(BUY, qty=qty),)


class Tables:
    """Builds strategies from texts such as "alpha:2000 beta:500"."""

    def slots_of(self, tables: str) -> Sequence[Slot]:
        parts = (table.split(":") for table in tables.split())
        return [Slot(Buyer(name, int(qty)), frozenset({"KXBTC15M"})) for name, qty in parts]


class OneSlot:
    """Builds this strategy, whatever the text says."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot

    def slots_of(self, tables: str) -> Sequence[Slot]:  # noqa: ARG002
        return [self.slot]


def engine(*names: str) -> Engine:
    """An engine that trades one market with these strategies, reconciled at NOW."""
    slots = [Slot(Buyer(name), frozenset({"KXBTC15M"})) for name in names]
    subject = Engine(CONFIG, slots, None, SCHEMA)
    subject.changes.source = Tables()
    for event in (
        e.MarketListed(spec(), T0),
        e.FeedConnected("kalshi", T0),
        snapshot(),
        reconciled(T0 + 3 * SECOND),
        reconciled(NOW),
        tick(NOW),
    ):
        subject.handle(event)
    return subject


def tick(at: Ns, delta: int = 100) -> e.BookDeltaReceived:
    return e.BookDeltaReceived(TICKER, "yes", 3_900, delta, at, at)


def changed(
    limits: Limits = LIMITS, running: tuple[str, ...] = ("alpha",), tables: str = ""
) -> e.ConfigChanged:
    return e.ConfigChanged("f" * 64, limits, running, tables, NOW)


def placed(commands: Sequence[Command]) -> list[tuple[str, int]]:
    return [(one.strategy, one.qty) for one in commands if isinstance(one, PlaceOrder)]


def is_ours(one: object) -> bool:
    """Whether something belongs to an engine: not modules and functions, through which all is reached."""
    return isinstance(one, dict | list | tuple) or type(one).__module__.startswith(("daemon.core", "tests"))


def test_no_part_remembers_the_old_limits() -> None:
    """Of all that the engine holds, nothing refers to the limits from before."""
    slots = [Slot(Buyer("alpha"), frozenset({"KXBTC15M"}))]
    before = msgspec.structs.replace(LIMITS, order_qty_max=2)
    subject = Engine(msgspec.structs.replace(CONFIG, limits=before), slots, None, SCHEMA)

    def holders(limits: Limits) -> set[str]:
        found, seen, waiting = set(), {id(subject)}, [subject]
        while waiting:
            one: object = waiting.pop()
            for inner in gc.get_referents(one):
                if id(inner) in seen or isinstance(inner, type) or not is_ours(inner):
                    continue
                if inner is limits:
                    found.add(type(one).__name__)
                    continue
                seen.add(id(inner))
                waiting.append(inner)
        return found

    assert len(holders(before)) > 0, "the search finds those that are there"
    after = msgspec.structs.replace(LIMITS, order_qty_max=1)
    subject.handle(changed(after))
    # The second line keeps the terms of the start, of which it reads no limit.
    assert [] == [name for name in holders(before) if name != "EngineConfig"]
    assert (after, "f" * 64) == (subject.config.limits, subject.changes.sha256)


def test_a_tightened_limit_holds_from_the_next_decision() -> None:
    """What was allowed a moment ago is refused by name; what rests is left."""
    subject = engine("alpha")
    assert [("alpha", 1_000)] == placed(subject.decide(NOW))
    (order,) = subject.state.orders.values()
    tightened = msgspec.structs.replace(LIMITS, order_qty_max=900)
    subject.handle(changed(tightened, ("alpha", "beta"), "beta:1000"))
    assert [] == placed(subject.decide(NOW + 1))
    assert 1 == subject.refusals["qty_out_of_range"]
    assert [order] == list(subject.state.orders.values())


def test_a_loss_past_its_new_limit_halts() -> None:
    """A halt takes out everything: no order has to be looked for."""
    subject = engine("alpha")
    (place,) = (one for one in subject.decide(NOW) if isinstance(one, PlaceOrder))
    subject.handle(e.OrderAccepted("place", place.client_order_id, "o1", 1_000, 0, NOW, NOW))
    subject.handle(
        e.OrderFilled("t1", "o1", place.client_order_id, TICKER, "bid", 4_000, 1_000, 0, False, NOW, NOW)
    )
    subject.handle(snapshot(NOW + 1, yes=((1_000, 50_000),), no=((8_800, 50_000),)))
    subject.decide(NOW + 1)
    assert "halted" != subject.phase
    subject.handle(changed(msgspec.structs.replace(LIMITS, daily_loss_max=MONEY_ONE)))
    subject.decide(NOW + 2)
    assert "halted" == subject.phase


def test_what_is_believed_is_the_same_object_after_it() -> None:
    """Books, windows, positions and orders survive; so do strategies whose terms are as they were."""
    subject = engine("alpha", "beta")
    subject.decide(NOW)

    def kept() -> list[object]:
        market = subject.state.markets[TICKER]
        first = next(iter(subject.state.orders.values()))
        return [subject.state, market, market.book, market.features, subject.state.ledger, first]

    before, (alpha, beta) = kept(), (slot.strategy for slot in subject.slots)
    subject.handle(changed(running=("alpha", "beta"), tables="beta:500"))
    subject.decide(NOW + 1)
    assert [True] * 6 == [one is now for one, now in zip(before, kept(), strict=True)]
    assert alpha is subject.slots[0].strategy
    assert beta is not subject.slots[1].strategy


def test_a_resting_order_of_what_is_enabled_no_longer_is_cancelled() -> None:
    """As when a person switches it off; enabled again it trades again."""
    subject = engine("alpha")
    (place,) = (one for one in subject.decide(NOW) if isinstance(one, PlaceOrder))
    subject.handle(e.OrderAccepted("place", place.client_order_id, "o1", 0, place.qty, NOW, NOW))
    subject.handle(changed(running=()))
    cancelled = [one for one in subject.decide(NOW + 1) if isinstance(one, CancelOrder)]
    assert [place.client_order_id] == [one.client_order_id for one in cancelled]
    assert "config" == subject.state.switches.off["alpha"].by
    subject.handle(changed(running=("alpha",)))
    assert {} == subject.state.switches.off


def test_what_rests_where_its_strategy_trades_no_longer_is_cancelled() -> None:
    """Back under its name with another series it is asked nothing here: its order must not rest for ever."""
    subject = engine("alpha")
    (place,) = (one for one in subject.decide(NOW) if isinstance(one, PlaceOrder))
    subject.handle(e.OrderAccepted("place", place.client_order_id, "o1", 0, place.qty, NOW, NOW))
    slot = Slot(Buyer("alpha"), frozenset({"KXETHD"}))
    subject.changes.source = OneSlot(slot)
    subject.handle(changed(tables="alpha"))
    cancelled = [one for one in subject.decide(NOW + 1) if isinstance(one, CancelOrder)]
    assert [place.client_order_id] == [one.client_order_id for one in cancelled]


def test_whom_a_person_switched_off_stays_off() -> None:
    """The configuration enables; it does not overrule a person, or a fault."""
    subject = engine("alpha")
    subject.handle(e.StrategySwitched("alpha", False, "losing", NOW, "cli"))
    subject.handle(changed(running=()))
    subject.handle(changed(running=("alpha",)))
    assert "cli" == subject.state.switches.off["alpha"].by


def test_a_new_strategy_trades_from_the_next_decision() -> None:
    """Behind all others, and within whatever is put around strategies."""
    subject = engine("alpha")
    wrapped: list[str] = []

    def wrap(slot: Slot) -> Slot:
        wrapped.append(slot.strategy.name)
        return slot

    subject.changes.wrap(wrap)
    subject.handle(changed(running=("alpha", "beta"), tables="beta:700"))
    assert [("alpha", 1_000), ("beta", 700)] == placed(subject.decide(NOW))
    assert ["alpha", "beta"] == wrapped


def test_what_can_not_be_computed_is_objected_to() -> None:
    """The row has the features of the start: a strategy that needs others needs a restart."""
    subject = engine("alpha")
    fits, lacks = Buyer("beta"), Buyer("gamma")
    lacks.features = ("mid", "imbalance")
    assert None is subject.changes.objection(Slot(fits, frozenset()))
    found = subject.changes.objection(Slot(lacks, frozenset()))
    assert "it needs features that are not computed: imbalance; restart" == found
    found = subject.changes.objection(Slot(fits, frozenset(), model="slow"))
    assert f"no model 'slow'; there are: {DEFAULT}" == found


steps = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.integers(1, 500)),
        st.tuples(st.just("limit"), st.sampled_from([100, 700, 1_500, 10_000])),
        st.tuples(st.just("terms"), st.sampled_from([100, 1_200, 3_000])),
        st.tuples(st.just("off"), st.just(0)),
    ),
    max_size=20,
)


def event_of(kind: str, amount: int, at: Ns) -> e.Event:
    if kind == "tick":
        return tick(at, amount)
    limits = msgspec.structs.replace(LIMITS, order_qty_max=amount) if kind == "limit" else LIMITS
    return changed(limits, () if kind == "off" else ("alpha",), f"alpha:{amount}" if kind == "terms" else "")


@given(steps)
@settings(max_examples=60, deadline=None)
def test_a_replay_with_changes_decides_the_same(taken: list[tuple[str, int]]) -> None:
    """The journal's events and instants give the same commands, however often the configuration changes."""
    events = [event_of(kind, amount, NOW + n * SECOND) for n, (kind, amount) in enumerate(taken)]
    journal = msgspec.msgpack.encode(events)

    def lived(facts: list[e.Event]) -> list[list[Command]]:
        subject, made = engine("alpha"), []
        for number, event in enumerate(facts):
            subject.handle(event)
            made.append(subject.decide(NOW + number * SECOND))
        return made

    assert lived(events) == lived(msgspec.msgpack.decode(journal, type=list[e.Event]))
