"""The maintenance windows: Thursday nights in New York, summer and winter, and the venue's plan."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import DAY, HOUR, MINUTE, SECOND, Ns
from daemon.shell.maintenance import WEEKS_AHEAD, planned_windows, standing_windows

WEEK: Ns = 7 * DAY
INSTANTS = st.integers(1_700_000_000, 2_200_000_000).map(lambda seconds: seconds * SECOND)


def utc(text: str) -> Ns:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def test_the_window_is_in_new_yorks_winter_time() -> None:
    """03:00 – 05:00 there is 08:00 – 10:00 UTC in winter; the next weeks' windows follow."""
    first, second, *_ = standing_windows(utc("2026-11-21T08:00:00"))
    assert (utc("2026-11-26T08:00:00"), utc("2026-11-26T10:00:00")) == first
    assert (utc("2026-12-03T08:00:00"), utc("2026-12-03T10:00:00")) == second


def test_the_window_moves_with_summer_time() -> None:
    """Over the change in March it comes an hour earlier in UTC, over the one in November an hour later."""
    before, after, *_ = standing_windows(utc("2026-03-04T00:00:00"))
    assert utc("2026-03-05T08:00:00") == before[0]
    assert utc("2026-03-12T07:00:00") == after[0]
    before, after, *_ = standing_windows(utc("2026-10-28T00:00:00"))
    assert utc("2026-10-29T07:00:00") == before[0]
    assert utc("2026-11-05T08:00:00") == after[0]


def test_a_window_that_has_begun_is_still_told() -> None:
    """Until its end, to the second; then the next one is first."""
    window = (utc("2026-11-26T08:00:00"), utc("2026-11-26T10:00:00"))
    assert window == standing_windows(window[0] + HOUR)[0]
    assert window == standing_windows(window[1] - 1)[0]
    assert window[0] + WEEK == standing_windows(window[1])[0][0]


@given(INSTANTS)
def test_there_is_always_a_next_window_within_a_week(now: Ns) -> None:
    """Two hours long, on a Thursday, none over, in order, a week (and a clock change at most) apart."""
    windows = standing_windows(now)
    assert WEEKS_AHEAD <= len(windows) <= WEEKS_AHEAD + 1
    assert windows[0][0] <= now + WEEK + HOUR
    for start, end in windows:
        assert end > now
        assert 2 * HOUR == end - start
        assert "Thu" == f"{datetime.fromtimestamp(start // SECOND, UTC):%a}"
    for (one, _), (other, _) in pairwise(windows):
        assert abs(other - one - WEEK) in (0, HOUR)


def test_the_venues_own_plan_replaces_that_days_window() -> None:
    """It says otherwise for its day; the other weeks keep the standing one, and what is over is not told."""
    now = utc("2026-11-25T00:00:00")
    own = (utc("2026-11-26T07:00:00"), utc("2026-11-26T12:30:00"))
    extra = (utc("2026-11-29T06:00:00"), utc("2026-11-29T06:30:00"))
    over = (now - HOUR, now - MINUTE)
    windows = planned_windows((extra, own, over), now)
    assert (own, extra, (utc("2026-12-03T08:00:00"), utc("2026-12-03T10:00:00"))) == windows[:3]
    assert standing_windows(now) == planned_windows((), now)


def test_a_plan_for_the_evening_before_is_another_days() -> None:
    """The day is New York's: 04:30 UTC on Thursday is still Wednesday there, and the window stays."""
    now = utc("2026-11-25T00:00:00")
    evening = (utc("2026-11-26T04:30:00"), utc("2026-11-26T04:45:00"))
    assert (evening, standing_windows(now)[0]) == planned_windows((evening,), now)[:2]


@given(INSTANTS, st.lists(st.tuples(st.integers(-DAY, 20 * DAY), st.integers(1, DAY)), max_size=4))
def test_the_plan_is_ordered_and_holds_nothing_that_is_over(now: Ns, rows: list[tuple[Ns, Ns]]) -> None:
    """Every window of the venue's that isn't over is in it, once."""
    venue = tuple((now + start, now + start + length) for start, length in rows)
    windows = planned_windows(venue, now)
    assert tuple(sorted(set(windows))) == windows
    assert all(end > now for _, end in windows)
    assert {window for window in venue if window[1] > now} <= set(windows)


def test_a_venue_without_the_standing_window_has_what_it_plans() -> None:
    """And nothing else: a sandbox says all its windows."""
    now = standing_windows(0)[0][0]
    own = ((now + HOUR, now + 2 * HOUR),)
    assert own == planned_windows(own, now, has_standing=False)
    assert () == planned_windows((), now, has_standing=False)
