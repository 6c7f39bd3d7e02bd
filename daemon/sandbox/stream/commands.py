"""What a client may say on the WebSocket: its commands, read and checked, and the errors that answer them.

Nothing here knows what is subscribed. A wire text is the short name of its code (protocol sheet 2.4).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

SEQUENCED: Final = frozenset(
    {
        "orderbook_delta",
        "trade",
        "market_lifecycle_v2",
        "order_group_updates",
        "cfbenchmarks_value",
        "cfbenchmarks_value_5hz",
    }
)
UNSEQUENCED: Final = frozenset({"ticker", "fill", "user_orders", "market_positions"})
CHANNELS: Final = (*sorted(SEQUENCED), *sorted(UNSEQUENCED))
INDEXED: Final = frozenset({"cfbenchmarks_value", "cfbenchmarks_value_5hz"})
"""Channels whose subscriptions name indices instead of markets."""
FILTERED: Final = frozenset({"orderbook_delta", "ticker", "trade", "fill", "user_orders", "market_positions"})
"""Channels whose subscriptions may name markets; elsewhere the names are ignored."""
ABSENT: Final = frozenset(
    {
        "communications",  # requests for quotes are not simulated
        "multivariate",  # removed on 6 August 2026
        "multivariate_market_lifecycle",  # no combos are listed
        "pyth_value",  # paid for apart
        "ticker_v2",  # removed on 12 February 2026
    }
)
"""Channels of the documents that this exchange doesn't have: unknown names, as any other."""
ALL: Final = "all"
"""The index id that stands for every index."""

ERRORS: Final = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    6: "Already subscribed",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    9: "Authentication required",
    10: "Channel error",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    16: "Market not found",
    17: "Internal error",
    18: "Command timeout",
    19: "shard_factor must be > 0",
    20: "shard_factor is required when shard_key is set",
    21: "shard_key must be >= 0 and < shard_factor",
    22: "shard_factor must be <= 100",
    23: "Match IDs required",
    24: "Index IDs required",
    25: "Subscription buffer overflow",
    26: "Subscription market limit exceeded",
    27: "Too many requests",
    28: "Underlying tickers required",
}
"""6, 16 and 17 are retired, 9 can't happen (the upgrade is signed), 19-23 and 28 are of absent channels."""


class Command(msgspec.Struct):
    """A command as it arrives. An id of 0 counts as absent."""

    cmd: str | None = None
    id: int = 0
    params: dict[str, Any] | None = None


class _Numbered(msgspec.Struct):
    id: int = 0


_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises: no JSON, or another shape; no UTF-8; nested without end."""
_decode_command = msgspec.json.Decoder(Command).decode
_decode_id = msgspec.json.Decoder(_Numbered).decode


class CommandRefused(Exception):
    """A command is answered with an error of this code, about this subscription and market if it has one."""

    def __init__(self, code: int, *, sid: int | None = None, ticker: str | None = None) -> None:
        super().__init__(ERRORS[code])
        self.code = code
        self.sid = sid
        self.ticker = ticker


def decode_command(text: str | bytes) -> Command | None:
    """Return a client's message as a command; None when it is none."""
    try:
        return _decode_command(text)
    except _UNREADABLE:
        return None


def id_of(text: str | bytes) -> int:
    """Return the id of a message that is no command, for its error; 0 when it has none."""
    try:
        return _decode_id(text).id
    except _UNREADABLE:
        return 0


def params_of(command: Command) -> dict[str, Any]:
    """Return a command's parameters.

    Raises:
        CommandRefused: 2, it has none.
    """
    if not command.params:
        raise CommandRefused(2)
    return command.params


def strings_of(params: dict[str, Any], name: str) -> list[str]:
    """Return a list of texts, each once; empty when it is absent.

    Raises:
        CommandRefused: 1, it is no list of texts.
    """
    found = params.get(name, [])
    if not isinstance(found, list) or any(not isinstance(text, str) for text in found):
        raise CommandRefused(1)
    return list(dict.fromkeys(found))


def flag_of(params: dict[str, Any], name: str) -> bool:
    """Return a truth value; False when it is absent. Raises CommandRefused: 1, it is none."""
    found = params.get(name, False)
    if not isinstance(found, bool):
        raise CommandRefused(1)
    return found


def channels_of(params: dict[str, Any]) -> list[str]:
    """Return the channels that a subscribe names.

    Raises:
        CommandRefused: 3, none; 8, one that this exchange doesn't have.
    """
    channels = strings_of(params, "channels")
    if not channels:
        raise CommandRefused(3)
    if any(channel not in CHANNELS for channel in channels):
        raise CommandRefused(8)
    return channels


def sids_of(params: dict[str, Any]) -> list[int]:
    """Return the subscriptions that an unsubscribe names.

    Raises:
        CommandRefused: 4, none; 1, something else than numbers.
    """
    sids = params.get("sids")
    if not isinstance(sids, list) or not sids:
        raise CommandRefused(4)
    if any(type(sid) is not int for sid in sids):
        raise CommandRefused(1)
    return list(dict.fromkeys(sids))


def sid_of(params: dict[str, Any]) -> int:
    """Return the one subscription that an update names, as `sid` or as a list of one.

    Raises:
        CommandRefused: 12, none, several, or both ways at once; 1, something else than a number.
    """
    if ("sid" in params) == ("sids" in params):
        raise CommandRefused(12)
    sids = params["sids"] if "sids" in params else [params["sid"]]
    if not isinstance(sids, list) or len(sids) != 1:
        raise CommandRefused(12)
    if type(sids[0]) is not int:
        raise CommandRefused(1)
    return sids[0]


def action_of(params: dict[str, Any]) -> str:
    """Return what an update is to do. Raises CommandRefused: 15, nothing; 1, no text."""
    action = params.get("action")
    if not action:
        raise CommandRefused(15)
    if not isinstance(action, str):
        raise CommandRefused(1)
    return action


def _one_or_many(params: dict[str, Any], one: str, many: str) -> list[str] | None:
    """Return texts that are named one way or the other; None when neither is there."""
    if one in params:
        text = params[one]
        if many in params or not isinstance(text, str):
            raise CommandRefused(11)
        return [text]
    return strings_of(params, many) or None


def tickers_of(params: dict[str, Any]) -> list[str] | None:
    """Return the tickers that a command names; None when it names none.

    Raises:
        CommandRefused: 11, tickers named in two ways; 1, no texts.
    """
    return _one_or_many(params, "market_ticker", "market_tickers")


def market_ids_of(params: dict[str, Any]) -> list[str] | None:
    """Return the market ids that a command names instead of tickers; None when it names none.

    Raises:
        CommandRefused: 11, ids beside tickers, or named in two ways; 1, no texts.
    """
    ids = _one_or_many(params, "market_id", "market_ids")
    if ids is not None and ("market_ticker" in params or "market_tickers" in params):
        raise CommandRefused(11)
    return ids
