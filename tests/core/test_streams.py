"""Streams: what each connection brings and keeps from us, market by market."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.features import FeatureSet, ReferenceFeatures
from daemon.core.scorer import FeatureSchema
from daemon.core.state import State
from daemon.core.units import MINUTE, MONEY_ONE, SECOND, Side
from tests.core.worlds import LIMITS, T0, TICKER, reconciled, snapshot, spec

OTHER = "KXBTC15M-26SEP251545-45"
SCHEMA = FeatureSchema(("mid", "trade_flow_60s", "strike_distance", "reference_return_5m"))


@pytest.fixture
def state() -> State:
    """Two markets over two connections, both with a book; a third connection for what is ours."""
    subject = State(SCHEMA, "kd-", private_feed="kalshi-private", is_backfilled=True)
    started: list[e.Event] = [
        e.MarketListed(spec(), T0),
        e.MarketListed(spec(OTHER), T0),
        e.MarketRouted(OTHER, "kalshi-2", T0),
        *(e.FeedConnected(feed, T0) for feed in ("kalshi", "kalshi-2", "kalshi-private")),
        snapshot(T0),
        snapshot(T0, OTHER),
        e.MarketBackfilled(TICKER, T0),
        e.MarketBackfilled(OTHER, T0),
    ]
    for event in started:
        subject.apply(event)
    reconcile(subject)
    return subject


def reconcile(state: State) -> None:
    """Two readings that agree."""
    for at in (T0 + 5 * SECOND, T0 + 10 * SECOND):
        state.apply(reconciled(at))
    assert state.account.is_reconciled
    state.touched.clear()


def row(state: State, now: int, ticker: str = TICKER) -> dict[str, float | None]:
    """A market's features."""
    return dict(zip(SCHEMA.names, state.markets[ticker].features.row(now), strict=True))


def printed(name: str, at: int, ticker: str = TICKER, happened_at: int | None = None) -> e.TradePrinted:
    """A taker bought five YES contracts."""
    return e.TradePrinted(ticker, name, 4_200, 500, "yes", at, happened_at)


def test_a_message_refreshes_its_own_connection(state: State) -> None:
    """Deltas, snapshots and trades say nothing of the other connections."""
    at = T0 + 20 * SECOND
    state.apply(e.BookDeltaReceived(OTHER, "yes", 4_000, 500, at, at - 3))
    assert [state.feeds[name].heard_at for name in ("kalshi", "kalshi-2")] == [T0, at]
    assert state.feeds["kalshi-2"].lag.offset == 0
    state.apply(snapshot(at + 1, OTHER))
    state.apply(printed("a", at + 2, OTHER))
    assert [state.feeds[name].heard_at for name in ("kalshi", "kalshi-2")] == [T0, at + 2]


def test_both_connections_are_asked_for_a_market(state: State) -> None:
    """Its own, and the one that carries our fills; the others don't matter."""
    mine, other = state.markets[TICKER], state.markets[OTHER]
    now = T0 + SECOND
    assert (state.vouch(mine, LIMITS, now), state.vouch(other, LIMITS, now)) == (None, None)
    state.apply(e.FeedDropped("kalshi-2", "reset", now))
    assert (state.vouch(mine, LIMITS, now), state.vouch(other, LIMITS, now)) == (None, "feed_down")
    state.apply(e.FeedDropped("kalshi-private", "reset", now))
    assert state.vouch(mine, LIMITS, now) == "feed_down"


def test_a_drop_loses_exactly_the_books_of_that_connection(state: State) -> None:
    """And doubts the account only if our fills come over it."""
    state.apply(e.FeedDropped("kalshi-2", "reset", T0))
    books = [state.markets[ticker].book.is_synced for ticker in (TICKER, OTHER)]
    assert (books, list(state.touched)) == ([True, False], [OTHER])
    assert state.account.is_reconciled
    state.apply(e.FeedDropped("kalshi-private", "reset", T0))
    assert state.markets[TICKER].book.is_synced
    assert not state.account.is_reconciled


def test_a_reference_is_no_connection_of_the_venues(state: State) -> None:
    """Its loss leaves books and account alone."""
    state.apply(e.FeedConnected("kraken", T0))
    state.apply(e.FeedDropped("kraken", "reset", T0))
    assert "kraken" not in state.feeds
    assert state.account.is_reconciled
    assert state.markets[TICKER].book.is_synced
    state.apply(e.TradesLost("kraken", "gap", T0))
    state.apply(e.FeedHeard("kraken", T0))
    assert "kraken" not in state.feeds
    found = [state.counts[name] for name in ("kraken_connects", "kraken_drops", "reference_trades_lost")]
    assert found == [1, 1, 1]


