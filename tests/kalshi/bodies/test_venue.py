"""The exchange's status, calendar and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.events import ExchangeStatusTold, ShardStatus
from daemon.core.units import MICROSECOND, parse_instant
from daemon.kalshi import bodies
from daemon.kalshi.bodies.venue import decode_zoned
from tests.kalshi.frames import recorded


def test_a_shard_speaks_for_itself() -> None:
    """Crypto trades on shard 2: its own entry is told apart; older bodies have none."""
    body = (
        b'{"exchange_active":true,"trading_active":true,"exchange_index_statuses":'
        b'[{"exchange_index":2,"exchange_active":true,"trading_active":false}]}'
    )
    told = bodies.exchange_status_told(msgspec.json.decode(body, type=bodies.ExchangeStatus), 5)
    assert ExchangeStatusTold(True, True, (ShardStatus(2, True, False),), None, 5) == told
    old = msgspec.json.decode(recorded("demo_2026-06/exchange__status.json"), type=bodies.ExchangeStatus)
    assert ExchangeStatusTold(True, True, (), None, 5) == bodies.exchange_status_told(old, 5)


@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - the zone is drawn apart
    st.integers(-14 * 60, 14 * 60),
)
def test_an_instant_of_any_zone_is_exact(at: datetime, offset_min: int) -> None:
    """To the microsecond, and the same as the same instant in UTC."""
    zoned = at.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
    utc = zoned.astimezone(UTC).replace(tzinfo=None)
    assert parse_instant(utc.isoformat() + "Z") == decode_zoned(zoned.isoformat())
    assert 0 == decode_zoned(zoned.isoformat()) % MICROSECOND


@pytest.mark.parametrize("text", ["", "soon", "2026-11-19", "2026-11-19T03:00:00"])
def test_an_instant_without_a_zone_is_none(text: str) -> None:
    """Three o'clock where? Nothing is assumed."""
    with pytest.raises(ValueError, match=r"zone|isoformat"):
        decode_zoned(text)
