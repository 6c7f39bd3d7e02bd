"""One channel: where each market stands, and what a number says."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.core.units import SECOND
from daemon.kalshi.channels import (
    BOOKS,
    CAPACITY_BELIEVED_FOR,
    INDEX,
    NO_ENTITLEMENT_DELAY,
    TICKERS_PER_COMMAND,
    TRADES,
    Channel,
    Stream,
)

TICKERS = st.sampled_from("ABCDE")


@pytest.mark.parametrize(
    ("channel", "numbers", "said"),
    [
        (TRADES, (1, 2, 2, 3), ["next", "next", "duplicate", "next"]),
        (TRADES, (1, 3, 4), ["next", "gap", "next"]),
        (TRADES, (1, 2, 3, 1, 2), ["next", "next", "next", "reset", "next"]),
        (TRADES, (5, 6), ["gap", "next"]),
        (BOOKS, (5, 6), ["next", "next"]),
    ],
)
def test_a_number_says_what_was_missed(channel: str, numbers: tuple[int, ...], said: list[str]) -> None:
    """Only books may begin anywhere: elsewhere what came before the first number seen was lost."""
    stream = Stream(1, channel)
    assert said == [stream.take(number) for number in numbers]


def test_failures_are_put_off_longer_and_longer() -> None:
    """At once after the first, then 1 s, 2 s, … 30 s; forgiven after a good minute."""
    channel = Channel(TRADES, {})
    waits = []
    for _ in range(8):
        channel.fail(SECOND)
        waits.append(channel.retry_at // SECOND - 1)
    assert [0, 1, 2, 4, 8, 16, 30, 30] == waits
    channel.fail(62 * SECOND)
    assert 62 * SECOND == channel.retry_at


def test_a_channel_without_entitlement_is_put_off_for_long() -> None:
    """Asking each second for what we may not have would only use up the command rate."""
    channel = Channel(INDEX, index_ids=("BRTI",))
    channel.give_up(1)
    assert 1 + NO_ENTITLEMENT_DELAY == channel.retry_at


def test_what_was_full_is_believed_to_be_so_for_a_while() -> None:
    """The venue may raise its limit: after ten minutes it is asked again."""
    channel = Channel(BOOKS, dict.fromkeys("ABC"))
    assert channel.room(0) is None
    channel.asked(["A"])
    assert not channel.is_too_much(2, 0)
    assert channel.is_too_much(1, 0)
    assert (0, ["B", "C"]) == (channel.room(1), channel.unplaced)
    assert channel.room(CAPACITY_BELIEVED_FOR) is None
    assert TICKERS_PER_COMMAND == channel.portion


class Places(RuleBasedStateMachine):
    """Wishes and answers in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: dict[str, object] = {}
        self.channel = Channel(BOOKS, self.wanted)
        self.now = 0

    @rule(ticker=TICKERS)
    def want(self, ticker: str) -> None:
        self.wanted[ticker] = None
        self.channel.want([ticker])

    @rule(ticker=TICKERS)
    def unwant(self, ticker: str) -> None:
        self.wanted.pop(ticker, None)
        self.channel.unwant([ticker])

    @precondition(lambda self: self.channel.missing)
    @rule(is_refused=st.booleans())
    def ask(self, is_refused: bool) -> None:
        tickers = list(self.channel.missing)
        self.channel.asked(tickers)
        if is_refused:
            self.channel.not_asked(tickers)

    @precondition(lambda self: self.channel.gone)
    @rule()
    def delete(self) -> None:
        self.channel.deleted(list(self.channel.gone), self.now)

    @precondition(lambda self: self.channel.leaving)
    @rule(is_done=st.booleans())
    def answer_delete(self, is_done: bool) -> None:
        tickers = list(self.channel.leaving)
        if is_done:
            self.channel.left(tickers)
        else:
            self.channel.not_left(tickers, self.now)

    @rule()
    def start_over(self) -> None:
        self.channel.reset()

    @invariant()
    def every_market_has_one_place(self) -> None:
        channel = self.channel
        places = [set(channel.missing), set(channel.members), set(channel.leaving)]
        assert sum(map(len, places)) == len(set.union(*places))
        assert set(channel.gone) == set(channel.members) - set(self.wanted)
        assert set(channel.missing) <= set(self.wanted) <= set.union(*places)


Places.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestPlaces = Places.TestCase
"""A market is missing, a member or leaving, never two of these; what is wanted is never forgotten."""
