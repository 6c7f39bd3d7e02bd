"""The dashboards of grafana/: what is committed is what the tables say, Grafana's types and linter agree.

Grafana itself is not run here. The schema is made from its own types (`grafana/schema`), and the rules of its
dashboard linter are written out below.
"""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from daemon.shell.families import FAMILIES
from grafana.mixin.overview import OVERVIEW
from grafana.mixin.panel import MATCHERS, Dashboard
from grafana.mixin.running import FAULTS, FEEDS, LATENCY
from grafana.mixin.trading import MODEL, MONEY, ORDERS
from tests.test_grafana import EXPORTED, GRAFANA, SCRAPED, recorded, rules_expressions, selectors

DASHBOARDS = (OVERVIEW, FEEDS, ORDERS, LATENCY, MODEL, MONEY, FAULTS)
NAMES = [one.name for one in DASHBOARDS]
OF_PROCESS = {"process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"}
BOARD_CASES = pytest.mark.parametrize("name", NAMES)


def board(name: str) -> dict[str, Any]:
    """One dashboard as it is committed."""
    found: dict[str, Any] = json.loads((GRAFANA / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def test_every_file_is_a_dashboard_of_the_tables() -> None:
    """Nothing lies there that nobody makes, and nothing is made that does not lie there."""
    assert sorted(NAMES) == sorted(path.stem for path in (GRAFANA / "dashboards").glob("*.json"))


@pytest.mark.parametrize("table", DASHBOARDS, ids=NAMES)
def test_the_files_say_what_the_tables_say(table: Dashboard) -> None:
    """Titles, descriptions, units and queries, in order: nobody has changed one of the two by hand."""
    made = board(table.name)
    assert (table.title, table.name, table.description) == (made["title"], made["uid"], made["description"])
    expected = [
        (
            one.title,
            one.description,
            one.unit,
            [(q.expr.replace("@", MATCHERS), q.legend) for q in one.queries],
        )
        for one in table.panels
    ]
    found = [
        (
            panel["title"],
            panel["description"],
            panel["fieldConfig"]["defaults"]["unit"],
            [(target["expr"], target["legendFormat"]) for target in panel["targets"]],
        )
        for panel in made["panels"]
    ]
    assert expected == found


@pytest.mark.parametrize("table", DASHBOARDS, ids=NAMES)
def test_making_them_anew_changes_nothing(table: Dashboard) -> None:
    """Byte by byte, by the SDK that is pinned in `grafana/mixin/build.py`."""
    pytest.importorskip(
        "grafana_foundation_sdk",
        reason="grafana-foundation-sdk is not installed: dashboards are not made anew",
    )
    build = importlib.import_module("grafana.mixin.build")
    assert build.built(table) == (GRAFANA / "dashboards" / f"{table.name}.json").read_text(encoding="utf-8")


@BOARD_CASES
def test_grafanas_own_types_take_them(name: str) -> None:
    """No field that they don't know, none of a wrong kind; a field too many is noticed."""
    jsonschema = pytest.importorskip(
        "jsonschema", reason="jsonschema is not installed: types are not checked"
    )
    schema = json.loads((GRAFANA / "schema" / "dashboard.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft7Validator(schema)
    assert [] == [error.message for error in validator.iter_errors(board(name))]
    for wrong in ({"refresh": 5}, {"nobody": "knows"}, {"panels": "many"}, {"editable": "yes"}):
        assert not validator.is_valid({**board(name), **wrong}), wrong


@BOARD_CASES
def test_panels_do_not_overlap_and_say_what_they_show(name: str) -> None:
    """Each has its place of the grid, a title and a number of its own, a description and a unit."""
    panels, taken = board(name)["panels"], set[tuple[int, int]]()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    assert len(panels) == len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels})


@BOARD_CASES
def test_grafanas_linter_would_have_nothing_to_say(name: str) -> None:
    """Its rules for variables: data source, job and instance are chosen, all by default, renewed in time."""
    made = board(name)
    source, job, instance = made["templating"]["list"]
    assert ("datasource", "datasource", "prometheus") == (source["name"], source["type"], source["query"])
    for variable, label in ((job, "Job"), (instance, "Instance")):
        assert ("query", label) == (variable["type"], variable["label"])
        assert variable["name"] == label.lower()
        assert {"type": "prometheus", "uid": "$datasource"} == variable["datasource"]
        assert (True, True, ".+", 2) == (
            variable["multi"], variable["includeAll"], variable["allValue"], variable["refresh"]
        )  # fmt: skip
    assert made["editable"] is False
    for panel in made["panels"]:
        assert {"type": "prometheus", "uid": "$datasource"} == panel["datasource"], panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            _lint(target["expr"])


def _lint(expression: str) -> None:
    """Hold one query against the linter's rules for targets."""
    metrics = re.findall(r"([A-Za-z][\w:]*)\{", expression)
    assert metrics, expression
    is_ours = "ALERTS{" not in expression
    # The alerts on a target that is gone have no job.
    assert not is_ours or len(metrics) == expression.count(MATCHERS), expression
    windows = re.findall(r"\[([^\]]*)\]", expression)
    assert set(windows) <= {"$__rate_interval"}, expression
    for name in metrics:
        is_counter = name.endswith(("_total", "_bucket"))
        if is_counter and name != "kalshid_fees_dollars_total":  # a sum that is also shown as such
            assert re.search(rf"(rate|increase)\({name}\{{", expression), expression
            assert "sum" in expression, expression


@BOARD_CASES
def test_what_panels_ask_for_exists(name: str) -> None:
    """Every metric, ours, the process's or recorded, with every label that is matched, grouped or shown."""
    for panel in board(name)["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            for metric, labels in selectors(expression):
                assert metric in EXPORTED, expression
                assert labels <= {*EXPORTED[metric], *SCRAPED}, expression
            for metric in re.findall(r"(?<![\w:])(process_\w+)", expression):
                assert metric in OF_PROCESS, expression
            for metric in re.findall(r"\bjob_instance\w*:\w+:\w+", expression):
                assert metric in recorded(), expression
            known = {label for metric, _ in selectors(expression) for label in EXPORTED[metric]} | SCRAPED
            known |= {"limit"} if "job_instance_limit:" in expression else set()
            grouped = {
                label for found in re.findall(r"\bby \(([^)]*)\)", expression) for label in found.split(", ")
            }
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert grouped | shown <= known, expression


def test_every_family_is_shown_or_watched() -> None:
    """What is counted and neither drawn nor watched would be counted for nobody."""
    asked = {
        metric
        for expression in (
            *rules_expressions(),
            *(q.expr for one in DASHBOARDS for p in one.panels for q in p.queries),
        )
        for metric, _ in selectors(expression)
    }
    shown = {family for family in FAMILIES if any(metric.startswith(family) for metric in asked)}
    assert set() == set(FAMILIES) - shown


def test_provisioning_names_the_folder_and_the_source() -> None:
    """Grafana finds the dashboards, and takes its window of rates from our scrape interval."""
    folder = GRAFANA / "provisioning"
    assert "timeInterval: 5s" in (folder / "datasources" / "kalshid.yml").read_text(encoding="utf-8")
    assert "scrape_interval: 5s" in (GRAFANA / "prometheus.yml").read_text(encoding="utf-8")
    assert "type: file" in (folder / "dashboards" / "kalshid.yml").read_text(encoding="utf-8")


def test_the_schema_comes_with_its_licence() -> None:
    """Grafana's types are Apache-2.0: the licence and where they are from lie beside them."""
    notice = (GRAFANA / "schema" / "NOTICE").read_text(encoding="utf-8")
    assert "@grafana/schema 13.2.3" in notice
    assert "Apache License" in Path(GRAFANA / "schema" / "LICENSE").read_text(encoding="utf-8")
