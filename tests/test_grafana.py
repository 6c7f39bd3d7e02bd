"""What lies in grafana/: rules that fire when they should, a dashboard and a runbook that can't rot.

The checks by Prometheus' own tool need `promtool` (Debian's package `prometheus`), and are skipped without.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from daemon.core import events as e
from daemon.shell.metrics import FAMILIES
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
NOT_SHOWN = {
    "kalshid_build_info",  # the dashboard's list of jobs asks for it, in a variable
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


def expressions(path: Path) -> list[str]:
    """Return the queries of the rules or of a dashboard's panels."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return [target["expr"] for panel in json.loads(text)["panels"] for target in panel.get("targets", ())]
    return re.findall(r"(?m)^ *expr: (.*)$", text)


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """Return the metrics of ours in a query, each with the labels that are matched."""
    found = re.findall(r"\b(kalshid_[a-z0-9_]+)(?:\{([^}]*)\})?", expression)
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
    book = (GRAFANA / "RUNBOOK.md").read_text(encoding="utf-8")
    assert [] == [name for name in names if f'alertname="{name}"' not in tests]
    assert names == [name for name in names if f"\n### {name}\n" in book]
    assert set(names) == set(re.findall(r"(?m)^### (\w+)$", book))
    rules = RULES.read_text(encoding="utf-8")
    for text in ("labels: {severity: ", "summary: "):
        assert len(names) == rules.count(text)
    assert [f"grafana/RUNBOOK.md#{name.lower()}" for name in names] == re.findall(
        r'runbook_url: "(.*)"', rules
    )


@pytest.mark.parametrize("path", [RULES, GRAFANA / "kalshid.json"], ids=["rules", "dashboard"])
def test_what_is_asked_for_exists(path: Path) -> None:
    """Every metric with every label that is matched or grouped by, in the form that it is exported in."""
    asked = expressions(path)
    assert len(asked) > 20
    for expression in asked:
        for name, labels in selectors(expression):
            assert name in EXPORTED, expression
            assert labels <= {*EXPORTED[name], *SCRAPED}, expression
        known = {label for name, _ in selectors(expression) for label in EXPORTED[name]} | SCRAPED
        for grouped in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
            assert set(grouped.split(", ")) <= known, expression


def test_the_series_of_the_rules_tests_exist() -> None:
    """A unit test on a metric that we don't export would prove nothing."""
    series = re.findall(r"series: '(kalshid_[^']*)'", RULES_TEST.read_text(encoding="utf-8"))
    assert len(series) > 50
    for text in series:
        ((name, labels),) = selectors(text)
        assert {*EXPORTED[name], *SCRAPED} == labels, text


def test_the_dashboards_panels_do_not_overlap_and_say_what_they_show() -> None:
    """Each has its place of the grid, a title of its own, a description and a number of its own."""
    panels = json.loads((GRAFANA / "kalshid.json").read_text(encoding="utf-8"))["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["description"], panel["title"]
        assert all('job="$job"' in target["expr"] for target in panel.get("targets", ()))
    assert len(panels) == len({panel["id"] for panel in panels})
    assert len(panels) == len({panel["title"] for panel in panels})
    assert "Venue" in [panel["title"] for panel in panels if panel["type"] == "row"]


def test_every_family_is_shown_or_watched() -> None:
    """What is counted and neither drawn nor watched would be counted for nobody."""
    asked = {
        name
        for path in (RULES, GRAFANA / "kalshid.json")
        for expression in expressions(path)
        for name, _ in selectors(expression)
    }
    shown = {family for family in FAMILIES if any(name.startswith(family) for name in asked)}
    assert NOT_SHOWN == set(FAMILIES) - shown
