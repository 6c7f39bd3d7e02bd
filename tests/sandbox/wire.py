"""Requests as the tests of the sandbox's wire send them."""

from __future__ import annotations

from typing import Any

from tests.sandbox.scripted import OPEN


def order_terms(**changed: Any) -> dict[str, Any]:
    """Return a create request: 10 contracts at 0.35 that rest; None leaves a field out."""
    terms = {
        "ticker": OPEN,
        "side": "bid",
        "count": "10.00",
        "price": "0.3500",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "exchange_index": 2,
        **changed,
    }
    return {name: value for name, value in terms.items() if value is not None}


def subscribe(id_: int, *channels: str, **params: Any) -> dict[str, Any]:
    """Return a subscribe command."""
    return {"id": id_, "cmd": "subscribe", "params": {"channels": list(channels), **params}}


def update(id_: int, sid: int, action: str, *tickers: str) -> dict[str, Any]:
    """Return an update_subscription command."""
    params = {"sid": sid, "action": action, "market_tickers": list(tickers)}
    return {"id": id_, "cmd": "update_subscription", "params": params}
