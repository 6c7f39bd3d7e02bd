"""REST calls counted by endpoint: each in its one place, in a table that is bounded and whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.kalshi.strict import endpoint_of
from daemon.shell.api_counts import CODES, ENDPOINTS, ApiCounts
from daemon.shell.families import OTHER

REST = Path(__file__).parents[2] / "daemon" / "kalshi" / "rest"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, "2xx"), (201, "2xx"), (304, "2xx"), (400, "4xx"), (401, "4xx"), (404, "4xx"), (429, "429"),
        (500, "5xx"), (503, "5xx"), (None, "none"),
    ],
)  # fmt: skip
def test_a_request_is_counted_by_endpoint_and_code(status: int | None, code: str) -> None:
    """An order's id is no part of the endpoint; no answer is a code of its own, and so is 429."""
    counts = ApiCounts()
    counts.observe("DELETE", "/portfolio/events/orders/0192-ab-CD", status, 0.25)
    endpoint = "DELETE /portfolio/events/orders/:name"
    assert {(endpoint, code): 1} == {name: n for name, n in counts.requests.items() if n}
    assert {endpoint: (1, 250_000_000)} == {
        name: (one.count, one.sum_ns) for name, one in counts.seconds.items() if one.count
    }


def test_all_series_are_there_from_the_start_and_few() -> None:
    """Every endpoint with every code at 0, so that a first error is a rise; all in some 500 series."""
    counts = ApiCounts()
    assert {(name, code): 0 for name in (*ENDPOINTS, OTHER) for code in CODES} == counts.requests
    buckets = sum(len(one.prometheus()) + 2 for one in counts.seconds.values())
    assert len(counts.requests) + buckets < 550


@given(
    st.sampled_from(["GET", "POST", "PATCH"]), st.text("/aZ1-_", max_size=20), st.sampled_from([200, None])
)
def test_what_is_not_in_the_table_is_other(method: str, path: str, status: int | None) -> None:
    """No path that anybody asks for adds a series, and none is lost."""
    counts = ApiCounts()
    known = len(counts.requests), len(counts.seconds)
    counts.observe(method, path, status, 0.0)
    assert known == (len(counts.requests), len(counts.seconds))
    assert 1 == sum(counts.requests.values())


def test_the_table_has_only_what_the_client_asks_for() -> None:
    """Read from the calls' own source: an endpoint that was given up would stay in the table for ever."""
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(REST.glob("*.py")))
    source = source.replace("{_path(group_id)}", "/portfolio/order_groups/{x}")
    for name, text in re.findall(r'(?m)^(_?[A-Z]+) = "(/[a-z_/]+)"$', source):
        source = source.replace(f"{{{name}}}", text)
    paths = {endpoint_of(re.sub(r"\{[^}]*\}", "X1", path)) for path in re.findall(r'"(/[^" ]+)"', source)} | {
        "/portfolio/deposits",
        "/portfolio/withdrawals",
        "/portfolio/order_groups/:name",
    }
    assert {endpoint.partition(" ")[2] for endpoint in ENDPOINTS} <= paths
