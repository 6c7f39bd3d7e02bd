"""From what we want to what we have."""

from __future__ import annotations

import json
from typing import Any

from daemon.core.units import SECOND
from daemon.kalshi.subscriptions import ACK_PATIENCE, BOOKS, TICKERS_PER_COMMAND, TRADES, Subscriptions


def _sent(subscriptions: Subscriptions) -> list[dict[str, Any]]:
    commands = [json.loads(command) for command in subscriptions.outgoing]
    subscriptions.outgoing.clear()
    return commands


def _opened(*tickers: str) -> Subscriptions:
    subscriptions = Subscriptions(is_private=False)
    subscriptions.sync(tickers, 0)
    for sid, channel in enumerate((BOOKS, TRADES, "market_lifecycle_v2"), 1):
        subscriptions.subscribed(channel, sid)
    _sent(subscriptions)
    return subscriptions


def test_all_channels_are_asked_for_once() -> None:
    """The market channels for their tickers, the others without; asked again only when overdue."""
    subscriptions = Subscriptions(is_private=True)
    assert subscriptions.sync(["A"], 0) == ["A"]
    asked = [
        (command["params"]["channels"], command["params"].get("market_tickers"))
        for command in _sent(subscriptions)
    ]
    assert asked == [
        ([BOOKS], ["A"]),
        ([TRADES], ["A"]),
        (["market_lifecycle_v2"], None),
        (["fill"], None),
        (["user_orders"], None),
        (["market_positions"], None),
    ]
    subscriptions.sync(["A"], ACK_PATIENCE - 1)
    assert _sent(subscriptions) == []
    subscriptions.sync(["A"], ACK_PATIENCE)
    assert len(_sent(subscriptions)) == 6


def test_without_a_market_no_market_channel_is_opened() -> None:
    """`trade` without tickers would mean the whole exchange."""
    subscriptions = Subscriptions(is_private=False)
    subscriptions.sync([], 0)
    assert [command["params"]["channels"] for command in _sent(subscriptions)] == [["market_lifecycle_v2"]]


def test_markets_are_added_and_deleted_by_sid() -> None:
    """What is wanted since is added, what is not wanted any more is deleted, on both market channels."""
    subscriptions = _opened("A", "B")
    assert subscriptions.sync(["B", "C"], 1) == ["C"]
    asked = [
        (c["params"]["sid"], c["params"]["action"], c["params"]["market_tickers"])
        for c in _sent(subscriptions)
    ]
    assert asked == [
        (1, "add_markets", ["C"]),
        (1, "delete_markets", ["A"]),
        (2, "add_markets", ["C"]),
        (2, "delete_markets", ["A"]),
    ]


def test_a_deleted_market_is_added_again_only_after_the_ack() -> None:
    """Else a snapshot from before the delete could be taken for the one after it."""
    subscriptions = _opened("A", "B")
    subscriptions.sync(["B"], 1)
    deletes = [command["id"] for command in _sent(subscriptions)]
    assert subscriptions.sync(["A", "B"], 2) == []
    assert _sent(subscriptions) == []
    for command_id in deletes:
        pending = subscriptions.take_pending(command_id)
        assert pending is not None
        subscriptions.acknowledged(pending)
    assert subscriptions.sync(["A", "B"], 3) == ["A"]


def test_the_last_market_ends_the_subscription() -> None:
    """A market channel without any market is unsubscribed, not left without a filter."""
    subscriptions = _opened("A")
    subscriptions.sync([], 1)
    assert [command["cmd"] for command in _sent(subscriptions)] == ["unsubscribe", "unsubscribe"]
    assert subscriptions.books.sid is None


def test_many_markets_go_in_portions() -> None:
    """The first portion subscribes, the others are added after the ack, none is left out."""
    tickers = [f"M{number}" for number in range(2 * TICKERS_PER_COMMAND + 1)]
    subscriptions = Subscriptions(is_private=False)
    asked = subscriptions.sync(tickers, 0)
    subscriptions.subscribed(BOOKS, 1)
    asked += subscriptions.sync(tickers, 1)
    assert asked == tickers
    portions = [command["params"].get("market_tickers", []) for command in _sent(subscriptions)]
    assert max(len(portion) for portion in portions) == TICKERS_PER_COMMAND


def test_a_refused_add_waits_longer_each_time_and_deletes_do_not_wait() -> None:
    """After repeated refusals (code 26, 27) adds are put off up to 30 s; freeing room is never put off."""
    subscriptions = _opened("A", "B")
    now = SECOND
    waits = []
    for _ in range(8):
        subscriptions.sync(["A", "B", "C"], now)
        adds = [command["id"] for command in _sent(subscriptions) if command["params"]["sid"] == 1]
        pending = subscriptions.take_pending(adds[0])
        assert pending is not None
        subscriptions.refused(pending, now)
        waits.append((subscriptions.books.retry_at - now) // SECOND)
        now = subscriptions.books.retry_at
    assert waits == [0, 1, 2, 4, 8, 16, 30, 30]
    subscriptions.sync(["A"], now - 1)
    assert {command["params"]["action"] for command in _sent(subscriptions)} == {"delete_markets"}


def test_a_dead_channel_is_subscribed_anew() -> None:
    """After a terminal error everything of the channel is asked for again, on a new sid."""
    subscriptions = _opened("A")
    subscriptions.died(subscriptions.books, SECOND)
    assert 1 not in subscriptions.streams
    assert subscriptions.sync(["A"], SECOND) == ["A"]
    assert [command["cmd"] for command in _sent(subscriptions)] == ["subscribe"]
