"""Commands: every member of the union is frozen and survives the journal, as does the mark of a decision."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.core import commands
from daemon.core.commands import CancelAll, Command, Decided, OrderCommand
from daemon.core.events import Event
from tests.core.samples import structs

KINDS: tuple[type[Any], ...] = (*get_args(Command), Decided)
DECODER = msgspec.msgpack.Decoder(Event | Command | Decided)
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))


def test_the_union_names_every_command_of_the_module() -> None:
    """A command that the union forgets could be decided but not be carried out."""
    found = {
        value
        for name, value in inspect.getmembers(commands, inspect.isclass)
        if value.__module__ == commands.__name__ and not name.startswith("_")
    }
    assert found == set(KINDS)
    assert set(get_args(OrderCommand)) < set(get_args(Command))


def test_no_command_shares_a_tag_with_an_event() -> None:
    """Events and commands stand in one journal: their tags tell them apart."""
    tags = [kind.__struct_config__.tag for kind in (*get_args(Event), *KINDS)]
    assert len(tags) == len(set(tags))


@kinds
@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_a_command_survives_the_journal(kind: type[Any], draw: st.DataObject) -> None:
    """Encoded and decoded among events and commands it is equal, and of the same kind."""
    command = draw.draw(structs(kind))
    back = DECODER.decode(msgspec.msgpack.encode(command))
    assert command == back
    assert kind is type(back)


@kinds
def test_a_command_is_frozen_and_says_when_it_was_decided(kind: type[Any]) -> None:
    """No command changes after the decision, and each names its instant."""
    assert kind.__struct_config__.frozen
    assert kind.__name__ == kind.__struct_config__.tag
    assert ("now" if kind is Decided else "decided_at") in kind.__struct_fields__


def test_a_field_appended_with_a_default_reads_old_bytes() -> None:
    """What an older version wrote stays readable when a command grows at its end."""

    class Grown(msgspec.Struct, frozen=True, array_like=True, tag="CancelAll"):
        exchange_index: int
        order_group_id: str
        reason: str
        decided_at: int
        scope: str | None = None

    old = msgspec.msgpack.encode(CancelAll(2, "g", "breaker opened", 7))
    assert Grown(2, "g", "breaker opened", 7, None) == msgspec.msgpack.decode(old, type=Grown)
