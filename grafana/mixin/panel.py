"""What a panel and a dashboard are here: plain values, which `build` turns into Grafana's JSON.

In queries, `@` stands for the matchers that every one has: the job and the instances that are chosen above.
`$__rate_interval` is Grafana's: a window that holds at least four scrapes.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

MATCHERS = 'job=~"$job", instance=~"$instance"'


class Query(NamedTuple):
    """One query and what its series are called; `{{label}}` is Grafana's."""

    expr: str
    legend: str


class Panel(NamedTuple):
    """One panel. `unit` is Grafana's name of it; of a `number`, the last value is shown large."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["lines", "number", "name"] = "lines"


class Dashboard(NamedTuple):
    """One dashboard: its file's name and its panels, in reading order."""

    name: str
    title: str
    description: str
    panels: tuple[Panel, ...]


def now(metric: str, legend: str) -> Query:
    """Return the query of a gauge, one series each."""
    return Query(f"{metric}{{@}}", legend)


def age(metric: str, legend: str) -> Query:
    """Return the query of the time since an instant."""
    return Query(f"time() - {metric}{{@}}", legend)


def per_second(metric: str, legend: str, by: str = "") -> Query:
    """Return the query of a counter's rate, summed by labels."""
    return Query(f"sum{_by(by)}(rate({metric}{{@}}[$__rate_interval]))", legend)


def count(metric: str, legend: str, by: str = "") -> Query:
    """Return the query of how much a counter grew, summed by labels."""
    return Query(f"sum{_by(by)}(increase({metric}{{@}}[$__rate_interval]))", legend)


def quantile(share: float, metric: str, legend: str, by: str = "") -> Query:
    """Return the query of a histogram's quantile, over all instances, whole or by a label."""
    labels = f"le, {by}" if by else "le"
    return Query(
        f"histogram_quantile({share:g}, sum by ({labels}) (rate({metric}_bucket{{@}}[$__rate_interval])))",
        legend,
    )


def p50_p99(metric: str) -> tuple[Query, Query]:
    """Return the median and the 99th percentile of a histogram."""
    return quantile(0.5, metric, "p50"), quantile(0.99, metric, "p99")


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""
