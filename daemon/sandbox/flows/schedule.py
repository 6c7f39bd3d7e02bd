"""Which simulated markets exist when: names, strikes and times of the two bitcoin series.

KXBTC15M: a market a quarter of an hour, strike the previous quarter's settlement value, known half a
second after the open. KXBTCD: an event an hour with three strikes around the price at its listing.
Tickers carry the close in New York time. Source: protocol sheet 7.7.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from daemon.core.markets import Fees, MarketSpec
from daemon.core.units import (
    HOUR,
    MILLISECOND,
    MINUTE,
    MONEY_CENT,
    MONEY_ONE,
    SECOND,
    Money,
    Ns,
    format_decimal,
)
from daemon.exchange.tick_tables import LINEAR_CENT, TAPERED_DECI_CENT

QUARTER: Final[Ns] = 15 * MINUTE
STRIKE_DELAY: Final[Ns] = 500 * MILLISECOND
HOURLY_LEAD: Final[Ns] = 5 * MINUTE
"""How long before its open an hourly event is listed."""
HOURLY_STRIKES: Final = 3

_HOURLY_STEP: Final[Money] = 250 * MONEY_ONE
_FEES: Final = Fees("quadratic", 1_000_000)
_CRYPTO_SHARD: Final = 2
_SERIES_QUARTER: Final = "KXBTC15M"
_SERIES_HOURLY: Final = "KXBTCD"
_DELAYS: Final[dict[str, tuple[Ns, Ns]]] = {
    _SERIES_QUARTER: (1_100 * MILLISECOND, 7 * SECOND),
    _SERIES_HOURLY: (90 * SECOND, 150 * SECOND),
}


def new_york(at: Ns) -> datetime:
    """Return an instant as New York's wall clock (naive).

    By the rule of 2007, so that no time zone files are needed: summer time from 2:00 standard time on the
    second Sunday of March to 2:00 summer time on the first Sunday of November.
    """
    utc = datetime.fromtimestamp(at // SECOND, UTC).replace(tzinfo=None)
    begin = _sunday(utc.year, 3, 2) + timedelta(hours=7)
    end = _sunday(utc.year, 11, 1) + timedelta(hours=6)
    return utc - timedelta(hours=4 if begin <= utc < end else 5)


def _sunday(year: int, month: int, ordinal: int) -> datetime:
    first = datetime(year, month, 1)  # noqa: DTZ001  # a date of the calendar, in no zone
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (ordinal - 1))


def _day(close: datetime) -> str:
    return f"{close:%y}{close:%b}".upper() + f"{close:%d}"


def quarter_spec(open_at: Ns, strike: Money | None) -> MarketSpec:
    """Return the quarter-hour market that opens then, as it is when listed."""
    close_at = open_at + QUARTER
    close = new_york(close_at)
    event_ticker = f"{_SERIES_QUARTER}-{_day(close)}{close:%H%M}"
    return MarketSpec(
        ticker=f"{event_ticker}-{close:%M}",
        event_ticker=event_ticker,
        series_ticker=_SERIES_QUARTER,
        title="Bitcoin price up in next 15 mins?",
        status="initialized",
        open_at=open_at,
        close_at=close_at,
        strike=strike,
        strike_type="greater_or_equal",
        bands=TAPERED_DECI_CENT,
        fees=_FEES,
        exchange_index=_CRYPTO_SHARD,
    )


def hourly_specs(open_at: Ns, spot: Money) -> list[MarketSpec]:
    """Return the hourly markets that open then, with strikes a cent below round sums around `spot`."""
    close_at = open_at + HOUR
    close = new_york(close_at)
    event_ticker = f"{_SERIES_HOURLY}-{_day(close)}{close:%H}"
    middle = (spot + _HOURLY_STEP // 2) // _HOURLY_STEP * _HOURLY_STEP
    specs = []
    for step in range(HOURLY_STRIKES):
        strike = middle + (step - HOURLY_STRIKES // 2) * _HOURLY_STEP - MONEY_CENT
        dollars = format_decimal(strike // MONEY_CENT, 2)
        specs.append(
            MarketSpec(
                ticker=f"{event_ticker}-T{dollars}",
                event_ticker=event_ticker,
                series_ticker=_SERIES_HOURLY,
                title=f"Bitcoin price above {dollars} at {close:%H}:00 in New York?",
                status="initialized",
                open_at=open_at,
                close_at=close_at,
                strike=strike,
                strike_type="greater",
                bands=LINEAR_CENT,
                fees=_FEES,
                exchange_index=_CRYPTO_SHARD,
            )
        )
    return specs


def is_ours(spec: MarketSpec) -> bool:
    """Whether a market is one that this schedule lists, and can resolve: an operator's own are not."""
    return spec.series_ticker in _DELAYS and spec.strike_type in {"greater", "greater_or_equal"}


def is_yes(spec: MarketSpec, value: Money) -> bool:
    """Whether a market resolves YES on this settlement value; its strike must be known."""
    assert spec.strike is not None, f"{spec.ticker} has no strike"
    if spec.strike_type == "greater":
        return value > spec.strike
    assert spec.strike_type == "greater_or_equal", f"{spec.ticker}: strike type {spec.strike_type}"
    return value >= spec.strike


def determined_at(spec: MarketSpec) -> Ns:
    """Return when a market gets its result."""
    return spec.close_at + _delays(spec)[0]


def settled_at(spec: MarketSpec) -> Ns:
    """Return when a market's positions are paid out."""
    return spec.close_at + _delays(spec)[1]


def _delays(spec: MarketSpec) -> tuple[Ns, Ns]:
    return _DELAYS.get(spec.series_ticker, _DELAYS[_SERIES_QUARTER])
