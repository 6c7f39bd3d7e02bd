"""When a fault happens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import MILLISECOND
from daemon.sandbox.faults.decisions import Faults, Subject
from daemon.sandbox.faults.registry import Rule

DELTA = Subject("frame", market="KXA-1", channel="orderbook_delta", type="orderbook_delta", stream="kalshi")
SNAPSHOT = DELTA._replace(type="orderbook_snapshot")
FILL = DELTA._replace(channel="fill", type="fill")
ORDER = Subject("request", path="/trade-api/v2/portfolio/events/orders", method="POST", market="KXA-1")


def hits(subject: Subject, count: int = 1, now: int = 0, **options: Any) -> list[bool]:
    """Return which of several equal subjects a rule hits."""
    faults = Faults()
    faults.inject(Rule(**options), 0)
    return [bool(faults.decide(subject, now)) for _ in range(count)]


@pytest.mark.parametrize(
    ("subject", "options", "is_hit"),
    [
        (DELTA, {"kind": "drop"}, True),
        (DELTA, {"kind": "drop", "channel": "orderbook_delta"}, True),
        (SNAPSHOT, {"kind": "drop", "channel": "orderbook_delta"}, True),
        (SNAPSHOT, {"kind": "drop", "channel": "orderbook_snapshot"}, True),
        (DELTA, {"kind": "drop", "channel": "orderbook_snapshot"}, False),
        (DELTA, {"kind": "drop", "market": "KXA-*"}, True),
        (DELTA, {"kind": "drop", "market": "KXB-*"}, False),
        (DELTA, {"kind": "drop", "stream": "kraken"}, False),
        (DELTA, {"kind": "drop_private"}, False),
        (FILL, {"kind": "drop_private"}, True),
        (FILL, {"kind": "drop_private", "channel": "user_orders"}, False),
        (ORDER, {"kind": "drop"}, False),
        (ORDER, {"kind": "hang"}, True),
        (ORDER, {"kind": "hang", "path": "*/orders", "method": "POST"}, True),
        (ORDER, {"kind": "hang", "method": "DELETE"}, False),
        (ORDER, {"kind": "hang", "market": "KXB-*"}, False),
        (ORDER._replace(market=None), {"kind": "hang", "market": "*"}, False),
        (ORDER, {"kind": "market_closed"}, True),
        (ORDER, {"kind": "fill_after_cancel", "ms": 1}, False),
        (ORDER, {"kind": "stale_read"}, False),
    ],
)
def test_a_rule_hits_what_its_scope_covers(subject: Subject, options: dict[str, Any], is_hit: bool) -> None:
    """Seam, then path, method, market, channel or type, stream: all that is given must fit."""
    assert [is_hit] == hits(subject, **options)


def test_the_first_are_spared_and_so_many_are_hit() -> None:
    """`skip`, then `next`."""
    assert [False, False, True, True, False] == hits(DELTA, 5, kind="drop", skip=2, next=2)


def test_a_rule_ends_by_its_time() -> None:
    """`for_ms` after it began."""
    faults = Faults()
    faults.inject(Rule(kind="stall", for_ms=10), 0)
    assert faults.has("stall", 9 * MILLISECOND)
    assert faults.decide(DELTA, 9 * MILLISECOND)
    assert not faults.has("stall", 10 * MILLISECOND)
    assert [] == faults.decide(DELTA, 10 * MILLISECOND)
    assert faults.is_quiet("frame")


def test_chance_follows_from_the_seed() -> None:
    """The same seed hits the same ones, about as often as asked; another seed hits others."""
    first, again, other = (hits(DELTA, 1000, kind="drop", probability=0.3, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert 200 < sum(first) < 400


def test_what_happened_stays_counted() -> None:
    """Matches and hits, of rules that are over too."""
    faults = Faults()
    first = faults.inject(Rule(kind="drop", next=1), 0)
    second = faults.inject(Rule(kind="duplicate", channel="fill"), 0)
    for subject in (DELTA, DELTA, FILL):
        faults.decide(subject, 0)
    found = [(counted.id, counted.matched, counted.hit, counted.is_live) for counted in faults.counts()]
    assert [(first, 1, 1, False), (second, 1, 1, True)] == found
    assert [Rule(kind="duplicate", channel="fill")] == faults.clear()
    assert [] == faults.clear(second)


@given(st.integers(0, 20), st.integers(1, 20), st.floats(0.05, 1.0), st.integers(0, 99), st.integers(0, 60))
def test_never_more_than_asked(skip: int, next_: int, probability: float, seed: int, count: int) -> None:
    """Whatever chance says: none of the spared, at most `next` of the rest."""
    found = hits(DELTA, count, kind="drop", skip=skip, next=next_, probability=probability, seed=seed)
    assert not any(found[:skip])
    assert sum(found) <= next_
