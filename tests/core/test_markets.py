"""Markets: what a listing says, kept whole through the journal, and unknown kinds refused."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from daemon.core.markets import Fees, FeeType, MarketSpec
from daemon.core.units import MINUTE, PriceBand

SPEC = MarketSpec(
    ticker="KXBTC15M-26SEP251515-15",
    event_ticker="KXBTC15M-26SEP251515",
    series_ticker="KXBTC15M",
    title="BTC price up in next 15 mins?",
    status="active",
    open_at=0,
    close_at=15 * MINUTE,
    strike=None,
    strike_type="greater_or_equal",
    bands=(PriceBand(0, 1_000, 10), PriceBand(1_000, 9_000, 100), PriceBand(9_000, 10_000, 10)),
    fees=Fees("quadratic", 1_000_000),
    exchange_index=2,
)


@pytest.mark.parametrize("strike", [None, 84_999_120_000])
def test_a_market_survives_the_journal(strike: int | None) -> None:
    """Encoded and decoded it is the same, with and without a strike."""
    spec = msgspec.structs.replace(SPEC, strike=strike)
    assert spec == msgspec.msgpack.decode(msgspec.msgpack.encode(spec), type=MarketSpec)


def test_a_market_can_not_be_changed() -> None:
    """A changed market is another listing."""
    with pytest.raises(AttributeError, match="immutable"):
        SPEC.strike = 1  # type: ignore[misc]


def test_a_status_that_the_venue_never_named_is_refused() -> None:
    """An unknown status is an error, not a market that is closed."""
    encoded = msgspec.msgpack.encode(msgspec.structs.replace(SPEC, status="asleep"))
    with pytest.raises(msgspec.ValidationError, match="asleep"):
        msgspec.msgpack.decode(encoded, type=MarketSpec)


@pytest.mark.parametrize("fee_type", ["flat", "margin_market_maker_program_fees", ""])
def test_a_fee_type_that_we_can_not_price_is_refused(fee_type: str) -> None:
    """No unknown fee is taken as zero."""
    assert fee_type not in get_args(FeeType)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert([fee_type, 1_000_000], type=Fees)
