"""Tests of the fan-out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daemon.core.units import MILLISECOND, SECOND
from daemon.exchange import facts
from daemon.exchange.exchange import Exchange
from daemon.exchange.requests import NewOrder
from daemon.sandbox.flow import IndexPrinted, SequenceJumped
from daemon.sandbox.stream import frames as sandbox_frames
from daemon.sandbox.stream.hub import Hub
from daemon.sandbox.stream.subscriptions import ClientSession
from tests.exchange.venues import T0, TICKER, exchange_of
from tests.sandbox.scripted import spec_of
from tests.sandbox.wire import subscribe, update


def hub_of(exchange: Exchange, *, is_tape: bool = False) -> Hub:
    hub = Hub(exchange, "user", is_tape=is_tape)
    hub.set_time(T0)
    return hub


def listening(hub: Hub, account: str, *channels: str, **params: Any) -> ClientSession:
    session = hub.open_session(account)
    session.receive(json.dumps(subscribe(1, *channels, market_tickers=[TICKER], **params)))
    session.outbox.clear()
    return session


def frames(session: ClientSession) -> list[dict[str, Any]]:
    found = [json.loads(payload) for payload in session.outbox]
    session.outbox.clear()
    return found


def test_private_facts_reach_their_account_only() -> None:
    """Orders and marked deltas are the owner's; the others see the plain delta."""
    exchange = exchange_of()
    hub = hub_of(exchange)
    own, other = (listening(hub, name, "user_orders", "orderbook_delta") for name in ("a", "b"))
    _, facts = exchange.place(NewOrder("a", TICKER, "bid", 4000, 100, client_order_id="mine"), T0)
    hub.publish([*facts])
    assert ["user_order", "orderbook_delta"] == [frame["type"] for frame in frames(own)]
    [delta] = frames(other)
    assert "client_order_id" not in delta["msg"]


def test_a_recorded_gap_is_a_gap_for_every_subscriber() -> None:
    """The counter jumps by as much, whatever the subscriber saw before; back and repeat too."""
    exchange = exchange_of(is_shadow=True)
    hub = hub_of(exchange, is_tape=True)
    session = listening(hub, "a", "orderbook_delta")
    hub.publish([*exchange.apply_snapshot(TICKER, ((4000, 100),), (), T0)])
    seqs = []
    for skipped in (0, 5, -3, -1):
        if skipped:
            hub.publish([SequenceJumped(skipped, T0)])
        hub.publish([*exchange.apply_delta(TICKER, "yes", 4000, 1, T0)])
        seqs.append(frames(session)[-1]["seq"])
    assert [2, 8, 6, 6] == seqs


def test_after_a_gap_a_tapes_snapshot_is_waited_for() -> None:
    """get_snapshot is answered by the next recorded one, with the command's id."""
    exchange = exchange_of(is_shadow=True)
    hub = hub_of(exchange, is_tape=True)
    session = listening(hub, "a", "orderbook_delta")
    hub.publish([*exchange.apply_snapshot(TICKER, ((4000, 100),), (), T0), SequenceJumped(2, T0)])
    frames(session)
    session.receive(json.dumps(update(9, 1, "get_snapshot", TICKER)))
    assert [] == frames(session)
    hub.publish([*exchange.apply_snapshot(TICKER, ((4100, 100),), (), T0)])
    assert [("orderbook_snapshot", 9)] == [(frame["type"], frame["id"]) for frame in frames(session)]


def test_the_ticker_is_conflated() -> None:
    """At most ten a second a market, and the last state is not lost."""
    exchange = exchange_of()
    hub = hub_of(exchange)
    session = listening(hub, "a", "ticker")
    bids = []
    for step in range(6):
        now = T0 + step * 40 * MILLISECOND
        hub.set_time(now)
        hub.publish([*exchange.place(NewOrder("sim:x", TICKER, "bid", 4000 + 100 * step, 100), now)[1]])
        hub.tell_tickers()
        bids += [frame["msg"]["yes_bid_dollars"] for frame in frames(session)]
    assert ["0.4000", "0.4300"] == bids
    hub.set_time(T0 + 400 * MILLISECOND)
    hub.tell_tickers()
    assert ["0.4500"] == [frame["msg"]["yes_bid_dollars"] for frame in frames(session)]


def test_a_summary_is_made_for_those_who_listen_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is built for nobody; who comes later sees the last trade's size all the same."""
    exchange = exchange_of()
    hub = hub_of(exchange)
    made: list[str] = []
    body = sandbox_frames.ticker_body

    def counted(told: facts.TickerTold, volume: int) -> bytes:
        made.append(told.ticker)
        return body(told, volume)

    monkeypatch.setattr(sandbox_frames, "ticker_body", counted)
    for order in (NewOrder("a", TICKER, "bid", 4000, 300), NewOrder("b", TICKER, "ask", 4000, 300)):
        hub.publish([*exchange.place(order, T0)[1]])
        hub.tell_tickers()
    assert [] == made
    session = hub.open_session("a")
    session.receive(json.dumps(subscribe(1, "ticker", market_tickers=[TICKER], send_initial_snapshot=True)))
    assert "3.00" == frames(session)[-1]["msg"]["last_trade_size_fp"]
    assert [TICKER] == made


