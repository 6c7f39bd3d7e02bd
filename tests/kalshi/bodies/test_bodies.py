"""Every recorded REST body: read as what it is, to the number, or refused as the table says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from daemon.core.units import parse_instant
from daemon.kalshi import bodies
from daemon.kalshi.decode import decode_count, decode_levels, decode_money
from daemon.kalshi.errors import read_error
from daemon.kalshi.key_refusals import key_refusal
from tests.kalshi.frames import FIXTURES, recorded

DEMO, LIVE = "demo_2026-06/", "live_2026-09-25/"
TENNIS = "KXWTACHALLENGERMATCH-26JUN11JIMLEP-LEP"
SERIES = bodies.Series("KXBTC15M", "quadratic", msgspec.Raw(b"1"), 2)
EVENT = bodies.EventBody("KXBTC15M-E", "KXBTC15M")


def _listed(body: bytes, key: str, kind: Any) -> list[Any]:
    page = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return list(msgspec.json.decode(page[key], type=list[kind]))


def _listings(body: bytes) -> list[tuple[str, int | None, int | None, int]]:
    found = []
    for market in _listed(body, "markets", bodies.QuotedMarket):
        one = bodies.listing(market, bodies.market_spec(market, SERIES, EVENT))
        found.append((one.tick_structure, one.bid, one.ask, one.volume_24h))
    return found


def _outcomes(body: bytes) -> list[tuple[str | None, int | None]]:
    markets = _listed(body, "markets", bodies.SettledMarket)
    ends = [bodies.market_outcome(one, bodies.market_spec(one, SERIES, EVENT)) for one in markets]
    return [(end.result, end.settlement_price) for end in ends]


def _market(body: bytes) -> tuple[str, int | None]:
    market = msgspec.json.decode(body, type=bodies.MarketReply).market
    return market.ticker, bodies.market_spec(market, SERIES, EVENT).strike


def _status(body: bytes) -> tuple[bool, bool, int]:
    told = bodies.exchange_status_told(msgspec.json.decode(body, type=bodies.ExchangeStatus), 0)
    return told.is_active, told.is_trading, len(told.shards)


def _limits(body: bytes) -> tuple[int, int]:
    limits = msgspec.json.decode(body, type=bodies.AccountLimits)
    return limits.read.refill_rate, limits.write.bucket_capacity


def _balance(body: bytes) -> tuple[int, dict[int, int]]:
    reply = msgspec.json.decode(body, type=bodies.BalanceReply)
    return decode_money(reply.balance_dollars), bodies.cash_by_shard(reply)


def _fills(body: bytes) -> list[tuple[int, int | None, str | None]]:
    fills = [bodies.order_filled(fill, 0) for fill in _listed(body, "fills", bodies.Fill)]
    return [(fill.fee, fill.sent_at, fill.client_order_id) for fill in fills][:1]


def _trades(body: bytes) -> set[tuple[int, str]]:
    trades = [bodies.trade_printed(one, 0) for one in _listed(body, "trades", bodies.PublicTrade)]
    return {(trade.price, trade.taker_side) for trade in trades}


def _book(body: bytes) -> tuple[Any, Any]:
    book = msgspec.json.decode(body, type=bodies.OrderbookReply).orderbook_fp
    return decode_levels(book.yes_dollars), decode_levels(book.no_dollars)


def _placed(body: bytes) -> tuple[int, int]:
    reply = msgspec.json.decode(body, type=bodies.OrderReply)
    return decode_count(reply.fill_count or "?"), decode_count(reply.remaining_count or "?")


def _order(body: bytes) -> tuple[str, int, int, int]:
    record = bodies.order_record(msgspec.json.decode(body, type=bodies.SingleOrderReply).order)
    return record.status, record.order.price, record.placed, record.cost


def _cutoff(body: bytes) -> int:
    return bodies.historical_cutoff(
        msgspec.json.decode(body, type=bodies.HistoricalCutoffReply)
    ).orders_updated_at


def _positions(body: bytes) -> list[tuple[int, int, int]]:
    listed = [bodies.position_snapshot(one) for one in _listed(body, "market_positions", bodies.Position)]
    return [(one.qty, one.cost, one.fees) for one in listed]


def _key_said(body: bytes) -> str:
    return str(key_refusal(body, host="venue", key_id="k", now=0, venue_date=None))


Table = Mapping[str, tuple[Callable[[bytes], object], object]]
READ: Table = {
    DEMO + "account__limits.json": (_limits, (200, 100)),
    DEMO + "auth__balance_ok.json": (_balance, (98_018_600, {0: 98_018_600})),
    DEMO + "exchange__status.json": (_status, (True, True, 0)),
    DEMO + "fills__after_taker.json": (
        _fills,
        [(17_500, parse_instant("2026-06-11T06:29:30.164956Z"), None)],
    ),
    DEMO + "markets__garbage_cursor.json": (
        lambda body: {one[0] for one in _listings(body)},
        {"linear_cent"},
    ),
    DEMO + "markets__page1.json": (lambda body: len(_listings(body)), 5),
    DEMO + "markets__single.json": (_market, (TENNIS, None)),
    DEMO + "orderbook__base.json": (_book, (((4700, 300),), ((4800, 300),))),
    DEMO + "orders__cancel_v2.json": (
        lambda body: decode_count(msgspec.json.decode(body, type=bodies.CancelReply).reduced_by),
        100,
    ),
    DEMO + "orders__create_v2_maker.json": (_placed, (0, 100)),
    DEMO + "orders__create_v2_taker_ioc.json": (_placed, (100, 0)),
    DEMO + "orders__get_after_create.json": (_order, ("resting", 100, 100, 0)),
    DEMO + "portfolio__positions.json": (_positions, [(300, 2_500_000, 18_900)]),
    DEMO + "settlements__page.json": (
        lambda body: _listed(body, "settlements", bodies.SettlementBody),
        [],
    ),
    DEMO + "trades__public_recorded.json": (_trades, {(300, "yes")}),
    LIVE + "rest_account_endpoint_costs.json": (
        lambda body: len(msgspec.json.decode(body, type=bodies.EndpointCosts).endpoint_costs),
        17,
    ),
    LIVE + "rest_historical_cutoff.json": (_cutoff, parse_instant("2026-09-11T00:00:00Z")),
    LIVE + "rest_markets_open_KXBTC15M.json": (_listings, [("tapered_deci_cent", 3400, 3500, 8_129_681)]),
    LIVE + "rest_markets_settled_KXBTC15M.json": (lambda body: _outcomes(body)[0], ("no", 0)),
    LIVE + "rest_series_KXBTC15M.json": (
        lambda body: msgspec.json.decode(body, type=bodies.SeriesBody).series.frequency,
        "fifteen_min",
    ),
}
REFUSED: Table = {
    **{
        DEMO + f"{name}.json": (lambda body: read_error(400, body).code, code)
        for name, code in (
            ("orders__cancel_already_canceled", "not_found"),
            ("orders__duplicate_client_order_id", "order_already_exists"),
            ("orders__insufficient_balance", "insufficient_balance"),
        )
    },
    DEMO + "auth__bad_signature.json": (
        _key_said,
        "the private key does not belong to the key id k (venue refuses its signature)",
    ),
    DEMO + "auth__missing_signature_header.json": (
        _key_said,
        "venue got our request without its signature: does a proxy strip headers?",
    ),
}
ALL: Table = {**READ, **REFUSED}


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_recorded_body_says_what_the_table_says(name: str) -> None:
    """What the venue really sent is read exactly, or refused by its documented code."""
    read, expected = ALL[name]
    assert expected == read(recorded(name))


def test_no_recorded_body_is_left_out() -> None:
    """The table names every REST body that lies beside the checkout."""
    recorded(DEMO + "exchange__status.json")
    found = {
        path.relative_to(FIXTURES).as_posix()
        for folder in (DEMO, LIVE)
        for path in (FIXTURES / folder).glob("*.json")
        if not path.name.endswith(".meta.json")
    }
    assert ALL.keys() == found


REQUIRED_BY_US: dict[str, type[msgspec.Struct]] = {
    "Market": bodies.QuotedMarket,
    "Series": bodies.Series,
    "EventData": bodies.EventBody,
    "Order": bodies.WholeOrder,
    "Fill": bodies.Fill,
    "MarketPosition": bodies.Position,
    "Settlement": bodies.SettlementBody,
    "Trade": bodies.PublicTrade,
    "MarketCandlestick": bodies.Candle,
    "MarketCandlestickHistorical": bodies.PastCandle,
    "GetBalanceResponse": bodies.BalanceReply,
    "GetEventCandlesticksResponse": bodies.EventCandlesReply,
    "GetOrderGroupResponse": bodies.GroupReply,
    "GetOrderGroupsResponse": bodies.GroupsReply,
    "ExchangeStatus": bodies.ExchangeStatus,
    "GetHistoricalCutoffResponse": bodies.HistoricalCutoffReply,
    "CancelOrderV2Response": bodies.CancelReply,
    "CreateOrderV2Response": bodies.OrderReply,
    "DecreaseOrderV2Response": bodies.DecreaseReply,
}


def _required(kind: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind) if field.required]


def test_each_required_field_is_in_the_published_contract() -> None:
    """We never ask for a field that the venue may leave out: that would refuse good answers."""
    contract = json.loads(recorded("sdk_3.34.0_contract.json"))
    assert REQUIRED_BY_US.keys() <= contract["schemas"].keys()
    missing = [
        f"{model}.{field}"
        for model, kind in REQUIRED_BY_US.items()
        for field in _required(kind)
        if not contract["schemas"][model].get(field, {}).get("required")
    ]
    assert [] == missing
