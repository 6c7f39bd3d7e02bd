"""What lies in grafana/: rules that fire when they should, notices that reach whom they should, a runbook.

The checks by Prometheus' own tool need `promtool` (Debian's package `prometheus`), and are skipped without.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from daemon.core import events as e
from daemon.shell.families import FAMILIES
from daemon.shell.samples import Sampler
from tests.shell.beliefs import LATER, lived
from tests.shell.standing import standing

GRAFANA = Path(__file__).parents[1] / "grafana"
RULES = GRAFANA / "kalshid.rules.yml"
RULES_TEST = GRAFANA / "kalshid.rules_test.yml"
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
EXPORTED = {
    name + suffix: family.labels + (("le",) if suffix == "_bucket" else ())
    for name, family in FAMILIES.items()
    for suffix in SUFFIXES[family.kind]
}
SCRAPED = {"job", "instance"}
WITHIN_S = 60


def promtool(*words: str, text: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run promtool in the folder; skip, loudly, where it is absent."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus): rules are not checked")
    return subprocess.run(
        [program, *words], cwd=GRAFANA, input=text, capture_output=True, check=False, timeout=WITHIN_S
    )


def alerts() -> list[str]:
    return re.findall(r"(?m)^ *- alert: (\w+)$", RULES.read_text(encoding="utf-8"))


def rules_expressions() -> list[str]:
    """Return the queries of all rules."""
    return re.findall(r"(?m)^ *expr: (.*)$", RULES.read_text(encoding="utf-8"))


def recorded() -> list[str]:
    """Return the names of what is recorded."""
    return re.findall(r"(?m)^ *- record: (\S+)$", RULES.read_text(encoding="utf-8"))


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """Return the metrics of ours in a query, each with the labels that are matched."""
    found = re.findall(r"(?<![\w:])(kalshid_[a-z0-9_]+)(?:\{([^}]*)\})?", expression)
    return [(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matched))) for name, matched in found]


@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "--lint=all", RULES.name),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", RULES_TEST.name),
    ],
    ids=["rules", "config", "unit tests"],
)
def test_prometheus_takes_the_rules(words: tuple[str, ...]) -> None:
    """They parse, and every alert fires when it should and not before, as its unit test says."""
    ran = promtool(*words)
    assert 0 == ran.returncode, (ran.stdout + ran.stderr).decode()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("kalshid_schema_drift == 1", "kalshid_schema_drift == 2"), ("for: 30s", "for: 30m")],
)
def test_a_broken_rule_fails_its_unit_test(right: str, wrong: str, tmp_path: Path) -> None:
    """The unit tests are no rubber stamp: a threshold or a duration that is changed is found."""
    (tmp_path / RULES.name).write_text(RULES.read_text(encoding="utf-8").replace(right, wrong))
    shutil.copy(RULES_TEST, tmp_path)
    ran = promtool("test", "rules", str(tmp_path / RULES_TEST.name))
    assert 0 != ran.returncode


def test_a_scrape_has_nothing_to_complain_of(tmp_path: Path) -> None:
    """Prometheus' linter finds no fault with names, kinds and help texts of a daemon that lived."""
    subject = lived()
    for event in (
        e.ChannelQuieted("kalshi", "trade", LATER, LATER),
        e.ExchangeStatusTold(False, False, (), LATER, LATER),
        e.MaintenancePlanned(((LATER, LATER + 1),), LATER),
    ):
        subject.handle(event)
    with standing(subject, tmp_path) as sources:
        sampler = Sampler(sources)
        sources.metrics.serve(lambda: sampler.read(LATER))
        sources.rest.refused.refuse("/markets: a shape")
        text = sources.metrics.render()
    ran = promtool("check", "metrics", text=text)
    assert (0, b"") == (ran.returncode, ran.stdout + ran.stderr)


def test_every_alert_is_tested_and_explained() -> None:
    """Each has a test in which it fires, a section of the runbook, a severity and a summary."""
    names = alerts()
    assert len(names) == len(set(names)) > 20
    tests = RULES_TEST.read_text(encoding="utf-8")
    book = (GRAFANA.parent / "daemon" / "RUNBOOK.md").read_text(encoding="utf-8")
    assert [] == [name for name in names if f'alertname="{name}"' not in tests]
    assert names == [name for name in names if f"\n### {name}\n" in book]
    assert set(names) == set(re.findall(r"(?m)^### (\w+)$", book))
    rules = RULES.read_text(encoding="utf-8")
    for text in ("labels: {severity: ", "summary: "):
        assert len(names) == rules.count(text)
    assert [f"daemon/RUNBOOK.md#{name.lower()}" for name in names] == re.findall(
        r'runbook_url: "(.*)"', rules
    )


