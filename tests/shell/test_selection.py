"""The filter and what a listing changes: whole to enter, failed often to leave, times at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config_tables import Markets
from daemon.core.markets import Fees, MarketSpec
from daemon.core.units import DAY, HOUR, MINUTE, PRICE_ONE, SECOND, Ns
from daemon.kalshi.bodies import Listing
from daemon.shell.selection import (
    FAILURES_APART,
    FAILURES_MAX,
    OVER_FOR,
    SETTLES_IN,
    Changes,
    Filter,
    Left,
    Selection,
    filter_of,
    refuse,
)
from tests.core.worlds import T0, TICKER
from tests.shell.listings import listing

STRICT = Filter(
    volume_24h_min=50_000,
    spread_max=300,
    depth_min=5_000,
    closes_in_min=MINUTE,
    closes_in_max=HOUR,
    tick_structures=("tapered_deci_cent",),
)
TICKERS = tuple(f"KXBTCD-H-{number}" for number in range(4))


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (listing(), None),
        (listing(volume_24h=49_999), "volume"),
        (listing(bid=3_899), "spread"),
        (listing(bid=None, bid_qty=0), "spread"),
        (listing(ask=None, ask_qty=0), "spread"),
        (listing(bid_qty=4_999), "depth"),
        (listing(ask_qty=4_999), "depth"),
        (listing(tick_structure="linear_cent"), "tick structure"),
        (listing(closes=MINUTE - 1), "closes too soon"),
        (listing(closes=HOUR + 1), "closes too late"),
        (listing(closes=0), "closed"),
        (listing(opens=2 * MINUTE + 1, status="initialized"), "opens later"),
    ],
    ids=lambda value: str(value) if not isinstance(value, Listing) else "",
)
def test_every_filter_refuses_by_its_name(told: Listing, reason: str | None) -> None:
    """Each key of the configuration keeps a market out, at its bound and not before."""
    assert reason == refuse(told, STRICT, T0)


def test_the_configuration_is_the_filter() -> None:
    """Contracts, cents and seconds become exact units; the shipped one lets an empty book pass."""
    markets = Markets(
        volume_24h_min=500,
        spread_max_cents=3,
        depth_min=50,
        closes_in_min_s=60,
        closes_in_max_s=3_600,
        tick_structures=["tapered_deci_cent"],
        roll_ahead_s=120,
    )
    assert STRICT == filter_of(markets)
    empty = listing(bid=None, ask=None, bid_qty=0, ask_qty=0, volume_24h=0)
    assert refuse(empty, filter_of(Markets()), T0) is None
    assert frozenset({TICKER}) == filter_of(Markets(tickers=[TICKER])).tickers


def test_the_widest_filter_takes_an_empty_book() -> None:
    """What is not configured is not asked: no volume, no quotes, no depth."""
    empty = listing(bid=None, ask=None, bid_qty=0, ask_qty=0, volume_24h=0, tick_structure="")
    assert refuse(empty, Filter(), T0) is None
    assert "spread" == refuse(empty, Filter(spread_max=PRICE_ONE - 1), T0)


@pytest.mark.parametrize("status", ["initialized", "inactive"])
def test_what_is_not_open_has_no_quotes_to_be_judged_by(status: str) -> None:
    """A market that opens in a minute, or is paused, is held against times and tick structure only."""
    quiet = listing(status=status, opens=MINUTE, bid=None, ask=None, bid_qty=0, ask_qty=0, volume_24h=0)
    assert refuse(quiet, STRICT, T0) is None


def test_a_market_named_by_ticker_is_not_judged_by_its_quotes() -> None:
    """Who names one market wants it; its times and its tick structure still count."""
    named = msgspec.structs.replace(STRICT, tickers=frozenset({TICKER}))
    assert refuse(listing(volume_24h=0, bid=None, bid_qty=0), named, T0) is None
    assert "closes too late" == refuse(listing(closes=2 * HOUR), named, T0)


def selected(wanted: Filter = STRICT) -> Selection:
    """A selection with one market in it."""
    subject = Selection(wanted)
    assert (listing().spec,) == subject.apply([listing()], T0).entered
    return subject


def test_a_market_enters_once_and_is_told_again_when_it_changed() -> None:
    """An unchanged listing changes nothing, however its quotes move within the filter."""
    subject = selected()
    assert not subject.apply([listing(bid=4_050)], T0 + SECOND)
    moved = listing(closes=11 * MINUTE)
    assert Changes(changed=(moved.spec,)) == subject.apply([moved], T0 + 2 * SECOND)
    assert not subject.apply([moved], T0 + 3 * SECOND)


def looks(start: Ns = T0) -> Iterator[Ns]:
    """Times at which failures count one by one."""
    return count(start, FAILURES_APART)


def test_a_flicker_leaves_nothing() -> None:
    """One listing short of the limit is a flicker, and a good one in between starts the count again."""
    subject, bad, at = selected(), listing(bid=3_000), looks()
    for _ in range(3):
        assert not any(subject.apply([bad], next(at)) for _ in range(FAILURES_MAX - 1))
        assert not subject.apply([listing()], next(at))
    assert not any(subject.apply([bad], next(at)) for _ in range(FAILURES_MAX - 1))
    assert Changes(left=(Left(TICKER, "spread"),)) == subject.apply([bad], next(at))
    assert {} == subject.watched
    assert not subject.apply([bad], next(at))
    assert (listing().spec,) == subject.apply([listing()], next(at)).entered


def test_one_bad_page_seen_often_is_one_failure() -> None:
    """A look may be hurried, and a page cached: failures that follow at once are not counted anew."""
    subject, bad = selected(), listing(bid=3_000)
    for number in range(FAILURES_MAX - 1):
        for _ in range(3):
            assert not subject.apply([bad], T0 + number * FAILURES_APART)
            assert not subject.apply([bad], T0 + (number + 1) * FAILURES_APART - 1)
    assert (Left(TICKER, "spread"),) == subject.apply([bad], T0 + (FAILURES_MAX - 1) * FAILURES_APART).left


def test_a_listing_that_lacks_a_market_does_not_judge_it() -> None:
    """It is paused, or its page was not read: what failed before is neither forgiven nor added to."""
    subject, bad, at = selected(), listing(bid=3_000), looks()
    for _ in range(FAILURES_MAX - 1):
        subject.apply([bad], next(at))
        assert not subject.apply([], next(at))
    assert Changes(left=(Left(TICKER, "spread"),)) == subject.apply([bad], next(at))


def test_times_leave_at_once() -> None:
    """A close that moved out of what is watched is no flicker."""
    assert (Left(TICKER, "closes too late"),) == selected().apply([listing(closes=2 * HOUR)], T0).left
    assert (Left(TICKER, "closes too soon"),) == selected().apply([listing(closes=SECOND)], T0).left


def test_time_alone_leaves_too() -> None:
    """A close that comes nearer than wanted, without any listing; without a bound, after the result is in."""
    subject = selected()
    assert not subject.expire(T0 + 9 * MINUTE)
    assert (Left(TICKER, "closes too soon"),) == subject.expire(T0 + 9 * MINUTE + 1).left
    subject = selected(Filter())
    assert not subject.expire(T0 + 10 * MINUTE + OVER_FOR)
    assert (Left(TICKER, "over"),) == subject.expire(T0 + 10 * MINUTE + OVER_FOR + 1).left


def test_a_market_that_opens_has_time_to_get_its_quotes() -> None:
    """It was watched before its open: an empty book in its first minute is not held against it."""
    subject = Selection(STRICT)
    subject.apply([listing(status="initialized", opens=MINUTE)], T0)
    empty = listing(opens=MINUTE, bid=None, bid_qty=0, volume_24h=0)
    opened = subject.apply([empty], T0 + MINUTE)
    assert (empty.spec,) == opened.changed
    for _ in range(2 * FAILURES_MAX):
        assert not subject.apply([empty], T0 + MINUTE + SETTLES_IN - 1)
    at = looks(T0 + MINUTE + SETTLES_IN)
    assert not any(subject.apply([empty], next(at)) for _ in range(FAILURES_MAX - 1))
    assert (Left(TICKER, "volume"),) == subject.apply([empty], next(at)).left


def test_what_enters_is_ordered_by_its_close() -> None:
    """The market that closes first is listed first: it has the least time to lose."""
    rows = [listing(ticker, closes=(9 - number) * MINUTE) for number, ticker in enumerate(TICKERS)]
    assert tuple(reversed(TICKERS)) == tuple(
        spec.ticker for spec in Selection(STRICT).apply(rows, T0).entered
    )


def test_new_fees_are_listed_and_unpriceable_ones_leave() -> None:
    """Only watched markets, only what changes; a fee that we can't price is never taken as none."""
    subject, fees = selected(), Fees("quadratic", 2_000_000)
    repriced = subject.reprice({TICKER: fees, "OTHER-1": fees}, T0)
    assert Changes(changed=(msgspec.structs.replace(listing().spec, fees=fees),)) == repriced
    assert not subject.reprice({TICKER: fees}, T0)
    assert (Left(TICKER, "fees can't be priced"),) == subject.reprice({TICKER: None}, T0).left
    assert not subject.refuse(TICKER, "unreadable")
    assert (Left(TICKER, "unreadable"),) == selected().refuse(TICKER, "unreadable").left


