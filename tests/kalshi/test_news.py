"""Trades, lives of markets, index values, our own account: what each frame becomes."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.units import MILLISECOND
from daemon.kalshi.news import series_of
from daemon.kalshi.session import Session
from tests.kalshi.frames import frame, recorded_frames, subscribed


def opened(*tickers: str) -> Session:
    """Return a session whose lifecycle has sid 3 and whose index values have sid 5."""
    session = Session(is_private=False, index_ids=("BRTI",))
    session.watch(tickers)
    session.connected(0)
    for channel, sid in (("orderbook_delta", 1), ("trade", 2), ("market_lifecycle_v2", 3)):
        session.receive(subscribed(channel, sid, sid), 0)
    session.receive(subscribed("cfbenchmarks_value", 5, 4), 0)
    session.outgoing()
    return session


def life(seq: int, event_type: str, ticker: str = "KXBTC15M-1", **fields: object) -> bytes:
    """Return a lifecycle frame."""
    msg = {"market_ticker": ticker, "event_type": event_type, **fields}
    return frame("market_lifecycle_v2", msg, sid=3, seq=seq)


def test_an_unknown_event_type_is_refused_and_nothing_else_is_lost() -> None:
    """A new kind of change of a market of ours: told, the market listed again, the next one understood."""
    session = opened("KXBTC15M-1")
    (refused,) = session.receive(life(1, "exploded"), 1)
    assert e.FrameRefused("kalshi", "market_lifecycle_v2.exploded", 1) == refused
    assert session.take_listing_doubt()
    assert [e.MarketSettled("KXBTC15M-1", 2)] == session.receive(life(2, "settled"), 2)
    assert (0, 1) == (session.counters["gaps"], session.counters["refused"])


def test_a_novelty_elsewhere_on_the_exchange_is_told_seldom() -> None:
    """It is counted each time, told once a minute, and does not make us list our markets again."""
    session = opened("KXBTC15M-1")
    told = [event for seq in range(1, 100) for event in session.receive(life(seq, "exploded", "Z-1"), seq)]
    assert [e.FrameRefused("kalshi", "market_lifecycle_v2.exploded", 1)] == told
    assert 99 == session.counters["refused"]
    assert not session.take_listing_doubt()


def test_a_new_market_names_its_series() -> None:
    """Created is for those who look for new markets: anywhere on the exchange, each series once."""
    session = opened("KXBTC15M-1")
    for seq, ticker in enumerate(("KXBTC15M-2", "KXBTC15M-3", "KXSPORT-1"), 1):
        assert [] == session.receive(life(seq, "created", ticker, open_ts=1, close_ts=2), 1)
    event = {"event_ticker": "KXNEW-26", "series_ticker": "KXNEW"}
    session.receive(frame("event_lifecycle", event, sid=3, seq=4), 1)
    assert ("KXBTC15M", "KXSPORT", "KXNEW") == session.take_new_series()
    assert () == session.take_new_series()
    assert not session.take_listing_doubt()


def test_what_is_told_in_part_is_listed_again() -> None:
    """A tick table by name, a strike range: no refusal, but REST must tell the rest."""
    session = opened("KXBTC15M-1")
    assert [] == session.receive(life(1, "metadata_updated", floor_strike=1, cap_strike=2), 1)
    assert session.take_listing_doubt()
    assert [] == session.receive(life(2, "price_level_structure_updated", price_level_structure="x"), 1)
    assert session.take_listing_doubt()
    assert 0 == session.counters["refused"]


def test_an_events_new_fees_doubt_the_listing() -> None:
    """What a trade costs has changed: every event's override is read anew."""
    session = opened("KXBTC15M-1")
    msg = {"event_ticker": "KXBTCD-26MAY2018", "fee_type_override": None, "fee_multiplier_override": None}
    session.receive(frame("event_fee_update", msg, sid=3, seq=1), 1)
    assert session.take_listing_doubt()


def test_the_recorded_index_value_is_a_reference_price() -> None:
    """The frame of 5 October: exact, with the index's own stamp."""
    session = Session(is_private=False, index_ids=("BRTI",))
    session.connected(0)
    session.receive(subscribed("cfbenchmarks_value", 1, 1), 0)
    (line,) = recorded_frames("live_2026-10-05/ws_cfbenchmarks_value.jsonl")
    sent_at = 1791180714000 * MILLISECOND
    assert session.receive(line, 7) == [
        e.ReferencePriceReceived("cfbenchmarks", "BRTI", 85_850_670_000, 7, sent_at)
    ]


def test_a_missing_index_value_is_counted_and_the_next_one_taken() -> None:
    """A value replaces the last: a hole among them loses nothing else."""
    session = opened("KXBTC15M-1")

    def value(seq: int, told: str) -> list[e.Event]:
        msg = {"index_id": "BRTI", "received_at": 1, "data": told}
        return session.receive(frame("cfbenchmarks_value", msg, sid=5, seq=seq), 1)

    assert [e.ReferencePriceReceived] == [
        type(event) for event in value(3, '{"time":1,"id":"BRTI","value":"84033.39"}')
    ]
    assert 1 == session.counters["gaps"]
    assert [e.FrameRefused("kalshi", "cfbenchmarks_value", 1)] == value(4, '{"time":1,"id":"BRTI"}')


def test_a_trade_that_can_not_be_read_is_a_hole() -> None:
    """Its market, price or size may have been anything."""
    session = opened("A")
    msg = {"trade_id": "t", "market_ticker": "A", "yes_price_dollars": "7", "count_fp": "1.00",
           "taker_outcome_side": "yes"}  # fmt: skip
    events = session.receive(frame("trade", msg, sid=2, seq=1), 1)
    assert [e.FrameRefused, e.TradesLost] == [type(event) for event in events]


def test_what_happens_in_another_subaccount_is_none_of_ours() -> None:
    """Cash and positions are the primary one's: a fill of another would be a drift that halts."""
    session = opened("A")
    fill = {
        "trade_id": "t", "order_id": "o", "market_ticker": "A", "is_taker": True, "book_side": "ask",
        "yes_price_dollars": "0.7500", "count_fp": "278.00", "fee_cost": "3.648750",
    }  # fmt: skip
    order = {
        "order_id": "o", "client_order_id": "c", "ticker": "A", "status": "resting", "book_side": "bid",
        "yes_price_dollars": "0.3500", "fill_count_fp": "0.00", "remaining_count_fp": "1.00",
    }  # fmt: skip
    for number, expected in (
        (None, [e.OrderFilled, e.OrderUpdated]),
        (0, [e.OrderFilled, e.OrderUpdated]),
        (3, []),
    ):
        whose = {} if number is None else {"subaccount": number, "subaccount_number": number}
        told = [
            event
            for kind, msg in (("fill", fill), ("user_order", order))
            for event in session.receive(frame(kind, {**msg, **whose}, sid=13), 0)
        ]
        assert [type(event) for event in told if not isinstance(event, e.FeedHeard)] == expected


def test_a_tickers_series_stands_before_its_first_dash() -> None:
    """Also when it has none."""
    assert ["KXBTCD", "KXBTCD", "X"] == [series_of(one) for one in ("KXBTCD-26NOV2117", "KXBTCD-1-2", "X")]
