"""REST bodies into core structs, on what the venue really sent."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import pytest

from daemon.core.events import CandleBackfilled, OrderSnapshot, PositionSnapshot
from daemon.core.markets import Fees
from daemon.core.units import MINUTE, SECOND, PriceBand, parse_instant
from daemon.kalshi import bodies
from daemon.kalshi.decode import decode_levels, decode_money
from daemon.kalshi.errors import BadFrame
from daemon.kalshi.wire import PriceRange
from tests.kalshi.frames import recorded

_T = TypeVar("_T")

SERIES = bodies.Series("KXBTC15M", "quadratic", msgspec.Raw(b"1"), 2)
EVENT = bodies.EventBody("KXBTC15M-E", "KXBTC15M")
MARKET = bodies.Market(
    ticker="KXBTC15M-E-15",
    event_ticker="KXBTC15M-E",
    open_time="2026-09-25T19:00:00Z",
    close_time="2026-09-25T19:15:00.5Z",
    status="active",
    price_ranges=[PriceRange("0.0000", "1.0000", "0.0100")],
    strike_type="greater_or_equal",
    floor_strike=msgspec.Raw(b"83950.62"),
    exchange_index=2,
)


def _read(name: str, kind: type[_T]) -> _T:
    return msgspec.json.decode(recorded(name), type=kind)


def _listed(name: str, key: str, kind: type[_T]) -> list[_T]:
    page = msgspec.json.decode(recorded(name), type=dict[str, msgspec.Raw])
    return [
        msgspec.json.decode(raw, type=kind) for raw in msgspec.json.decode(page[key], type=list[msgspec.Raw])
    ]


def test_the_recorded_bitcoin_market_is_whole() -> None:
    """Production, 25 September: strike, bands, shard and fee rule, exactly."""
    series = _read("live_2026-09-25/rest_series_KXBTC15M.json", bodies.SeriesBody).series
    (market,) = _listed("live_2026-09-25/rest_markets_open_KXBTC15M.json", "markets", bodies.Market)
    spec = bodies.market_spec(market, series, EVENT)
    assert (spec.ticker, spec.series_ticker) == ("KXBTC15M-26SEP251515-15", "KXBTC15M")
    assert (spec.strike, spec.strike_type) == (83_950_620_000, "greater_or_equal")
    assert spec.close_at - spec.open_at == 15 * MINUTE
    assert spec.bands == (PriceBand(0, 1000, 10), PriceBand(1000, 9000, 100), PriceBand(9000, 10_000, 10))
    assert (spec.fees, spec.exchange_index) == (Fees("quadratic", 1_000_000), 2)


def test_every_recorded_market_decodes() -> None:
    """Settled bitcoin markets and the June demo page, which lacks the shard: the series names it."""
    for name in (
        "live_2026-09-25/rest_markets_settled_KXBTC15M.json",
        "demo_2026-06/markets__page1.json",
        "demo_2026-06/markets__garbage_cursor.json",
    ):
        for market in _listed(name, "markets", bodies.Market):
            bodies.market_spec(market, SERIES, EVENT)
    single = _read("demo_2026-06/markets__single.json", bodies.MarketReply).market
    assert bodies.market_spec(single, SERIES, EVENT).strike is None


def test_the_recorded_account_decodes() -> None:
    """Balance, position, order, fills, limits, costs, status of the recorded sessions."""
    balance = _read("demo_2026-06/auth__balance_ok.json", bodies.BalanceReply)
    assert decode_money(balance.balance_dollars) == 98_018_600
    (position,) = _listed("demo_2026-06/portfolio__positions.json", "market_positions", bodies.Position)
    ticker = "KXWTACHALLENGERMATCH-26JUN11JIMLEP-LEP"
    assert bodies.position_snapshot(position) == PositionSnapshot(ticker, 300, 2_500_000, 0, 18_900)
    raw = msgspec.json.decode(
        recorded("demo_2026-06/orders__get_after_create.json"), type=dict[str, bodies.Order]
    )
    order = bodies.order_snapshot(raw["order"])
    assert isinstance(order, OrderSnapshot)
    assert (order.price, order.filled, order.remaining) == (100, 0, 100)
    fills = [
        bodies.order_filled(fill, 0)
        for fill in _listed("demo_2026-06/fills__after_taker.json", "fills", bodies.Fill)
    ]
    assert [fill.fee for fill in fills] == [17_500, 700, 700]
    assert {fill.client_order_id for fill in fills} == {None}
    assert fills[0].sent_at == parse_instant("2026-06-11T06:29:30.164956Z")
    limits = _read("demo_2026-06/account__limits.json", bodies.AccountLimits)
    assert (limits.read.refill_rate, limits.write.bucket_capacity) == (200, 100)
    costs = _read("live_2026-09-25/rest_account_endpoint_costs.json", bodies.EndpointCosts)
    assert (costs.default_cost, len(costs.endpoint_costs)) == (10, 17)


def test_the_recorded_public_lists_decode() -> None:
    """Trades and a book of the demo sessions."""
    trades = _listed("demo_2026-06/trades__public_recorded.json", "trades", bodies.PublicTrade)
    printed = [bodies.trade_printed(trade, 0) for trade in trades]
    assert {(trade.price, trade.taker_side) for trade in printed} == {(300, "yes")}
    book = _read("demo_2026-06/orderbook__base.json", bodies.OrderbookReply).orderbook_fp
    assert decode_levels(book.no_dollars) == ((4800, 300),)
    assert _read("demo_2026-06/orders__create_v2_taker_ioc.json", bodies.OrderReply).fill_count == "1.00"
    assert _read("demo_2026-06/orders__cancel_v2.json", bodies.CancelReply).reduced_by == "1.00"


def test_a_shard_speaks_for_itself() -> None:
    """Crypto trades on shard 2: its own entry counts, the top level only without one."""
    body = (
        b'{"exchange_active":true,"trading_active":true,"exchange_index_statuses":'
        b'[{"exchange_index":2,"exchange_active":true,"trading_active":false}]}'
    )
    status = msgspec.json.decode(body, type=bodies.ExchangeStatus)
    assert (status.is_trading(0), status.is_trading(2)) == (True, False)
    assert _read("demo_2026-06/exchange__status.json", bodies.ExchangeStatus).is_trading(2)


@pytest.mark.parametrize(
    ("strike_type", "floor", "cap", "strike"),
    [
        ("greater", b"6.5", b"", 6_500_000),
        ("less", b"", b"7", 7_000_000),
        ("between", b"6", b"7", None),
        ("structured", b"", b"", None),
        ("greater_or_equal", b"null", b"", None),
    ],
)
def test_a_strike_is_the_one_number_that_decides(
    strike_type: str, floor: bytes, cap: bytes, strike: int | None
) -> None:
    """Floor or cap by the type; None while it isn't known, or where one number can't say it."""
    market = msgspec.structs.replace(
        MARKET, strike_type=strike_type, floor_strike=msgspec.Raw(floor), cap_strike=msgspec.Raw(cap)
    )
    assert bodies.market_spec(market, SERIES, EVENT).strike == strike


def test_an_override_of_the_event_beats_the_series() -> None:
    """The effective fee is the event's where it has one."""
    event = bodies.EventBody("E", "S", "quadratic_with_maker_fees", msgspec.Raw(b"0.5"))
    assert bodies.market_spec(MARKET, SERIES, event).fees == Fees("quadratic_with_maker_fees", 500_000)
    event = bodies.EventBody("E", "S", None, msgspec.Raw(b"null"))
    assert bodies.market_spec(MARKET, SERIES, event).fees == Fees("quadratic", 1_000_000)


