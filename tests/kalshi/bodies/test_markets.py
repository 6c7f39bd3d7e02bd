"""Markets with their fees, quotes and ends, from the venue's fields."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core.markets import Fees
from daemon.core.units import MINUTE, PriceBand
from daemon.kalshi import bodies
from daemon.kalshi.errors import BadFrame
from daemon.kalshi.wire import PriceRange
from tests.kalshi.frames import recorded

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


def test_the_recorded_bitcoin_market_is_whole() -> None:
    """Production, 25 September: strike, bands, shard and fee rule, exactly."""
    body = recorded("live_2026-09-25/rest_series_KXBTC15M.json")
    series = msgspec.json.decode(body, type=bodies.SeriesBody).series
    page = recorded("live_2026-09-25/rest_markets_open_KXBTC15M.json")
    raws = msgspec.json.decode(page, type=dict[str, msgspec.Raw])["markets"]
    (market,) = msgspec.json.decode(raws, type=list[bodies.Market])
    spec = bodies.market_spec(market, series, EVENT)
    assert ("KXBTC15M-26SEP251515-15", "KXBTC15M") == (spec.ticker, spec.series_ticker)
    assert (83_950_620_000, "greater_or_equal") == (spec.strike, spec.strike_type)
    assert 15 * MINUTE == spec.close_at - spec.open_at
    assert (PriceBand(0, 1000, 10), PriceBand(1000, 9000, 100), PriceBand(9000, 10_000, 10)) == spec.bands
    assert (Fees("quadratic", 1_000_000), 2) == (spec.fees, spec.exchange_index)


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
    assert strike == bodies.market_spec(market, SERIES, EVENT).strike


@pytest.mark.parametrize(
    ("strike_type", "floor", "cap", "expected"),
    [
        ("between", b"6", b"7.5", (6_000_000, 7_500_000)),
        ("between", b"6", b"null", None),
        ("between", b"8", b"7", None),
        ("greater", b"6", b"7", None),
    ],
)
def test_a_range_has_two_bounds_in_their_order(
    strike_type: str, floor: bytes, cap: bytes, expected: tuple[int, int] | None
) -> None:
    """Of a `between` alone; one bound is none."""
    market = msgspec.structs.replace(
        MARKET, strike_type=strike_type, floor_strike=msgspec.Raw(floor), cap_strike=msgspec.Raw(cap)
    )
    assert expected == bodies.market_spec(market, SERIES, EVENT).strike_range


@pytest.mark.parametrize(
    ("is_exclusive", "collateral", "expected"),
    [
        (False, "", "unknown"),
        (True, "", "exclusive"),
        (False, "MECNET", "exclusive"),
        (False, "DIRECNET", "ladder"),
        (False, "NEWNET", "unknown"),
    ],
)
def test_the_event_says_how_its_markets_hang_together(
    is_exclusive: bool, collateral: str, expected: str
) -> None:
    """By its own word; a word that we don't know says nothing."""
    event = msgspec.structs.replace(EVENT, mutually_exclusive=is_exclusive, collateral_return_type=collateral)
    assert expected == bodies.market_spec(MARKET, SERIES, event).structure


def test_an_override_of_the_event_beats_the_series() -> None:
    """The effective fee is the event's where it has one."""
    event = bodies.EventBody("E", "S", "quadratic_with_maker_fees", msgspec.Raw(b"0.5"))
    assert Fees("quadratic_with_maker_fees", 500_000) == bodies.market_spec(MARKET, SERIES, event).fees
    event = bodies.EventBody("E", "S", None, msgspec.Raw(b"null"))
    assert Fees("quadratic", 1_000_000) == bodies.market_spec(MARKET, SERIES, event).fees


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
    assert 2 == bodies.market_spec(homeless, SERIES, EVENT).exchange_index, "the series says it too"


@pytest.mark.parametrize(
    ("result", "value", "expected"),
    [
        ("yes", "1.0000", ("yes", 10_000)),
        ("yes", None, ("yes", 10_000)),
        ("no", None, ("no", 0)),
        ("scalar", "0.3500", ("scalar", 3_500)),
        ("scalar", None, ("scalar", None)),
        ("", None, (None, None)),
    ],
)
def test_a_result_says_what_a_contract_pays(
    result: str, value: str | None, expected: tuple[str | None, int | None]
) -> None:
    """Yes and no say it themselves; a scalar only by its value; before the end nothing does."""
    fields = msgspec.structs.asdict(MARKET) | {
        "result": result,
        "settlement_value_dollars": value,
        "expiration_value": "",
    }
    outcome = bodies.market_outcome(bodies.SettledMarket(**fields), bodies.market_spec(MARKET, SERIES, EVENT))
    assert expected == (outcome.result, outcome.settlement_price)
    assert (None, None) == (outcome.settled_at, outcome.expiration_value)
