"""What the exchange says of itself: pauses by shard, told or met, and planned maintenance."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.exchange_status import MAINTENANCE_GUARD, SUPPOSED_FOR, ExchangeStatus
from daemon.core.risk import Refusal
from daemon.core.units import HOUR
from tests.core.worlds import T0

CRYPTO = 2


def told(
    is_active: bool = True, is_trading: bool = True, *shards: tuple[int, bool, bool]
) -> e.ExchangeStatusTold:
    """A status with its shards."""
    return e.ExchangeStatusTold(is_active, is_trading, tuple(e.ShardStatus(*s) for s in shards), None, T0)


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (told(), None),
        (told(True, False), "trading_paused"),
        (told(False, False), "exchange_paused"),
        (told(True, True, (0, True, True), (2, True, False)), "trading_paused"),
        (told(True, True, (0, True, True), (2, False, True)), "exchange_paused"),
        (told(False, False, (0, False, False), (2, True, True)), None),
        (told(True, False, (0, True, False)), "trading_paused"),
    ],
    ids=["open", "trading", "exchange", "its shard trading", "its shard", "another shard", "unknown shard"],
)
def test_a_pause_is_its_shards(status: e.ExchangeStatusTold, refusal: Refusal | None) -> None:
    """The shard's own entry counts; one that isn't listed falls back to the exchange's flags."""
    exchange = ExchangeStatus()
    exchange.tell(status)
    assert exchange.refusal(CRYPTO, T0) == refusal


def test_nothing_speaks_against_trading_before_the_first_word() -> None:
    """The status is read beside the trading; its absence is no pause."""
    assert ExchangeStatus().refusal(CRYPTO, T0) is None


def test_a_refused_order_is_as_good_as_a_status() -> None:
    """At once, on its shard only, until the next status says otherwise."""
    exchange = ExchangeStatus()
    assert exchange.suppose("trading_is_paused", CRYPTO, T0)
    assert (exchange.refusal(CRYPTO, T0), exchange.refusal(0, T0)) == ("trading_paused", None)
    assert exchange.is_supposed(T0)
    assert exchange.tell(told())
    assert exchange.refusal(CRYPTO, T0) is None
    assert not exchange.is_supposed(T0)


def test_a_supposition_that_nobody_confirms_is_given_up() -> None:
    """Without any status the next order tells: trading is not stopped for ever."""
    exchange = ExchangeStatus()
    exchange.suppose("exchange_is_paused", CRYPTO, T0)
    assert exchange.pause(CRYPTO, T0 + SUPPOSED_FOR - 1) == "exchange_paused"
    assert exchange.pause(CRYPTO, T0 + SUPPOSED_FOR) is None
    assert not exchange.is_supposed(T0 + SUPPOSED_FOR)


def test_the_worse_pause_counts() -> None:
    """What is told as an exchange pause is not softened by an order refused for a trading pause."""
    exchange = ExchangeStatus()
    exchange.tell(told(False, False))
    exchange.suppose("trading_is_paused", CRYPTO, T0)
    assert exchange.pause(CRYPTO, T0) == "exchange_paused"


def test_other_codes_tell_of_no_pause() -> None:
    """A refusal for money says nothing of the exchange."""
    exchange = ExchangeStatus()
    assert not exchange.suppose("insufficient_balance", CRYPTO, T0)
    assert exchange.refusal(CRYPTO, T0) is None


def test_only_a_change_is_a_change() -> None:
    """The same status again changes nothing."""
    exchange = ExchangeStatus()
    assert not exchange.tell(told(True, True))
    assert exchange.tell(told(True, False))
    assert not exchange.tell(told(True, False))
    assert exchange.tell(told(True, True))


def test_maintenance_begins_two_minutes_early_and_ends_on_time() -> None:
    """From the guard before a window's start up to its end; the whole list replaces the last."""
    exchange = ExchangeStatus()
    exchange.plan(e.MaintenancePlanned(((T0, T0 + HOUR),), T0))
    instants = (T0 - MAINTENANCE_GUARD - 1, T0 - MAINTENANCE_GUARD, T0 + HOUR - 1, T0 + HOUR)
    found = [exchange.refusal(CRYPTO, at) for at in instants]
    assert found == [None, "maintenance", "maintenance", None]
    exchange.plan(e.MaintenancePlanned((), T0))
    assert exchange.refusal(CRYPTO, T0) is None
