"""One market's life: its clocks, its terms, its audits, its end."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.features.event_inputs import EventInputs, EventMember
from daemon.core.market import Market
from daemon.core.markets import Fees
from daemon.core.reference import Spot
from daemon.core.risk import FeedHealth
from daemon.core.scorer import FeatureSchema
from daemon.core.units import HOUR, MINUTE, PRICE_ONE, PriceBand
from tests.core.worlds import SCHEMA, T0, TICKER, snapshot, spec


def market(**changes: object) -> Market:
    """A market with a book."""
    built = Market(spec(**changes), SCHEMA, Spot(()), FeedHealth())  # type: ignore[arg-type]
    built.book.apply_snapshot(snapshot())
    return built


def audited(is_equal: bool) -> e.BookAudited:
    """A verdict."""
    return e.BookAudited(TICKER, is_equal, T0)


def test_it_opens_and_closes_by_the_clock() -> None:
    """The venue has no event for either."""
    subject = market(status="initialized", open_at=T0, close_at=T0 + MINUTE)
    found = []
    for now in (T0 - 1, T0, T0 + MINUTE - 1, T0 + MINUTE):
        subject.open_by_clock(now)
        found.append(subject.spec.status)
    assert found == ["initialized", "active", "active", "closed"]


def test_what_the_clock_closed_counts_no_more_in_its_event() -> None:
    """Its book is lost soon after: what the event's other markets say must not be unknown for that."""
    event = EventInputs()
    listed = spec(close_at=T0 + MINUTE, structure="exclusive")
    subject = Market(listed, FeatureSchema(("event_mid_sum",)), Spot(()), FeedHealth(), event)
    other = EventMember(event, msgspec.structs.replace(listed, ticker="OTHER", close_at=T0 + HOUR))
    other.quote(4_000, 6_000, is_empty=False)
    assert event.double_sum() is None
    subject.open_by_clock(T0 + MINUTE)
    assert event.double_sum() == 10_000
    subject.change(e.MarketCloseMoved(TICKER, T0 + 3 * MINUTE, T0 + 2 * MINUTE))
    assert event.double_sum() is None


def test_a_close_that_moves_later_reopens_what_only_the_clock_closed() -> None:
    """Also after the old close has passed."""
    subject = market(close_at=T0 + MINUTE)
    subject.open_by_clock(T0 + MINUTE)
    subject.change(e.MarketCloseMoved(TICKER, T0 + 3 * MINUTE, T0 + 2 * MINUTE))
    assert subject.spec.status == "active"
    subject.open_by_clock(T0 + 3 * MINUTE)
    assert subject.spec.status == "closed"


def test_a_close_that_moves_to_the_past_reopens_nothing() -> None:
    """The clock closed it rightly."""
    subject = market(close_at=T0 + MINUTE)
    subject.open_by_clock(T0 + MINUTE)
    subject.change(e.MarketCloseMoved(TICKER, T0 + 2 * MINUTE, T0 + 2 * MINUTE))
    assert subject.spec.status == "closed"


def test_what_the_venue_closed_no_clock_reopens() -> None:
    """Its word is above ours: a moved close changes the time only."""
    subject = market(close_at=T0 + MINUTE)
    subject.open_by_clock(T0 + MINUTE)
    subject.change(e.MarketStatusChanged(TICKER, "closed", T0 + MINUTE))
    subject.change(e.MarketCloseMoved(TICKER, T0 + 3 * MINUTE, T0 + 2 * MINUTE))
    assert (subject.spec.status, subject.spec.close_at) == ("closed", T0 + 3 * MINUTE)


def test_a_close_that_moves_earlier_closes_earlier() -> None:
    """At the new time."""
    subject = market()
    subject.change(e.MarketCloseMoved(TICKER, T0 + MINUTE, T0))
    subject.open_by_clock(T0 + MINUTE)
    assert subject.spec.status == "closed"


def test_a_new_grid_and_a_strike_are_in_force_at_once() -> None:
    """For prices and for features."""
    subject = market(strike=None)
    subject.change(e.MarketGridChanged(TICKER, (PriceBand(0, 10_000, 500),), T0))
    subject.change(e.MarketStrikeSet(TICKER, 5, T0))
    assert (subject.grid.contains(4_500), subject.grid.contains(4_100)) == (True, False)
    assert subject.spec.strike == 5


def test_a_new_listing_replaces_the_fees() -> None:
    """That is how a fee change is told."""
    subject = market()
    dearer = Fees("quadratic_with_maker_fees", 2_000_000)
    subject.relist(msgspec.structs.replace(subject.spec, fees=dearer))
    assert subject.spec.fees == dearer


def test_a_result_may_be_amended_before_it_is_paid() -> None:
    """The last word is paid."""
    subject = market()
    subject.change(e.MarketDetermined(TICKER, "yes", PRICE_ONE, T0))
    subject.change(e.MarketDetermined(TICKER, "no", 0, T0))
    assert (subject.settlement_price, subject.spec.status, subject.is_settled) == (0, "determined", False)
    subject.settle()
    assert (subject.spec.status, subject.is_settled) == ("finalized", True)


@pytest.mark.parametrize(
    ("verdicts", "is_lost"),
    [((False,), False), ((False, False), True), ((False, True, False), False), ((True, True), False)],
    ids=["once", "twice", "not in a row", "equal"],
)
def test_repeated_disagreement_loses_the_book(verdicts: tuple[bool, ...], is_lost: bool) -> None:
    """An equal audit forgives the one before."""
    subject = market()
    assert [subject.take_audit(audited(verdict), 2) for verdict in verdicts][-1] == is_lost


def test_a_verdict_on_a_lost_book_says_nothing() -> None:
    """And a lost book starts anew."""
    subject = market()
    assert not subject.take_audit(audited(False), 2)
    assert subject.lose_book("gap", T0)
    assert not subject.lose_book("gap", T0)
    assert not subject.take_audit(audited(False), 1)
    subject.book.apply_snapshot(snapshot())
    assert not subject.take_audit(audited(False), 2)


def test_what_is_not_watched_or_not_backfilled_is_refused() -> None:
    """By name, whatever its book says."""
    subject = market()
    assert subject.refusal is None
    subject.is_backfill_due = True
    assert subject.refusal == "not_backfilled"
    subject.is_unwatched = True
    assert subject.refusal == "not_watched"


def test_a_listing_without_a_strike_does_not_forget_the_known_one() -> None:
    """Lists run behind the stream; one that names another strike is believed."""
    subject = market(strike=None)
    subject.change(e.MarketStrikeSet(TICKER, 84_000, T0))
    subject.relist(spec(strike=None))
    assert 84_000 == subject.spec.strike
    subject.relist(spec(strike=85_000))
    assert 85_000 == subject.spec.strike
