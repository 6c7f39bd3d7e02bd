"""Every unconfirmed point of the protocol sheet is chosen at one place, which says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHEET = ROOT / "../shared/docs/kalshi-protocol.md"

WITHOUT_CODE = {
    19: "later entries of a changelog that nobody here has seen: there is nothing to choose",
}
"""Row → why there is nothing in the tree for it."""


def named() -> dict[int, list[str]]:
    """Return the rows that the tree names, and where."""
    found: dict[int, list[str]] = {}
    for path in sorted((ROOT / "daemon").rglob("*.py")):
        for row in re.findall(r"\b11, row (\d+)", path.read_text()):
            found.setdefault(int(row), []).append(str(path.relative_to(ROOT)))
    return found


def test_every_row_is_named_where_it_is_chosen() -> None:
    """All 23, in the tree or in the table of those that need no code; never in both."""
    rows = named()
    assert [*range(1, 24)] == sorted({*rows, *WITHOUT_CODE})
    assert set() == {*rows} & {*WITHOUT_CODE}


def test_the_sheet_has_no_rows_but_these() -> None:
    """A row that is added to the sheet is missed here."""
    if not SHEET.exists():
        pytest.skip(f"NOT CHECKED: no {SHEET.name} beside the checkout")
    section = SHEET.read_text().partition("\n## 11.")[2].partition("\n## ")[0]
    assert [*range(1, 24)] == [int(row) for row in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)]
