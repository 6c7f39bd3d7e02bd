"""Cash, positions and settlements, exactly."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import MONEY_ONE, format_decimal
from daemon.kalshi import bodies

SETTLED = bodies.SettlementBody(
    "A", "E", "no", "0.00", "0.000000", "3.00", "1.500000", 300, "0.018900", "2026-06-11T06:29:20Z", 0, 2
)


@given(st.integers(0, 10**9))
def test_cents_are_money(cents: int) -> None:
    """Whole cents in, millionths out, whatever the amount."""
    paid = bodies.settlement(msgspec.structs.replace(SETTLED, revenue=cents))
    assert cents * MONEY_ONE // 100 == paid.revenue


@pytest.mark.parametrize("value", [-1, 101])
def test_a_contract_never_pays_more_than_a_dollar(value: int) -> None:
    """What pays less than nothing or more than one is not believed."""
    with pytest.raises(ValueError, match="cents"):
        bodies.settlement(msgspec.structs.replace(SETTLED, value=value))


@given(st.lists(st.integers(-(10**8), 10**8), max_size=4))
def test_the_cash_of_each_shard_is_its_own(balances: list[int]) -> None:
    """A breakdown is read to the hundredth of a cent, shard by shard; none is an empty one."""
    rows = [
        {"exchange_index": shard, "balance": format_decimal(balance, 4)}
        for shard, balance in enumerate(balances)
    ]
    body = msgspec.json.encode({"balance_dollars": "0.0000", "balance_breakdown": rows})
    reply = msgspec.json.decode(body, type=bodies.BalanceReply)
    assert {shard: balance * 100 for shard, balance in enumerate(balances)} == bodies.cash_by_shard(reply)
