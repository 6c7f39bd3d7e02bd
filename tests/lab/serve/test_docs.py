"""The API for people: every path, status and shape of the document stands on the page."""

from __future__ import annotations

import re
from html import escape

import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")

from daemon.lab.serve.docs import render_docs
from daemon.lab.serve.openapi import openapi


def test_all_of_the_document_stands_there() -> None:
    """With its words; and no link leads nowhere or away."""
    found = openapi(None)
    page = render_docs(found)
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            assert f"<h2>{method.upper()} {path}</h2>" in page
            for status, one in operation["responses"].items():
                assert f"<b>{status}</b> {escape(one['description'])}" in page
    inner = set(re.findall(r'href="#(\w+)"', page)) - {"main"}
    assert inner <= set(re.findall(r'id="(\w+)"', page))
    assert set(found["components"]["schemas"]) == set(re.findall(r'<h3 id="(\w+)"', page))
    assert "http" not in page


def test_types_are_said_in_words() -> None:
    """An array of what, one of which words, or null."""
    page = render_docs(openapi(None))
    for words in (
        "array of Problem",
        "asked for or champion or newest",
        "string or null",
        "object of number",
    ):
        assert f">{words}</td>" in page, words
