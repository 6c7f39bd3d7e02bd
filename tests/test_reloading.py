"""What a change of the configuration would do in a running daemon: every key has its rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.config import Config, parse_config
from daemon.config_tables import StrategyTable
from daemon.reloading import (
    OF_STRATEGIES,
    RULES,
    changes,
    fingerprint,
    flatten,
    is_beyond_evidence,
    rule_of,
    token_of,
)

WHOLE = ("sandbox", "shadow", "live", "markets", "model", "drift", "calendar", "metrics", "page")
NEVER = {
    "mode", "state_dir", "strategy_path", "venue.rest_url", "venue.ws_url", "venue.key_id",
    "venue.private_key_file", "venue.markets_per_connection", "venue.private_connection",
    "orders.id_prefix", "orders.group_contracts_max", "reference.prefer", "reference.underlyings",
    "reference.kraken_ws_url", "reference.kraken_rest_url", "notify.urls_file", "log.format",
}  # fmt: skip


def values(text: str = "") -> dict[str, Any]:
    """What a file comes to."""
    return flatten(parse_config("config.toml", text, Path("/nowhere")))


def effects(old: str, new: str) -> dict[str, str]:
    return {one.key: one.effect for one in changes(values(old), values(new))}


def test_every_key_has_a_rule() -> None:
    """A key that is added must say what a reload does with it, in `RULES`; one that goes leaves it."""
    assert [] == [name for name in Config.__struct_fields__ if name != "root" and name not in RULES]
    assert [] == [name for name in RULES if name not in Config.__struct_fields__]
    for name, rules in RULES.items():
        if isinstance(rules, dict) and name != "strategies":
            table = getattr(Config(root=Path()), name)
            assert list(table.__struct_fields__) == list(rules), name
    of_all = {"name", "params"}
    assert {*StrategyTable.__struct_fields__} - of_all == set(OF_STRATEGIES)


def test_what_never_reloads() -> None:
    """Who and where we are, files, what is watched, what makes windows; and of the rest nothing.

    Source: operations sheet 4, which has the first two.
    """
    restart = {key for key in values() if rule_of(key) == "restart"}
    assert NEVER == {key for key in restart if key.partition(".")[0] not in WHOLE}
    assert restart - NEVER == {key for key in values() if key.partition(".")[0] in WHOLE}
    of_strategies = {key for key, rule in OF_STRATEGIES.items() if rule == "restart"}
    assert {"series", "categories", "model", "code_sha256"} == of_strategies


def test_limits_tighten_at_once_and_loosen_with_a_word() -> None:
    """By the direction of each: a maximum downwards, a guard upwards."""
    old = "[risk]\norder_contracts_max = 50\nclose_guard_s = 30\ncash_reserve_dollars = 10\n"
    tight = "[risk]\norder_contracts_max = 49\nclose_guard_s = 31\ncash_reserve_dollars = 11\n"
    keys = ("risk.order_contracts_max", "risk.close_guard_s", "risk.cash_reserve_dollars")
    assert dict.fromkeys(keys, "tightens") == effects(old, tight)
    assert dict.fromkeys(keys, "loosens") == effects(tight, old)


def test_off_is_the_loosest_of_all() -> None:
    """A stop-loss that is set tightens, whatever it is; one that is taken away loosens. So do hours."""
    hours = '[risk]\ntrading_hours = "Mon-Fri 09:30-16:00 America/New_York"\n'
    others = '[risk]\ntrading_hours = "Mon-Fri 09:30-16:01 America/New_York"\n'
    assert {"risk.stop_loss_cents": "tightens"} == effects("", "[risk]\nstop_loss_cents = 99\n")
    assert {"risk.stop_loss_cents": "loosens"} == effects("[risk]\nstop_loss_cents = 99\n", "")
    assert {"risk.trading_hours": "tightens"} == effects("", hours)
    assert {"risk.trading_hours": "loosens"} == effects(hours, "")
    assert {"risk.trading_hours": "loosens"} == effects(hours, others)


def test_what_is_told_and_kept_changes_at_once() -> None:
    """It bounds nothing that is traded."""
    new = (
        'on_exit = "leave"\nreload_on_change = true\n[log]\nlevel = "debug"\n'
        "[feed]\nchannel_quiet_max_s = 60\n[store]\ncalls_kept_days = 7\n"
        "[venue]\nrequest_timeout_s = 4\n[notify]\nevents = []\n"
    )
    assert {"now"} == set(effects("", new).values())
    assert 7 == len(effects("", new))


def test_feeds_queue_and_breakers_are_limits() -> None:
    """Less silence, fewer requests, fewer failures, a longer rest: tighter."""
    tight = (
        "[feed]\nsilent_max_s = 5\n[orders]\nttl_ms = 500\nexpire_s = 30\nreserve_tokens = 40\n"
        "in_flight_max = 1\nrequests_per_s_max = 1\n[breaker]\nfailures_max = 1\nrejects_max = 1\n"
        "ack_p95_max_ms = 100\ncool_down_s = 60\n[reconcile]\nevery_s = 5\n[audit]\nevery_s = 5\n"
        "[reference]\nstale_max_ms = 5000\n"
    )
    assert {"tightens"} == set(effects("", tight).values())
    assert {"loosens"} == set(effects(tight, "").values())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "[risk]\nopen_orders_max = 50\n", False),
        ("", "[risk]\nopen_orders_max = 500\n", True),
        ("", "[risk]\ntake_profit_cents = 5\n", True),
        ("", "[breaker]\ncool_down_s = 1\n", True),
        ("", '[log]\nlevel = "debug"\n', False),
        ("", 'on_exit = "leave"\n', False),
    ],
)
def test_what_paper_has_proven(old: str, new: str, expected: bool) -> None:
    """Limits may tighten and a log may change; what a strategy goes by, and what loosens, is not proven."""
    (change,) = changes(values(old), values(new))
    assert expected == is_beyond_evidence(change)


def strategy(words: str = "", *, enabled: str = "true", series: str = "KXBTC15M") -> str:
    return f'[strategies.fair_value]\nenabled = {enabled}\nseries = ["{series}"]\n{words}\n'


def test_a_strategys_terms() -> None:
    """Its parameters at once; what it may have at stake as a limit; what it trades never."""
    key = "strategies.fair_value"
    assert {f"{key}.edge_min": "now"} == effects(strategy(), strategy("edge_min = 0.03"))
    assert {f"{key}.capital_dollars": "tightens"} == effects(strategy(), strategy("capital_dollars = 9"))
    assert {f"{key}.capital_dollars": "loosens"} == effects(strategy("capital_dollars = 9"), strategy())
    assert {f"{key}.close_guard_s": "loosens"} == effects(strategy(), strategy("close_guard_s = 9"))
    assert {f"{key}.series": "restart"} == effects(strategy(), strategy(series="KXBTCD"))
    assert {f"{key}.enabled": "tightens"} == effects(strategy(), strategy(enabled="false"))
    assert {f"{key}.enabled": "loosens"} == effects(strategy(enabled="false"), strategy())


def test_a_strategys_own_sizes_are_limits() -> None:
    """Less at once, more confirmed; what is not written is a default that nobody knows here."""
    key = "strategies.fair_value.position_contracts_max"
    less, more = (strategy(f"position_contracts_max = {size}") for size in (40, 60))
    assert {key: "tightens"} == effects(more, less)
    assert {key: "loosens"} == effects(less, more)
    assert {key: "loosens"} == effects(strategy(), less)
    assert {key: "loosens"} == effects(less, strategy())


def test_a_table_that_comes_or_goes_counts_by_whether_it_runs() -> None:
    """A new one that runs loosens; a disabled one is nothing but text."""
    key = "strategies.fair_value"
    assert {f"{key}.enabled": "loosens", f"{key}.series": "now"} == effects("", strategy())
    assert {f"{key}.enabled": "tightens", f"{key}.series": "now"} == effects(strategy(), "")
    assert {"now"} == set(effects("", strategy(enabled="false")).values())


def test_what_names_an_account_is_shown_as_a_fingerprint() -> None:
    """What is told ends in logs; that it changed is seen all the same."""
    first, second = values('[venue]\nkey_id = "abc"\n'), values('[venue]\nkey_id = "abd"\n')
    assert "abc" not in msgspec.json.encode(first).decode()
    assert ["venue.key_id"] == [one.key for one in changes(first, second)]


def test_the_word_is_of_this_very_change() -> None:
    """Another file, or another daemon, has another one; comments don't count."""
    old, new = values(), values("[risk]\nopen_orders_max = 101\n")
    other = values("[risk]\nopen_orders_max = 102\n")
    assert token_of(old, new) == token_of(values("# a comment\n"), new)
    assert 3 == len({token_of(old, new), token_of(old, other), token_of(other, new)})
    assert fingerprint(old) == fingerprint(values('mode = "sandbox"\n'))


def test_a_change_in_words() -> None:
    """What a person reads before the second word."""
    (change,) = changes(values(), values("[risk]\nopen_orders_max = 101\n"))
    assert "risk.open_orders_max: 100 -> 101 (LOOSENS)" == str(change)