@pytest.mark.parametrize(
    "change",
    [{"price_ranges": []}, {"close_time": "soon"}, {"floor_strike": msgspec.Raw(b"1e9")}],
)
def test_a_market_that_can_not_be_read_is_refused_by_name(change: dict[str, object]) -> None:
    """What trading needs and isn't there refuses the market, naming it."""
    with pytest.raises(BadFrame, match="KXBTC15M-E-15"):
        bodies.market_spec(msgspec.structs.replace(MARKET, **change), SERIES, EVENT)


def test_an_unknown_fee_is_never_none() -> None:
    """A fee type that we can't price, or no multiplier, or no shard, refuses the market."""
    for series in (
        bodies.Series("S", "flat", msgspec.Raw(b"1"), 2),
        bodies.Series("S", "quadratic", msgspec.Raw(b"null"), 2),
        bodies.Series("S", "quadratic", msgspec.Raw(b"-1"), 2),
    ):
        with pytest.raises(BadFrame):
            bodies.market_spec(MARKET, series, EVENT)
    homeless = msgspec.structs.replace(MARKET, exchange_index=None)
    with pytest.raises(BadFrame, match="exchange_index"):
        bodies.market_spec(homeless, bodies.Series("S", "quadratic", msgspec.Raw(b"1")), EVENT)


def test_an_empty_side_of_a_candle_is_none() -> None:
    """Bid 0 and ask 1 are how the venue writes nothing."""
    candle = bodies.Candle(60, bodies.BidAsk("0.0000"), bodies.BidAsk("1.0000"), "12.50")
    assert bodies.candle_backfilled("A", candle, MINUTE, 1) == CandleBackfilled(
        "A", MINUTE, 60 * SECOND, None, None, 1250, 1
    )
