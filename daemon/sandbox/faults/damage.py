"""What faults do to a message's text: pure functions from bytes to bytes, and from bytes to what it is."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from daemon.sandbox.faults.decisions import Subject
from daemon.sandbox.faults.registry import Rule

UNKNOWN_TYPE: Final = "quantum_update"
ABSURD_PRICE: Final = "99.9900"
ABSURD_COUNT: Final = "-1000000000.00"

_CHANNEL_OF: Final = {
    "orderbook_snapshot": "orderbook_delta",
    "user_order": "user_orders",
    "market_position": "market_positions",
}
_NUMBER = re.compile(rb'"sid":(\d+),"seq":(\d+)')
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def subject_of(payload: bytes, stream: str) -> Subject:
    """Return what a frame is: its channel, type and market, as far as it says."""
    frame = _object(payload)
    if stream == "kraken":
        channel = frame.get("channel") or frame.get("method")
        return Subject("frame", channel=channel, type=frame.get("type"), stream=stream)
    kind = frame.get("type")
    body = frame.get("msg")
    market = None
    if isinstance(body, dict):
        market = body.get("market_ticker") or body.get("ticker")
    return Subject(
        "frame", market=market, channel=_CHANNEL_OF.get(kind or "", kind), type=kind, stream=stream
    )


def _object(payload: bytes) -> dict[str, Any]:
    try:
        found = _decode(payload)
    except msgspec.MsgspecError:
        return {}
    return found if isinstance(found, dict) else {}


def sid_of(payload: bytes) -> int | None:
    """Return a numbered frame's subscription id; None if it bears no number."""
    found = _NUMBER.search(payload)
    return None if found is None else int(found[1])


def renumbered(payload: bytes, skipped: dict[int, int]) -> bytes:
    """Return a frame with its number raised by what was skipped of its subscription."""
    found = _NUMBER.search(payload)
    if found is None:
        return payload
    by = skipped.get(int(found[1]), 0)
    return payload[: found.start(2)] + b"%d" % (int(found[2]) + by) + payload[found.end(2) :]


def damaged(rule: Rule, payload: bytes) -> bytes:
    """Return a message as a rule that spoils its text leaves it."""
    match rule.kind:
        case "malformed_json":
            return malformed(payload)
        case "unknown_type":
            return of_unknown_type(payload)
        case "missing_field":
            return without(payload, rule.field)
        case _:
            assert rule.kind == "absurd_numbers", rule.kind
            return absurd(payload)


def malformed(payload: bytes) -> bytes:
    """Return the first half of a message: no JSON."""
    return payload[: max(1, len(payload) // 2)]


def of_unknown_type(payload: bytes) -> bytes:
    """Return a message of a type that the protocol doesn't have."""
    frame = _object(payload)
    frame["type"] = UNKNOWN_TYPE
    return _encode(frame) + b"\n"


def without(payload: bytes, field: str | None) -> bytes:
    """Return a message whose body lacks a field; None is its first."""
    frame = _object(payload)
    body = frame.get("msg")
    if isinstance(body, dict) and body:
        body.pop(next(iter(body)) if field is None else field, None)
    return _encode(frame) + b"\n"


def absurd(payload: bytes) -> bytes:
    """Return a message with prices beyond a dollar and counts far below nothing."""
    frame = _object(payload)
    frame["msg"] = _absurd(frame.get("msg"), "")
    return _encode(frame) + b"\n"


def _absurd(found: Any, name: str) -> Any:
    if isinstance(found, dict):
        return {key: _absurd(value, key) for key, value in found.items()}
    if isinstance(found, list):
        if name.endswith("_dollars_fp"):
            return [[ABSURD_PRICE, ABSURD_COUNT] for _ in found]
        return [_absurd(value, name) for value in found]
    if name.endswith("_dollars"):
        return ABSURD_PRICE
    return ABSURD_COUNT if name.endswith("_fp") else found
