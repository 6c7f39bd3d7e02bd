"""How the suite is shared by two workers: whole files, and all that waits for real processes in one.

The end-to-end tests mostly wait; what computes has the other core meanwhile. Two of them at one time
would fight for both cores.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give each test the group that one worker runs: its file, or its folder where processes are started."""
    place = item.path.relative_to(HERE)
    group = "e2e" if place.parts[0] == "e2e" else place.as_posix()
    item.add_marker(pytest.mark.xdist_group(group))
