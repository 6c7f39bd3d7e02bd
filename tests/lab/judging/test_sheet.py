"""The paper of reports: well-formed, escaped, nothing loaded."""

from __future__ import annotations

from xml.etree import ElementTree

from daemon.lab.judging.sheet import document, table


def test_a_document_is_well_formed_and_its_title_escaped() -> None:
    """The body stands in it as it was given."""
    page = document("a <b> & c", "<p>1</p>")
    tree = ElementTree.fromstring(page.removeprefix("<!doctype html>"))
    assert ("a <b> & c", "1") == (tree.findtext("head/title"), tree.findtext("body/p"))
    assert "prefers-color-scheme:dark" in page


def test_a_tables_cells_are_escaped_and_it_scrolls_by_itself() -> None:
    """Caption, heads and rows in their order."""
    tree = ElementTree.fromstring(table("what & why", ("a", "b"), [("<1>", "2"), ("3", "4")]))
    assert ("wide", "0") == (tree.attrib["class"], tree.attrib["tabindex"])
    assert ["what & why", "a", "b", "<1>", "2", "3", "4"] == list(tree.itertext())
