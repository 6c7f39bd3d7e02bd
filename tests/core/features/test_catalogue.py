"""Every feature against its slow twin after every event; and each by hand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.events import CandleBackfilled
from daemon.core.features import CATALOGUE
from daemon.core.units import HOUR, MILLISECOND, MINUTE, SECOND, Ns, Side
from tests.core.features.told import SCHEMA, START, STRIKE, TWINNED, Told, market, two_sided

Step = tuple[int, int, int, int]
"""(what, time passed in ms, a number, another number)"""


def play(told: Told, step: Step) -> None:
    """One event made from four numbers."""
    what, passed_ms, a, b = step
    told.now += passed_ms * MILLISECOND
    side: Side = "yes" if a % 2 else "no"
    if what < 9:
        play_around(told, what, a, b)
    elif what < 50:
        ladder = told.book.ladder(side)
        # Mostly at or near the best price, and never below zero: an impossible delta is `lose` here.
        best = ladder.prices[-1] if ladder.prices else 4_000
        price = min(4_900, max(100, best + (b % 5 - 3) * 100))
        size = ladder.sizes.get(price, 0)
        told.delta(side, price, a if b % 3 or not size else -min(a, size))
    elif what < 55:
        told.reference_candle(1 + b % 4, STRIKE + a, a * b)
    elif what < 65:
        told.price(STRIKE + (a - 500) * b * 1_000)
    elif what < 75:
        play_trades(told, a, b, side)
    elif what < 85:
        ended_at = (told.now // MINUTE - b % 8) * MINUTE
        told.candle(ended_at, None if a % 7 == 0 else 4_000 + a, 5_000 + b)
        if b % 3 == 0:
            for hour in range(1, 30):
                told.candle((told.now // HOUR - hour) * HOUR, 4_000 + a, 5_000 + b, HOUR)
    elif what < 95:
        told.snapshot(((4_000 - b, a), (4_100, b + 1)), ((4_500, a), (4_000 - a, 7)))
    elif what < 97:
        told.lose()
    elif what < 98:
        told.lose_reference()
    else:
        (told.drop if a % 2 else told.connect)()


def play_around(told: Told, what: int, a: int, b: int) -> None:
    """Something outside the market: another one of its event, the index, a past day."""
    ticker = "LOW" if b % 2 else "HIGH"
    if what < 5:
        told.peer(ticker, a if a % 5 else 0, 10_000 if a % 7 == 0 else 1_000 + b)
    elif what < 6:
        told.lose_peer(ticker)
    elif what < 7:
        told.index_price(STRIKE + a * b if a % 4 else None)
    else:
        told.bar(1 + b % 22, a if a % 9 else 0, 100 + b * 9, a % 101)


def play_trades(told: Told, a: int, b: int, side: Side) -> None:
    """A trade over the stream, a second time perhaps; a gap; or a backfill, whole or not reaching far."""
    if b % 10 < 6:
        trade = told.trade(a, side)
        if b % 10 == 0:
            told.trade_again(trade)
    elif b % 10 == 6:
        told.lose_trades()
    else:
        since = told.now - a * 150 * MILLISECOND
        instants = [since + n * SECOND for n in range(b % 3)]
        # Where every trade is known none was missed.
        missed = [told.missed_trade(a, side, at) for at in instants if not told.history.knows(at)]
        if b % 10 == 7:
            missed.append(told.trade(b, side))  # seen already
        told.backfill(since, told.now - (a % 3) * SECOND, tuple(missed))


STEPS = st.lists(
    st.tuples(
        st.integers(0, 99),
        st.sampled_from((0, 1, 250, 1_000, 5_000, 30_000, 60_000, 299_999)),
        st.integers(1, 999),
        st.integers(1, 999),
    ),
    max_size=60,
)


@given(steps=STEPS, offset_ms=st.integers(0, 60_000))
@settings(max_examples=60, deadline=None)
def test_every_feature_equals_its_twin_after_every_event(steps: list[Step], offset_ms: int) -> None:
    """Incremental is batch: any stream of events, every feature, after each event, None included."""
    told = Told(now=START + offset_ms * MILLISECOND)
    for step in steps:
        play(told, step)
        told.compare()


@pytest.mark.parametrize("seed", [1, 2])
def test_every_feature_equals_its_twin_over_a_long_stream(seed: int) -> None:
    """The same over a market's life at a realistic pace, so that every window fills and empties."""
    rng = random.Random(seed)
    told = Told(now=START + 7_123_456_789)
    for back in range(250, 0, -1):  # what REST tells before the stream is believed, empty minutes left out
        if back % 7:
            told.reference_candle(back, STRIKE + back * 1_000, back * 100_000)
    for back in range(1, 23):
        told.bar(back, 100 * back, 5_000 - 50 * back, 60)
    seen: set[str] = set()
    for index in range(850):
        what = 90 if index == 0 else rng.choice((2, 6, 7, 10, 10, 10, 10, 52, 52, 60, 60, 60, 70, 80))
        if index == 500:
            what = 96
        if index == 510:
            what = 90
        if index == 520:
            for hour in range(7 * 24 + 2):
                told.candle((told.now // HOUR - hour) * HOUR, 4_000 + hour, 5_000, HOUR)
        pace = (0, 20, 300, 900, 2_000) if index < 700 else (1_000, 30_000, 60_000)
        play(told, (what, rng.choice(pace), rng.randrange(1, 999), rng.randrange(1, 999)))
        told.compare()
        seen |= {name for name, value in told.row().items() if value is not None}
    assert set(SCHEMA.names) == seen


def test_the_top_of_the_book_by_hand() -> None:
    """Bid 0.40 x 10, ask 0.42 x 30: spread, mids and imbalances as computed by hand."""
    told = Told()
    two_sided(told)
    row = told.row()
    assert row["spread"] == 0.02
    assert row["mid"] == 0.41
    assert row["weighted_mid"] == 0.405
    assert row["top_imbalance"] == -0.5
    assert row["depth_imbalance_5"] == -0.5


def test_order_flow_by_hand() -> None:
    """More at the bid is positive, a better ask negative, as in Cont, Kukanov and Stoikov."""
    told = Told()
    two_sided(told)
    told.now += SECOND
    told.delta("yes", 4_000, 500)
    assert told.row()["ofi_1s"] == 5.0
    told.delta("no", 5_900, 200)
    assert told.row()["ofi_1s"] == 3.0
    assert told.row()["ofi_10s"] is None
    told.now += SECOND
    assert told.row()["ofi_1s"] == 0.0


def test_candles_warm_momentum_and_volatility_at_once() -> None:
    """Six candles of the past minutes and one snapshot: momentum of 60 and 300 s and volatility are known."""
    told = Told(now=START + 30 * SECOND)
    minute = told.now // MINUTE
    for back in range(6):
        told.candle((minute - back) * MINUTE, 4_000 + 100 * back, 4_200 + 100 * back)
    two_sided(told)
    row = told.row()
    assert row["mid_momentum_5s"] is None
    assert row["mid_momentum_60s"] == -0.01
    assert row["mid_momentum_300s"] == -0.05
    assert row["realised_vol_300s"] == 0.01


@pytest.mark.parametrize(
    ("period", "ended_at"),
    [(60 * MINUTE, START), (MINUTE, START + 1), (MINUTE, START + MINUTE)],
    ids=["an hour's", "off the grid", "unfinished"],
)
def test_other_candles_are_ignored(period: Ns, ended_at: Ns) -> None:
    """Only finished one-minute candles that end on a whole minute tell a mid."""
    told = Told(now=START + 30 * SECOND)
    told.features.on_candle(CandleBackfilled("T", period, ended_at, 4_000, 4_200, 0, told.now))
    two_sided(told)
    told.now = START + MINUTE + 10 * SECOND
    assert told.row()["mid_momentum_60s"] is None


def test_an_unknown_strike_leaves_the_distance_unknown_until_it_is_set() -> None:
    """The strike arrives after the open: None until then, and at once after it."""
    told = Told(strike=None)
    told.price(STRIKE)
    assert told.row()["strike_distance"] is None
    told.features.on_spec(market())
    assert told.row()["strike_distance"] == 0.0


def test_every_feature_of_book_and_trades_has_its_twin() -> None:
    """What nobody wrote a second time would be compared with nothing."""
    assert [n for n, one in CATALOGUE.items() if one.source in {"book", "trades"} and n not in TWINNED] == []
