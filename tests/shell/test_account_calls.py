"""What the daemon asks of its account: the same, wherever that is."""

from __future__ import annotations

from daemon.kalshi.rest import ReadingRest, Rest
from daemon.shell.account_calls import AccountCalls, OrderWrites
from daemon.shell.shadow.venue import ShadowVenue


def calls_of(protocol: type) -> set[str]:
    """The calls that a protocol asks for."""
    return {name for name in dir(protocol) if not name.startswith("_")}


def test_kalshis_rest_and_the_shadow_account_are_asked_the_same() -> None:
    """One path: both have every call that the queue and the readers make."""
    calls = calls_of(AccountCalls)
    assert {"place", "cancel", "positions", "fills"} <= calls
    for kind in (Rest, ShadowVenue):
        assert set() == calls - set(dir(kind)), kind


def test_what_only_reads_has_none_of_the_writes() -> None:
    """In shadow the venue's client can't be handed to the order queue."""
    assert set() == calls_of(OrderWrites) & set(dir(ReadingRest))
