"""Check and evidence on disk: what they are about is said by fingerprints, and read back exactly."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from daemon.config import parse_config
from daemon.config_tables import StrategyTable
from daemon.shell.golive import (
    CheckPassed,
    EvidenceUnreadable,
    GoLiveReport,
    StrategyRun,
    config_sha256,
    forget_check,
    limits_sha256,
    read_check,
    read_report,
    strategy_runs,
    strategy_sha256,
    write_check,
    write_report,
)

PASSED = CheckPassed(
    checked_at=5, kalshid_version="0.1.0", mode="live", config_sha256="a" * 64, model_sha256="b" * 64
)
REPORT = GoLiveReport(
    written_at=7,
    kalshid_version="0.1.0",
    mode="shadow",
    strategies=(StrategyRun("fair_value", "c" * 64),),
    model_sha256="b" * 64,
    limits_sha256="d" * 64,
    from_day="2026-11-01",
    to_day="2026-11-14",
    days=14,
    fills=321,
    findings={"cash_drift": 0},
    findings_halting=0,
    fees_paid=1_234_567,
    fees_predicted=None,
    markouts={"10s": 0.002, "60s": None},
    pnl=-5_000_000,
    pnl_worse_queue=-6_000_000,
)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """Whole, in a folder that is made if it is missing; unknown stays unknown."""
    folder = tmp_path / "var"
    assert "check.json" == write_check(folder, PASSED).name
    assert "golive.json" == write_report(folder, REPORT).name
    assert (PASSED, REPORT) == (read_check(folder), read_report(folder))
    assert {"check.json", "golive.json"} == {path.name for path in folder.iterdir()}


def test_a_check_that_failed_revokes_the_one_before(tmp_path: Path) -> None:
    """And there may be none to revoke."""
    forget_check(tmp_path)
    write_check(tmp_path, PASSED)
    forget_check(tmp_path)
    with pytest.raises(EvidenceUnreadable, match=r"check\.json: not there"):
        read_check(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", msgspec.json.encode({"format_version": 2}), b"[1]"])
def test_what_is_no_evidence_is_not_taken_for_some(tmp_path: Path, content: bytes) -> None:
    """Empty, another shape, another version."""
    (tmp_path / "golive.json").write_bytes(content)
    with pytest.raises(EvidenceUnreadable, match=r"golive\.json: can't be read"):
        read_report(tmp_path)
    known = msgspec.to_builtins(REPORT) | {"extra": 1}
    (tmp_path / "golive.json").write_bytes(msgspec.json.encode(known))
    with pytest.raises(EvidenceUnreadable):
        read_report(tmp_path)


def test_fingerprints_change_with_what_they_are_of(tmp_path: Path) -> None:
    """A limit, a parameter, a series; not with comments or the order of lines."""
    first = parse_config(
        "config.toml", "[risk]\norder_contracts_max = 7\n[feed]\nsilent_max_s = 9\n", tmp_path
    )
    same = parse_config(
        "config.toml", "[feed]\nsilent_max_s = 9 # s\n[risk]\norder_contracts_max = 7", tmp_path
    )
    other = parse_config("config.toml", "[risk]\norder_contracts_max = 8\n[feed]\nsilent_max_s = 9", tmp_path)
    assert config_sha256(first) == config_sha256(same)
    assert config_sha256(first) != config_sha256(other)
    assert limits_sha256(first.limits()) == limits_sha256(same.limits())
    assert limits_sha256(first.limits()) != limits_sha256(other.limits())
    tables = [
        StrategyTable("a", True, ["X"], {"margin": 0.1, "edge": 1}),
        StrategyTable("a", True, ["X"], {"margin": 0.2, "edge": 1}),
        StrategyTable("a", True, ["Y"], {"margin": 0.1, "edge": 1}),
    ]
    assert 3 == len({strategy_sha256(table) for table in tables})
    assert strategy_sha256(tables[0]) == strategy_sha256(
        StrategyTable("a", True, ["X"], {"edge": 1, "margin": 0.1})
    )


def test_a_strategy_that_reads_another_model_is_another_run() -> None:
    """And one that reads the default has the fingerprint that it had before there were others."""
    before = StrategyTable("a", True, ["X"], {"edge": 1})
    named = msgspec.structs.replace(before, model="slow")
    assert strategy_sha256(before) != strategy_sha256(named)
    encoded = msgspec.json.encode(("a", ["X"], {"edge": 1}), order="deterministic")
    assert hashlib.sha256(encoded).hexdigest() == strategy_sha256(before)


def test_a_strategy_with_other_limits_of_its_own_is_another_run() -> None:
    """Its sizes are shares of its capital: what a hundred dollars showed says nothing of all there is."""
    table = StrategyTable("a", True, ["X"], {})
    names = ("capital_dollars", "daily_loss_max_dollars", "close_guard_s")
    limits: list[dict[str, int]] = [{}, *({name: 7} for name in names)]
    tables = [msgspec.structs.replace(table, **limit) for limit in limits]
    assert len(tables) == len({strategy_sha256(one) for one in tables})


def test_only_what_is_enabled_runs() -> None:
    """By name."""
    tables = [StrategyTable(name, name != "b", ["X"], {}) for name in ("c", "b", "a")]
    assert ["a", "c"] == [run.name for run in strategy_runs(tables)]
