"""The names that the core counts under: the table has them all, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from daemon.core import events as e
from daemon.shell.event_kinds import EVENT_KINDS

CORE = Path(__file__).parents[2] / "daemon" / "core"


def test_the_table_has_what_the_core_counts() -> None:
    """Read from the core's own source, in which a name that is counted stands where it is counted."""
    counted: set[str] = set()
    for path in CORE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if path.name == "model_slot.py":
            continue  # a slot's own counts, of scores
        for key in re.findall(r"(?:self|state|beliefs)\.counts\[(.+?)\] \+=", source):
            if "{event.action}" in key:
                counted |= {f"rejected_{action}" for action in get_args(e.OrderAction)}
            elif "{event.feed}" not in key and '"' in key:
                counted |= set(re.findall(r'"(\w+)"', key))
    assert sorted(counted) == sorted(EVENT_KINDS)
    assert list(EVENT_KINDS) == sorted(EVENT_KINDS)