def test_what_the_rules_ask_for_exists() -> None:
    """Every metric with every label that is matched or grouped by, in the form that it is exported in."""
    asked = rules_expressions()
    assert len(asked) > 40
    for expression in asked:
        for name, labels in selectors(expression):
            assert name in EXPORTED, expression
            assert labels <= {*EXPORTED[name], *SCRAPED}, expression
        known = {label for name, _ in selectors(expression) for label in EXPORTED[name]} | SCRAPED
        for grouped in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
            assert set(grouped.split(", ")) <= known, expression


def test_what_is_recorded_is_asked_for_and_tested() -> None:
    """A name of level, metric and operation; in a unit test; and in an alert or on a dashboard."""
    tests = RULES_TEST.read_text(encoding="utf-8")
    boards = "".join(path.read_text(encoding="utf-8") for path in (GRAFANA / "dashboards").glob("*.json"))
    names = recorded()
    assert names
    for name in names:
        assert re.fullmatch(r"job_instance(_\w+)?:kalshid_\w+:\w+", name)
        assert name in tests or any(name in expression for expression in rules_expressions()), name
        assert name in boards or any(name in expression for expression in rules_expressions()), name
    asked = set(re.findall(r"\bjob_instance\w*:\w+:\w+", boards + "".join(rules_expressions())))
    assert asked <= set(names)


def amtool(*words: str, fails: bool = False) -> str:
    """Run amtool on our configuration; skip, loudly, where it is absent."""
    program = shutil.which("amtool")
    if program is None:
        pytest.skip("amtool is not installed (Debian: apt-get install prometheus-alertmanager): not checked")
    ran = subprocess.run(
        [program, *words], cwd=GRAFANA, capture_output=True, text=True, check=False, timeout=WITHIN_S
    )
    assert fails == (ran.returncode != 0), ran.stdout + ran.stderr
    return ran.stdout


def test_alertmanager_takes_its_configuration(tmp_path: Path) -> None:
    """It parses, with all receivers that are routed to; a time zone that is none would be noticed."""
    assert "SUCCESS" in amtool("check-config", "alertmanager.yml")
    wrong = tmp_path / "alertmanager.yml"
    wrong.write_text((GRAFANA / "alertmanager.yml").read_text().replace("New_York", "NewYork"))
    assert "unknown time zone America/NewYork" in amtool("check-config", str(wrong), fails=True)


@pytest.mark.parametrize(
    ("alert", "severity", "receiver"),
    [
        ("KalshidWatchdog", "none", "dead-mans-switch"),
        ("KalshidFeedDown", "critical", "look-now"),
        ("KalshidBooksUnsynced", "warning", "look-today"),
        ("KalshidLossNearLimit", "critical", "look-now"),
        ("KalshidHalted", "warning", "look-today"),
    ],
)
def test_each_severity_reaches_its_receiver(alert: str, severity: str, receiver: str) -> None:
    """What is critical goes to whoever must look now, whether a maintenance mutes it or not."""
    labels = (f"alertname={alert}", f"severity={severity}")
    assert receiver == amtool("config", "routes", "test", "--config.file=alertmanager.yml", *labels).strip()


def test_what_is_muted_or_inhibited_is_an_alert_of_ours() -> None:
    """Every name or pattern there finds one; the maintenance mutes nothing about the process or the money."""
    text = (GRAFANA / "alertmanager.yml").read_text(encoding="utf-8")
    patterns = re.findall(r'alertname!?=~?"([^"]+)"', text)
    assert len(patterns) >= 8
    for pattern in patterns:
        assert [name for name in alerts() if re.fullmatch(pattern, name)], pattern
    (muted,) = re.findall(r'alertname=~"([^"]+)"\n +mute_time_intervals', text)
    for name in (
        "Down",
        "Halted",
        "BreakerNeedsPerson",
        "ReconcileFinding",
        "LossNearLimit",
        "OrderUnresolved",
    ):
        assert re.fullmatch(muted, f"Kalshid{name}") is None


def test_the_series_of_the_rules_tests_exist() -> None:
    """A unit test on a metric that we don't export would prove nothing."""
    series = re.findall(r"series: '(kalshid_[^']*)'", RULES_TEST.read_text(encoding="utf-8"))
    assert len(series) > 50
    for text in series:
        ((name, labels),) = selectors(text)
        assert {*EXPORTED[name], *SCRAPED} == labels, text
