"""The page of all metrics: it says what the table says."""

from __future__ import annotations

import os
import re
from pathlib import Path

from daemon.shell.families import FAMILIES
from daemon.shell.metrics_page import metrics_page

PAGE = Path(__file__).parents[2] / "daemon" / "METRICS.md"


def test_the_page_is_made_from_the_table() -> None:
    """`daemon/METRICS.md` can't rot: UPDATE_DOCS=1 rewrites it."""
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(metrics_page(), encoding="utf-8")
    assert metrics_page() == PAGE.read_text(encoding="utf-8")


def test_what_it_names_besides_exists() -> None:
    """The families that stand in for what is not there, and those with exemplars, are in the table."""
    prose = re.sub(r"(?m)^\|.*$", "", metrics_page())
    named = re.findall(r"`(\w+_(?:total|seconds|bytes))[`{]", prose)
    assert len(named) > 8
    assert [] == [name for name in named if f"kalshid_{name}" not in FAMILIES and "process_" not in name]


def test_every_family_has_its_row_with_its_kind() -> None:
    """None is missing, none is told of that does not exist."""
    rows = re.findall(r"(?m)^\| `(\w+)` \| (\w+) \|", metrics_page())
    assert [(name, family.kind) for name, family in FAMILIES.items()] == rows
