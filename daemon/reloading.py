"""What may change in a running daemon, key by key, and what a change of the configuration would do.

Four kinds of keys: `restart` (never while it runs: who and where we are, files, what is watched, and what
makes the features' windows), `now`, and limits, which tighten at once and loosen only at a person's second
word: of `lower` the smaller value is the tighter one, of `higher` the larger one, and of `hours` any is
tighter than none. "off", "" and nothing at all are loosest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from daemon.config import Config
from daemon.config_tables import ReferenceTable, Table, Venue

Rule: TypeAlias = Literal["restart", "now", "lower", "higher", "hours"]
Effect: TypeAlias = Literal["restart", "now", "tightens", "loosens"]
Effective: TypeAlias = Mapping[str, Any]
"""All values in force by their dotted keys, as JSON has them."""

OF_STRATEGIES: dict[str, Rule] = {
    "enabled": "lower",
    "series": "restart",
    "categories": "restart",
    "close_guard_s": "higher",
    "model": "restart",
    "capital_dollars": "lower",
    "daily_loss_max_dollars": "lower",
    "code_sha256": "restart",
}
"""Of every strategy's table; its own parameters change at once, within the limits, but for its own sizes."""
_SIZES = ("_contracts_max", "_dollars_max")
"""How a strategy's parameter ends that is a limit of its own: of what it may hold or order."""


def _but_restart(table: type[Table], **rules: Rule) -> dict[str, Rule]:
    """Return the rules of a table of which these keys may change in a running daemon, and no other."""
    return {**dict.fromkeys(table.__struct_fields__, "restart"), **rules}


_FEED: dict[str, Rule] = {
    "silent_max_s": "lower",
    "transport_lag_max_ms": "lower",
    "clock_offset_max_ms": "lower",
    "refused_per_minute_max": "lower",
    "channel_quiet_max_s": "now",  # it is told, and stops nothing
}
_ORDERS: dict[str, Rule] = {
    "ttl_ms": "lower",
    "requests_per_s_max": "lower",
    "in_flight_max": "lower",
    "reserve_tokens": "higher",
    "batch_max": "now",
    "expire_s": "lower",
    "group_contracts_max": "restart",  # the groups at the venue are made with it
    "id_prefix": "restart",
}
_BREAKER: dict[str, Rule] = {
    "failures_max": "lower",
    "probe_every_s": "now",
    "rejects_max": "lower",
    "ack_p95_max_ms": "lower",
    "cool_down_s": "higher",
}
_RISK: dict[str, Rule] = {
    "order_contracts_max": "lower",
    "position_contracts_max": "lower",
    "market_loss_max_dollars": "lower",
    "total_loss_max_dollars": "lower",
    "daily_loss_max_dollars": "lower",
    "price_away_max_cents": "lower",
    "orders_per_minute_max": "lower",
    "close_guard_s": "higher",
    "order_notional_max_dollars": "lower",
    "fair_away_max_cents": "lower",
    "event_contracts_max": "lower",
    "series_contracts_max": "lower",
    "settlement_contracts_max": "lower",
    "total_contracts_max": "lower",
    "event_loss_max_dollars": "lower",
    "exposure_max_dollars": "lower",
    "cash_reserve_dollars": "higher",
    "orders_per_market_max": "lower",
    "open_orders_max": "lower",
    "requests_per_minute_max": "lower",
    "repeated_fills_max": "lower",
    "duplicate_window_ms": "higher",
    "volume_day_contracts_min": "higher",
    "spread_max_cents": "lower",
    "depth_contracts_min": "higher",
    "trading_hours": "hours",
    "drawdown_max_dollars": "lower",
    "losing_streak_max": "lower",
    "stop_loss_cents": "lower",
    "take_profit_cents": "now",  # it sells what is held at a gain: nothing is risked either way
}
RULES: dict[str, Rule | dict[str, Rule]] = {
    **dict.fromkeys(("mode", "state_dir", "strategy_path"), "restart"),
    **dict.fromkeys(("on_exit", "reload_on_change"), "now"),
    "venue": _but_restart(Venue, request_timeout_s="now"),
    **dict.fromkeys(("sandbox", "shadow", "live", "markets", "model", "drift"), "restart"),
    "feed": _FEED,
    "orders": _ORDERS,
    "risk": _RISK,
    "breaker": _BREAKER,
    "reconcile": {"every_s": "lower", "fills_every_ms": "lower"},
    "reference": _but_restart(ReferenceTable, stale_max_ms="lower"),
    "calendar": "restart",
    "audit": {"every_s": "lower", "differences_max": "lower"},
    "strategies": OF_STRATEGIES,
    "store": {"calls_kept_days": "now"},
    **dict.fromkeys(("metrics", "page"), "restart"),
    "notify": {"urls_file": "restart", "events": "now"},
    "log": {"level": "now", "format": "restart"},
}
"""By table, or by key where the keys of a table differ. A key that stands nowhere here is an error."""

