"""Replay: every difference between a journal and the core that reads it is found and named."""

from __future__ import annotations

import msgspec

from daemon.core import events as e
from daemon.core.commands import Command, Decided, PlaceOrder, Reconcile
from daemon.core.strategy import Target
from daemon.core.units import SECOND
from daemon.shell.journal import Record
from daemon.shell.replay import DIFFERENCES_KEPT, replay
from tests.core.worlds import NOW, T0, Scripted, engine, reconciled, snapshot, spec

BUY = Target("bid", 4_000, 1_000, "rest", "because")


def scripted() -> Scripted:
    strategy = Scripted()
    strategy.targets = (BUY,)
    return strategy


def recorded() -> list[list[Record]]:
    """The batches of a short life, as its engine decided it."""
    subject = engine(scripted())
    batches: list[list[Record]] = []
    lives: list[tuple[int, list[e.Event]]] = [
        (T0, [e.MarketListed(spec(), T0), e.FeedConnected("kalshi", T0), snapshot()]),
        (T0 + 3 * SECOND, [reconciled(T0 + 3 * SECOND)]),
        (NOW, [reconciled(NOW), snapshot(NOW)]),
        (NOW + 1, []),
        (NOW + SECOND, [snapshot(NOW + SECOND)]),
    ]
    for now, events in lives:
        for event in events:
            subject.handle(event)
        batches.append([*events, Decided(now), *subject.decide(now)])
    return batches


def commands(batches: list[list[Record]]) -> list[Command]:
    return [record for batch in batches for record in batch if isinstance(record, Command)]


def test_the_same_core_gives_the_same_commands() -> None:
    """Counted and identical; how the records are cut into batches doesn't matter."""
    batches = recorded()
    assert {Reconcile, PlaceOrder} == {type(command) for command in commands(batches)}
    flat = [record for batch in batches for record in batch]
    for cut in (batches, [flat], [[record] for record in flat]):
        result = replay(engine(scripted()), cut)
        assert result.is_identical
        assert (7, 5, len(commands(batches))) == (result.events, result.decisions, result.commands)
        assert () == result.differences


def test_a_changed_command_is_a_difference() -> None:
    """One field of one command: found, with the decision's instant and both versions in words."""
    batches = recorded()
    for batch in batches:
        for index, record in enumerate(batch):
            if isinstance(record, PlaceOrder):
                batch[index] = msgspec.structs.replace(record, price=record.price + 100)
    result = replay(engine(scripted()), batches)
    assert 1 == result.different
    assert not result.is_identical
    (difference,) = result.differences
    assert str(NOW) in difference
    assert "4000" in difference
    assert "4100" in difference


def test_a_missing_command_is_a_difference() -> None:
    """Also of the very last decision, after which nothing comes."""
    batches = recorded()
    without = [[record for record in batch if not isinstance(record, PlaceOrder)] for batch in batches]
    assert 1 == replay(engine(scripted()), without).different
    last = batches[: next(i for i, batch in enumerate(batches) if commands([batch]) and i > 1) + 1]
    last[-1] = [record for record in last[-1] if not isinstance(record, Command)]
    assert 1 == replay(engine(scripted()), last).different


def test_an_added_command_is_a_difference() -> None:
    """Even one that stands behind an event, where no decision was."""
    extra = Reconcile("made up", T0)
    batches = recorded()
    batches[-1].append(extra)
    assert 1 == replay(engine(scripted()), batches).different
    batches = recorded()
    batches[-1].insert(0, extra)
    batches[-1].insert(0, snapshot(NOW + 2))
    assert 1 == replay(engine(scripted()), batches).different


def test_only_the_first_differences_are_told_and_all_are_counted() -> None:
    """A changed core differs everywhere: a screenful says it."""
    records: list[Record] = []
    for number in range(2 * DIFFERENCES_KEPT):
        records += [snapshot(T0 + number), Decided(T0 + number), Reconcile("made up", number)]
    result = replay(engine(scripted()), [records])
    assert 2 * DIFFERENCES_KEPT == result.different
    assert DIFFERENCES_KEPT == len(result.differences)


def test_an_empty_journal_is_identical() -> None:
    """Nothing was decided, nothing differs."""
    result = replay(engine(scripted()), [])
    assert (0, 0, 0, 0) == (result.events, result.decisions, result.commands, result.different)
