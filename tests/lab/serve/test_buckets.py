"""Buckets: nobody gets more than the rate allows, and who is told to wait is served when he has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.lab.serve.buckets import Buckets


def test_a_burst_and_then_the_rate() -> None:
    """Three at once; the fourth waits for its token, and has it then."""
    buckets = Buckets(rate_per_s=2.0, burst=3)
    assert [0.0, 0.0, 0.0, 0.5] == [buckets.take("a", 10.0) for _ in range(4)]
    assert 0.25 == buckets.take("a", 10.25)
    assert 0.0 == buckets.take("a", 10.5)
    assert 0.0 == buckets.take("b", 10.5), "another peer has a bucket of his own"


@given(st.lists(st.floats(0.0, 3.0), max_size=60))
def test_no_pattern_of_asking_gets_more(pauses: list[float]) -> None:
    """Over any time: at most the burst, and the rate for as long as it took."""
    buckets = Buckets(rate_per_s=2.0, burst=5)
    now_s, granted = 0.0, 0
    for pause in pauses:
        now_s += pause
        granted += buckets.take("a", now_s) == 0.0
    assert granted <= 5 + 2.0 * now_s + 1e-6


def test_only_so_many_peers_are_remembered() -> None:
    """Strangers fill no memory: the one that asked least lately starts anew."""
    buckets = Buckets(rate_per_s=0.001, burst=1, peers_max=2)
    assert 0.0 == buckets.take("a", 0.0)
    assert buckets.take("a", 0.0) > 0
    for peer in ("b", "c"):
        buckets.take(peer, 0.0)
    assert 0.0 == buckets.take("a", 0.0)
