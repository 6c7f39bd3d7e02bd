"""Netting: no two strategies of ours would trade with each other, and nothing is added."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.netting import NETTED, netted
from daemon.core.strategy import Target, Wanted

TARGETS = st.builds(
    Target,
    side=st.sampled_from(("bid", "ask")),
    price=st.integers(40, 50).map(lambda cents: cents * 100),
    qty=st.integers(1, 1_000),
    style=st.sampled_from(("rest", "take")),
    reason=st.just("because"),
)
WISHES = st.lists(
    st.lists(TARGETS, max_size=4).map(lambda found: Wanted(tuple(found), "because")), max_size=4
)


def bid(price: int, qty: int) -> Target:
    """A target to buy."""
    return Target("bid", price, qty, "rest", "because")


def ask(price: int, qty: int) -> Target:
    """A target to sell."""
    return Target("ask", price, qty, "rest", "because")


def targets(*wishes: Sequence[Target]) -> list[tuple[Target, ...]]:
    """What is left of several strategies' targets."""
    return [wanted.targets for wanted in netted([Wanted(tuple(wish), "because") for wish in wishes])]


def test_what_meets_is_taken_off_both() -> None:
    """The smaller one goes, the larger one keeps the rest at its price."""
    assert [(), (ask(4_000, 200),)] == targets([bid(4_100, 300)], [ask(4_000, 500)])


def test_what_does_not_meet_stays() -> None:
    """Two quotes around one value are no trade."""
    assert [(bid(4_000, 300),), (ask(4_100, 500),)] == targets([bid(4_000, 300)], [ask(4_100, 500)])


def test_a_strategy_is_not_netted_with_itself() -> None:
    """What one strategy alone wants is left as it is, however odd."""
    own = [bid(4_200, 300), ask(4_000, 500)]
    assert [tuple(own), ()] == targets(own, [])


def test_the_most_eager_are_met_first() -> None:
    """The highest bid against the lowest ask, whoever was asked first."""
    assert [(bid(4_100, 300),), (), ()] == targets([bid(4_100, 300)], [bid(4_300, 500)], [ask(4_000, 500)])


def test_who_is_left_with_nothing_is_told_why() -> None:
    """Its order is cancelled for that reason."""
    first, second = netted([Wanted((bid(4_100, 300),), "edge"), Wanted((ask(4_000, 500),), "skew")])
    assert (NETTED, "skew") == (first.reason, second.reason)


def signed(wishes: Sequence[Wanted]) -> int:
    """What all of it together would change the position by."""
    return sum(t.qty if t.side == "bid" else -t.qty for wanted in wishes for t in wanted.targets)


@given(WISHES)
def test_no_two_of_ours_meet_and_nothing_is_added(wishes: list[Wanted]) -> None:
    """What is left of different strategies does not cross, and is a part of what each wanted."""
    after = netted(wishes)
    assert signed(wishes) == signed(after)
    for place, wanted in enumerate(after):
        for other in (one for number, one in enumerate(after) if number != place):
            bids = [t.price for t in wanted.targets if t.side == "bid"]
            asks = [t.price for t in other.targets if t.side == "ask"]
            assert not bids or not asks or max(bids) < min(asks)
        before = list(wishes[place].targets)
        for target in wanted.targets:
            while before[0].qty < target.qty or (before[0].side, before[0].price, before[0].style) != (
                target.side, target.price, target.style
            ):  # fmt: skip
                before.pop(0)
            before.pop(0)


@given(WISHES)
def test_one_strategy_alone_is_never_changed(wishes: list[Wanted]) -> None:
    """Netting is between strategies."""
    for wanted in wishes:
        assert [wanted, Wanted((), "nothing")] == netted([wanted, Wanted((), "nothing")])


@given(WISHES)
def test_what_is_netted_stays_so(wishes: list[Wanted]) -> None:
    """A second time changes nothing."""
    after = netted(wishes)
    assert after == netted(after)