_SECRET = frozenset({"venue.key_id", "live.confirm"})
"""What is shown as a fingerprint only: it names an account."""


class Change(msgspec.Struct, frozen=True):
    """One key that would change, its values as JSON has them; None where it is not written."""

    key: str
    old: Any
    new: Any
    effect: Effect

    def __str__(self) -> str:
        words = {"restart": "needs a restart", "now": "at once", "tightens": "tightens", "loosens": "LOOSENS"}
        return f"{self.key}: {_text(self.old)} -> {_text(self.new)} ({words[self.effect]})"


def is_beyond_evidence(change: Change) -> bool:
    """Whether real money would be traded on other terms than those that paper has proven.

    Those are limits, which may tighten, and all that a strategy goes by.
    """
    is_proven = change.key.startswith(("strategies.", "risk."))
    return change.effect == "loosens" or (is_proven and change.effect == "now")


def _text(value: object) -> str:
    return "not written" if value is None else msgspec.json.encode(value).decode()


def rule_of(key: str) -> Rule:
    """Return the rule of a dotted key, such as "risk.open_orders_max". Raises KeyError for what is no key."""
    table, _, rest = key.partition(".")
    rules = RULES[table]
    if isinstance(rules, str):
        return rules
    if table != "strategies":
        return rules[rest]
    own = rest.partition(".")[2]
    return rules.get(own, "lower" if own.endswith(_SIZES) else "now")


def flatten(config: Config) -> dict[str, Any]:
    """Return all values of a configuration by their dotted keys, defaults included.

    What names an account is there as a fingerprint. Of strategies, whose own defaults are theirs, what is
    written.
    """
    flat: dict[str, Any] = {}
    for name in Config.__struct_fields__:
        value = getattr(config, name)
        if name in ("root", "strategies"):
            continue
        if isinstance(value, msgspec.Struct):
            for key in value.__struct_fields__:
                flat[f"{name}.{key}"] = msgspec.to_builtins(getattr(value, key))
        else:
            flat[name] = value
    for key in _SECRET:
        if flat[key]:
            flat[key] = f"(set, sha256 {hashlib.sha256(flat[key].encode()).hexdigest()[:8]})"
    for table in config.strategies:
        own = msgspec.to_builtins(table)
        given: dict[str, Any] = {**own, **own["params"]}
        for key, value in given.items():
            is_unwritten = value is None or (key in ("model", "categories", "code_sha256") and not value)
            if key not in ("name", "params") and not is_unwritten:
                flat[f"strategies.{table.name}.{key}"] = value
    return flat


def fingerprint(effective: Effective) -> str:
    """Return the SHA-256 of what is in force; comments and order don't count."""
    return hashlib.sha256(msgspec.json.encode(effective, order="deterministic")).hexdigest()


def changes(old: Effective, new: Effective) -> list[Change]:
    """Return what differs, and what it would do in a running daemon, in the order of the keys."""
    keys = dict.fromkeys([*old, *new])
    return [
        Change(key, old.get(key), new.get(key), _effect(key, old, new))
        for key in keys
        if old.get(key) != new.get(key)
    ]


def _effect(key: str, old: Effective, new: Effective) -> Effect:
    rule, was, now = rule_of(key), old.get(key), new.get(key)
    if key.startswith("strategies."):
        enabled = ".".join((*key.split(".")[:2], "enabled"))
        if enabled not in old or enabled not in new:
            # A table that comes or goes: all that counts is whether it runs.
            if key != enabled:
                return "now"
            was, now = bool(was), bool(now)
            return "now" if was == now else "loosens" if now else "tightens"
        if key.rpartition(".")[2] not in OF_STRATEGIES and rule != "now" and None in (was, now):
            return "loosens"  # what is not written is the strategy's own default, which is not known here
    if rule in ("restart", "now"):
        return "restart" if rule == "restart" else "now"
    return "tightens" if _is_tighter(rule, was, now) else "loosens"


def _is_tighter(rule: Rule, was: object, now: object) -> bool:
    is_off = [value in (None, "off", "") for value in (was, now)]
    if rule == "hours":
        return is_off == [True, False]
    if any(is_off):
        # A guard that is not written may be a long one by default: what takes its place may be shorter.
        return rule == "lower" and is_off == [True, False]
    assert isinstance(was, int | float), f"{was!r} is no amount"
    assert isinstance(now, int | float), f"{now!r} is no amount"
    return now < was if rule == "lower" else now > was


def token_of(old: Effective, new: Effective) -> str:
    """Return the word that confirms this very change: another file, or another daemon, has another one."""
    return hashlib.sha256(f"{fingerprint(old)} {fingerprint(new)}".encode()).hexdigest()[:8]
