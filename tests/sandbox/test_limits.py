"""Tests of the token buckets."""

from __future__ import annotations

import pytest

from daemon.core.units import SECOND
from daemon.sandbox.bodies import ApiError
from daemon.sandbox.limits import ADVANCED, BASIC, Buckets, costs_body

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


def test_reads_hold_a_second_of_budget_and_writes_above_basic_two() -> None:
    """Row 6 of the sheet's section 11; the answer says so, and a changed tier starts full."""
    buckets = Buckets(BASIC)
    assert buckets.take_write(100, 2, NOW)
    buckets.set_tier(ADVANCED)
    assert ADVANCED is buckets.tier
    body = buckets.limits_body()
    assert (300, 600) == (body["read"]["bucket_capacity"], body["write"]["bucket_capacity"])
    assert [True, False] == [buckets.take_read(300, NOW), buckets.take_read(1, NOW)]
    assert [True, False] == [buckets.take_write(600, 2, NOW), buckets.take_write(1, 2, NOW)]


def test_a_write_that_cannot_pay_is_too_many_requests() -> None:
    """429 in the string shape, with nothing taken."""
    buckets = Buckets(BASIC)
    with pytest.raises(ApiError) as caught:
        buckets.pay(101, 2, NOW)
    assert 429 == caught.value.status
    buckets.pay(100, 2, NOW)


def test_a_shard_that_there_is_not_has_no_budget_of_its_own() -> None:
    """Else every number that a client thinks of were a full bucket."""
    buckets = Buckets(BASIC)
    assert buckets.take_write(100, 77, 0)
    assert not buckets.take_write(10, 78, 0)
    assert not buckets.take_write(10, 0, 0)