LISTINGS = st.builds(
    listing,
    st.sampled_from(TICKERS),
    status=st.sampled_from(("initialized", "active", "inactive", "closed")),
    opens=st.integers(-HOUR, 5 * MINUTE),
    closes=st.integers(-5 * MINUTE, 2 * HOUR),
    bid=st.none() | st.integers(3_500, 4_000),
    bid_qty=st.integers(0, 10_000),
    volume_24h=st.integers(0, 100_000),
)
LOOKS = st.lists(
    st.tuples(
        st.integers(0, 5 * MINUTE), st.lists(LISTINGS, max_size=4, unique_by=lambda one: one.spec.ticker)
    ),
    max_size=30,
)


@given(LOOKS)
def test_what_is_told_adds_up_to_what_is_watched(looks: list[tuple[Ns, list[Listing]]]) -> None:
    """A market enters when it isn't watched and passes the filter, changes and leaves while it is.

    A second look at the same listing at the same time never enters or changes anything.
    """
    subject, watched, now = Selection(STRICT), dict[str, MarketSpec](), T0
    for after, rows in looks:
        now += after
        by_ticker = {row.spec.ticker: row for row in rows}
        for changes in (subject.apply(rows, now), subject.expire(now)):
            for spec in changes.entered:
                assert spec.ticker not in watched
                assert refuse(by_ticker[spec.ticker], STRICT, now) is None
                watched[spec.ticker] = spec
            for spec in changes.changed:
                assert watched[spec.ticker] != spec
                watched[spec.ticker] = spec
            for left in changes.left:
                del watched[left.ticker]
        assert watched == subject.watched
        again = subject.apply(rows, now)
        assert () == again.entered
        assert () == again.changed
        for left in again.left:
            del watched[left.ticker]


