"""Histograms: exact against a brute force, whichever buckets are shown; exemplars where they belong."""

from __future__ import annotations

from math import ceil, inf

from hypothesis import given
from hypothesis import strategies as st

from daemon.shell.histogram import BUCKETS, Histogram

BOUNDS_NS = [1_000 << index for index in range(BUCKETS)]
DURATIONS = st.lists(
    st.one_of(
        st.integers(0, 20 * 10**9),
        st.integers(0, 10_000),
        st.sampled_from([bound + step for bound in BOUNDS_NS for step in (-1, 0, 1)]),
    ),
    max_size=60,
)


def filled(durations: list[int]) -> Histogram:
    histogram = Histogram()
    for duration in durations:
        histogram.observe(duration)
    return histogram


@given(DURATIONS)
def test_buckets_equal_a_brute_force(durations: list[int]) -> None:
    """A bucket counts what is at most its bound, as Prometheus defines it; sum and count are exact."""
    histogram = filled(durations)
    rows = [(float(row[0]), row[1]) for row in histogram.prometheus()]
    expected = [(bound / 1e9, sum(duration <= bound for duration in durations)) for bound in BOUNDS_NS]
    assert [*expected, (inf, len(durations))] == rows
    assert (len(durations), sum(durations)) == (histogram.count, histogram.sum_ns)


@given(DURATIONS.filter(len), st.floats(0, 1))
def test_a_quantile_is_an_upper_bound_and_the_least_one(durations: list[int], share: float) -> None:
    """The true quantile lies in the bucket that the answer ends; beyond the last bucket it is the longest."""
    histogram = filled(durations)
    true = sorted(durations)[max(0, ceil(share * len(durations)) - 1)]
    bounds = [*BOUNDS_NS, max(durations)]
    expected = next((bound for bound in bounds if true <= bound), max(durations))
    assert expected / 1e9 == histogram.quantile_s(share)


def test_an_empty_histogram_has_no_quantile() -> None:
    """Unknown is None."""
    assert Histogram().quantile_s(0.5) is None


def shown_to(index: int) -> int:
    """The bound of a bucket, in nanoseconds."""
    return 1_000 << index


@given(DURATIONS, st.integers(0, BUCKETS - 1), st.integers(1, 5))
def test_fewer_bounds_say_the_same(durations: list[int], start: int, step: int) -> None:
    """What is shown is a part of the whole, and +Inf always: nothing that was counted is lost."""
    shown = range(start, BUCKETS, step)
    coarse = Histogram(shown)
    for duration in durations:
        coarse.observe(duration)
    whole = {row[0]: row[1] for row in filled(durations).prometheus()}
    rows = coarse.prometheus()
    assert [*(repr(shown_to(index) / 1e9) for index in shown), "+Inf"] == [row[0] for row in rows]
    assert all(whole[row[0]] == row[1] for row in rows)
    assert coarse.copy().prometheus() == rows


@given(st.lists(st.tuples(st.integers(0, 20 * 10**9), st.text("abc", min_size=1)), min_size=1))
def test_an_exemplar_lies_in_its_bucket_and_is_the_last_one(orders: list[tuple[int, str]]) -> None:
    """Of each bucket that is shown an order that was told in it, no other; the last of all is there."""
    histogram = Histogram(range(0, BUCKETS, 3))
    for duration, name in orders:
        histogram.observe_order(duration, name, 5_000_000_000)
    low = -1.0
    for row in histogram.prometheus():
        high = float(row[0])
        inside = [(took / 1e9, name) for took, name in orders if low < took / 1e9 <= high]
        assert bool(inside) == (len(row) == 3)
        if len(row) == 3:
            exemplar = row[2]
            assert (exemplar.value, exemplar.labels["client_order_id"]) in inside
            assert 5.0 == exemplar.timestamp
        low = high
    assert low == inf
    last, name = orders[-1]
    assert {"client_order_id": name} in [one.labels for one in histogram.exemplars.values()], last