def test_a_body_is_shared_and_its_envelope_isn_t() -> None:
    """Two subscribers get the same body under their own sid and seq."""
    exchange = exchange_of()
    hub = hub_of(exchange)
    one, other = (listening(hub, "b", "trade", "orderbook_delta") for _ in range(2))
    other.receive(json.dumps(update(2, 2, "add_markets", "B")))
    other.outbox.clear()
    hub.publish([*exchange.place(NewOrder("sim:x", TICKER, "bid", 4000, 100), T0)[1]])
    [first], [second] = frames(one), frames(other)
    assert first["msg"] == second["msg"]
    assert (2, 4) == (first["seq"], second["seq"])


def test_a_closed_session_is_told_nothing() -> None:
    """Its outbox stays empty."""
    exchange = exchange_of()
    hub = hub_of(exchange)
    session = listening(hub, "a", "orderbook_delta")
    assert hub.has_book_listener
    hub.close_session(session)
    hub.publish([*exchange.place(NewOrder("sim:x", TICKER, "bid", 4000, 100), T0)[1]])
    assert ([], False) == (session.outbox, hub.has_book_listener)


def test_a_primary_is_told_of_its_subaccounts() -> None:
    """With their numbers; a key of the subaccount alone is told nothing of the primary."""
    exchange = exchange_of()
    hub = hub_of(exchange)
    primary, bound = (listening(hub, name, "order_group_updates") for name in ("client", "client#3"))
    for account in ("client", "client#3"):
        hub.publish([facts.OrderGroupChanged(account, f"group of {account}", "created", 1000, T0)])
    groups = [frame["msg"]["order_group_id"] for frame in frames(primary)]
    assert ["group of client", "group of client#3"] == groups
    [frame] = frames(bound)
    assert (1, "group of client#3") == (frame["seq"], frame["msg"]["order_group_id"])


def test_a_new_event_is_told_before_its_first_market() -> None:
    """Once; fee rules of events and everything of markets come in the same sequence."""
    hub = hub_of(exchange_of())
    session = hub.open_session("a")
    session.receive(json.dumps(subscribe(1, "market_lifecycle_v2")))
    session.outbox.clear()
    specs = [spec_of(f"KXNEW-1-{number}", T0, T0 + MILLISECOND) for number in range(2)]
    created = [facts.MarketCreated(spec, T0) for spec in specs]
    combo = facts.MarketCreated(spec_of("KXMVE-1-1", T0, T0 + MILLISECOND), T0)
    hub.publish([*created, combo, facts.EventFeesChanged("KXNEW-1", None, None, T0)])
    kinds = ["event_lifecycle", "market_lifecycle_v2", "market_lifecycle_v2", "event_fee_update"]
    assert [(kind, number) for number, kind in enumerate(kinds, 1)] == [
        (frame["type"], frame["seq"]) for frame in frames(session)
    ]


def test_an_index_reaches_those_who_named_it() -> None:
    """One value a second from the flow's own index; the fast series from the same price."""
    hub = hub_of(exchange_of())
    one, other = hub.open_session("a"), hub.open_session("b")
    channels = ("cfbenchmarks_value", "cfbenchmarks_value_5hz")
    one.receive(json.dumps(subscribe(1, *channels, index_ids=["all"])))
    other.receive(json.dumps(subscribe(1, *channels, index_ids=["ETHUSD_RTI"])))
    for session in (one, other):
        session.outbox.clear()
    at = T0 - T0 % SECOND
    hub.set_time(at)
    hub.publish([IndexPrinted("BRTI", 84_033_390_000, at)])
    hub.tell_tickers()
    told = frames(one)
    assert [("cfbenchmarks_value", 1), ("cfbenchmarks_value_5hz", 1)] == [
        (frame["type"], frame["seq"]) for frame in told
    ]
    assert "84033.39000000" == told[1]["msg"]["value_usd"]
    assert [] == frames(other)


def test_a_market_that_was_unknown_begins_with_an_empty_book() -> None:
    """The subscription is kept, and its deltas come once it is listed."""
    exchange = exchange_of()
    hub = hub_of(exchange)
    session = hub.open_session("a")
    session.receive(json.dumps(subscribe(1, "orderbook_delta", market_tickers=["KXNEW-1-1"])))
    assert [] == [name for name in frames(session)[-1]["msg"] if name.endswith("_fp")]
    hub.publish([*exchange.list_market(spec_of("KXNEW-1-1", T0 - 1, T0 + SECOND), T0)])
    order = NewOrder("a", "KXNEW-1-1", "bid", 4000, 100)
    hub.publish([*exchange.place(order, T0)[1]])
    assert [("orderbook_delta", 2)] == [(frame["type"], frame["seq"]) for frame in frames(session)]


def test_a_channel_can_be_made_to_fail_for_everyone() -> None:
    """A fault: code 10 on every subscription of the channel, and none is left."""
    hub = hub_of(exchange_of())
    sessions = [listening(hub, name, "orderbook_delta", "trade") for name in ("a", "b")]
    assert 2 == hub.fail_channel("orderbook_delta")
    for session in sessions:
        assert [("error", 10)] == [(frame["type"], frame["msg"]["code"]) for frame in frames(session)]
    assert not hub.has_book_listener
