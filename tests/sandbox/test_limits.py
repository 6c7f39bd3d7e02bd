"""Tests of the token buckets."""

from __future__ import annotations

from daemon.core.units import SECOND
from daemon.sandbox.limits import Buckets, Tier, costs_body

BASIC = Tier("basic", 200, 100, 1)
NOW = 1_790_000_000 * SECOND


def test_a_bucket_refills_continuously() -> None:
    """Empty after its capacity; a tenth of a second later a tenth of the rate is back."""
    buckets = Buckets(BASIC)
    assert [True] * 10 + [False] == [buckets.take_write(10, 2, NOW) for _ in range(11)]
    assert buckets.take_write(10, 2, NOW + SECOND // 10)
    assert not buckets.take_write(10, 2, NOW + SECOND // 10)


def test_reads_and_writes_and_shards_have_their_own_buckets() -> None:
    """An explicit shard draws on its own; an auto-routed write on all of them."""
    buckets = Buckets(BASIC)
    assert buckets.take_write(100, 2, NOW)
    assert buckets.take_write(100, 0, NOW)
    assert buckets.take_read(200, NOW)
    assert not buckets.take_write(10, None, NOW)
    assert not buckets.take_write(10, -1, NOW)


def test_a_refused_request_takes_nothing() -> None:
    """After a refusal what was there is still there."""
    buckets = Buckets(BASIC)
    assert not buckets.take_write(101, 2, NOW)
    assert buckets.take_write(100, 2, NOW)


def test_the_answers_have_the_recorded_shape() -> None:
    """Limits as recorded for Basic; ten tokens unless an endpoint says otherwise."""
    assert {
        "grants": [],
        "read": {"bucket_capacity": 200, "refill_rate": 200},
        "usage_tier": "basic",
        "write": {"bucket_capacity": 100, "refill_rate": 100},
    } == Buckets(BASIC).limits_body()
    assert 10 == costs_body()["default_cost"]
