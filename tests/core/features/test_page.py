"""The page of the features."""

from __future__ import annotations

import os
from pathlib import Path

from daemon.core.features.catalogue import CATALOGUE, families
from daemon.core.features.page import page

PAGE = Path(__file__).parents[3] / "daemon" / "FEATURES.md"


def test_the_page_is_drawn_from_the_definitions() -> None:
    """`daemon/FEATURES.md` can't rot: UPDATE_DOCS=1 rewrites it."""
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page(), encoding="utf-8")
    assert page() == PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_feature() -> None:
    """Every family has a section, every instance of the catalogue is named."""
    text = page()
    assert [one.name for one in families() if f"### `{one.name}`\n" not in text] == []
    assert [name for name in CATALOGUE if f"`{name}`" not in text] == []
