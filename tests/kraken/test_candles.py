"""Which candles are final, and that each is told once."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kraken.candles import (
    ASK_AGAIN,
    CLOSE_PATIENCE,
    REST_SETTLE,
    Candle,
    CandleSeries,
    Past,
    candle_of,
)

T0: Ns = 1_790_000_040 * SECOND
"""A whole minute."""


def candle(minute: int, volume: int = 1) -> Candle:
    return Candle(T0 + minute * MINUTE, 10, 10, 10, 10, volume)


def past(*minutes: int, until: int) -> Past:
    return Past(tuple(candle(minute) for minute in minutes), T0 + until * MINUTE)


def believed() -> CandleSeries:
    """Return a series that subscribed within minute 0 and was told by REST up to minute 1."""
    series = CandleSeries(MINUTE)
    series.subscribed(T0 + 20 * SECOND)
    series.backfill(past(-1, 0, until=1), T0 + MINUTE)
    return series


def test_a_later_row_makes_the_one_before_final() -> None:
    """The closed candle is never sent again: its last row is what counts."""
    series = believed()
    assert [] == series.observe(candle(1, 5))
    assert [] == series.observe(candle(1, 7))
    assert [candle(1, 7)] == series.observe(candle(2))


def test_time_makes_a_candle_final() -> None:
    """With some patience for rows that are still on their way; after that a row is late and counted."""
    series = believed()
    series.observe(candle(1, 5))
    end = T0 + 2 * MINUTE
    assert [] == series.pass_time(end + CLOSE_PATIENCE - 1)
    assert [candle(1, 5)] == series.pass_time(end + CLOSE_PATIENCE)
    assert [] == series.pass_time(end + MINUTE)
    assert [] == series.observe(candle(1, 6))
    assert 1 == series.late


def test_the_candle_that_ran_at_the_subscription_comes_from_rest_only() -> None:
    """The stream's rows of it are dropped; REST is asked again once it is over."""
    series = CandleSeries(MINUTE)
    series.subscribed(T0 + 20 * SECOND)
    assert series.is_past_wanted(T0 + 20 * SECOND)
    assert [candle(-2), candle(-1)] == series.backfill(past(-2, -1, until=0), T0 + 21 * SECOND)
    assert [] == series.observe(candle(0)) + series.observe(candle(1)) + series.observe(candle(2))
    over = T0 + MINUTE + REST_SETTLE
    assert (False, True) == (series.is_past_wanted(over - 1), series.is_past_wanted(over))
    assert (T0, False) == (series.since, series.is_believed)
    assert [candle(0), candle(1)] == series.backfill(past(0, until=1), over)
    assert series.is_believed
    assert not series.is_past_wanted(over + MINUTE)


def test_nothing_of_the_stream_is_told_before_the_past() -> None:
    """Held candles come in order behind REST's, and REST's own word on them wins."""
    series = CandleSeries(MINUTE)
    series.subscribed(T0)
    for minute in range(1, 6):
        assert [] == series.observe(candle(minute))
    told = series.backfill(past(-1, 0, 1, 2, until=3), T0 + 5 * MINUTE)
    assert [candle(minute) for minute in (-1, 0, 1, 2, 3, 4)] == told


def test_an_answer_that_reaches_too_short_is_asked_for_again() -> None:
    """A market without trades has no later row: not every second, but until it is covered."""
    series = CandleSeries(MINUTE)
    now = T0 + 3 * MINUTE
    series.subscribed(now)
    series.backfill(past(-1, until=0), now)
    assert (False, True) == (
        series.is_past_wanted(now + ASK_AGAIN - 1),
        series.is_past_wanted(now + ASK_AGAIN),
    )


def test_a_loss_hands_the_rest_back_to_rest() -> None:
    """What was running or held is not known whole any more; what was told is not told again."""
    series = believed()
    series.observe(candle(1))
    series.lost()
    assert not series.is_past_wanted(T0 + MINUTE)
    series.subscribed(T0 + 4 * MINUTE + SECOND)
    assert series.is_past_wanted(T0 + 4 * MINUTE + SECOND)
    assert [candle(1), candle(3)] == series.backfill(past(0, 1, 3, until=4), T0 + 4 * MINUTE + SECOND)


