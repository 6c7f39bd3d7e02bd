"""From what we want to what we have."""

from __future__ import annotations

import json
from typing import Any

from daemon.core.units import SECOND
from daemon.kalshi.channels import (
    ACK_PATIENCE,
    BOOKS,
    INDEX,
    NO_ENTITLEMENT_DELAY,
    TICKERS_PER_COMMAND,
    TRADES,
)
from daemon.kalshi.subscriptions import Pending, Subscriptions


class Desk:
    """Subscriptions with the markets that are wanted of them."""

    def __init__(self, *tickers: str, is_private: bool = False, **options: Any) -> None:
        self.wanted: dict[str, object] = dict.fromkeys(tickers)
        self.all = Subscriptions(self.wanted, is_private=is_private, **options)

    def want(self, *tickers: str) -> None:
        self.wanted.update(dict.fromkeys(tickers))
        self.all.want(tickers)

    def unwant(self, *tickers: str) -> None:
        for ticker in tickers:
            del self.wanted[ticker]
        self.all.unwant(tickers)

    def sent(self) -> list[dict[str, Any]]:
        commands = [json.loads(command) for command in self.all.outgoing]
        self.all.outgoing.clear()
        return commands

    def pending(self, command_id: int) -> Pending:
        pending = self.all.take_pending(command_id)
        assert pending is not None
        return pending


def _opened(*tickers: str) -> Desk:
    desk = Desk(*tickers)
    desk.all.sync(0)
    for sid, channel in enumerate((BOOKS, TRADES, "market_lifecycle_v2"), 1):
        desk.all.subscribed(channel, sid)
    desk.sent()
    return desk


def _actions(commands: list[dict[str, Any]]) -> list[tuple[int, str, list[str]]]:
    return [(c["params"]["sid"], c["params"]["action"], c["params"]["market_tickers"]) for c in commands]


def test_all_channels_are_asked_for_once() -> None:
    """The market channels for their tickers, the others without; asked again only when overdue."""
    desk = Desk("A", is_private=True)
    assert ["A"] == desk.all.sync(0)
    asked = [(c["params"]["channels"], c["params"].get("market_tickers")) for c in desk.sent()]
    assert asked == [
        ([BOOKS], ["A"]),
        ([TRADES], ["A"]),
        (["market_lifecycle_v2"], None),
        (["fill"], None),
        (["user_orders"], None),
        (["market_positions"], None),
        (["order_group_updates"], None),
    ]
    desk.all.sync(ACK_PATIENCE - 1)
    assert [] == desk.sent()
    desk.all.sync(ACK_PATIENCE)
    assert 7 == len(desk.sent())
    assert 7 == len(desk.all.take_overdue())


def test_each_connection_asks_for_its_own_channels() -> None:
    """The first carries what is told once; a private one only the account's; others only markets."""

    def channels(**options: Any) -> list[str]:
        desk = Desk("A", **options)
        desk.all.sync(0)
        return [command["params"]["channels"][0] for command in desk.sent()]

    private = ["fill", "user_orders", "market_positions", "order_group_updates"]
    assert [BOOKS, TRADES, "market_lifecycle_v2", *private, INDEX] == channels(
        is_private=True, index_ids=("BRTI",)
    )
    assert [BOOKS, TRADES] == channels(is_first=False, index_ids=("BRTI",))
    assert private == channels(is_private=True, is_public=False, is_first=False)


def test_without_a_market_no_market_channel_is_opened() -> None:
    """`trade` without tickers would mean the whole exchange."""
    desk = Desk()
    desk.all.sync(0)
    assert [["market_lifecycle_v2"]] == [command["params"]["channels"] for command in desk.sent()]


def test_markets_are_added_and_deleted_by_sid() -> None:
    """What is wanted since is added, what is not wanted any more is deleted, on both market channels."""
    desk = _opened("A", "B")
    desk.want("C")
    desk.unwant("A")
    assert ["C"] == desk.all.sync(1)
    assert _actions(desk.sent()) == [
        (1, "add_markets", ["C"]),
        (1, "delete_markets", ["A"]),
        (2, "add_markets", ["C"]),
        (2, "delete_markets", ["A"]),
    ]


def test_a_deleted_market_is_added_again_only_after_the_ack() -> None:
    """Else a snapshot from before the delete could be taken for the one after it."""
    desk = _opened("A", "B")
    desk.unwant("A")
    desk.all.sync(1)
    deletes = [command["id"] for command in desk.sent()]
    desk.want("A")
    assert [] == desk.all.sync(2)
    assert [] == desk.sent()
    for command_id in deletes:
        desk.all.acknowledged(desk.pending(command_id))
    assert ["A"] == desk.all.sync(3)


def test_a_delete_that_is_never_answered_ends_too() -> None:
    """Its ack was lost: a market wanted again is added after a while, one that isn't is deleted again."""
    desk = _opened("A", "B", "C")
    desk.unwant("A", "B")
    desk.all.sync(1)
    desk.sent()
    desk.want("A")
    desk.all.sync(1 + ACK_PATIENCE)
    desk.all.sync(1 + 2 * ACK_PATIENCE)
    asked = [(action, tickers) for sid, action, tickers in _actions(desk.sent()) if sid == 1]
    assert [("delete_markets", ["B"]), ("add_markets", ["A"])] == sorted(asked, reverse=True)


