"""What a change of the configuration would do in a running daemon: every key has its rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.config import Config, parse_config
from daemon.config_tables import StrategyTable
from daemon.reloading import OF_STRATEGIES, RULES, changes, fingerprint, flatten, rule_of, token_of

NEVER = (
    "mode", "state_dir", "venue.rest_url", "venue.key_id", "venue.private_key_file", "live.confirm",
    "orders.id_prefix", "model.path", "metrics.listen", "sandbox.seed", "strategies.x.model",
)  # fmt: skip


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


@pytest.mark.parametrize("key", NEVER)
def test_who_and_where_we_are_never_reloads(key: str) -> None:
    """Mode, addresses, keys, files, prefixes: the running daemon is what it was started as."""
    assert "restart" == rule_of(key)


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
