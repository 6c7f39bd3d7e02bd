"""Frames of the venue's wire as the tests need them, and where the recorded ones lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.core.units import format_price, format_qty

FIXTURES = Path(__file__).parents[2] / "../shared/fixtures/kalshi"


def recorded(name: str) -> bytes:
    """Return a recorded file; skip, loudly, where the recordings are absent."""
    path = FIXTURES / name
    if not path.exists():
        pytest.skip(f"RECORDINGS ABSENT: {name} does not lie beside the checkout")
    return path.read_bytes()


def recorded_frames(name: str) -> list[bytes]:
    """Return a recorded file of one frame per line."""
    return [line for line in recorded(name).splitlines() if line.strip()]


def frame(kind: str, msg: object = None, **envelope: object) -> bytes:
    """Return a frame with its newline."""
    body: dict[str, object] = {"type": kind, **envelope}
    if msg is not None:
        body["msg"] = msg
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def subscribed(channel: str, sid: int, command_id: int = 1) -> bytes:
    """Return the ack of a new subscription."""
    return frame("subscribed", {"channel": channel, "sid": sid}, id=command_id)


def snapshot(
    ticker: str, seq: int, yes: list[tuple[int, int]], no: list[tuple[int, int]] | None = None, sid: int = 1
) -> bytes:
    """Return a snapshot; a side without levels is absent, as on the wire."""
    msg: dict[str, object] = {"market_ticker": ticker, "market_id": "00000000-0000-4000-8000-000000000000"}
    for name, levels in (("yes_dollars_fp", yes), ("no_dollars_fp", no or [])):
        if levels:
            msg[name] = [[format_price(price), format_qty(size)] for price, size in levels]
    return frame("orderbook_snapshot", msg, sid=sid, seq=seq)


def delta(ticker: str, seq: int, side: str, price: int, change: int, sid: int = 1) -> bytes:
    """Return a delta."""
    msg = {
        "market_ticker": ticker,
        "market_id": "00000000-0000-4000-8000-000000000000",
        "price_dollars": format_price(price),
        "delta_fp": format_qty(change),
        "side": side,
        "ts": "2026-09-25T19:13:44.342537Z",
        "ts_ms": 1_790_363_624_342,
    }
    return frame("orderbook_delta", msg, sid=sid, seq=seq)