def test_a_market_whose_delete_was_never_answered_is_added_when_it_is_wanted_again() -> None:
    """The venue may have left it: kept as it is, it would look subscribed for ever."""
    desk = _opened("A", "B")
    desk.unwant("A")
    desk.all.sync(1)
    desk.all.sync(1 + ACK_PATIENCE)
    desk.sent()
    desk.want("A")
    assert ["A"] == desk.all.sync(2 + ACK_PATIENCE)
    assert (1, "add_markets", ["A"]) in _actions(desk.sent())


def test_the_last_market_ends_the_subscription() -> None:
    """A market channel without any market is unsubscribed, not left without a filter."""
    desk = _opened("A")
    desk.unwant("A")
    desk.all.sync(1)
    assert ["unsubscribe", "unsubscribe"] == [command["cmd"] for command in desk.sent()]
    assert desk.all.books.sid is None


def test_many_markets_go_in_portions() -> None:
    """The first portion subscribes, the others are added after the ack, none is left out."""
    tickers = [f"M{number}" for number in range(2 * TICKERS_PER_COMMAND + 1)]
    desk = Desk(*tickers)
    asked = desk.all.sync(0)
    desk.all.subscribed(BOOKS, 1)
    asked += desk.all.sync(1)
    assert tickers == asked
    portions = [command["params"].get("market_tickers", []) for command in desk.sent()]
    assert TICKERS_PER_COMMAND == max(len(portion) for portion in portions)


def test_a_refused_add_waits_longer_each_time_and_deletes_do_not_wait() -> None:
    """After repeated refusals (code 18) adds are put off up to 30 s; freeing room is never put off."""
    desk = _opened("A", "B")
    desk.want("C")
    now = SECOND
    waits = []
    for _ in range(8):
        desk.all.sync(now)
        adds = [command["id"] for command in desk.sent() if command["params"]["sid"] == 1]
        assert desk.all.refused(desk.pending(adds[0]), 18, now)
        waits.append((desk.all.books.retry_at - now) // SECOND)
        now = desk.all.books.retry_at
    assert [0, 1, 2, 4, 8, 16, 30, 30] == waits
    desk.unwant("B", "C")
    desk.all.sync(now - 1)
    assert {"delete_markets"} == {command["params"]["action"] for command in desk.sent()}


def _fill_up(desk: Desk, room: int) -> int:
    """Let a venue that has room for so many books answer until nothing is asked; return the commands."""
    held, commands = 0, 0
    desk.all.sync(1)
    while batch := [c for c in desk.sent() if c["params"].get("sid") == 1]:
        for command in batch:
            commands += 1
            tickers = command["params"]["market_tickers"]
            if held + len(tickers) > room:
                desk.all.refused(desk.pending(command["id"]), 26, 1)
            else:
                held += len(tickers)
                desk.all.acknowledged(desk.pending(command["id"]))
        desk.all.sync(1)
    assert held == room
    return commands


def test_a_list_that_is_too_long_is_halved_until_it_fits() -> None:
    """Code 26 names no number: it is found in few commands, and what doesn't fit is named."""
    desk = _opened("A")
    desk.want(*(f"M{number}" for number in range(390)))
    commands = _fill_up(desk, 237)
    assert commands <= 40
    assert (238, 390 - 237) == (desk.all.capacity, len(desk.all.unplaced))
    assert set() == set(desk.all.unplaced) & set(desk.all.books.members)


def test_room_that_is_freed_is_used() -> None:
    """A market that leaves makes room for one that waits."""
    desk = _opened("A", "B")
    desk.want("C", "D")
    _fill_up(desk, 1)
    assert ["D"] == desk.all.unplaced
    desk.unwant("A")
    desk.all.sync(2)
    desk.sent()
    assert ["D"] == desk.all.sync(3)


def test_too_many_commands_slow_the_commands_down() -> None:
    """Code 27: what was refused is asked for again, and all commands leave at a slower rate."""
    desk = _opened("A")
    desk.want("B")
    desk.all.sync(1)
    (command, *_) = desk.sent()
    desk.all.refused(desk.pending(command["id"]), 27, SECOND)
    desk.all.sync(SECOND)
    assert desk.all.take_outgoing(SECOND) == []
    assert 1 == len(desk.all.take_outgoing(2 * SECOND))


def test_a_channel_that_we_may_not_have_is_left_alone_for_long() -> None:
    """Without the entitlement for index values nothing else suffers, and nobody is asked each second."""
    desk = Desk("A", index_ids=("BRTI",))
    desk.all.sync(0)
    (command,) = [c for c in desk.sent() if c["params"]["channels"] == [INDEX]]
    assert ["BRTI"] == command["params"]["index_ids"]
    desk.all.refused(desk.pending(command["id"]), 9, 1)
    desk.all.sync(NO_ENTITLEMENT_DELAY)
    assert INDEX not in str(desk.sent())
    desk.all.sync(1 + NO_ENTITLEMENT_DELAY)
    assert INDEX in str(desk.sent())


def test_a_dead_channel_is_subscribed_anew() -> None:
    """After a terminal error everything of the channel is asked for again, on a new sid."""
    desk = _opened("A")
    desk.all.died(desk.all.books, SECOND)
    assert 1 not in desk.all.streams
    assert ["A"] == desk.all.sync(SECOND)
    assert ["subscribe"] == [command["cmd"] for command in desk.sent()]
