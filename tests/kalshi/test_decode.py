"""From structs to events, exactly."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.units import MILLISECOND, SECOND, PriceBand, format_price, format_qty
from daemon.kalshi import decode as d
from daemon.kalshi import wire
from daemon.kalshi.errors import BadFrame
from tests.kalshi.frames import frame

AT = 7 * SECOND
_decode = msgspec.json.Decoder(wire.Frame).decode


def _lifecycle(**msg: object) -> e.Event | None:
    decoded = _decode(frame("market_lifecycle_v2", {"market_ticker": "A", **msg}, sid=4, seq=1))
    assert isinstance(decoded, wire.LifecycleFrame)
    return d.decode_lifecycle(decoded, AT)


def test_a_fill_is_exact() -> None:
    """The documented fill: its exact fee, its YES price whatever the side, the exchange's stamp."""
    msg = {
        "trade_id": "t", "order_id": "o", "client_order_id": "my-1", "market_ticker": "A",
        "is_taker": True, "side": "no", "yes_price_dollars": "0.7500", "count_fp": "278.00",
        "fee_cost": "3.648750", "action": "buy", "ts": 1671899397, "ts_ms": 1671899397000, "book_side": "ask",
    }  # fmt: skip
    decoded = _decode(frame("fill", msg, sid=13))
    assert isinstance(decoded, wire.FillFrame)
    assert e.OrderFilled(
        "t", "o", "my-1", "A", "ask", 7500, 27_800, 3_648_750, True, AT, 1671899397000 * MILLISECOND
    ) == d.decode_fill(decoded, AT)


def test_an_order_tells_its_state() -> None:
    """The documented `user_order`, with the envelope's stamp where the order has none."""
    msg = {
        "order_id": "o", "user_id": "u", "ticker": "A", "status": "canceled", "book_side": "bid",
        "yes_price_dollars": "0.3500", "fill_count_fp": "1.50", "remaining_count_fp": "0.00",
        "initial_count_fp": "10.00", "client_order_id": "my-1", "last_update_reason": "ExpiryCancel",
    }  # fmt: skip
    decoded = _decode(frame("user_order", msg, sid=22, sending_ts_ms=12))
    assert isinstance(decoded, wire.UserOrderFrame)
    assert e.OrderUpdated(
        "o", "my-1", "A", "bid", 3500, "canceled", 150, 0, "ExpiryCancel", AT, 12 * MILLISECOND
    ) == d.decode_order(decoded, AT)


def test_a_trade_tells_which_outcome_the_taker_bought() -> None:
    """A live trade, without a stamp of its own: unknown is None."""
    msg = {"trade_id": "t", "market_ticker": "A", "yes_price_dollars": "0.9840", "count_fp": "148.78",
           "taker_outcome_side": "no"}  # fmt: skip
    decoded = _decode(frame("trade", msg, sid=2, seq=5))
    assert isinstance(decoded, wire.TradeFrame)
    assert e.TradePrinted("A", "t", 9840, 14_878, "no", AT, None) == d.decode_trade(decoded, AT)


