"""Findings: every kind has rules that say why, the table for people is the code's, all are counted."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from daemon.core.findings import (
    LATEST_MAX,
    RULES,
    Drift,
    Finding,
    FindingKind,
    FindingLog,
    findings_table,
)

TABLE = Path(__file__).parents[2] / "daemon/FINDINGS.md"
CASH = Drift("cash_drift", "cash", 5, 3)


def test_every_kind_has_a_rule() -> None:
    """A finding without a rule would be a finding that nobody acts on."""
    assert set(get_args(FindingKind)) == {kind for kind, _ in RULES}


def test_the_table_for_people_is_the_codes() -> None:
    """`daemon/FINDINGS.md` ends with it."""
    assert TABLE.read_text().endswith("\n\n" + findings_table())


def test_only_what_nobody_else_can_have_done_halts() -> None:
    """Deposits, withdrawals and trades by hand are a person's right."""
    # A daemon that has our name is no person.
    halting = {(kind, case) for (kind, case), rule in RULES.items() if rule.rule == "halt"}
    assert halting == {
        ("orphan", "again"),
        ("fill_unknown", "own name"),
        ("position_drift", "own"),
        ("cash_drift", "down"),
        ("settlement", "revenue"),
    }


def test_a_finding_carries_its_rule() -> None:
    """Whoever acts on it needs no table."""
    log = FindingLog()
    assert Finding("cash_drift", "cash", 5, 3, 7, "halt") == log.add(CASH, "down", 7)


def test_what_is_new_is_told_by_count() -> None:
    """A reader that knows how many it has seen gets those that came after, oldest first."""
    log = FindingLog()
    first, second = log.add(CASH, "down", 1), log.add(CASH, "up", 2)
    assert [[first, second], [second], []] == [log.since(seen) for seen in (0, 1, 2)]


def test_findings_do_not_pile_up_and_are_all_counted() -> None:
    """The latest are kept; the counts say how many there were."""
    log = FindingLog()
    for at in range(LATEST_MAX + 5):
        log.add(CASH, "up", at)
    assert (LATEST_MAX, LATEST_MAX + 5) == (len(log.latest), log.total)
    assert {"cash_drift": LATEST_MAX + 5} == log.by_kind
    assert LATEST_MAX + 4 == log.latest[-1].at
    assert LATEST_MAX == len(log.since(0))
