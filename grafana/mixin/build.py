"""Grafana's JSON from the tables beside this file: `python -m grafana.mixin.build`, from the checkout.

By Grafana's own SDK, `grafana-foundation-sdk==1769699379!11.6.0` (the 11.6 of it, which is no dependency of
the daemon). What it writes is committed, and a test holds it against the tables where the SDK is installed.
"""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueTextMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    GridPos,
    VariableRefresh,
)

from grafana.mixin.overview import OVERVIEW
from grafana.mixin.panel import MATCHERS, Dashboard, Panel
from grafana.mixin.running import FAULTS, FEEDS, LATENCY
from grafana.mixin.trading import MODEL, MONEY, ORDERS

DASHBOARDS = (OVERVIEW, FEEDS, ORDERS, LATENCY, MODEL, MONEY, FAULTS)
FOLDER = Path(__file__).parents[1] / "dashboards"
WIDTH = 24
LINES = (8, 8)
NUMBER_HEIGHT = 4
FOR_INTERVALS_ONLY = ("auto", "auto_count", "auto_min")
"""What the SDK gives to every variable, and Grafana's own types to none but those of intervals."""
SOURCE = DataSourceRef("prometheus", "$datasource")


def built(one: Dashboard) -> str:
    """Return a dashboard as JSON."""
    board = (
        dashboard.Dashboard(one.title)
        .uid(one.name)
        .description(one.description)
        .tags(["kalshid"])
        .readonly()
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("utc")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("kalshid")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["kalshid"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_chosen("job", "Job", "label_values(kalshid_build_info, job)"))
        .with_variable(
            _chosen("instance", "Instance", 'label_values(kalshid_build_info{job=~"$job"}, instance)')
        )
    )
    for number, (panel, place) in enumerate(zip(one.panels, places(one.panels), strict=True), start=1):
        board.with_panel(_panel(panel, place).id(number))
    plain = json.loads(json.dumps(board.build(), cls=JSONEncoder))
    for variable in plain["templating"]["list"]:
        for name in FOR_INTERVALS_ONLY:
            variable.pop(name, None)
    return json.dumps(plain, indent=1, sort_keys=True) + "\n"


def places(panels: tuple[Panel, ...]) -> list[GridPos]:
    """Return where each panel stands: in reading order; a row has one height, one of numbers is full."""
    numbers = sum(panel.kind != "lines" for panel in panels)
    found: list[GridPos] = []
    x = y = row = 0
    for panel in panels:
        width, height = LINES if panel.kind == "lines" else (WIDTH // numbers, NUMBER_HEIGHT)
        if x + width > WIDTH or (row and height != row):
            x, y = 0, y + row
        found.append(GridPos(h=height, w=width, x=x, y=y))
        x, row = x + width, height
    return found


def _chosen(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".+")
        .multi(True)
        .current({"selected": True, "text": ["All"], "value": ["$__all"]})
    )


def _panel(panel: Panel, place: GridPos) -> stat.Panel | timeseries.Panel:
    made = _lines(panel.unit) if panel.kind == "lines" else _number(panel.kind)
    made = made.title(panel.title).description(panel.description).unit(panel.unit).datasource(SOURCE)
    for ref, query in zip("ABCDEFG", panel.queries, strict=False):
        target = prometheus.Dataquery().ref_id(ref).expr(query.expr.replace("@", MATCHERS))
        made.with_target(target.legend_format(query.legend).datasource(SOURCE))
    return made.grid_pos(place)


def _lines(unit: str) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    panel = timeseries.Panel().legend(legend).tooltip(tooltip).line_width(1)
    # Of counts and states that are all 0, Grafana would draw an axis up to 100.
    return panel.axis_soft_min(0).axis_soft_max(1) if unit == "short" else panel


def _number(kind: str) -> stat.Panel:
    shown = BigValueTextMode.NAME if kind == "name" else BigValueTextMode.VALUE
    return (
        stat.Panel()
        .text_mode(shown)
        .color_mode(BigValueColorMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    for one in DASHBOARDS:
        (FOLDER / f"{one.name}.json").write_text(built(one), encoding="utf-8")


if __name__ == "__main__":
    main()