def test_a_market_that_is_routed_anew_has_no_book(state: State) -> None:
    """What came over the old connection is over."""
    state.apply(e.MarketRouted(TICKER, "kalshi-2", T0))
    assert not state.markets[TICKER].book.is_synced
    assert state.markets[TICKER].feed is state.feeds["kalshi-2"]
    assert state.markets[TICKER].refusal == "not_backfilled"


def test_a_route_may_be_told_before_the_listing() -> None:
    """The two come from different tasks."""
    state = State(SCHEMA, "kd-")
    state.apply(e.MarketRouted(OTHER, "kalshi-2", T0))
    state.apply(e.MarketListed(spec(OTHER), T0))
    assert state.markets[OTHER].feed is state.feeds["kalshi-2"]


def test_an_impossible_snapshot_is_a_lost_book(state: State) -> None:
    """Counted as one, for the shell to ask for another: the stream thinks that all is well."""
    state.apply(snapshot(T0 + 1, yes=((4_000, 500), (4_000, 600))))
    assert not state.markets[TICKER].book.is_synced
    assert state.counts["books_lost"] == 1
    state.apply(snapshot(T0 + 2))
    assert state.counts["books_lost"] == 1


def test_unwatched_messages_are_counted_and_show_that_their_connection_lives(state: State) -> None:
    """Nothing unknown is silently taken in."""
    state.apply(e.BookDeltaReceived("X", "yes", 4_000, 500, T0 + 1, T0))
    state.apply(snapshot(T0 + 2, "X"))
    state.apply(printed("a", T0 + 3, "X"))
    assert (state.counts["unwatched_deltas"], state.counts["unwatched_snapshots"]) == (1, 1)
    assert state.feeds["kalshi"].heard_at == T0 + 3


def test_trades_go_on_while_the_book_is_lost(state: State) -> None:
    """The two come over different subscriptions."""
    state.apply(printed("a", T0 + 50 * SECOND))
    state.apply(e.BookLost(TICKER, "gap", T0 + 55 * SECOND))
    assert row(state, T0 + MINUTE)["trade_flow_60s"] == 5.0


def test_a_drop_makes_trades_unknown_until_they_are_backfilled(state: State) -> None:
    """The whole window is known again at once, each trade counted once."""
    at = T0 + 2 * MINUTE
    state.apply(printed("a", at - 30 * SECOND))
    state.apply(e.FeedDropped("kalshi", "reset", at))
    state.apply(e.FeedConnected("kalshi", at + SECOND))
    now = at + 3 * SECOND
    state.apply(snapshot(now))
    assert row(state, now)["trade_flow_60s"] is None
    missed = (printed("a", now, happened_at=at - 30 * SECOND), printed("b", now, happened_at=at))
    state.apply(e.TradesBackfilled(TICKER, at - 50 * SECOND, now, missed, now))
    assert row(state, now)["trade_flow_60s"] == 10.0
    assert row(state, now, OTHER)["trade_flow_60s"] == 0.0


def test_lost_trades_are_unknown_on_their_connection_until_one_comes(state: State) -> None:
    """A trade of any market proves that the stream flows; what was lost a backfill tells."""
    at = T0 + 2 * MINUTE
    state.apply(printed("a", at - 2 * SECOND))
    state.apply(e.TradesLost("kalshi", "gap", at))
    state.apply(e.TradesBackfilled(TICKER, at - 10 * SECOND, at + SECOND, (), at + 2 * SECOND))
    now = at + 3 * SECOND
    assert row(state, now)["trade_flow_60s"] is None
    assert row(state, now, OTHER)["trade_flow_60s"] == 0.0
    state.apply(printed("b", now, "UNWATCHED"))
    assert row(state, now)["trade_flow_60s"] == 5.0
    assert state.counts["trades_lost"] == 1


def test_nothing_is_sent_before_a_backfill_has_ended(state: State) -> None:
    """From a listing or a drop on; whether or not the past was there to be read."""
    market = state.markets[TICKER]
    assert market.refusal is None
    state.apply(e.FeedDropped("kalshi", "reset", T0 + 1))
    state.apply(e.FeedConnected("kalshi", T0 + 2))
    assert market.refusal == "not_backfilled"
    assert state.markets[OTHER].refusal is None
    state.apply(e.MarketBackfilled(TICKER, T0 + 3))
    assert market.refusal is None


