"""Pages hold no one's markup but ours, and ask nobody else for anything."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from daemon.lab.serve.html import document, section, table


@given(st.text(max_size=40))
def test_text_stays_text(text: str) -> None:
    """Whatever a name is, it makes no tag: as many as with a harmless one."""

    def tags(word: str) -> int:
        return len(re.findall("<", table(word, [word], [[word]], sentences=(0,)) + section(word, "")))

    assert tags("a") == tags(text)


def test_a_page_loads_nothing_from_elsewhere() -> None:
    """Style and script are addresses of ours; no script where none is needed."""
    page = document("a & b", "<p>c</p>", has_script=True)
    assert "<title>a &amp; b</title>" in page
    assert [
        "data:,",
        "/page.css",
        "/page.js",
        "#main",
        "/",
        "/docs",
        "/models",
        "/openapi.json",
    ] == re.findall('(?:src|href)="([^"]*)"', page)
    assert "<script" not in document("a", "b")
