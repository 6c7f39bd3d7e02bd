"""The table of faults, and rules that make sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.sandbox.faults.registry import (
    FAULTS,
    SEAM_OPTIONS,
    BadRule,
    Rule,
    check_rule,
    faults_table,
    read_faults,
)


def test_every_fault_stands_in_the_table_in_one_line() -> None:
    """Kind, seam, what happens, options: the docs are made of it."""
    rows = faults_table().splitlines()[2:]
    assert list(FAULTS) == [row.split("`")[1] for row in rows]
    assert all(0 < len(fault.does) < 110 and fault.seam in SEAM_OPTIONS for fault in FAULTS.values())


def test_options_are_fields_of_a_rule() -> None:
    """What a fault says it reads exists, and what it needs it reads."""
    fields = set(Rule.__struct_fields__)
    for kind, fault in FAULTS.items():
        assert {*fault.options, *SEAM_OPTIONS[fault.seam]} <= fields, kind
        assert set(fault.needs) <= set(fault.options), kind


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule(kind="cutt"), "kind: no fault is named 'cutt'; there are cut, "),
        (Rule(kind="delay"), "ms: delay needs it"),
        (Rule(kind="delay", ms=-1), "ms: -1 is below 0"),
        (Rule(kind="drop", path="/x"), "path: drop doesn't read it; it reads channel, "),
        (Rule(kind="http_429", when="after"), "when: http_429 doesn't read it"),
        (Rule(kind="http_500", channel="fill"), "channel: http_500 doesn't read it"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: Rule, message: str) -> None:
    """Naming the option and what is allowed."""
    with pytest.raises(BadRule, match="^" + message.replace("?", r"\?")):
        check_rule(rule)


def test_rules_come_from_a_file(tmp_path: Path) -> None:
    """Tables `[[fault]]`, in order."""
    path = tmp_path / "faults.toml"
    path.write_text('[[fault]]\nkind = "drop"\nchannel = "fill"\nnext = 2\n[[fault]]\nkind = "cut"\n')
    assert (Rule(kind="drop", channel="fill", next=2), Rule(kind="cut")) == read_faults(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[fault]]\nkind = "drop"\nprobability = 2\n', "probability"),
        ('[[fault]]\nkind = "drop"\nodds = 2\n', "odds"),
        ('[[fault]]\nkind = "drop"\n[[fault]]\nkind = "delay"\n', r"fault\[1\]\.ms: delay needs it"),
        ("[[fault\n", "faults.toml"),
    ],
)
def test_a_bad_file_names_file_and_field(tmp_path: Path, text: str, message: str) -> None:
    """So that it can be mended."""
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(BadRule, match=message) as refused:
        read_faults(path)
    assert str(path) in str(refused.value)
