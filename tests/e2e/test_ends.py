"""Markets of ours that end while nobody tells us: the daemon's parts, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.core.ledger import Position
from daemon.core.units import PRICE_ONE
from tests.e2e.venue_rig import EVENT, VenueRig, venue_rig

ENDING = f"{EVENT}-M0"
MIDDLE = 5_000
"""Between the operator's quotes."""


async def hold_still(rig: VenueRig) -> None:
    """Come to hold something in the market, with no order of ours anywhere."""
    ledger = rig.engine.state.ledger
    for _ in range(50):
        rig.strategy.is_quoting = True
        await rig.until(lambda: ledger.position_qty(ENDING) != 0, "something is held")
        rig.strategy.is_quoting = False
        await rig.until(lambda: not rig.engine.state.orders, "no order is left")
        if ledger.position_qty(ENDING) != 0:
            return
    raise AssertionError("others always closed what they had opened")


@pytest.mark.parametrize("result", ["yes", "no"])
async def test_a_market_that_is_settled_while_we_are_cut_off_is_paid_and_earned(
    tmp_path: Path, result: str
) -> None:
    """Close, result and payout all fall into three seconds without a stream: cash and profit are right."""
    async with venue_rig(tmp_path, markets=2) as rig:
        await hold_still(rig)
        state, ledger = rig.engine.state, rig.engine.state.ledger
        position = ledger.positions[ENDING]
        payout = position.value(PRICE_ONE if result == "yes" else 0)
        cash, realized, earned = ledger.cash, ledger.realized, payout - position.cost
        drops = state.counts["kalshi_drops"]
        await rig.call("/faults", kind="refuse_upgrade", stream="kalshi", for_ms=3_000)
        await rig.call("/faults", kind="cut", stream="kalshi", next=1)
        await rig.quote(f"{EVENT}-M1")  # a frame to cut at
        await rig.until(lambda: state.counts["kalshi_drops"] > drops, "the stream is cut")
        await rig.call("/markets/close", ticker=ENDING, in_ms=0)
        await rig.call("/markets/determine", ticker=ENDING, result=result)
        await rig.call("/markets/settle", ticker=ENDING)
        assert "active" == state.markets[ENDING].spec.status
        await rig.until(lambda: rig.is_trading, "it trades in the other market")
        await rig.until(lambda: state.markets[ENDING].is_settled, "the payout is known")
        assert {ENDING: PRICE_ONE if result == "yes" else 0} == state.settlements
        assert cash is not None
        assert (cash + payout, realized + earned) == (ledger.cash, ledger.realized)
        other = ledger.positions.get(f"{EVENT}-M1", Position()).value(MIDDLE)
        assert rig.engine.gathering.pnl() == cash + payout + other - (
            rig.engine.gathering.equity_at_start or 0
        )
        assert [] == state.account.findings
        await rig.agrees()
