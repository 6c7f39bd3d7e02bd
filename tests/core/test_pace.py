"""The pace: what went out within a minute, and no longer."""

from __future__ import annotations

from daemon.core.pace import Pace
from daemon.core.units import MINUTE
from tests.core.risk.cases import resting
from tests.core.worlds import NOW, TICKER


def test_what_is_a_minute_old_is_forgotten() -> None:
    """Requests and orders alike; a moment before it counts."""
    pace, order = Pace(), resting()
    pace.note_request(NOW, is_reducing=True)
    pace.note_placed(order, NOW)
    almost = NOW + MINUTE - 1
    assert (pace.requests(almost), pace.placed(almost), pace.recent(TICKER, almost)) == (
        1,
        1,
        ((NOW, order),),
    )
    assert (pace.requests(NOW + MINUTE), pace.placed(NOW + MINUTE)) == (0, 0)
    assert pace.recent(TICKER, NOW + MINUTE) == ()


def test_recent_orders_are_of_one_market() -> None:
    """Another market's are not the same order."""
    pace = Pace()
    pace.note_placed(resting(), NOW)
    assert pace.recent("OTHER", NOW) == ()