def test_a_market_that_is_not_open_yet_has_no_past(state: State) -> None:
    """Nothing was missed of it, neither at its listing nor by a drop that ended before its opening."""
    later = spec("KXBTC15M-LATER", open_at=T0 + MINUTE)
    state.apply(e.MarketListed(later, T0))
    assert state.markets[later.ticker].refusal is None
    state.apply(e.FeedDropped("kalshi", "reset", T0 + 1))
    state.apply(e.FeedConnected("kalshi", T0 + 2))
    assert state.markets[later.ticker].refusal is None
    assert state.markets[TICKER].refusal == "not_backfilled"


def test_without_a_backfill_nobody_waits_for_one() -> None:
    """Journals of before, and whoever runs the core without that task."""
    state = State(SCHEMA, "kd-")
    state.apply(e.MarketListed(spec(), T0))
    assert state.markets[TICKER].refusal is None


def test_unequal_audits_in_a_row_lose_the_book(state: State) -> None:
    """And are counted, for the alert."""
    for is_equal in (False, True, False, False):
        assert state.markets[TICKER].book.is_synced
        state.apply(e.BookAudited(TICKER, is_equal, T0))
    assert state.markets[TICKER].book.lost_reason == "audit"
    found = {name: state.counts[name] for name in ("audits", "audit_differences", "audit_failures")}
    assert found == {"audits": 4, "audit_differences": 3, "audit_failures": 1}
    assert state.counts["books_lost"] == 1


def test_references_reach_the_markets_on_them_and_no_others(state: State) -> None:
    """A price and the candles of bitcoin; weather has no reference."""
    state.apply(e.MarketListed(spec("RAIN-1", series_ticker="RAIN"), T0))
    state.touched.clear()
    state.apply(e.ReferencePriceReceived("kraken", "BTC/USD", 84_000 * MONEY_ONE, T0, T0))
    assert sorted(state.touched) == sorted([TICKER, OTHER])
    for minute in range(-7, 0):
        price, began_at = 84_000 * MONEY_ONE, (T0 // MINUTE + minute) * MINUTE
        state.apply(
            e.ReferenceCandleClosed("kraken", "BTC/USD", MINUTE, began_at, price, price, price, price, 1, T0)
        )
    now = T0 // MINUTE * MINUTE + 6 * SECOND if T0 % MINUTE < 6 * SECOND else T0
    assert (row(state, now)["strike_distance"], row(state, now)["reference_return_5m"]) == (0.0, 0.0)
    assert row(state, now, "RAIN-1")["strike_distance"] is None
    assert state.reference_source("KXBTC") == "kraken"
    assert state.reference_price == 84_000 * MONEY_ONE
    state.apply(e.ReferencePriceReceived("magic", "BTC/USD", 1, T0, T0))
    assert state.counts["unused_references"] == 1


FEEDS = ("kalshi", "kalshi-2", "kalshi-private")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["connect", "drop", "snapshot", "lose", "route", "drop market", "list"]),
        st.sampled_from(FEEDS),
        st.sampled_from([TICKER, OTHER]),
    ),
    max_size=40,
)


@given(STEPS)
def test_no_market_is_vouched_for_without_its_connections(
    steps: list[tuple[str, str, str]],
) -> None:
    """Whatever happens in whatever order: a vouched market's connection and ours are up, its book is new."""
    state = State(SCHEMA, "kd-", private_feed="kalshi-private")
    up: dict[str, bool] = dict.fromkeys(FEEDS, False)
    route = {TICKER: "kalshi", OTHER: "kalshi"}
    synced: set[str] = set()
    watched: set[str] = set()
    for step, feed, ticker in steps:
        match step:
            case "connect":
                state.apply(e.FeedConnected(feed, T0))
                up[feed] = True
            case "drop":
                state.apply(e.FeedDropped(feed, "reset", T0))
                up[feed] = False
                synced -= {name for name in synced if route[name] == feed}
            case "snapshot":
                state.apply(snapshot(T0, ticker))
                synced |= {ticker} & watched
            case "lose":
                state.apply(e.BookLost(ticker, "gap", T0))
                synced -= {ticker}
            case "route":
                state.apply(e.MarketRouted(ticker, feed, T0))
                route[ticker] = feed
                synced -= {ticker}
            case "drop market":
                state.apply(e.MarketDropped(ticker, T0))
                if ticker in watched:
                    route[ticker] = "kalshi"
                watched -= {ticker}
                synced -= {ticker}
            case _:
                state.apply(e.MarketListed(spec(ticker), T0))
                watched |= {ticker}
        assert watched == set(state.markets)
        for name, market in state.markets.items():
            assert market.book.is_synced == (name in synced)
            is_up = up[route[name]] and up["kalshi-private"]
            assert (state.vouch(market, LIMITS, T0) is None) == is_up


