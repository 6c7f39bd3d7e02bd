"""Tests of the cash facts as values."""

from __future__ import annotations

from typing import get_args

import msgspec

from daemon.exchange.cash_facts import AllocationSet, CashFact
from tests.exchange.venues import SHARD, T0


def test_a_fact_survives_its_encoding() -> None:
    """What is kept is what is read back."""
    fact = AllocationSet("a", ((0, 25), (SHARD, 75)), "none", T0)
    assert fact == msgspec.msgpack.decode(msgspec.msgpack.encode(fact), type=AllocationSet)


def test_every_fact_says_when_and_is_named_once() -> None:
    """`at` is last, and the tags differ."""
    assert {"at"} == {fact.__struct_fields__[-1] for fact in get_args(CashFact)}
    assert len(get_args(CashFact)) == len({fact.__struct_config__.tag for fact in get_args(CashFact)})
