"""Vouching: the same question at the decision and at the moment of sending."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.risk import FeedHealth, Refusal, vouch_entry, vouch_market
from daemon.core.units import MILLISECOND, SECOND, Ns
from tests.core.risk.cases import book, feed, late, skewed, unsynced
from tests.core.test_limits import NEW_YORK
from tests.core.worlds import LIMITS, NOW, TICKER, spec


def test_a_lost_book_is_not_vouched_for() -> None:
    """Neither one that was lost nor one that lost itself."""
    assert vouch_market(spec(), book(), None, LIMITS, NOW) is None
    assert vouch_market(spec(), unsynced(), None, LIMITS, NOW) == "book_unsynced"
    broken = book()
    broken.apply_delta(e.BookDeltaReceived(TICKER, "yes", 4_000, -40_001, NOW, NOW))
    assert vouch_market(spec(), broken, None, LIMITS, NOW) == "book_unsynced"


@pytest.mark.parametrize(
    ("guard", "expected"), [(None, None), (SECOND, None), (60 * SECOND, "close_too_near")]
)
def test_a_strategys_own_close_guard_stands_in_for_the_general_one(
    guard: Ns | None, expected: Refusal | None
) -> None:
    """A slow strategy leaves a market long before its close, a fast one may stay."""
    closing = spec(close_at=NOW + 30 * SECOND)
    assert vouch_market(closing, book(), None, LIMITS, NOW, guard) == expected


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (feed(), None),
        (FeedHealth(), "feed_down"),
        (feed(heard_at=NOW - 15 * SECOND - 1), "feed_silent"),
        (late(501 * MILLISECOND), "transport_lag"),
        (skewed(2 * SECOND), "clock_skew"),
    ],
)
def test_a_connection_that_is_not_well_is_named(health: FeedHealth, expected: Refusal | None) -> None:
    """Down, silent, late or of another time."""
    assert health.vouch(LIMITS, NOW) == expected


def test_an_entry_needs_its_hours_a_model_in_force_and_a_price_of_the_underlying() -> None:
    """Each by its name, and just inside nothing."""
    on_friday = NEW_YORK
    hours = msgspec.structs.replace(LIMITS, hours=on_friday)
    opens = 1_790_343_000 * SECOND  # 2026-09-25 09:30 in New York
    assert vouch_entry(hours, None, is_reference_stale=False, now=opens - 1) == "outside_hours"
    assert vouch_entry(hours, None, is_reference_stale=False, now=opens) is None
    assert vouch_entry(LIMITS, NOW, is_reference_stale=False, now=NOW) == "model_expired"
    assert vouch_entry(LIMITS, NOW, is_reference_stale=False, now=NOW - 1) is None
    assert vouch_entry(LIMITS, None, is_reference_stale=True, now=NOW) == "reference_stale"
