"""`kalshid reconcile`: by the daemon, by this process, and where there is nothing to compare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon import exits
from tests.commands_rig import asked, kalshid, leave_store
from tests.e2e.daemon_process import write_config
from tests.e2e.test_kill_switch import Venue


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a folder of its own, in which nothing ever ran."""
    return write_config(tmp_path)


def test_a_daemon_reads_now_and_agrees(config: Path) -> None:
    """Exit code 0, for people and as JSON."""
    result = asked(config, "reconcile")
    assert exits.OK == result.exit_code, result.output
    assert "they agree" in result.stdout
    told = json.loads(asked(config, "reconcile", "--json").stdout)
    assert (True, False, []) == (told["is_agreed"], told["is_dry_run"], told["findings"])


def test_what_the_daemon_found_is_told(config: Path) -> None:
    """Exit code 65, with the rule that was followed."""
    result = asked(config, "reconcile", drifts=True)
    assert exits.BAD_INPUT == result.exit_code, result.output
    assert "cash_drift cash" in result.stdout
    told = json.loads(asked(config, "reconcile", "--json", drifts=True).stdout)
    assert {"cash_drift"} == {one["kind"] for one in told["findings"]}
    count = len(told["findings"])
    assert (exits.BAD_INPUT, f"{count} differences") == (told["exit_code"], told["error"])


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_without_a_daemon_and_an_exchange_there_is_nothing_to_compare(
    config: Path, words: tuple[str, ...]
) -> None:
    """69, and what to do."""
    assert exits.UNAVAILABLE == kalshid(config, "reconcile", "--json", *words).exit_code


def test_a_dry_run_names_every_difference_that_lasts(tmp_path: Path) -> None:
    """A store that believes in a position and an order which the exchange never heard of."""
    venue = Venue(tmp_path / "exchange")
    try:
        config = venue.config(tmp_path)
        leave_store(tmp_path / "var", mode="demo")
        result = kalshid(config, "reconcile", "--dry-run", "--json")
        assert exits.BAD_INPUT == result.exit_code, result.output
        told = json.loads(result.stdout)
    finally:
        venue.end()
    assert {("cash", "cash"), ("position", "M-1"), ("order", "kd-1-1")} == {
        (one["kind"], one["subject"]) for one in told["differences"]
    }
    assert ["2.00", None] == [
        next(one for one in told["differences"] if one["kind"] == "position")[name]
        for name in ("believed", "told")
    ]


def test_shadow_has_no_account_but_ours(tmp_path: Path) -> None:
    """It says so."""
    host = "external-api.kalshi.com/trade-api/v2"
    config = write_config(
        tmp_path, mode='"shadow"', key_id='"k"', private_key_file='"k.pem"', rest_url=f'"https://{host}"',
        ws_url='"wss://external-api-ws.kalshi.com/trade-api/ws/v2"',
    )  # fmt: skip
    result = kalshid(config, "reconcile", "--dry-run")
    assert exits.UNAVAILABLE == result.exit_code
    assert "shadow" in result.stderr
