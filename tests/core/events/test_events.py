"""Events: every member of the union is a frozen fact that survives the journal, old files included."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.core import events
from daemon.core.events import Event, FeedHeard
from tests.core.samples import structs

KINDS: tuple[type[Any], ...] = get_args(Event)
DECODER = msgspec.msgpack.Decoder(Event)
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))


def test_the_union_names_every_event_of_the_module() -> None:
    """An event that the union forgets would be journalled and then be unreadable."""
    facts = {
        value
        for name, value in inspect.getmembers(events, inspect.isclass)
        if not name.startswith("_") and value.__module__.startswith(events.__name__)
        if value is not events.Fact and issubclass(value, msgspec.Struct) and value.__struct_config__.tag
    }
    assert facts == set(KINDS)


@kinds
@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_an_event_survives_the_journal(kind: type[Any], draw: st.DataObject) -> None:
    """Encoded and decoded as a member of the union it is equal, and of the same kind."""
    event = draw.draw(structs(kind))
    back = DECODER.decode(msgspec.msgpack.encode(event))
    assert event == back
    assert kind is type(back)


@kinds
def test_an_event_is_frozen_and_says_when_it_arrived(kind: type[Any]) -> None:
    """No event changes, and each carries our clock."""
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.array_like
    assert kind.__name__ == kind.__struct_config__.tag
    assert "received_at" in kind.__struct_fields__


@kinds
def test_only_events_of_scalars_are_hidden_from_the_garbage_collector(kind: type[Any]) -> None:
    """A struct that holds tuples or structs must be tracked by the collector."""
    is_scalar = not any(
        isinstance(
            field.type, msgspec.inspect.VarTupleType | msgspec.inspect.TupleType | msgspec.inspect.StructType
        )
        for field in msgspec.inspect.type_info(kind).fields  # type: ignore[attr-defined]
    )
    assert is_scalar is not kind.__struct_config__.gc


OLD_FIELDS = {
    "FeedConnected": "feed received_at",
    "FeedDropped": "feed reason received_at",
    "FeedHeard": "feed received_at",
    "BookSnapshotReceived": "ticker yes no received_at sent_at",
    "BookDeltaReceived": "ticker side price delta received_at sent_at",
    "BookLost": "ticker reason received_at",
    "TradePrinted": "ticker trade_id price qty taker_side received_at sent_at",
    "CandleBackfilled": "ticker period ended_at bid ask volume received_at",
    "ReferencePriceReceived": "source symbol price received_at sent_at",
    "MarketListed": "spec received_at",
    "MarketStatusChanged": "ticker status received_at",
    "MarketCloseMoved": "ticker close_at received_at",
    "MarketGridChanged": "ticker bands received_at",
    "MarketStrikeSet": "ticker strike received_at",
    "MarketDetermined": "ticker result settlement_price received_at",
    "MarketSettled": "ticker received_at",
    "MarketDropped": "ticker received_at",
    "OrderAccepted": "action client_order_id order_id filled remaining received_at sent_at reduced_by",
    "OrderRejected": "action client_order_id code details received_at",
    "OrderUnknown": "action client_order_id reason received_at",
    "OrderDropped": "action client_order_id reason received_at",
    "OrderUpdated": "order_id client_order_id ticker side price status filled remaining reason received_at"
    " sent_at",
    "OrderFilled": "trade_id order_id client_order_id ticker side price qty fee is_taker received_at sent_at",
    "AccountReconciled": "asked_at received_at cash positions orders fills",
    "AccountDoubted": "reason received_at",
    "VenueFailed": "request reason received_at",
    "VenueAnswered": "request received_at",
    "HaltRequested": "reason received_at",
    "ResumeRequested": "reason received_at",
    "StopRequested": "reason received_at",
}
"""Every kind of event in journals from before the venue had several connections, as it was written then."""


@pytest.mark.parametrize("name", OLD_FIELDS)
@given(st.data())
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
def test_an_event_of_an_old_journal_is_what_it_was(name: str, draw: st.DataObject) -> None:
    """Its fields are the first ones still, under their old names; what was added has its default."""
    kind, fields = getattr(events, name), OLD_FIELDS[name].split()
    event = draw.draw(structs(kind))
    written = msgspec.to_builtins(event)[: 1 + len(fields)]
    back = DECODER.decode(msgspec.msgpack.encode(written))
    assert list(kind.__struct_fields__[: len(fields)]) == fields
    assert kind is type(back)
    added = kind.__struct_fields__[len(fields) :]
    defaults = dict(
        zip(added, kind.__struct_defaults__[len(kind.__struct_defaults__) - len(added) :], strict=True)
    )
    assert msgspec.structs.replace(event, **defaults) == back


def test_a_field_appended_with_a_default_reads_old_bytes() -> None:
    """What an older version wrote stays readable when a struct grows at its end."""

    class Grown(msgspec.Struct, frozen=True, array_like=True, tag="FeedHeard"):
        feed: str
        received_at: int
        round_trip: int | None = None

    old = msgspec.msgpack.encode(FeedHeard("kalshi", 7))
    assert Grown("kalshi", 7, None) == msgspec.msgpack.decode(old, type=Grown)


def test_an_event_of_an_unknown_kind_is_refused() -> None:
    """A kind that this version doesn't know is an error, never skipped."""
    with pytest.raises(msgspec.ValidationError, match="Invalid value 'BookImagined'"):
        DECODER.decode(msgspec.msgpack.encode(["BookImagined", 1]))


def test_an_event_that_lacks_a_field_is_refused() -> None:
    """Nothing is filled in for a missing field."""
    with pytest.raises(msgspec.ValidationError, match="Expected `array` of at least length 3"):
        DECODER.decode(msgspec.msgpack.encode(["FeedHeard", "kalshi"]))