def test_a_row_of_an_earlier_candle_changes_nothing() -> None:
    """The later one had closed it: counted as late."""
    series = believed()
    series.observe(candle(1))
    series.observe(candle(3))
    assert [] == series.observe(candle(2, 9))
    assert [candle(3)] == series.observe(candle(4))
    assert 1 == series.late


def test_a_candle_is_exact_money() -> None:
    """Prices to a millionth, volume to 1e-8, from text."""
    made = candle_of(T0, MINUTE, ("71749.1", "71749.1", "71712.0", "71712.0"), "0.06060006")
    assert Candle(T0, 71_749_100_000, 71_749_100_000, 71_712_000_000, 71_712_000_000, 6_060_006) == made


@pytest.mark.parametrize(
    ("began_at", "prices", "volume"),
    [
        (T0 + 1, ("1", "1", "1", "1"), "1"),
        (T0, ("1", "0.9", "0.9", "0.9"), "1"),
        (T0, ("1", "1", "1.1", "1"), "1"),
        (T0, ("0", "1", "0", "1"), "1"),
        (T0, ("1", "1", "1", "1"), "-1"),
    ],
)
def test_a_candle_that_can_not_be_is_refused(
    began_at: Ns, prices: tuple[str, str, str, str], volume: str
) -> None:
    """Beside the grid of time, outside its own range, without a price, with less than nothing."""
    with pytest.raises(ValueError, match=r"candle|price|volume"):
        candle_of(began_at, MINUTE, prices, volume)


class Market(RuleBasedStateMachine):
    """Trades, quiet minutes, lost connections and late answers against the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.series = CandleSeries(MINUTE)
        self.now: Ns = T0
        self.truth: dict[Ns, Candle] = {}
        self.told: list[Candle] = []
        self.is_up = False
        self.answer: Past | None = None

    @rule(seconds=st.integers(1, 150))
    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += SECOND
            if self.is_up:
                self.told += self.series.pass_time(self.now)

    @rule()
    def trade(self) -> None:
        began_at = self.now - self.now % MINUTE
        before = self.truth.get(began_at)
        row = Candle(began_at, 10, 10, 10, 10, 1 if before is None else before.volume_e8 + 1)
        self.truth[began_at] = row
        if self.is_up:
            self.told += self.series.observe(row)

    @rule()
    def connect(self) -> None:
        if not self.is_up:
            self.is_up = True
            self.series.subscribed(self.now)

    @rule()
    def lose(self) -> None:
        self.is_up = False
        self.series.lost()

    @rule()
    def ask(self) -> None:
        """REST reads now; the answer may come later."""
        if self.answer is None and self.series.is_past_wanted(self.now):
            running = self.now - self.now % MINUTE
            since = self.series.since or 0
            rows = tuple(row for at, row in sorted(self.truth.items()) if since <= at < running)
            self.answer = Past(rows, running)

    @rule()
    def answered(self) -> None:
        if self.answer is not None:
            self.told += self.series.backfill(self.answer, self.now)
            self.answer = None

    @invariant()
    def each_is_told_once_in_order_and_as_it_was(self) -> None:
        began = [one.began_at for one in self.told]
        assert sorted(set(began)) == began
        assert [self.truth[at] for at in began] == self.told
        if began:
            assert [at for at in sorted(self.truth) if at <= began[-1]] == began

    def teardown(self) -> None:
        """A connection that stays, and a REST that answers, bring everything to light."""
        self.connect()
        self.answer = None
        for _ in range(20):
            self.wait(20)
            self.ask()
            self.answered()
        self.each_is_told_once_in_order_and_as_it_was()
        assert sorted(self.truth) == [one.began_at for one in self.told]


Market.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMarket = Market.TestCase