@pytest.mark.parametrize(
    ("msg", "event"),
    [
        ({"event_type": "created", "open_ts": 1, "close_ts": 2}, None),
        ({"event_type": "price_level_structure_updated", "price_level_structure": "deci_cent"}, None),
        ({"event_type": "metadata_updated", "floor_strike": 1, "cap_strike": 2}, None),
        ({"event_type": "activated", "is_deactivated": False}, e.MarketStatusChanged("A", "active", AT)),
        ({"event_type": "deactivated", "is_deactivated": True}, e.MarketStatusChanged("A", "inactive", AT)),
        ({"event_type": "close_date_updated", "close_ts": 9}, e.MarketCloseMoved("A", 9 * SECOND, AT)),
        ({"event_type": "determined", "result": "yes", "settlement_value": "1.0000"},
         e.MarketDetermined("A", "yes", 10_000, AT)),
        ({"event_type": "determined", "result": "no"}, e.MarketDetermined("A", "no", 0, AT)),
        ({"event_type": "determined", "result": "scalar", "settlement_value": "0.2500"},
         e.MarketDetermined("A", "scalar", 2500, AT)),
        ({"event_type": "settled", "settled_ts": 1}, e.MarketSettled("A", AT)),
        ({"event_type": "price_level_structure_updated",
          "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]},
         e.MarketGridChanged("A", (PriceBand(0, 10_000, 10),), AT)),
        ({"event_type": "metadata_updated", "yes_sub_title": "x"}, None),
    ],
)  # fmt: skip
def test_each_change_of_a_market_has_its_event(msg: dict[str, object], event: e.Event | None) -> None:
    """Every documented kind of change becomes its event, or nothing where it changes nothing for us."""
    assert event == _lifecycle(**msg)


@pytest.mark.parametrize(
    ("msg", "is_told_in_part"),
    [
        ({"event_type": "created"}, True),
        ({"event_type": "price_level_structure_updated"}, True),
        ({"event_type": "metadata_updated", "cap_strike": 2}, True),
        ({"event_type": "metadata_updated", "floor_strike": 2, "cap_strike": None}, False),
        ({"event_type": "settled"}, False),
    ],
)
def test_what_a_message_tells_in_part_is_listed(msg: dict[str, object], is_told_in_part: bool) -> None:
    """A tick table by its name alone, a strike with a cap, a new market: REST tells them in full."""
    decoded = _decode(frame("market_lifecycle_v2", {"market_ticker": "A", **msg}, sid=4, seq=1))
    assert isinstance(decoded, wire.LifecycleFrame)
    assert is_told_in_part == d.is_for_listing(decoded.msg)


def _index(told: str, index_id: str = "BRTI") -> e.Event:
    msg = {"index_id": index_id, "received_at": 1, "data": told}
    decoded = _decode(frame("cfbenchmarks_value", msg, sid=5, seq=1))
    assert isinstance(decoded, wire.IndexValueFrame)
    return d.decode_index(decoded, AT)


def test_an_index_value_is_exact() -> None:
    """The decimal text becomes exact money, stamped with the index's own time."""
    event = _index('{"type":"value","time":1790363641000,"id":"BRTI","value":"84033.39"}')
    assert event == e.ReferencePriceReceived(
        "cfbenchmarks", "BRTI", 84_033_390_000, AT, 1790363641000 * MILLISECOND
    )


@pytest.mark.parametrize(
    "told",
    [
        "not json",
        '{"time":1,"id":"BRTI"}',
        '{"time":1,"id":"BRTI","value":"0"}',
        '{"time":1,"id":"BRTI","value":"-1.00"}',
        '{"time":1,"id":"BRTI","value":"1e5"}',
        '{"time":1,"id":"BRTI","value":84033.39}',
        '{"time":1,"id":"ETHUSD_RTI","value":"84033.39"}',
    ],
)
def test_an_index_value_that_is_none_is_refused(told: str) -> None:
    """No price, another index's price, a binary fraction: refused, never believed."""
    with pytest.raises(BadFrame):
        _index(told)


@pytest.mark.parametrize(
    "msg",
    [
        {"event_type": "exploded"},
        {"event_type": "close_date_updated"},
        {"event_type": "determined", "result": "void"},
        {"event_type": "determined", "result": "scalar"},
        {"event_type": "determined", "result": "yes", "settlement_value": "0.0000"},
        {"event_type": "metadata_updated", "floor_strike": "9"},
    ],
)
def test_what_we_do_not_understand_is_refused(msg: dict[str, object]) -> None:
    """An unknown kind, a missing field, a contradiction: never a guess."""
    with pytest.raises(BadFrame):
        _lifecycle(**msg)


@pytest.mark.parametrize(
    ("text", "strike"), [("83950.62", 83_950_620_000), ("95000", 95_000_000_000), ("0.1", 100_000)]
)
def test_a_strike_keeps_its_decimal_text(text: str, strike: int) -> None:
    """A JSON number becomes exact money, never a binary fraction."""
    msg = {"market_ticker": "A", "event_type": "metadata_updated", "floor_strike": 0}
    raw = frame("market_lifecycle_v2", msg, sid=4, seq=1)
    raw = raw.replace(b'"floor_strike":0', b'"floor_strike": ' + text.encode())
    decoded = _decode(raw)
    assert isinstance(decoded, wire.LifecycleFrame)
    assert e.MarketStrikeSet("A", strike, AT) == d.decode_lifecycle(decoded, AT)


_PRICES = st.integers(1, 9_999)


@given(_PRICES)
def test_a_mirrored_price_is_the_other_outcomes(price: int) -> None:
    """A NO price told on the YES scale is a dollar less it, exactly."""
    assert 10_000 - price == d.MIRRORED_PRICES[format_price(price)]


_LEVELS = st.dictionaries(st.integers(1, 9_999), st.integers(1, 10**9), max_size=30)


@given(_LEVELS)
def test_levels_survive_the_wire_and_ascend(levels: dict[int, int]) -> None:
    """Whatever order a ladder comes in, its levels are exact and ascend."""
    wired: list[tuple[str, str]] = [(format_price(price), format_qty(size)) for price, size in levels.items()]
    assert tuple(sorted(levels.items())) == d.decode_levels(wired)


@pytest.mark.parametrize(
    "levels",
    [
        [("0.5000", "1.00"), ("0.5000", "2.00")],
        [("0.5000", "0.00")],
        [("0.5000", "-1.00")],
        [("0.0000", "1.00")],
        [("1.0000", "1.00")],
        [("0.50001", "1.00")],
        [("1.5", "1.00")],
        [("0.5", "1e3")],
        [("0.5", "99999999999999999999.00")],
    ],
)
def test_an_impossible_ladder_is_refused(levels: list[tuple[str, str]]) -> None:
    """A price twice or outside the dollar, a size that is none: the snapshot is not believed."""
    with pytest.raises(ValueError, match=r"."):
        d.decode_levels(levels)


def test_a_text_cache_stays_bounded() -> None:
    """However many different texts come, the cache never holds more than its bound."""
    cache = d.TextCache(int)
    for number in range(d.CACHED_MAX + 10):
        assert number == cache[str(number)]
    assert len(cache) <= d.CACHED_MAX
    assert 5 == cache["5"]


def test_the_type_of_every_frame_is_known() -> None:
    """The name by which frames are counted is the one on the wire."""
    body = json.dumps({"type": "ok", "id": 1})
    assert "ok" == d.frame_type(_decode(body.encode()))