@given(st.lists(st.booleans(), max_size=60))
def test_it_leaves_after_so_many_failures_in_a_row_and_never_before(goods: list[bool]) -> None:
    """Whatever the order of good and bad listings: watched until FAILURES_MAX bad ones follow one another."""
    subject = Selection(Filter(volume_24h_min=50_000))
    in_a_row, is_watched = 0, False
    for is_good, now in zip(goods, looks(), strict=False):
        subject.apply([listing() if is_good else listing(volume_24h=0)], now)
        in_a_row = 0 if is_good else in_a_row + 1
        is_watched = is_good or (is_watched and in_a_row < FAILURES_MAX)
        assert is_watched == (TICKER in subject.watched)


def test_a_market_that_is_open_for_a_day_tells_its_volume_in_two_digits() -> None:
    """Before that there is no day's volume; and not every contract traded is a new listing."""

    def told(open_for: Ns, volume: int) -> Listing:
        one = listing(volume_24h=volume)
        return msgspec.structs.replace(one, spec=msgspec.structs.replace(one.spec, open_at=T0 - open_for))

    subject = Selection(Filter())
    (entered,) = subject.apply([told(DAY, 123_456)], T0).entered
    assert entered.volume_day == 120_000
    assert subject.apply([told(DAY, 129_999)], T0).changed == ()
    (changed,) = subject.apply([told(DAY, 99)], T0).changed
    assert changed.volume_day == 99
    (entered,) = Selection(Filter()).apply([told(DAY - 1, 123_456)], T0).entered
    assert entered.volume_day is None