def back(state: State, feed: str, ticker: str, at: int) -> None:
    """A connection is up again, and with it a market's book."""
    state.apply(e.FeedConnected(feed, at))
    state.apply(snapshot(at, ticker))


def test_what_a_dead_connection_would_have_brought_is_not_taken_as_nothing(state: State) -> None:
    """It was whole until it was last heard, not until its drop was noticed."""
    state.apply(e.FeedHeard("kalshi", T0 + 30 * SECOND))
    state.apply(e.FeedDropped("kalshi", "stalled", T0 + 45 * SECOND))
    back(state, "kalshi", TICKER, T0 + 46 * SECOND)
    for since, flow in ((T0 + 40 * SECOND, None), (T0 + 30 * SECOND, 0)):
        state.apply(e.TradesBackfilled(TICKER, since, T0 + 46 * SECOND, (), T0 + 50 * SECOND))
        assert flow == row(state, T0 + 95 * SECOND)["trade_flow_60s"]


def test_trades_are_whole_until_the_last_one_before_a_gap(state: State) -> None:
    """The number that shows a gap comes after what is missing: nobody knows how long after."""
    state.apply(printed("t1", T0 + 10 * SECOND))
    state.apply(e.TradesLost("kalshi", "gap", T0 + 30 * SECOND))
    state.apply(printed("t2", T0 + 31 * SECOND))
    for since, flow in ((T0 + 20 * SECOND, None), (T0 + 10 * SECOND, 5)):
        state.apply(e.TradesBackfilled(TICKER, since, T0 + 31 * SECOND, (), T0 + 32 * SECOND))
        assert flow == row(state, T0 + 75 * SECOND)["trade_flow_60s"]


def test_a_trade_proves_its_own_connection_only(state: State) -> None:
    """Both lost trades, and one of them flows again."""
    for feed in ("kalshi", "kalshi-2"):
        state.apply(e.TradesLost(feed, "gap", T0 + SECOND))
    state.apply(printed("t1", T0 + 2 * SECOND))
    later = T0 + 70 * SECOND
    assert 0 == row(state, later)["trade_flow_60s"]
    assert row(state, later, OTHER)["trade_flow_60s"] is None


def test_late_deltas_tell_the_lag_of_their_connection(state: State) -> None:
    """A slow consumer shows by the deltas' stamps, and the other connection is none the slower."""
    for at, late in ((T0 + SECOND, 0), (T0 + 2 * SECOND, SECOND)):
        state.apply(e.BookDeltaReceived(TICKER, "yes", 4_000, 500, at, at - late))
    assert SECOND == state.feeds["kalshi"].lag.lag
    assert 0 == state.feeds["kalshi-2"].lag.lag
    assert "transport_lag" == state.vouch(state.markets[TICKER], LIMITS, T0 + 2 * SECOND)


TOP = FeatureSchema(("mid", "top_imbalance", "ofi_1s", "depth_imbalance_5", "message_rate_1s", "top_age"))


@given(
    deltas=st.lists(
        st.tuples(
            st.sampled_from(["yes", "no"]),
            st.sampled_from([3_900, 4_000, 4_100, 5_700, 5_800, 5_900]),
            st.sampled_from([-50_000, -40_000, -30_000, -100, 100, 30_000]),
            st.integers(0, 3 * SECOND // 2),
        ),
        max_size=60,
    )
)
def test_a_level_behind_the_best_leaves_the_best_as_they_were(
    deltas: list[tuple[Side, int, int, int]],
) -> None:
    """The features are those of a set that reads the best levels after every change."""
    state, now = State(TOP, "kd-"), T0
    state.apply(e.MarketListed(spec(), T0))
    state.apply(e.FeedConnected("kalshi", T0))
    state.apply(snapshot(T0))
    market = state.markets[TICKER]
    always = FeatureSet(TOP, spec(), ReferenceFeatures())
    always.on_book(market.book, T0)
    for side, price, delta, passed in deltas:
        now += passed
        was_synced = market.book.is_synced
        state.apply(e.BookDeltaReceived(TICKER, side, price, delta, now, now))
        if was_synced:
            always.on_book(market.book, now, delta)
        assert always.row(now) == market.features.row(now)
